/* edit/templates.h: what the makers of context templates share. */
#ifndef AE_EDIT_TEMPLATES_H
#define AE_EDIT_TEMPLATES_H

#include "aedile/edit.h"
#include "base/error.h"

/* Sets templates->sha256 from text[0..count): call it once the texts are there. AE_ERR_ARGUMENT for a text
 * that has no
 * "{}" or is not UTF-8, and for an empty list. */
ae_status ae_templates_finish(ae_templates *templates);

/* Where the prompt goes: the last "{}" of a template's text; NULL: it has none. */
const char *ae_template_placeholder(const char *text);

#endif
