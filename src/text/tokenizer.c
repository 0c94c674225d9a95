#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/pretokenize.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

enum { N_PASSES = 2 }; // added tokens that are not normalized, then those that are, as in Hugging Face's

struct ae_tokenizer {
    ae_bpe *bpe;
    unsigned char *classes;
    int32_t n_vocab;
    int32_t end_of_text;
    ae_added_tokens added; // by pass, then first byte, then length, the longest first, then text
    size_t first[N_PASSES]
                [257]; // added tokens of a pass that begin with byte b: first[pass][b] to first[pass][b + 1]
};

typedef struct id_list {
    int32_t **ids;
    size_t *n, *capacity;
} id_list;

static unsigned char first_byte(const ae_added_token *token) {
    return (unsigned char)token->text[0];
}

static int compare_added(const void *a, const void *b) {
    const ae_added_token *x = a, *y = b;
    if (x->normalized != y->normalized) return x->normalized ? 1 : -1;
    if (first_byte(x) != first_byte(y)) return first_byte(x) < first_byte(y) ? -1 : 1;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return memcmp(x->text, y->text, x->length);
}

static void index_added(ae_tokenizer *tokenizer) {
    ae_added_tokens *added = &tokenizer->added;
    if (added->n > 0) qsort(added->items, added->n, sizeof *added->items, compare_added);
    size_t at = 0;
    for (int pass = 0; pass < N_PASSES; pass++) {
        for (int byte = 0; byte < 256; byte++) {
            tokenizer->first[pass][byte] = at;
            while (at < added->n && added->items[at].normalized == (pass == 1) &&
                   first_byte(&added->items[at]) == byte)
                at++;
        }
        tokenizer->first[pass][256] = at;
    }
    for (size_t i = added->n; i-- > 0;) {
        ae_added_token *token = &added->items[i], *next = token + 1;
        const bool alike = i + 1 < added->n && next->normalized == token->normalized &&
                           first_byte(next) == first_byte(token) && next->length == token->length;
        token->shorter = alike ? next->shorter : i + 1;
    }
}

ae_status ae_tokenizer_open(const char *folder, int32_t n_vocab, ae_tokenizer **out) {
    if (n_vocab < 1) return ae_fail(AE_ERR_ARGUMENT, "a vocabulary of %d tokens was asked for", n_vocab);
    ae_tokenizer *tokenizer = ae_alloc(1, sizeof *tokenizer);
    if (!tokenizer) return ae_no_memory();
    tokenizer->n_vocab = n_vocab;
    tokenizer->end_of_text = -1;
    ae_status status = ae_tokenizer_load(folder, n_vocab, &tokenizer->bpe, &tokenizer->added);
    if (status == AE_OK) {
        tokenizer->classes = ae_char_classes_new();
        if (!tokenizer->classes) status = ae_no_memory();
    }
    if (status != AE_OK) {
        ae_tokenizer_free(tokenizer);
        return status;
    }
    index_added(tokenizer);
    for (size_t i = 0; i < tokenizer->added.n; i++)
        if (strcmp(tokenizer->added.items[i].text, "<|endoftext|>") == 0)
            tokenizer->end_of_text = tokenizer->added.items[i].id;
    *out = tokenizer;
    return AE_OK;
}

void ae_tokenizer_free(ae_tokenizer *tokenizer) {
    if (!tokenizer) return;
    ae_bpe_free(tokenizer->bpe);
    ae_free(tokenizer->classes);
    ae_added_tokens_free(&tokenizer->added);
    ae_free(tokenizer);
}

static ae_status encode_pieces(const ae_tokenizer *tokenizer, const unsigned char *s, size_t n,
                               id_list list) {
    while (n > 0) {
        size_t length = ae_piece_length(tokenizer->classes, s, n);
        AE_TRY(ae_bpe_encode(tokenizer->bpe, s, length, list.ids, list.n, list.capacity));
        s += length;
        n -= length;
    }
    return AE_OK;
}

// The one of items[begin..end), all of one length, that is s[0..length).
static const ae_added_token *find_text(const ae_added_token *items, size_t begin, size_t end,
                                       const unsigned char *s) {
    while (begin < end) {
        const size_t middle = begin + (end - begin) / 2;
        const int order = memcmp(items[middle].text, s, items[middle].length);
        if (order == 0) return &items[middle];
        if (order < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

// The longest added token of this pass at the beginning of s[0..n).
static const ae_added_token *added_at(const ae_tokenizer *tokenizer, int pass, const unsigned char *s,
                                      size_t n) {
    const ae_added_token *items = tokenizer->added.items, *found = NULL;
    const size_t end = tokenizer->first[pass][s[0] + 1];
    for (size_t i = tokenizer->first[pass][s[0]]; i < end && !found; i = items[i].shorter)
        if (items[i].length <= n) found = find_text(items, i, items[i].shorter, s);
    return found;
}

static ae_status encode_pass(const ae_tokenizer *tokenizer, int pass, const unsigned char *s, size_t n,
                             id_list list) {
    if (pass == N_PASSES) return encode_pieces(tokenizer, s, n, list);
    size_t done = 0;
    for (size_t at = 0; at < n;) {
        const ae_added_token *token = added_at(tokenizer, pass, s + at, n - at);
        if (!token) {
            at++;
            continue;
        }
        AE_TRY(encode_pass(tokenizer, pass + 1, s + done, at - done, list));
        AE_TRY(ae_grow((void **)list.ids, list.capacity, *list.n + 1, sizeof **list.ids));
        (*list.ids)[(*list.n)++] = token->id;
        at += token->length;
        done = at;
    }
    return encode_pass(tokenizer, pass + 1, s + done, n - done, list);
}

ae_status ae_tokenizer_encode(const ae_tokenizer *tokenizer, const char *text, size_t length, int32_t **ids,
                              size_t *n_ids, size_t *capacity) {
    size_t before = *n_ids;
    ae_status status =
        encode_pass(tokenizer, 0, (const unsigned char *)text, length, (id_list){ids, n_ids, capacity});
    if (status != AE_OK) *n_ids = before;
    return status;
}

const char *ae_tokenizer_bytes(const ae_tokenizer *tokenizer, int32_t id, size_t *length) {
    const char *bytes = ae_bpe_bytes(tokenizer->bpe, id, length);
    return bytes ? bytes : "";
}

ae_status ae_tokenizer_decode(const ae_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, char **text,
                              size_t *length) {
    ae_text bytes = {0};
    ae_status status = ae_text_append(&bytes, "", 0);
    for (size_t i = 0; status == AE_OK && i < n_ids; i++) {
        size_t token_length;
        const char *token = ae_bpe_bytes(tokenizer->bpe, ids[i], &token_length);
        if (token)
            status = ae_text_append(&bytes, token, token_length);
        else if (ids[i] >= 0 && ids[i] < tokenizer->n_vocab)
            status = ae_text_append(&bytes, "\xEF\xBF\xBD", 3);
        else
            status = ae_fail(AE_ERR_ARGUMENT, "token %d of %zu has id %d, ids are 0 to %d", (int)i + 1, n_ids,
                             ids[i], tokenizer->n_vocab - 1);
    }
    if (status == AE_OK) status = ae_utf8_replace(bytes.data, bytes.length, text, length);
    ae_free(bytes.data);
    return status;
}

int32_t ae_tokenizer_end_of_text(const ae_tokenizer *tokenizer) {
    return tokenizer->end_of_text;
}
