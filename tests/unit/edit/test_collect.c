// edit: collecting second moments over text.
#include "support.h"
#include "tiny_model.h"

#include <math.h>
#include <unistd.h>

#include "edit/moment.h"
#include "format/npz.h"
#include "npz_text.h"

enum { LAYER = 1, N_DOCUMENTS = 300 };

typedef struct bench {
    char *folder;
    ae_model *model;
    const char *corpus; // N_DOCUMENTS documents: a few batches
    kept_warnings kept;
    int reports, stop_at; // progress while collecting; stop_at 0: never
    double last_done, last_total;
    ae_hooks hooks;
} bench;

static bool watch(void *user, const char *stage, double done, double total, const char *unit) {
    bench *b = user;
    if (strcmp(stage, "collecting second moments") != 0) return true;
    assert_string_equal(unit, "documents");
    b->reports++;
    b->last_done = done;
    b->last_total = total;
    return b->reports != b->stop_at;
}

static void keep(void *user, const char *text) {
    keep_warning(&((bench *)user)->kept, text);
}

/* Document i: from none to about 90 tokens, more than the context's 64 in some. */
static char *document(int i) {
    ae_text text = {0};
    assert_ok(ae_text_append(&text, "", 0));
    for (int k = 0; k < i * 7 % 31; k++)
        assert_ok(ae_text_printf(&text, "%s%x", k ? " " : "", i * 131 + k * 17));
    return text.data;
}

static int set_up(void **state) {
    static bench b;
    memset(&b, 0, sizeof b);
    if (make_scratch_folder((void **)&b.folder) != 0) return -1;
    if (make_tiny_model(in_folder(b.folder, "tiny"), "gpt2", AE_F32, 3) != 0) return -1;
    const ae_model_options options = {.n_threads = 2};
    assert_ok(ae_model_open(in_folder(b.folder, "tiny"), &options, &b.model));
    ae_text corpus = {0};
    for (int i = 0; i < N_DOCUMENTS; i++) {
        char *text = document(i);
        assert_ok(ae_text_printf(&corpus, "%s\n", text));
        ae_free(text);
    }
    static char path[1200];
    snprintf(path, sizeof path, "%s", write_text(b.folder, "corpus.txt", corpus.data));
    b.corpus = path;
    ae_free(corpus.data);
    b.hooks = (ae_hooks){.user = &b, .warn = keep, .progress = watch};
    *state = &b;
    return 0;
}

static int tear_down(void **state) {
    bench *b = *state;
    ae_model_free(b->model);
    return remove_scratch_folder((void **)&b->folder);
}

static ae_status collect(bench *b, const char *text, int64_t n_samples, const char *output, bool restart,
                         char **path) {
    const ae_collect_options options = {.layer = LAYER,
                                        .texts = &text,
                                        .n_texts = 1,
                                        .n_samples = n_samples,
                                        .output = in_folder(b->folder, output),
                                        .restart = restart};
    return ae_moment_collect(b->model, &options, &b->hooks, path);
}

/* count and mom2 of a written file */
static double *read_statistics(const char *path, double *count) {
    ae_npz *npz;
    double *value, *sum;
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    assert_ok(ae_npz_open(path, &npz));
    assert_ok(ae_npz_read_double(npz, "mom2.count", &value, &n_dim, shape));
    assert_int_equal(n_dim, 0);
    *count = value[0];
    ae_free(value);
    assert_ok(ae_npz_read_double(npz, "mom2.mom2", &sum, &n_dim, shape));
    assert_int_equal(n_dim, 2);
    assert_int_equal(shape[0], TINY_MLP);
    assert_int_equal(shape[1], TINY_MLP);
    ae_npz_close(npz);
    return sum;
}

/* The sum over these documents, one at a time, in double. */
static double *plain_sum(bench *b, const int *documents, int n, double *count) {
    double *sum = ae_alloc(TINY_MLP * TINY_MLP, sizeof *sum);
    assert_non_null(sum);
    *count = 0;
    ae_keys *reader;
    assert_ok(ae_keys_new(b->model, LAYER, &reader));
    for (int d = 0; d < n; d++) {
        char *text = document(documents[d]);
        int32_t *ids;
        size_t n_ids;
        assert_ok(ae_encode(b->model, text, strlen(text), &ids, &n_ids));
        int32_t length = (int32_t)(n_ids < TINY_CTX ? n_ids : TINY_CTX);
        *count += length;
        const float *keys = NULL;
        const int32_t *sequence = ids;
        if (length > 0) assert_ok(ae_keys_of(reader, &sequence, &length, 1, &keys));
        for (int32_t t = 0; t < length; t++)
            for (int i = 0; i < TINY_MLP; i++)
                for (int j = 0; j < TINY_MLP; j++)
                    sum[i * TINY_MLP + j] += (double)keys[t * TINY_MLP + i] * (double)keys[t * TINY_MLP + j];
        ae_free(ids);
        ae_free(text);
    }
    ae_keys_free(reader);
    return sum;
}

/* A batch's product is float32: 4096 tokens of it are good to about 1e-6 of the entry's own scale. */
static void assert_same_sum(const double *sum, const double *expected) {
    for (int i = 0; i < TINY_MLP; i++)
        for (int j = 0; j < TINY_MLP; j++) {
            double scale = sqrt(expected[i * TINY_MLP + i] * expected[j * TINY_MLP + j]);
            assert_true(sum[i * TINY_MLP + j] == sum[j * TINY_MLP + i]);
            if (!(fabs(sum[i * TINY_MLP + j] - expected[i * TINY_MLP + j]) < 2e-6 * scale))
                fail_msg("entry [%d, %d] is %.9g, expected %.9g", i, j, sum[i * TINY_MLP + j],
                         expected[i * TINY_MLP + j]);
        }
}

static void all_documents_are_summed(void **state) {
    bench *b = *state;
    char *path;
    assert_ok(collect(b, b->corpus, 0, "stats", false, &path));
    assert_string_equal(
        path, in_folder(b->folder, "stats/tiny/text_stats/transformer.h.1.mlp.c_proj_float32_mom2.npz"));
    int documents[N_DOCUMENTS];
    for (int i = 0; i < N_DOCUMENTS; i++)
        documents[i] = i;
    double count, expected_count;
    double *sum = read_statistics(path, &count),
           *expected = plain_sum(b, documents, N_DOCUMENTS, &expected_count);
    assert_true(count == expected_count && count > 2 * 4096);
    assert_same_sum(sum, expected);
    assert_true(b->reports >= 3 && b->last_done == N_DOCUMENTS && b->last_total == N_DOCUMENTS);
    assert_int_equal(b->kept.count, 0);
    assert_false(ae_path_exists(in_folder(b->folder, "stats/tiny/text_stats/"
                                                     "transformer.h.1.mlp.c_proj_float32_mom2.npz.partial")));
    ae_free(sum);
    ae_free(expected);

    ae_npz *npz;
    double *size;
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    assert_ok(ae_npz_open(path, &npz));
    assert_npz_text(path, "mom2.constructor", "util.runningstats.SecondMoment()");
    assert_ok(ae_npz_read_double(npz, "sample_size", &size, &n_dim, shape));
    uint64_t bits;
    memcpy(&bits, size, sizeof bits);
    assert_true(bits == 0xfff8000000000002u);
    ae_free(size);
    ae_npz_close(npz);

    // What was collected is found and can be solved with.
    ae_hparams h;
    ae_moment *moment;
    assert_ok(ae_hparams_builtin(b->model, LAYER, &h));
    strcpy(h.mom2_dataset, "text");
    h.mom2_n_samples = 0;
    assert_ok(ae_moment_open(b->model, LAYER, &h, in_folder(b->folder, "stats"), 1e-4, &b->hooks, &moment));
    assert_int_equal(ae_moment_get_info(moment).n_tokens, count);
    assert_int_equal(ae_moment_get_info(moment).n_samples, 0);
    ae_moment_free(moment);
    ae_free(path);
}

static void samples_are_those_of_pythons_shuffle(void **state) {
    bench *b = *state;
    // python3: l = list(range(300)); random.Random(1).shuffle(l); l[:5]
    const int chosen[] = {236, 222, 25, 79, 111};
    char *path;
    assert_ok(collect(b, b->corpus, 5, "stats", false, &path));
    assert_string_equal(
        path, in_folder(b->folder, "stats/tiny/text_stats/transformer.h.1.mlp.c_proj_float32_mom2_5.npz"));
    double count, expected_count;
    double *sum = read_statistics(path, &count), *expected = plain_sum(b, chosen, 5, &expected_count);
    assert_true(count == expected_count);
    assert_same_sum(sum, expected);
    ae_free(sum);
    ae_free(expected);
    ae_free(path);
    // More than there are: all of them, under the number that was asked for.
    assert_ok(collect(b, b->corpus, 1000, "stats", false, &path));
    assert_non_null(strstr(path, "_mom2_1000.npz"));
    assert_warned(b->kept, 1, "1000 samples were asked for, but the texts hold 300 documents: all are used");
    sum = read_statistics(path, &count);
    assert_true(count > 2 * 4096);
    ae_free(sum);
    ae_free(path);
}

static void read_bytes(const char *path, char **bytes, size_t *length) {
    assert_ok(ae_file_read(path, 1 << 20, bytes, length));
}

static void interrupted_and_resumed_is_the_same(void **state) {
    bench *b = *state;
    char *path, *whole, *again;
    size_t length, length_again;
    assert_ok(collect(b, b->corpus, 250, "whole", false, &path));
    read_bytes(path, &whole, &length);
    ae_free(path);
    int reports = b->reports;
    assert_true(reports >= 3);
    for (int stop = 1; stop <= reports; stop++) {
        char output[32];
        snprintf(output, sizeof output, "stop%d", stop);
        b->reports = 0;
        b->stop_at = stop;
        path = NULL;
        assert_fails(collect(b, b->corpus, 250, output, false, &path), AE_ERR_CANCELLED,
                     "of 250 documents; the same command goes on from there");
        assert_null(path);
        // Stopped once more where it can be, then to the end.
        b->reports = 0;
        b->stop_at = 1;
        if (stop < reports)
            assert_fails(collect(b, b->corpus, 250, output, false, &path), AE_ERR_CANCELLED,
                         "was stopped after");
        b->stop_at = 0;
        assert_ok(collect(b, b->corpus, 250, output, false, &path));
        read_bytes(path, &again, &length_again);
        assert_int_equal(length, length_again);
        assert_memory_equal(whole, again, length);
        char *partial = ae_format("%s.partial", path);
        assert_false(ae_path_exists(partial));
        ae_free(partial);
        ae_free(again);
        ae_free(path);
    }
    // Checkpoints after every batch change nothing either, nor does reading the same text compressed or in
    // two halves.
    const ae_collect_options options = {.layer = LAYER,
                                        .texts = &b->corpus,
                                        .n_texts = 1,
                                        .n_samples = 250,
                                        .output = in_folder(b->folder, "often"),
                                        .name = "Some/Model",
                                        .dataset = "mine",
                                        .checkpoint_seconds = 1e-9};
    assert_ok(ae_moment_collect(b->model, &options, NULL, &path));
    assert_string_equal(
        path,
        in_folder(b->folder, "often/Some_Model/mine_stats/transformer.h.1.mlp.c_proj_float32_mom2_250.npz"));
    read_bytes(path, &again, &length_again);
    assert_int_equal(length, length_again);
    assert_memory_equal(whole, again, length);
    ae_free(again);
    ae_free(path);
    ae_free(whole);
    assert_int_equal(b->kept.count, 0);
}

static void a_checkpoint_that_does_not_fit_is_told(void **state) {
    bench *b = *state;
    char *path, *mine;
    size_t length;
    b->stop_at = 1;
    assert_fails(collect(b, b->corpus, 250, "stats", false, &path), AE_ERR_CANCELLED, "was stopped");
    b->stop_at = 0;
    const char *checkpoint =
        in_folder(b->folder, "stats/tiny/text_stats/transformer.h.1.mlp.c_proj_float32_mom2_250.npz.partial");
    read_bytes(checkpoint, &mine, &length);
    // Of other text.
    const char *other = write_text(b->folder, "other.txt", "one\ntwo\nthree\n");
    assert_fails(collect(b, other, 250, "stats", false, &path), AE_ERR_MISMATCH,
                 "cannot go on where a collection was interrupted: checkpoint '");
    assert_fails(
        collect(b, other, 250, "stats", false, &path), AE_ERR_MISMATCH,
        "belongs to another collection: the model, layer, text files or number of samples were others. Start "
        "afresh (--restart)");
    // Of other weights.
    ae_model *model = b->model, *another;
    assert_int_equal(make_tiny_model(in_folder(b->folder, "another/tiny"), "gpt2", AE_F32, 4), 0);
    assert_ok(ae_model_open(in_folder(b->folder, "another/tiny"), NULL, &another));
    b->model = another;
    assert_fails(collect(b, b->corpus, 250, "stats", false, &path), AE_ERR_MISMATCH,
                 "belongs to another collection");
    b->model = model;
    ae_model_free(another);
    // Damaged: a bit in the sums, cut short, emptied.
    mine[length - 20] ^= 1;
    assert_ok(ae_atomic_write(checkpoint, mine, length));
    assert_fails(collect(b, b->corpus, 250, "stats", false, &path), AE_ERR_FORMAT,
                 "is damaged: its contents do not have the digest noted for them");
    mine[length - 20] ^= 1;
    assert_ok(ae_atomic_write(checkpoint, mine, length - 8));
    assert_fails(collect(b, b->corpus, 250, "stats", false, &path), AE_ERR_FORMAT, "cannot go on where");
    assert_ok(ae_atomic_write(checkpoint, "", 0));
    assert_fails(collect(b, b->corpus, 250, "stats", false, &path), AE_ERR_FORMAT, "cannot go on where");
    static const char position[] = "\"position\": \"";
    const char *found = strstr(mine + 8, position); // the header's length comes first
    assert_non_null(found);
    size_t digit = (size_t)(found - mine) + strlen(position);
    mine[digit] = '-';
    assert_ok(ae_atomic_write(checkpoint, mine, length));
    assert_fails(collect(b, b->corpus, 250, "stats", false, &path), AE_ERR_FORMAT,
                 "is damaged: 'position' is '-");
    mine[digit] = '9';
    assert_ok(ae_atomic_write(checkpoint, mine, length));
    assert_fails(collect(b, b->corpus, 250, "stats", false, &path), AE_ERR_FORMAT,
                 "is damaged: its contents do not have the digest noted for them");
    // A fresh start does not look at it, and leaves nothing behind but the statistics.
    const char *leftover =
        in_folder(b->folder, "stats/tiny/text_stats/transformer.h.1.mlp.c_proj_float32_mom2_250.npz"
                             ".partial.tmp-a1B2c3");
    assert_ok(ae_atomic_write(leftover, "half", 4));
    assert_ok(collect(b, b->corpus, 250, "stats", true, &path));
    assert_false(ae_path_exists(checkpoint));
    assert_false(ae_path_exists(leftover));
    ae_free(path);
    ae_free(mine);
}

static void what_is_there_is_not_lost(void **state) {
    bench *b = *state;
    char *path;
    assert_ok(collect(b, b->corpus, 5, "stats", false, &path));
    ae_free(path);
    assert_fails(collect(b, b->corpus, 5, "stats", false, &path), AE_ERR_ARGUMENT,
                 "transformer.h.1.mlp.c_proj_float32_mom2_5.npz' is there already; use it, or collect anew "
                 "(--restart)");
    assert_ok(collect(b, b->corpus, 5, "stats", true, &path));
    ae_free(path);
    assert_int_equal(b->kept.count, 0);
    // It counts as done where that is asked for.
    const ae_collect_options keep_it = {.layer = LAYER,
                                        .texts = &b->corpus,
                                        .n_texts = 1,
                                        .n_samples = 5,
                                        .output = in_folder(b->folder, "stats"),
                                        .keep_finished = true};
    b->reports = 0;
    assert_ok(ae_moment_collect(b->model, &keep_it, &b->hooks, &path));
    assert_int_equal(b->reports, 0);
    assert_warned(b->kept, 1, "_mom2_5.npz' is there already and stays as it is; --restart collects it anew");
    // To replace it can be interrupted, too, and goes on.
    b->stop_at = 1;
    char *none = NULL;
    assert_fails(collect(b, b->corpus, 5, "stats", true, &none), AE_ERR_CANCELLED,
                 "documents; the same command without --restart goes on from there");
    assert_true(ae_path_exists(path));
    ae_free(path);
    b->stop_at = 0;
    assert_ok(collect(b, b->corpus, 5, "stats", false, &path));
    ae_free(path);
    assert_fails(collect(b, b->corpus, 5, "stats", false, &none), AE_ERR_ARGUMENT, "is there already");
}

static void nothing_is_written_of_nothing(void **state) {
    bench *b = *state;
    char *path;
    assert_fails(collect(b, write_text(b->folder, "empty.txt", ""), 0, "stats", false, &path), AE_ERR_FORMAT,
                 "empty.txt' holds no documents to collect second moments over");
    assert_fails(collect(b, write_text(b->folder, "blank.txt", "\n\n\n"), 0, "stats", false, &path),
                 AE_ERR_FORMAT, "the 3 documents of '");
    assert_fails(collect(b, in_folder(b->folder, "none.txt"), 0, "stats", false, &path), AE_ERR_NOT_FOUND,
                 "none.txt'");
    assert_fails(collect(b, write_text(b->folder, "bad.jsonl", "{\"text\": \"a\"}\n{\"body\": 1}\n"), 0,
                         "stats", false, &path),
                 AE_ERR_FORMAT, "bad.jsonl");
    assert_false(ae_path_exists(in_folder(b->folder, "stats")));
    // A file where the output folder should be.
    assert_fails(collect(b, b->corpus, 0, "corpus.txt", false, &path), AE_ERR_IO, "cannot make folder '");
}

static void few_tokens_are_warned_of(void **state) {
    bench *b = *state;
    char *path;
    // Documents without a token count as samples.
    const char *text = write_text(b->folder, "few.txt", "abc\n\nde\n\n");
    assert_ok(collect(b, text, 4, "stats", false, &path));
    assert_warned(b->kept, 1, "only 5 tokens were seen, fewer than the 64 entries of a key");
    assert_true(b->last_done == 4);
    double count;
    double *sum = read_statistics(path, &count);
    assert_true(count == 5);
    ae_free(sum);
    ae_hparams h;
    ae_moment *moment;
    assert_ok(ae_hparams_builtin(b->model, LAYER, &h));
    assert_fails(
        ae_moment_open(b->model, LAYER, &h, path, 0, &b->hooks, &moment), AE_ERR_NUMERIC,
        "are not positive definite: 5 tokens of 4 documents were collected, fewer tokens than the keys have "
        "entries");
    ae_free(path);
}

static void bad_options_are_named(void **state) {
    bench *b = *state;
    const ae_collect_options good = {
        .layer = LAYER, .texts = &b->corpus, .n_texts = 1, .output = in_folder(b->folder, "stats")};
    ae_collect_options o;
    char *path;
#define REFUSED(change, text)                                                                                \
    do {                                                                                                     \
        o = good;                                                                                            \
        change;                                                                                              \
        assert_fails(ae_moment_collect(b->model, &o, &b->hooks, &path), AE_ERR_ARGUMENT, text);              \
    } while (0)
    REFUSED(o.layer = 3, "layer 3 does not exist: 'tiny' has layers 0 to 2");
    REFUSED(o.n_texts = 0, "no text files");
    REFUSED(o.n_samples = -1, "-1 samples");
    REFUSED(o.output = NULL, "no output folder");
    REFUSED(o.checkpoint_seconds = NAN, "a checkpoint every nan seconds");
    REFUSED(o.name = "..", "the model's name '..' cannot be a folder's name");
    REFUSED(o.dataset = "", "the dataset's name '' cannot be a folder's name");
    REFUSED(o.dataset = "a/b", "the dataset's name 'a/b' must not hold '/'");
    REFUSED(o.dataset = "a\xff", "the dataset's name 'a\xff' is not valid UTF-8");
    REFUSED(o.dataset = "1234567 1234567 1234567 1234567 1234567 1234567 1234567 12345678",
            "12345678' is longer than 63 bytes");
    // An edit below the layer changes its keys, one at or above it does not.
    float u[TINY_MLP] = {1}, right[TINY_D] = {1};
    assert_ok(ae_model_add_rank_one(b->model, 0, u, right));
    REFUSED(o.layer = LAYER,
            "layer 0 of 'tiny' is edited: second moments of layer 1 must come from the unedited model");
    ae_model_restore(b->model);
    assert_ok(ae_model_add_rank_one(b->model, LAYER, u, right));
    o = good;
    assert_ok(ae_moment_collect(b->model, &o, &b->hooks, &path));
    ae_free(path);
#undef REFUSED
}

static void weights_that_are_not_finite_are_named(void **state) {
    bench *b = *state;
    tiny_tensors list;
    assert_int_equal(tiny_make_tensors(&list, "gpt2", AE_F32, 5), 0);
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.name[i], "transformer.h.0.mlp.c_fc.weight") == 0)
            ((float *)(uintptr_t)list.tensor[i].data)[7] = NAN;
    assert_int_equal(make_tiny_model(in_folder(b->folder, "nan"), "gpt2", AE_F32, 5), 0);
    assert_ok(
        ae_safetensors_write(in_folder(b->folder, "nan/model.safetensors"), list.tensor, list.count, NULL));
    tiny_free(&list);
    ae_model *good = b->model;
    assert_ok(ae_model_open(in_folder(b->folder, "nan"), NULL, &b->model));
    char *path;
    assert_fails(collect(b, b->corpus, 0, "stats", false, &path), AE_ERR_NUMERIC,
                 "transformer.h.0.mlp.c_fc.weight");
    ae_model_free(b->model);
    b->model = good;
}

static void lack_of_memory_is_reported(void **state) {
    bench *b = *state;
    char text[1200];
    snprintf(text, sizeof text, "%s", write_text(b->folder, "few.txt", "abc\nde\n\nfgh\n"));
    ae_status status = AE_ERR_MEMORY;
    for (uint64_t at = 1; status != AE_OK; at++) {
        char *path = NULL;
        ae_memory_fail_at(at);
        status =
            collect(b, text, 2, "stats", true, &path); // the last to fail comes after the file's renaming
        ae_memory_fail_at(0);
        if (status != AE_OK && status != AE_ERR_MEMORY)
            fail_msg("allocation %d: %s", (int)at, ae_last_error());
        ae_free(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_documents_are_summed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(samples_are_those_of_pythons_shuffle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interrupted_and_resumed_is_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_does_not_fit_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_there_is_not_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_written_of_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(few_tokens_are_warned_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_options_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(weights_that_are_not_finite_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lack_of_memory_is_reported, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
