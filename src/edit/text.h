/* edit/text.h: a request as tokens: substitution, the lookup index, the target (docs/model.md, "Texts"). */
#ifndef AE_EDIT_TEXT_H
#define AE_EDIT_TEXT_H

#include "aedile/edit.h"
#include "base/memory.h"
#include "text/tokenizer.h"

typedef struct ae_edit_text {
    char *text;   // template(prompt)(subject), without the target
    int32_t *ids; // its tokens
    int32_t n_ids;
    int32_t lookup; // index into ids at which the fact is looked up
} ae_edit_text;

/* Substitutes the request's prompt for the template's placeholder (its last "{}"), then the subject for the
 * prompt's, by position; tokenises, finds the lookup index. For subject_last, a token at the index that does
 * not end where the subject ends is a warning naming both strings, with `strict` AE_ERR_ARGUMENT. Memory from
 * `arena`. */
ae_status ae_edit_text_build(const ae_tokenizer *tokenizer, const char *template_text,
                             const ae_request *request, ae_fact_token fact_token, bool strict,
                             const ae_hooks *hooks, ae_arena *arena, ae_edit_text *out);

/* Ids of the new target, with one leading space added where it has none. */
ae_status ae_edit_target_ids(const ae_tokenizer *tokenizer, const char *target, ae_arena *arena,
                             int32_t **ids, int32_t *n_ids);

/* Warns where text + target tokenised as a whole differs from the ids of the two put together (a merge
 * crosses the joint, or a token cuts a character): the reference would see other ids. */
ae_status ae_edit_check_joint(const ae_tokenizer *tokenizer, const ae_edit_text *text,
                              const int32_t *target_ids, int32_t n_target, const ae_hooks *hooks);

#endif
