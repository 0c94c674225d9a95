/* cli/demo_story.h: the first part of `aedile demo`: one edit from before to after and back. */
#ifndef AE_CLI_DEMO_STORY_H
#define AE_CLI_DEMO_STORY_H

#include "cli/console.h"

/* Edits one fact of the demo model, shows what it changed and what it left alone, takes the edit back and
 * compares the weights with those before, bit for bit; *exact: they are the same. The journal goes to
 * `folder`, which must not exist. *document: the story's numbers (the caller's) where the console wants JSON;
 * else it is printed. */
ae_status ae_tell_story(ae_console *console, ae_model *model, const char *folder, json_t **document,
                        bool *exact);

#endif
