/* eval/perplexity.h: how well the model still predicts running text. */
#ifndef AE_EVAL_PERPLEXITY_H
#define AE_EVAL_PERPLEXITY_H

#include "model/model.h"

typedef struct ae_perplexity_text {
    int32_t *ids; // tokens, documents joined by the end-of-text token
    size_t n_ids;
    char sha256[65]; // of the file
} ae_perplexity_text;

/* Tokens of a text file (format/text_stream.h: plain, a document a line; .jsonl; .gz, .zst), the first
 * `max_tokens`. Empty documents are passed over. AE_ERR_ARGUMENT where there are fewer than two tokens. */
ae_status ae_perplexity_open(const ae_model *model, const char *path, int64_t max_tokens,
                             ae_perplexity_text *out);
void ae_perplexity_close(ae_perplexity_text *text); // zeroed by this

/* exp of the mean negative log-probability of every token but the first of each window; windows of n_ctx
 * tokens that do not overlap, several a pass. Infinite where that is beyond a double's range; AE_ERR_NUMERIC
 * if a log-probability is not finite. */
ae_status ae_perplexity(ae_model *model, const ae_perplexity_text *text, double *out);

#endif
