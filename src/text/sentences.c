#include "text/sentences.h"

#include <stdlib.h>
#include <string.h>

/* What the English model of NLTK (nltk_data, punkt_tab/english/abbrev_types.txt; trained by Jan Strunk on the
 * Wall Street Journal) takes for abbreviations, sorted. Others, "e.g" among them, end a sentence there. */
static const char *const abbreviations[] = {
    "a.a",  "a.c",   "a.d", "a.g",   "a.h",   "a.m",  "a.m.e", "a.s",    "a.t",     "adm",     "ala",
    "ariz", "aug",   "ave", "b.f",   "b.v",   "bros", "c",     "c.i.t",  "c.o.m.b", "c.v",     "calif",
    "chg",  "cie",   "co",  "col",   "colo",  "conn", "corp",  "cos",    "ct",      "d",       "d.c",
    "d.h",  "d.w",   "dec", "dr",    "e",     "e.f",  "e.h",   "e.l",    "e.m",     "f",       "f.g",
    "f.j",  "feb",   "fla", "fri",   "ft",    "g",    "g.d",   "g.f",    "g.k",     "ga",      "gen",
    "h",    "h.c",   "h.f", "h.m",   "i.m.s", "ill",  "inc",   "j.b",    "j.c",     "j.j",     "j.k",
    "j.p",  "j.r",   "jan", "jr",    "k",     "kan",  "ky",    "l",      "l.a",     "l.f",     "l.p",
    "lt",   "ltd",   "m",   "m.b.a", "m.d.c", "m.j",  "maj",   "messrs", "mg",      "mich",    "minn",
    "mr",   "mrs",   "ms",  "n",     "n.c",   "n.d",  "n.h",   "n.j",    "n.m",     "n.v",     "n.y",
    "nev",  "nov",   "oct", "ok",    "okla",  "ore",  "p",     "p.a.m",  "p.m",     "pa",      "ph.d",
    "prof", "r",     "r.a", "r.h",   "r.i",   "r.j",  "r.k",   "r.t",    "rep",     "reps",    "s",
    "s.a",  "s.a.y", "s.c", "s.g",   "s.p.a", "s.s",  "sen",   "sep",    "sept",    "sr",      "st",
    "sw",   "t",     "t.j", "tenn",  "tues",  "u.k",  "u.n",   "u.s",    "u.s.a",   "u.s.s.r", "v",
    "va",   "vs",    "vt",  "w",     "w.c",   "w.r",  "w.va",  "w.w",    "wash",    "wed",     "wis",
    "yr",
};

/* Words that are capitalised nearly only where a sentence begins, sorted: after an abbreviation they begin
 * one. */
static const char *const beginners[] = {
    "above",      "according", "afterwards",   "almost",      "along",       "already",    "although",
    "always",     "among",     "anyone",       "anything",    "became",      "become",     "being",
    "beneath",    "besides",   "between",      "both",        "but",         "critics",    "currently",
    "despite",    "does",      "earlier",      "early",       "either",      "even",       "eventually",
    "ever",       "finally",   "following",    "formerly",    "furthermore", "given",      "he",
    "hence",      "her",       "here",         "hers",        "herself",     "him",        "himself",
    "however",    "i",         "if",           "in",          "including",   "indeed",     "initially",
    "instead",    "into",      "it",           "least",       "many",        "meanwhile",  "moreover",
    "most",       "neither",   "nevertheless", "nonetheless", "nor",         "nothing",    "originally",
    "otherwise",  "overall",   "per",          "previously",  "recently",    "sales",      "same",
    "separately", "similarly", "since",        "so",          "some",        "someone",    "sometimes",
    "soon",       "still",     "such",         "the",         "them",        "themselves", "there",
    "therefore",  "these",     "they",         "this",        "though",      "through",    "throughout",
    "thus",       "together",  "towards",      "under",       "unlike",      "upon",       "us",
    "very",       "were",      "when",         "whenever",    "whereas",     "wherever",   "whether",
    "which",      "while",     "whom",         "within",      "without",     "yet",        "your",
};

/* Common words that titles capitalise, too, sorted: after an abbreviation they tell nothing, but an initial
 * is followed by a name. */
static const char *const title_words[] = {
    "a",       "about",     "across",  "after",  "again",    "against", "all",      "also",      "am",
    "an",      "and",       "another", "any",    "are",      "around",  "as",       "at",        "be",
    "because", "been",      "before",  "below",  "by",       "can",     "could",    "did",       "do",
    "due",     "during",    "each",    "every",  "everyone", "few",     "first",    "for",       "from",
    "further", "generally", "had",     "has",    "have",     "his",     "how",      "is",        "its",
    "itself",  "just",      "last",    "later",  "less",     "like",    "may",      "me",        "might",
    "more",    "much",      "must",    "my",     "near",     "nearly",  "never",    "new",       "next",
    "no",      "nobody",    "none",    "not",    "now",      "of",      "off",      "often",     "on",
    "once",    "one",       "only",    "or",     "other",    "others",  "our",      "out",       "over",
    "own",     "people",    "perhaps", "rather", "several",  "she",     "should",   "something", "than",
    "that",    "their",     "then",    "those",  "to",       "today",   "too",      "toward",    "two",
    "until",   "up",        "usually", "was",    "we",       "what",    "whatever", "where",     "who",
    "whose",   "why",       "will",    "with",   "would",    "you",
};

enum { LONGEST_LISTED = 15 };

static int compare_words(const void *a, const void *b) {
    return strcmp(a, *(const char *const *)b);
}

// Whether the word, in lower case, is in the sorted list.
static bool is_listed(const uint32_t *word, size_t n, const char *const *list, size_t count) {
    char lower[LONGEST_LISTED + 1];
    if (n > LONGEST_LISTED) return false;
    for (size_t i = 0; i < n; i++) {
        if (word[i] == 0 || word[i] >= 0x80) return false;
        lower[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + ('a' - 'A') : word[i]);
    }
    lower[n] = '\0';
    return bsearch(lower, list, count, sizeof *list, compare_words) != NULL;
}

#define IS_LISTED(word, n, list) is_listed(word, n, list, sizeof(list) / sizeof *(list))

// ---- tokens ----------------------------------------------------------------------------------------

static bool is_one_of(uint32_t code, const char *set) {
    return code > 0 && code < 0x80 && strchr(set, (int)code);
}

// Ends a word, and makes a period in front of it one that may end a sentence.
static bool is_no_word(uint32_t code) {
    return is_one_of(code, ")\";}]*:@'({[!?");
}

// Characters in the run of dots or hyphens at s, if there are two or more; else 0.
static size_t run_of_dots(const uint32_t *s, size_t n) {
    if (n < 2 || (s[0] != '.' && s[0] != '-')) return 0;
    size_t length = 1;
    while (length < n && s[length] == s[0])
        length++;
    return length >= 2 ? length : 0;
}

static bool word_ends(const uint32_t *s, size_t n) {
    return n == 0 || is_no_word(s[0]) || run_of_dots(s, n) > 0;
}

/* Length of the token at s[0..n), which holds no white space: a run of dots or hyphens; a word with the
 * periods in it and behind it, and commas within; or one other character. */
static size_t token_length(const uint32_t *s, size_t n) {
    size_t run = run_of_dots(s, n);
    if (run > 0) return run;
    if (is_one_of(s[0], "(\"`{[:;&#*@)}]-,")) return 1;
    for (size_t length = 1; length < n; length++) {
        if (word_ends(s + length, n - length)) return length;
        if (s[length] == ',' && word_ends(s + length + 1, n - length - 1)) return length;
    }
    return n;
}

typedef struct token {
    const uint32_t *s;
    size_t n;
    bool is_ellipsis, is_abbreviation;
    bool ends; // a sentence, from the token alone
} token;

static token token_at(const uint32_t *s, size_t n) {
    token t = {.s = s, .n = token_length(s, n)};
    uint32_t last = t.s[t.n - 1];
    if (t.n == 1) {
        t.ends = is_one_of(last, ".?!");
    } else if (last == '.' && t.s[0] == '.' && t.s[1] == '.') {
        t.is_ellipsis = true;
    } else if (last == '.') {
        size_t part = t.n - 1; // where what follows the last hyphen begins
        while (part > 0 && t.s[part - 1] != '-')
            part--;
        t.is_abbreviation =
            IS_LISTED(t.s, t.n - 1, abbreviations) || IS_LISTED(t.s + part, t.n - 1 - part, abbreviations);
        t.ends = !t.is_abbreviation;
    }
    return t;
}

static bool is_initial(const token *t) { // "J."
    return t->n == 2 && ae_char_is_word(t->s[0]) && !ae_char_is_decimal(t->s[0]) && t->s[1] == '.';
}

static bool is_number(const token *t) { // "1,250." or "-.5"
    size_t i = t->s[0] == '-';
    if (i < t->n && (t->s[i] == '.' || t->s[i] == ',')) i++;
    if (i == t->n || !ae_char_is_decimal(t->s[i])) return false;
    for (; i < t->n; i++)
        if (!ae_char_is_decimal(t->s[i]) && !is_one_of(t->s[i], ",.-")) return false;
    return true;
}

// Whether a sentence ends behind the token, given the one that follows.
static bool ends_before(const token *t, const token *next) {
    if (t->s[t->n - 1] != '.') return t->ends;
    bool capital = ae_char_is_upper(next->s[0]);
    size_t n = next->n - (next->n > 1 && next->ends); // without the period
    bool begins = capital && IS_LISTED(next->s, n, beginners);
    bool initial = is_initial(t);
    if ((t->is_abbreviation || t->is_ellipsis) && !initial && begins) return true;
    if (initial || is_number(t)) {
        if (ae_char_is_lower(next->s[0]) || (next->n == 1 && is_one_of(next->s[0], ";:,.!?"))) return false;
        if (initial && capital && !begins && !IS_LISTED(next->s, n, title_words)) return false;
    }
    return t->ends;
}

// ---- sentences -------------------------------------------------------------------------------------

typedef struct span {
    const uint32_t *s;
    size_t n;
} span;

/* Whether a sentence ends within the two runs of characters, either of which may be empty: at any of their
 * tokens but the last. */
static bool contains_end(const span runs[2]) {
    token last = {0};
    for (int i = 0; i < 2; i++)
        for (size_t at = 0; at < runs[i].n; at += last.n) {
            token t = token_at(runs[i].s + at, runs[i].n - at);
            if (last.n > 0 && ends_before(&last, &t)) return true;
            last = t;
        }
    return false;
}

typedef struct sentences {
    ae_sentence *items;
    size_t count, capacity;
} sentences;

static ae_status add(sentences *list, size_t begin, size_t end) {
    AE_TRY(ae_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items));
    list->items[list->count++] = (ae_sentence){begin, end};
    return AE_OK;
}

static size_t skip_space(const ae_chars *text, size_t at) {
    while (at < text->n && ae_char_is_space(text->code[at]))
        at++;
    return at;
}

static size_t skip_visible(const ae_chars *text, size_t at) {
    while (at < text->n && !ae_char_is_space(text->code[at]))
        at++;
    return at;
}

/* One candidate in each run of visible characters: the last of its . ? ! that stands at the run's end, with
 * another run behind it, or in front of a character that belongs to no word. */
static ae_status find_ends(const ae_chars *text, sentences *list) {
    const uint32_t *s = text->code;
    size_t sentence = 0, begin = skip_space(text, 0), end = begin;
    while (begin < text->n) {
        end = skip_visible(text, begin);
        size_t next = skip_space(text, end), next_end = skip_visible(text, next);
        size_t at = end; // one behind the candidate
        while (at > begin &&
               !(is_one_of(s[at - 1], ".?!") && (at < end ? is_no_word(s[at]) : next < text->n)))
            at--;
        if (at == end) {
            const span runs[2] = {{s + begin, end - begin}, {s + next, next_end - next}};
            if (contains_end(runs)) {
                AE_TRY(add(list, sentence, at));
                sentence = next;
            }
        } else if (at > begin) {
            const span runs[2] = {{s + begin, at + 1 - begin}, {0}};
            if (contains_end(runs)) {
                AE_TRY(add(list, sentence, at));
                sentence = at;
            }
        }
        begin = next;
    }
    return end > sentence ? add(list, sentence, end) : AE_OK;
}

// Closing quotes and brackets at the beginning of a sentence belong to the one before it.
static void move_closers(const ae_chars *text, sentences *list) {
    size_t kept = 0, moved = 0;
    for (size_t i = 0; i < list->count; i++) {
        ae_sentence sentence = list->items[i];
        sentence.begin += moved;
        moved = 0;
        if (i + 1 < list->count) {
            ae_sentence next = list->items[i + 1];
            size_t at = next.begin;
            while (at < next.end && is_one_of(text->code[at], "\"')]}"))
                at++;
            bool dashes = at + 1 < next.end && text->code[at] == '-' && text->code[at + 1] == '-';
            if (at > next.begin && (at == next.end || dashes || ae_char_is_space(text->code[at]))) {
                sentence.end = at;
                while (at < next.end && ae_char_is_space(text->code[at]))
                    at++;
                moved = at - next.begin;
            }
        }
        if (sentence.begin < sentence.end) list->items[kept++] = sentence;
    }
    list->count = kept;
}

ae_status ae_sentences_split(const ae_chars *text, ae_sentence **out, size_t *count) {
    sentences list = {0};
    ae_status status = find_ends(text, &list);
    if (status != AE_OK) {
        ae_free(list.items);
        return status;
    }
    move_closers(text, &list);
    *out = list.items;
    *count = list.count;
    return AE_OK;
}
