#include "eval/perplexity.h"

#include <math.h>
#include <string.h>

#include "base/digest.h"
#include "format/text_stream.h"
#include "model/score.h"

// Documents' tokens until there are `limit`.
static ae_status read_tokens(const ae_model *m, ae_text_stream *stream, size_t limit, int32_t **ids,
                             size_t *n_ids) {
    const int32_t end = ae_tokenizer_end_of_text(m->tokenizer);
    size_t capacity = 0;
    while (*n_ids < limit) {
        const char *text;
        size_t length;
        AE_TRY(ae_text_stream_next(stream, &text, &length));
        if (!text) break;
        if (length == 0) continue;
        if (*n_ids > 0 && end >= 0) {
            AE_TRY(ae_grow((void **)ids, &capacity, *n_ids + 1, sizeof **ids));
            (*ids)[(*n_ids)++] = end;
        }
        AE_TRY(ae_tokenizer_encode(m->tokenizer, text, length, ids, n_ids, &capacity));
    }
    if (*n_ids > limit) *n_ids = limit;
    return AE_OK;
}

ae_status ae_perplexity_open(const ae_model *m, const char *path, int64_t max_tokens,
                             ae_perplexity_text *out) {
    if (max_tokens < 2)
        return ae_fail(AE_ERR_ARGUMENT, "perplexity over %lld tokens of '%s': at least 2 are needed",
                       (long long)max_tokens, path);
    ae_perplexity_text text = {0};
    ae_text_stream *stream = NULL;
    AE_TRY(ae_sha256_file(path, text.sha256));
    AE_TRY(ae_text_stream_open(&path, 1, &stream));
    ae_status status = read_tokens(m, stream, (size_t)max_tokens, &text.ids, &text.n_ids);
    ae_text_stream_close(stream);
    if (status == AE_OK && text.n_ids < 2)
        status = ae_fail(AE_ERR_ARGUMENT, "'%s' holds %zu tokens of text, perplexity needs at least 2", path,
                         text.n_ids);
    if (status != AE_OK) {
        ae_free(text.ids);
        return status;
    }
    *out = text;
    return AE_OK;
}

void ae_perplexity_close(ae_perplexity_text *text) {
    ae_free(text->ids);
    *text = (ae_perplexity_text){0};
}

ae_status ae_perplexity(ae_model *m, const ae_perplexity_text *text, double *out) {
    if (m->config.n_ctx < 2) return ae_fail(AE_ERR_ARGUMENT, "a context of one token predicts nothing");
    const size_t width = (size_t)m->config.n_ctx, n = (text->n_ids + width - 1) / width;
    ae_scored *windows = ae_alloc(n, sizeof *windows);
    double *nll = ae_alloc(n, sizeof *nll), sum = 0;
    ae_status status = windows && nll ? AE_OK : ae_no_memory();
    int32_t n_windows = 0;
    size_t n_tokens = 0;
    for (size_t at = 0; status == AE_OK && at + 1 < text->n_ids;
         at += width) { // a lone token predicts nothing
        const int32_t *ids = text->ids + at;
        const int32_t length = (int32_t)(text->n_ids - at < width ? text->n_ids - at : width);
        windows[n_windows++] = (ae_scored){.ids = ids, .n_ids = length, .n = length - 1, .targets = ids + 1};
        n_tokens += (size_t)length - 1;
    }
    if (status == AE_OK) status = ae_score_sequences(m, windows, n_windows, nll);
    for (int32_t i = 0; status == AE_OK && i < n_windows; i++)
        sum += nll[i] * windows[i].n;
    ae_free(windows);
    ae_free(nll);
    if (status != AE_OK) return status;
    *out = exp(sum / (double)n_tokens);
    return AE_OK;
}
