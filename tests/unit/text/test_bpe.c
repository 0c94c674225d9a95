// text: merging, against the definition: again and again the leftmost of the strongest pairs.
#include "test.h"

#include "base/memory.h"
#include "base/random.h"
#include "text/bpe.c" // itself: how its tables are filled is seen nowhere else

enum { MERGES = 400, LONGEST_TOKEN = 14, MAX_IDS = 256 + MERGES, MAX_PIECE = 400 };

/* Random merges over the letters a, b, c: unlike in a trained vocabulary, most tokens cannot be reached from
 * their own bytes, and several pairs give the same token. */
typedef struct merges {
    int32_t left[MERGES], right[MERGES], result[MERGES];
} merges;

static ae_bpe *random_bpe(ae_random *random, merges *list) {
    ae_bpe *bpe = NULL;
    assert_ok(ae_bpe_new(MAX_IDS, &bpe));
    for (int byte = 0; byte < 256; byte++) {
        assert_int_equal(ae_bpe_missing_byte(bpe), byte);
        char c = (char)byte;
        assert_ok(ae_bpe_add_token(bpe, byte, &c, 1, true));
    }
    assert_int_equal(ae_bpe_missing_byte(bpe), -1);
    int32_t n_tokens = 256, known[MAX_IDS] = {'a', 'b', 'c'};
    size_t n_known = 3;
    for (int i = 0; i < MERGES;) {
        int32_t left = known[ae_random_next(random) % n_known],
                right = known[ae_random_next(random) % n_known];
        size_t left_length, right_length;
        char joined[2 * LONGEST_TOKEN];
        const char *bytes = ae_bpe_bytes(bpe, left, &left_length);
        memcpy(joined, bytes, left_length);
        bytes = ae_bpe_bytes(bpe, right, &right_length);
        memcpy(joined + left_length, bytes, right_length);
        size_t length = left_length + right_length;
        if (length > LONGEST_TOKEN) continue;
        int32_t result = ae_bpe_find(bpe, joined, length);
        if (result < 0) {
            result = n_tokens++;
            assert_ok(ae_bpe_add_token(bpe, result, joined, length, true));
            known[n_known++] = result;
        }
        bool fresh;
        assert_ok(ae_bpe_add_merge(bpe, left, right, result, &fresh));
        if (!fresh) continue;
        list->left[i] = left;
        list->right[i] = right;
        list->result[i++] = result;
    }
    return bpe;
}

// The definition. Returns how many ids are left.
static size_t merge_by_definition(const merges *list, int32_t *ids, size_t n) {
    for (int rank = 0; rank < MERGES;) {
        size_t at = 0;
        while (at + 1 < n && (ids[at] != list->left[rank] || ids[at + 1] != list->right[rank]))
            at++;
        if (at + 1 >= n) {
            rank++;
            continue;
        }
        ids[at] = list->result[rank];
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
        rank = 0; // the new token may be part of a stronger pair
    }
    return n;
}

static void merging_follows_the_definition(void **state) {
    (void)state;
    ae_random random = ae_random_stream(7, 0, 0);
    int32_t *ids = NULL;
    size_t capacity = 0;
    for (int table = 0; table < 10; table++) {
        merges list;
        ae_bpe *bpe = random_bpe(&random, &list);
        for (int i = 0; i < 1500; i++) {
            unsigned char piece[MAX_PIECE];
            int32_t want[MAX_PIECE];
            size_t limit = i % 3 == 0 ? LONGEST_TOKEN : i % 3 == 1 ? 60 : MAX_PIECE;
            size_t length = 1 + ae_random_next(&random) % limit, n = 0;
            for (size_t k = 0; k < length; k++) {
                piece[k] = (unsigned char)('a' + ae_random_next(&random) % 3);
                want[k] = piece[k];
            }
            size_t n_want = merge_by_definition(&list, want, length);
            assert_ok(ae_bpe_encode(bpe, piece, length, &ids, &n, &capacity));
            if (n != n_want || memcmp(ids, want, n * sizeof *ids) != 0)
                fail_msg("table %d: '%.*s' is merged otherwise", table, (int)length, piece);
        }
        ae_bpe_free(bpe);
    }
    ae_free(ids);
}

// A token whose own bytes are merged into others must be split each time, also once it has been met.
static void a_token_can_be_out_of_reach(void **state) {
    (void)state;
    ae_random random = ae_random_stream(8, 0, 0);
    merges list;
    ae_bpe *bpe = random_bpe(&random, &list);
    int whole = 0, split = 0;
    for (int32_t id = 256; id < MAX_IDS; id++) {
        size_t length;
        const unsigned char *bytes = (const unsigned char *)ae_bpe_bytes(bpe, id, &length);
        if (!bytes) continue;
        int32_t want[LONGEST_TOKEN];
        for (size_t k = 0; k < length; k++)
            want[k] = bytes[k];
        size_t n_want = merge_by_definition(&list, want, length);
        for (int again = 0; again < 3; again++) {
            int32_t *ids = NULL;
            size_t n = 0, capacity = 0;
            assert_ok(ae_bpe_encode(bpe, bytes, length, &ids, &n, &capacity));
            assert_int_equal(n, n_want);
            assert_memory_equal(ids, want, n * sizeof *ids);
            ae_free(ids);
        }
        if (n_want == 1)
            whole++;
        else
            split++;
    }
    assert_true(whole > 20 && split > 20);
    ae_bpe_free(bpe);
}

enum { COLLIDING = 1000, TABLE_BITS = 11 }; // so many have tables of 2,048 slots

// The longest way from a token's home to its place, in slots.
static size_t longest_way(const ae_bpe *bpe) {
    size_t longest = 0;
    for (size_t at = 0; at <= bpe->names_mask; at++) {
        if (bpe->names[at].id < 0) continue;
        size_t length;
        const char *bytes = ae_bpe_bytes(bpe, bpe->names[at].id, &length);
        const size_t way = (at - hash_bytes(bpe, (const unsigned char *)bytes, length)) & bpe->names_mask;
        if (way > longest) longest = way;
    }
    for (size_t at = 0; at <= bpe->merges_mask; at++) {
        if (bpe->merges[at].left < 0) continue;
        const size_t way =
            (at - merge_home(bpe, bpe->merges[at].left, bpe->merges[at].right)) & bpe->merges_mask;
        if (way > longest) longest = way;
    }
    return longest;
}

// Tokens and merges that have one home under the key 0 are spread under the two keys that are drawn, and are
// found under both.
static void nobody_can_make_tokens_collide(void **state) {
    (void)state;
    ae_bpe *bpe[2], none = {.merges_mask = (1 << TABLE_BITS) - 1};
    assert_ok(ae_bpe_new(COLLIDING, &bpe[0]));
    assert_ok(ae_bpe_new(COLLIDING, &bpe[1]));
    static uint64_t names[COLLIDING];
    static int32_t rights[COLLIDING];
    uint64_t name = 0;
    int32_t right = 0;
    for (int32_t i = 0; i < COLLIDING; i++) {
        while ((hash_bytes(&none, (unsigned char *)&name, 8) & none.merges_mask) != 0)
            name++;
        while (merge_home(&none, 1, right) != 0)
            right++;
        names[i] = name++;
        rights[i] = right++;
        for (int k = 0; k < 2; k++) {
            bool fresh = false;
            assert_ok(ae_bpe_add_token(bpe[k], i, (const char *)&names[i], 8, true));
            assert_ok(ae_bpe_add_merge(bpe[k], 1, rights[i], i, &fresh));
            assert_true(fresh);
        }
    }
    assert_true(bpe[0]->key != bpe[1]->key);
    for (int k = 0; k < 2; k++) {
        if (longest_way(bpe[k]) > COLLIDING / 10)
            fail_msg("key %llx: %zu slots", (unsigned long long)bpe[k]->key, longest_way(bpe[k]));
        for (int32_t i = 0; i < COLLIDING; i++) {
            assert_int_equal(ae_bpe_find(bpe[k], (const char *)&names[i], 8), i);
            const merge_slot *merge = find_merge(bpe[k], 1, rights[i]);
            assert_non_null(merge);
            assert_int_equal(merge->rank, i);
            assert_int_equal(merge->result, i);
        }
        ae_bpe_free(bpe[k]);
    }
}

// A name of no bytes is a name: its id is taken.
static void an_empty_token_has_its_id(void **state) {
    (void)state;
    ae_bpe *bpe = NULL;
    assert_ok(ae_bpe_new(2, &bpe));
    assert_ok(ae_bpe_add_token(bpe, 0, "", 0, false));
    size_t length = 1;
    assert_non_null(ae_bpe_bytes(bpe, 0, &length));
    assert_int_equal(length, 0);
    assert_null(ae_bpe_bytes(bpe, 1, &length));
    ae_bpe_free(bpe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging_follows_the_definition),
        cmocka_unit_test(an_empty_token_has_its_id),
        cmocka_unit_test(nobody_can_make_tokens_collide),
        cmocka_unit_test(a_token_can_be_out_of_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
