#include "text/words.h"

#include <string.h>

#include "text/sentences.h"
#include "text/treebank.h"

// A sentence's characters with the marks of its cuts, as words of `out`, whose block has room.
static ae_status add_words(const char *text, const ae_chars *chars, ae_sentence sentence, const bool *cut,
                           const bool *open_quote, ae_words *out, size_t *capacity, char **end) {
    for (size_t i = sentence.begin, next; i < sentence.end; i = next) {
        next = i + 1;
        if (ae_char_is_space(chars->code[i])) continue;
        while (next < sentence.end && !cut[next - sentence.begin] && !ae_char_is_space(chars->code[next]))
            next++;
        const char *word = text + chars->at[i];
        size_t length = chars->at[next] - chars->at[i];
        if (open_quote[i - sentence.begin]) {
            word = "``";
            length = 2;
        } else if (chars->code[i] == '"') {
            word = "''";
            length = 2;
        }
        AE_TRY(ae_grow((void **)&out->items, capacity, out->count + 1, sizeof *out->items));
        out->items[out->count++] = *end;
        memcpy(*end, word, length);
        (*end)[length] = '\0';
        *end += length + 1;
    }
    return AE_OK;
}

static ae_status add_sentences(const char *text, const ae_chars *chars, const ae_sentence *sentences,
                               size_t count, ae_words *out) {
    // A word has at most one byte more than its characters (" becomes ``), and a NUL.
    size_t longest = 0, capacity = 0;
    for (size_t i = 0; i < count; i++)
        if (sentences[i].end - sentences[i].begin > longest) longest = sentences[i].end - sentences[i].begin;
    out->block = ae_alloc(chars->at[chars->n] + 1, 3);
    bool *marks = out->block ? ae_alloc(longest + 1, 2 * sizeof *marks) : NULL;
    if (!marks) return ae_no_memory();
    ae_status status = AE_OK;
    char *end = out->block;
    for (size_t i = 0; status == AE_OK && i < count; i++) {
        size_t n = sentences[i].end - sentences[i].begin;
        bool *cut = marks, *open_quote = marks + n + 1;
        memset(marks, 0, 2 * (n + 1) * sizeof *marks);
        ae_treebank_cut(chars->code + sentences[i].begin, n, cut, open_quote);
        status = add_words(text, chars, sentences[i], cut, open_quote, out, &capacity, &end);
    }
    ae_free(marks);
    return status;
}

ae_status ae_words_split(const char *text, size_t length, ae_words *out) {
    ae_chars chars = {0};
    ae_sentence *sentences = NULL;
    size_t count = 0;
    ae_words words = {0};
    ae_status status = ae_chars_decode(text, length, &chars);
    if (status == AE_OK) status = ae_sentences_split(&chars, &sentences, &count);
    if (status == AE_OK) status = add_sentences(text, &chars, sentences, count, &words);
    ae_free(sentences);
    ae_chars_free(&chars);
    if (status != AE_OK) {
        ae_words_free(&words);
        return status;
    }
    *out = words;
    return AE_OK;
}

void ae_words_free(ae_words *words) {
    ae_free(words->items);
    ae_free(words->block);
    *words = (ae_words){0};
}
