#include "text/bpe.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"

enum { NAMELESS = -1, SHORT_PIECE = 48 };
#define NO_RANK UINT32_MAX

typedef struct token {
    uint32_t start; // in bpe->bytes
    int32_t length; // NAMELESS where no file names the id
} token;

typedef struct name_slot {
    uint32_t hash;
    int32_t id; // -1: free
} name_slot;

typedef struct merge_slot {
    int32_t left, right; // left -1: free
    uint32_t rank;
    int32_t result;
} merge_slot;

/* Whether a token's own bytes are merged into just that token, which holds for nearly all, so that a piece
 * that is a token needs no merging. Found out when the token is first met; threads that do so at once find
 * the same. */
enum { UNKNOWN, WHOLE, SPLITS };

struct ae_bpe {
    token *tokens; // [n_ids]
    int32_t n_ids;
    char *bytes;
    size_t n_bytes, bytes_capacity;
    name_slot *names; // open addressing, at most half full
    size_t n_names, names_mask;
    merge_slot *merges; // open addressing, at most half full
    size_t n_merges, merges_mask;
    int32_t byte_ids[256];
    _Atomic unsigned char *wholeness; // [n_ids]
    // Of the hashes, drawn at random: nobody can write a vocabulary whose tokens all collide. Ids do not
    // depend on it.
    uint64_t key;
};

/* ---- hashes ----------------------------------------------------------------------------------------- */

static inline uint64_t load64(const unsigned char *s) {
    uint64_t value;
    memcpy(&value, s, 8);
    return value;
}

static inline uint64_t load32(const unsigned char *s) {
    uint32_t value;
    memcpy(&value, s, 4);
    return value;
}

// A bijection with good high and low bits (the finalizer of splitmix64, Vigna 2015, public domain).
static inline uint64_t scramble(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

// Reads eight bytes at a time, the last eight overlapping those before: nearly all pieces take one or two
// steps.
static inline uint64_t hash_bytes(const ae_bpe *bpe, const unsigned char *s, size_t length) {
    uint64_t hash = bpe->key ^ length;
    if (length >= 8) {
        for (size_t at = 0; at + 8 < length; at += 8)
            hash = scramble(hash ^ load64(s + at));
        return scramble(hash ^ load64(s + length - 8));
    }
    if (length >= 4) return scramble(hash ^ load32(s) ^ load32(s + length - 4) << 32);
    if (length > 0)
        hash ^= (uint64_t)s[0] << 8 | (uint64_t)s[length / 2] << 16 | (uint64_t)s[length - 1] << 24;
    return scramble(hash);
}

static inline size_t merge_home(const ae_bpe *bpe, int32_t left, int32_t right) {
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return (size_t)scramble(pair ^ bpe->key) & bpe->merges_mask;
}

static inline const merge_slot *find_merge(const ae_bpe *bpe, int32_t left, int32_t right) {
    size_t at = merge_home(bpe, left, right);
    for (; bpe->merges[at].left >= 0; at = (at + 1) & bpe->merges_mask)
        if (bpe->merges[at].left == left && bpe->merges[at].right == right) return &bpe->merges[at];
    return NULL;
}

static inline int32_t find_name(const ae_bpe *bpe, const unsigned char *s, size_t length) {
    uint64_t hash = hash_bytes(bpe, s, length);
    for (size_t at = hash & bpe->names_mask; bpe->names[at].id >= 0; at = (at + 1) & bpe->names_mask) {
        if (bpe->names[at].hash != (uint32_t)(hash >> 32)) continue;
        const token *found = &bpe->tokens[bpe->names[at].id];
        if ((size_t)found->length == length && memcmp(bpe->bytes + found->start, s, length) == 0)
            return bpe->names[at].id;
    }
    return -1;
}

/* ---- building --------------------------------------------------------------------------------------- */

static name_slot *new_names(size_t size) {
    name_slot *slots = ae_alloc(size, sizeof *slots);
    for (size_t i = 0; slots && i < size; i++)
        slots[i].id = -1;
    return slots;
}

static merge_slot *new_merges(size_t size) {
    merge_slot *slots = ae_alloc(size, sizeof *slots);
    for (size_t i = 0; slots && i < size; i++)
        slots[i].left = -1;
    return slots;
}

ae_status ae_bpe_new(int32_t n_ids, ae_bpe **out) {
    ae_bpe *bpe = ae_alloc(1, sizeof *bpe);
    if (!bpe) return ae_no_memory();
    enum { FIRST_SIZE = 1024 };
    bpe->n_ids = n_ids;
    if (getrandom(&bpe->key, sizeof bpe->key, GRND_NONBLOCK) != sizeof bpe->key)
        bpe->key = (uintptr_t)bpe; // differs from process to process, too
    bpe->tokens = ae_alloc((size_t)n_ids, sizeof *bpe->tokens);
    bpe->wholeness = ae_alloc((size_t)n_ids, sizeof *bpe->wholeness);
    bpe->names = new_names(FIRST_SIZE);
    bpe->merges = new_merges(FIRST_SIZE);
    bpe->names_mask = bpe->merges_mask = FIRST_SIZE - 1;
    if (!bpe->tokens || !bpe->wholeness || !bpe->names || !bpe->merges) {
        ae_bpe_free(bpe);
        return ae_no_memory();
    }
    for (int32_t id = 0; id < n_ids; id++)
        bpe->tokens[id].length = NAMELESS;
    *out = bpe;
    return AE_OK;
}

void ae_bpe_free(ae_bpe *bpe) {
    if (!bpe) return;
    ae_free(bpe->tokens);
    ae_free((void *)bpe->wholeness);
    ae_free(bpe->names);
    ae_free(bpe->merges);
    ae_free(bpe->bytes);
    ae_free(bpe);
}

static void put_name(name_slot *slots, size_t mask, uint64_t hash, int32_t id) {
    size_t at = hash & mask;
    while (slots[at].id >= 0)
        at = (at + 1) & mask;
    slots[at] = (name_slot){(uint32_t)(hash >> 32), id};
}

static ae_status grow_names(ae_bpe *bpe) {
    size_t size = (bpe->names_mask + 1) * 2;
    name_slot *bigger = new_names(size);
    if (!bigger) return ae_no_memory();
    for (size_t i = 0; i <= bpe->names_mask; i++) {
        int32_t id = bpe->names[i].id;
        if (id < 0) continue;
        const token *named = &bpe->tokens[id];
        put_name(bigger, size - 1,
                 hash_bytes(bpe, (unsigned char *)bpe->bytes + named->start, (size_t)named->length), id);
    }
    ae_free(bpe->names);
    bpe->names = bigger;
    bpe->names_mask = size - 1;
    return AE_OK;
}

ae_status ae_bpe_add_token(ae_bpe *bpe, int32_t id, const char *bytes, size_t length, bool merged) {
    const unsigned char *s = (const unsigned char *)bytes;
    if (length > INT32_MAX || bpe->n_bytes + length > UINT32_MAX)
        return ae_fail(AE_ERR_UNSUPPORTED, "the vocabulary is larger than 4 GB");
    // One more, so that a vocabulary that begins with an empty token has a place for it, too.
    AE_TRY(ae_grow((void **)&bpe->bytes, &bpe->bytes_capacity, bpe->n_bytes + length + 1, 1));
    if (merged) {
        if (bpe->n_names * 2 >= bpe->names_mask) AE_TRY(grow_names(bpe));
        put_name(bpe->names, bpe->names_mask, hash_bytes(bpe, s, length), id);
        bpe->n_names++;
    }
    memcpy(bpe->bytes + bpe->n_bytes, bytes, length);
    bpe->tokens[id] = (token){(uint32_t)bpe->n_bytes, (int32_t)length};
    bpe->n_bytes += length;
    return AE_OK;
}

int32_t ae_bpe_find(const ae_bpe *bpe, const char *bytes, size_t length) {
    return find_name(bpe, (const unsigned char *)bytes, length);
}

static void put_merge(ae_bpe *bpe, merge_slot merge) {
    size_t at = merge_home(bpe, merge.left, merge.right);
    while (bpe->merges[at].left >= 0)
        at = (at + 1) & bpe->merges_mask;
    bpe->merges[at] = merge;
}

static ae_status grow_merges(ae_bpe *bpe) {
    size_t old_size = bpe->merges_mask + 1;
    merge_slot *old = bpe->merges, *bigger = new_merges(old_size * 2);
    if (!bigger) return ae_no_memory();
    bpe->merges = bigger;
    bpe->merges_mask = old_size * 2 - 1;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].left >= 0) put_merge(bpe, old[i]);
    ae_free(old);
    return AE_OK;
}

ae_status ae_bpe_add_merge(ae_bpe *bpe, int32_t left, int32_t right, int32_t result, bool *fresh) {
    *fresh = !find_merge(bpe, left, right);
    if (!*fresh) return AE_OK;
    if (bpe->n_merges * 2 >= bpe->merges_mask) AE_TRY(grow_merges(bpe));
    put_merge(bpe, (merge_slot){left, right, (uint32_t)bpe->n_merges++, result});
    return AE_OK;
}

int ae_bpe_missing_byte(ae_bpe *bpe) {
    for (int byte = 0; byte < 256; byte++) {
        unsigned char s = (unsigned char)byte;
        bpe->byte_ids[byte] = find_name(bpe, &s, 1);
        if (bpe->byte_ids[byte] < 0) return byte;
    }
    return -1;
}

const char *ae_bpe_bytes(const ae_bpe *bpe, int32_t id, size_t *length) {
    *length = 0;
    if (id < 0 || id >= bpe->n_ids || bpe->tokens[id].length == NAMELESS) return NULL;
    *length = (size_t)bpe->tokens[id].length;
    return bpe->bytes + bpe->tokens[id].start;
}

/* ---- encoding --------------------------------------------------------------------------------------- */

static inline uint32_t rank_of(const ae_bpe *bpe, int32_t left, int32_t right) {
    const merge_slot *merge = find_merge(bpe, left, right);
    return merge ? merge->rank : NO_RANK;
}

/* Merges a short piece in place: ids[0..n) are its bytes' at first; returns how many are left. Looking
 * through all pairs for the strongest is quickest while there are few. */
static size_t merge_short(const ae_bpe *bpe, int32_t *ids, size_t n) {
    uint32_t ranks[SHORT_PIECE]; // ranks[i] is that of ids[i], ids[i + 1]
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = rank_of(bpe, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == NO_RANK) break;
        ids[best] = find_merge(bpe, ids[best], ids[best + 1])->result;
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
            ranks[i - 1] = ranks[i];
        }
        if (best > 0) ranks[best - 1] = rank_of(bpe, ids[best - 1], ids[best]);
        if (best + 1 < n) ranks[best] = rank_of(bpe, ids[best], ids[best + 1]);
    }
    return n;
}

/* A long piece is a linked list of symbols and a heap of its pairs, strongest first, leftmost among equals: a
 * key is rank << 32 | position of the left symbol. A key whose pair has changed since is recognised by its
 * rank, because a rank names a pair's two tokens. */
typedef struct symbol {
    int32_t id; // -1: merged into the one on its left
    int32_t previous, next;
} symbol;

typedef struct heap {
    uint64_t *keys;
    size_t n, capacity;
} heap;

static void sift_down(heap *pairs, size_t at) {
    uint64_t key = pairs->keys[at];
    for (size_t child; (child = 2 * at + 1) < pairs->n; at = child) {
        if (child + 1 < pairs->n && pairs->keys[child + 1] < pairs->keys[child]) child++;
        if (key <= pairs->keys[child]) break;
        pairs->keys[at] = pairs->keys[child];
    }
    pairs->keys[at] = key;
}

static uint64_t heap_pop(heap *pairs) {
    uint64_t top = pairs->keys[0];
    pairs->keys[0] = pairs->keys[--pairs->n];
    if (pairs->n > 0) sift_down(pairs, 0);
    return top;
}

static ae_status heap_push(heap *pairs, uint64_t key) {
    AE_TRY(ae_grow((void **)&pairs->keys, &pairs->capacity, pairs->n + 1, sizeof *pairs->keys));
    size_t at = pairs->n++;
    for (size_t parent; at > 0 && key < pairs->keys[parent = (at - 1) / 2]; at = parent)
        pairs->keys[at] = pairs->keys[parent];
    pairs->keys[at] = key;
    return AE_OK;
}

static ae_status push_pair(const ae_bpe *bpe, const symbol *symbols, int32_t left, heap *pairs) {
    int32_t right = symbols[left].next;
    uint32_t rank = right < 0 ? NO_RANK : rank_of(bpe, symbols[left].id, symbols[right].id);
    return rank == NO_RANK ? AE_OK : heap_push(pairs, (uint64_t)rank << 32 | (uint32_t)left);
}

static ae_status merge_symbols(const ae_bpe *bpe, symbol *symbols, heap *pairs) {
    while (pairs->n > 0) {
        uint64_t key = heap_pop(pairs);
        int32_t left = (int32_t)(uint32_t)key, right = symbols[left].next;
        if (symbols[left].id < 0 || right < 0) continue;
        const merge_slot *merge = find_merge(bpe, symbols[left].id, symbols[right].id);
        if (!merge || merge->rank != key >> 32) continue;
        symbols[left].id = merge->result;
        symbols[left].next = symbols[right].next;
        symbols[right].id = -1;
        if (symbols[left].next >= 0) symbols[symbols[left].next].previous = left;
        if (symbols[left].previous >= 0) AE_TRY(push_pair(bpe, symbols, symbols[left].previous, pairs));
        AE_TRY(push_pair(bpe, symbols, left, pairs));
    }
    return AE_OK;
}

// Merges ids[0..*n), the bytes of a piece of any length.
static ae_status merge_long(const ae_bpe *bpe, int32_t *ids, size_t *n) {
    size_t length = *n;
    if (length > INT32_MAX)
        return ae_fail(AE_ERR_ARGUMENT, "a word of %zu bytes is too long to be encoded", length);
    heap pairs = {0};
    symbol *symbols = ae_alloc(length, sizeof *symbols);
    ae_status status = symbols ? AE_OK : ae_no_memory();
    for (size_t i = 0; symbols && i < length; i++) {
        int32_t at = (int32_t)i;
        symbols[i] = (symbol){ids[i], at - 1, i + 1 < length ? at + 1 : -1};
    }
    // Keys in ascending order of position, then made a heap at once.
    for (size_t i = 0; status == AE_OK && i + 1 < length; i++) {
        uint32_t rank = rank_of(bpe, ids[i], ids[i + 1]);
        if (rank == NO_RANK) continue;
        status = ae_grow((void **)&pairs.keys, &pairs.capacity, pairs.n + 1, sizeof *pairs.keys);
        if (status == AE_OK) pairs.keys[pairs.n++] = (uint64_t)rank << 32 | (uint32_t)i;
    }
    for (size_t i = pairs.n / 2; i-- > 0;)
        sift_down(&pairs, i);
    if (status == AE_OK) status = merge_symbols(bpe, symbols, &pairs);
    if (status == AE_OK) {
        *n = 0;
        for (int32_t i = 0; i >= 0; i = symbols[i].next)
            ids[(*n)++] = symbols[i].id;
    }
    ae_free(symbols);
    ae_free(pairs.keys);
    return status;
}

ae_status ae_bpe_encode(const ae_bpe *bpe, const unsigned char *piece, size_t length, int32_t **ids,
                        size_t *n_ids, size_t *capacity) {
    int32_t id = find_name(bpe, piece, length);
    unsigned char known = SPLITS;
    if (id >= 0) known = atomic_load_explicit(&bpe->wholeness[id], memory_order_relaxed);
    size_t room = known == WHOLE ? 1 : length; // merging starts from one id a byte, in place
    if (*capacity < *n_ids + room) AE_TRY(ae_grow((void **)ids, capacity, *n_ids + room, sizeof **ids));
    int32_t *to = *ids + *n_ids;
    if (known == WHOLE) {
        *to = id;
        ++*n_ids;
        return AE_OK;
    }
    size_t n = length;
    for (size_t i = 0; i < length; i++)
        to[i] = bpe->byte_ids[piece[i]];
    if (length <= SHORT_PIECE)
        n = merge_short(bpe, to, n);
    else
        AE_TRY(merge_long(bpe, to, &n));
    if (known == UNKNOWN) {
        bool whole = n == 1 && *to == id;
        atomic_store_explicit(&bpe->wholeness[id], whole ? WHOLE : SPLITS, memory_order_relaxed);
    }
    *n_ids += n;
    return AE_OK;
}
