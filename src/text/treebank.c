#include "text/treebank.h"

#include <string.h>

#include "text/chars.h"

typedef struct sentence {
    const uint32_t *s;
    size_t n;
    bool *cut, *open;
    bool spaces_alike; // from the closing quotes on, a line's end is a space like any other
} sentence;

static bool is_one_of(uint32_t code, const char *set) {
    return code > 0 && code < 0x80 && strchr(set, (int)code);
}

static void isolate(sentence *t, size_t begin, size_t end) {
    t->cut[begin] = t->cut[end] = true;
}

static bool is_space(const sentence *t, size_t i) {
    return t->s[i] == ' ' || (t->spaces_alike && ae_char_is_space(t->s[i]));
}

static bool space_before(const sentence *t, size_t i) {
    return t->cut[i] || (i > 0 && is_space(t, i - 1));
}

static bool space_after(const sentence *t, size_t i) {
    return t->cut[i + 1] || (i + 1 < t->n && is_space(t, i + 1));
}

static bool is_apostrophe(const sentence *t, size_t i) {
    return t->s[i] == '\'' && !t->open[i] && !(i > 0 && t->open[i - 1] && t->s[i - 1] == '\'');
}

// Whether the sentence goes on at i with `text` (lower case), uncut within.
static bool matches(const sentence *t, size_t i, const char *text, bool any_case) {
    for (size_t k = 0; text[k]; k++) {
        if (i + k >= t->n || (k > 0 && t->cut[i + k])) return false;
        uint32_t code = t->s[i + k];
        if (any_case && code >= 'A' && code <= 'Z') code += 'a' - 'A';
        if (code != (uint32_t)text[k]) return false;
    }
    return true;
}

// Whether the word that ends in front of i, or begins there, is bounded there.
static bool no_word_before(const sentence *t, size_t i) {
    return i == 0 || t->cut[i] || !ae_char_is_word(t->s[i - 1]);
}

static bool no_word_at(const sentence *t, size_t i) {
    return i >= t->n || t->cut[i] || !ae_char_is_word(t->s[i]);
}

// ---- opening quotes --------------------------------------------------------------------------------

static void cut_opening_quotes(sentence *t) {
    for (size_t i = 0; i < t->n; i++) {
        uint32_t c = t->s[i];
        if (c == 0xAB || c == 0x201C || c == 0x2018 || c == 0x201E) isolate(t, i, i + 1); // « “ ‘ „
        if (c == '`') {                                                                   // in pairs
            size_t pair = i + 1 < t->n && t->s[i + 1] == '`';
            isolate(t, i, i + pair + 1);
            i += pair;
        }
    }
    if (t->n > 0 && t->s[0] == '"') {
        t->open[0] = true;
        isolate(t, 0, 1);
    }
    for (size_t i = 0, end = 0; i < t->n; i++) {
        size_t length = t->s[i] == '"' ? 1 : matches(t, i, "''", false) ? 2 : 0;
        if (length == 0 || t->open[i]) continue;
        bool behind_open = i > 0 && i == end; // the space there is this rule's own
        if (behind_open || !(space_before(t, i) || (i > 0 && is_one_of(t->s[i - 1], "([{<")))) continue;
        t->open[i] = true;
        end = i + length;
        isolate(t, i, end);
        i = end - 1;
    }
    for (size_t i = 0; i + 1 < t->n; i++) // 'a but not 's, 't, 'm, 'd, 'n
        if (is_apostrophe(t, i) && !t->cut[i + 1] && ae_char_is_word(t->s[i + 1]) &&
            !is_one_of(t->s[i + 1], "mtsdnMTSDN") && no_word_at(t, i + 2))
            t->cut[i + 1] = true;
}

// ---- punctuation -----------------------------------------------------------------------------------

// The period that ends the sentence; quotes and brackets may follow it.
static void cut_final_period(sentence *t) {
    size_t i = t->n;
    while (i > 0) {
        uint32_t c = t->s[i - 1];
        bool closes = c == 0xBB || c == 0x201D || c == 0x2019 || // » ” ’
                      is_one_of(c, "])}> ") || (c == '"' && !t->open[i - 1]) || is_apostrophe(t, i - 1);
        if (!closes) break;
        i--;
    }
    if (i < 2 || t->s[i - 1] != '.' || t->s[i - 2] == '.') return;
    isolate(t, i - 1, i);
    t->cut[t->n] = true;
}

// Not before a digit: 10:30, 1,250.
static void cut_commas(sentence *t) {
    for (size_t i = 0; i < t->n; i++) {
        if (!is_one_of(t->s[i], ":,")) continue;
        bool last = i + 1 == t->n;
        if (!last && !t->cut[i + 1] && ae_char_is_decimal(t->s[i + 1])) continue;
        bool takes_next = !last && !t->cut[i + 1];
        isolate(t, i, i + 1);
        // The rule is for a comma and the character behind it: a comma behind a comma is only that, but the
        // last character of a sentence is cut off in any case.
        if (takes_next && i + 2 < t->n) i++;
    }
}

static void isolate_each(sentence *t, const char *set) {
    for (size_t i = 0; i < t->n; i++)
        if (is_one_of(t->s[i], set)) isolate(t, i, i + 1);
}

static void isolate_dots(sentence *t) {
    for (size_t i = 0; i < t->n; i++) {
        size_t end = i;
        while (end < t->n && t->s[end] == '.')
            end++;
        if (end < i + 2) continue;
        isolate(t, i, end);
        i = end - 1;
    }
}

static void cut_apostrophes(sentence *t) {
    for (size_t i = 1; i < t->n; i++)
        if (is_apostrophe(t, i) && space_after(t, i) && (t->cut[i] || !is_apostrophe(t, i - 1)))
            t->cut[i] = true;
}

static void isolate_pairs(sentence *t, const char *pair) {
    for (size_t i = 0; i + 1 < t->n; i++)
        if (!t->open[i] && matches(t, i, pair, false)) {
            isolate(t, i, i + 2);
            i++;
        }
}

// ---- closing quotes, contractions ------------------------------------------------------------------

static void cut_closing_quotes(sentence *t) {
    for (size_t i = 0; i < t->n; i++) {
        uint32_t c = t->s[i];
        if (c == 0xBB || c == 0x201D || c == 0x2019 || (c == '"' && !t->open[i])) isolate(t, i, i + 1);
    }
    isolate_pairs(t, "''");
}

// Cuts in front of a word's ending of `length` characters at i, if the word ends with it.
static void cut_ending(sentence *t, size_t i, size_t length) {
    if (i > 0 && !space_before(t, i) && t->s[i - 1] != '\'' && space_after(t, i + length - 1))
        t->cut[i] = true;
}

static void cut_endings(sentence *t) {
    for (size_t i = 0; i < t->n; i++)
        if (is_apostrophe(t, i)) {
            cut_ending(t, i, 1);
            if (i + 1 < t->n && !t->cut[i + 1] && is_one_of(t->s[i + 1], "smdSMD")) cut_ending(t, i, 2);
        }
    static const char *const endings[] = {"'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T"};
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < sizeof endings / sizeof *endings; k++)
            if (matches(t, i, endings[k], false)) cut_ending(t, i, 3);
}

static void cut_contractions(sentence *t) {
    static const struct {
        const char *whole;
        size_t first;
    } words[] = {{"cannot", 3}, {"d'ye", 1},  {"gimme", 3},  {"gonna", 3},
                 {"gotta", 3},  {"lemme", 3}, {"more'n", 4}, {"wanna", 3}};
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            size_t end = i + strlen(words[k].whole);
            if (!matches(t, i, words[k].whole, true) || !no_word_before(t, i) || !no_word_at(t, end))
                continue;
            if (words[k].whole[0] == 'w' && !space_after(t, end - 1)) continue;
            isolate(t, i, i + words[k].first);
            t->cut[end] = true;
        }
}

// 't is, 't was: `word`. From the end, so that the space behind one is not seen by the next.
static void cut_it(sentence *t, const char *word) {
    size_t length = strlen(word);
    for (size_t i = t->n; i-- > 0;)
        if (matches(t, i, word, true) && space_before(t, i) && no_word_at(t, i + length)) {
            isolate(t, i, i + 2);
            t->cut[i + length] = true;
        }
}

void ae_treebank_cut(const uint32_t *s, size_t n, bool *cut, bool *open_quote) {
    sentence t = {.s = s, .n = n, .cut = cut, .open = open_quote};
    cut_opening_quotes(&t);
    cut_final_period(&t);
    cut_commas(&t);
    isolate_dots(&t);
    isolate_each(&t, ";@#$%&?!");
    cut_apostrophes(&t);
    isolate_each(&t, "*][(){}<>");
    isolate_pairs(&t, "--");
    isolate(&t, 0, n);
    cut_closing_quotes(&t);
    t.spaces_alike = true;
    cut_endings(&t);
    cut_contractions(&t);
    cut_it(&t, "'tis");
    cut_it(&t, "'twas");
}
