// edit: finding statistics, their factor, solving with it.
#include "support.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "edit/moment.h"
#include "format/npz.h"

enum { N = 8 }; // d_mlp of the model; keys of statistics

typedef struct bench {
    char *folder;
    ae_model model;
    ae_hparams hparams;
    kept_warnings kept;
    ae_hooks hooks;
    float sum[N * N];
    int64_t count, samples;
} bench;

/* Sums of products of `count` random keys whose scales differ from entry to entry. */
static void make_sum(bench *b, uint64_t seed, int64_t count) {
    double sum[N * N] = {0};
    ae_random random = ae_random_stream(seed, 0, 0);
    for (int64_t t = 0; t < count; t++) {
        double key[N];
        for (int i = 0; i < N; i++)
            key[i] = (0.1 + i) * ae_random_normal(&random) + 0.5;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                sum[i * N + j] += key[i] * key[j];
    }
    for (int i = 0; i < N * N; i++)
        b->sum[i] = (float)sum[i];
    b->count = count;
}

static int set_up(void **state) {
    static bench b;
    memset(&b, 0, sizeof b);
    if (make_scratch_folder((void **)&b.folder) != 0) return -1;
    b.model = sized_model("gpt2", "owner/tiny", 4, N / 4, 2);
    b.model.info.folder = b.folder;
    assert_ok(ae_hparams_builtin(&b.model, -1, &b.hparams));
    b.hparams.mom2_n_samples = 50;
    b.hooks = (ae_hooks){.user = &b.kept, .warn = keep_warning};
    b.samples = 50;
    make_sum(&b, 1, 400);
    *state = &b;
    return 0;
}

static int tear_down(void **state) {
    bench *b = *state;
    return remove_scratch_folder((void **)&b->folder);
}

static void write_statistics(const bench *b, const char *path) {
    char *folder = ae_strndup(path, (size_t)(strrchr(path, '/') - path));
    assert_ok(ae_folder_make(folder));
    ae_free(folder);
    const ae_npz_array arrays[] = {
        {.name = "mom2.constructor", .text = "util.runningstats.SecondMoment()"},
        {.name = "mom2.count", .dtype = AE_I64, .data = &b->count},
        {.name = "mom2.mom2", .dtype = AE_F32, .n_dim = 2, .shape = {N, N}, .data = b->sum},
        {.name = "sample_size", .dtype = AE_I64, .data = &b->samples},
    };
    assert_ok(ae_npz_write(path, arrays, 4));
}

static const char standard_name[] =
    "owner_tiny/wikipedia_stats/transformer.h.2.mlp.c_proj_float32_mom2_50.npz";

/* Writes the statistics where <root> is searched; returns the path. */
static const char *write_standard(const bench *b, const char *root) {
    char path[600];
    snprintf(path, sizeof path, "%s%s%s", root, *root ? "/" : "", standard_name);
    write_statistics(b, in_folder(b->folder, path));
    return in_folder(b->folder, path);
}

static ae_moment *open_it(bench *b, const char *path, double ridge) {
    ae_moment *moment = NULL;
    assert_ok(ae_moment_open(&b->model, 2, &b->hparams, path, ridge, &b->hooks, &moment));
    return moment;
}

#define assert_open_fails(b, path, ridge, status, text)                                                      \
    do {                                                                                                     \
        ae_moment *opened_ = (ae_moment *)7;                                                                 \
        assert_fails(ae_moment_open(&(b)->model, 2, &(b)->hparams, path, ridge, &(b)->hooks, &opened_),      \
                     status, text);                                                                          \
        assert_ptr_equal(opened_, (ae_moment *)7);                                                           \
    } while (0)

/* (C + ridge mean I) x must be b again. */
static void assert_solves(const bench *b, const ae_moment *moment, double ridge) {
    double mean = 0, x[N], right[N];
    for (int i = 0; i < N; i++)
        mean += (double)b->sum[i * N + i] / (double)b->count / N;
    for (int i = 0; i < N; i++)
        x[i] = right[i] = sin(1.0 + i);
    assert_ok(ae_moment_solve(moment, x));
    for (int i = 0; i < N; i++) {
        double back = ridge * mean * x[i];
        for (int j = 0; j < N; j++)
            back += (double)b->sum[i * N + j] / (double)b->count * x[j];
        if (!(fabs(back - right[i]) < 1e-12)) fail_msg("row %d: %.17g, expected %.17g", i, back, right[i]);
    }
}

static void a_file_is_opened_and_solved_with(void **state) {
    bench *b = *state;
    const char *path = in_folder(b->folder, "own.npz");
    write_statistics(b, path);
    ae_moment *moment = open_it(b, path, 0);
    ae_moment_info info = ae_moment_get_info(moment);
    assert_string_equal(info.path, path);
    assert_int_equal(info.n, N);
    assert_int_equal(info.n_tokens, 400);
    assert_int_equal(info.n_samples, 50);
    assert_true(info.ridge == 0);
    assert_solves(b, moment, 0);
    double bad[N] = {1, NAN};
    assert_fails(ae_moment_solve(moment, bad), AE_ERR_NUMERIC, "vector to solve for is not finite");
    assert_true(bad[0] == 1);
    ae_moment_free(moment);
    moment = open_it(b, path, 1e-2);
    assert_solves(b, moment, 1e-2);
    ae_moment_free(moment);
    ae_moment_free(NULL);
    assert_int_equal(b->kept.count, 0);
    assert_true(ae_path_exists(in_folder(b->folder, "own.npz.factor.safetensors")));
    assert_true(ae_path_exists(in_folder(b->folder, "own.npz.factor-ridge0.01.safetensors")));
}

static void a_known_matrix_gives_known_numbers(void **state) {
    bench *b = *state;
    // C = diag(1..8) with one pair of neighbours that are tied: [[1, .5], [.5, 2]] -> determinant 1.75.
    memset(b->sum, 0, sizeof b->sum);
    for (int i = 0; i < N; i++)
        b->sum[i * N + i] = 100.0f * (float)(i + 1);
    b->sum[1] = b->sum[N] = 50.0f;
    b->count = 100;
    const char *path = in_folder(b->folder, "known.npz");
    write_statistics(b, path);
    ae_moment *moment = open_it(b, path, 0);
    double x[N] = {1, 1, 3, 8, 5, 12, 7, 4};
    const double expected[N] = {1.5 / 1.75, 0.5 / 1.75, 1, 2, 1, 2, 1, 0.5};
    assert_ok(ae_moment_solve(moment, x));
    for (int i = 0; i < N; i++)
        assert_true(fabs(x[i] - expected[i]) < 1e-15);
    ae_moment_free(moment);
    // The ridge is a multiple of the diagonal's mean, 4.5: entry 7 becomes 8 + 9.
    moment = open_it(b, path, 2);
    double y[N] = {0, 0, 0, 0, 0, 0, 0, 34};
    assert_ok(ae_moment_solve(moment, y));
    assert_true(fabs(y[7] - 2) < 1e-15);
    ae_moment_free(moment);
}

static void statistics_are_found_in_their_places(void **state) {
    bench *b = *state;
    char *here = getcwd(NULL, 0);
    assert_non_null(here);
    unsetenv("AEDILE_STATS");
    // A folder that is given is the only one looked at.
    const char *given = in_folder(b->folder, "given");
    write_standard(b, "given");
    ae_moment *moment = open_it(b, given, 0);
    assert_non_null(strstr(ae_moment_get_info(moment).path, "/given/owner_tiny/wikipedia_stats/"));
    ae_moment_free(moment);
    // Without one: the model's folder, before that AEDILE_STATS, before that ./data/stats.
    write_standard(b, "stats");
    moment = open_it(b, NULL, 0);
    assert_non_null(strstr(ae_moment_get_info(moment).path, "/stats/owner_tiny/"));
    ae_moment_free(moment);
    setenv("AEDILE_STATS", given, 1);
    moment = open_it(b, NULL, 0);
    assert_non_null(strstr(ae_moment_get_info(moment).path, "/given/owner_tiny/"));
    ae_moment_free(moment);
    write_standard(b, "data/stats");
    assert_int_equal(chdir(b->folder), 0);
    moment = open_it(b, NULL, 0);
    assert_string_equal(ae_moment_get_info(moment).path, "./data/stats/owner_tiny/wikipedia_stats/"
                                                         "transformer.h.2.mlp.c_proj_float32_mom2_50.npz");
    ae_moment_free(moment);
    assert_int_equal(chdir(here), 0);
    free(here);
    unsetenv("AEDILE_STATS");
    assert_int_equal(b->kept.count, 0);
}

// A run's settings may say that its model is called so.
static void a_name_leads_nowhere_else(void **state) {
    bench *b = *state;
    const char *beside = strchr(standard_name, '/') + 1; // without the model's folder
    write_statistics(b, in_folder(b->folder, beside));
    write_statistics(b, in_folder(b->folder, "place/x/y.npz"));
    const char *place = in_folder(b->folder, "place");
    b->model.info.name = "..";
    assert_open_fails(b, place, 0, AE_ERR_NOT_FOUND, "/place/__/wikipedia_stats/");
    b->model.info.name = ".";
    assert_open_fails(b, in_folder(b->folder, "."), 0, AE_ERR_NOT_FOUND, "/./_/wikipedia_stats/");
    b->model.info.name = "../..";
    assert_open_fails(b, place, 0, AE_ERR_NOT_FOUND, "/place/.._../wikipedia_stats/");
}

static void what_was_tried_is_named(void **state) {
    bench *b = *state;
    unsetenv("AEDILE_STATS");
    assert_open_fails(b, NULL, 0, AE_ERR_NOT_FOUND,
                      "no second moments for layer 2 of 'owner/tiny'; tried './data/stats/");
    // The command names the model as it can be found: by its folder, with its name where it was given one.
    static const char rest[] = " --layer 2 --text FILE... --samples 50 --dataset wikipedia --output DIR'";
    char *command = ae_format("To collect them: 'aedile stats %s%s", b->model.info.folder, rest);
    assert_open_fails(b, NULL, 0, AE_ERR_NOT_FOUND, command);
    ae_free(command);
    b->model.is_named = true;
    command = ae_format("'aedile stats %s --name owner/tiny%s", b->model.info.folder, rest);
    assert_open_fails(b, NULL, 0, AE_ERR_NOT_FOUND, command);
    ae_free(command);
    b->model.is_named = false;
    const char *folder = b->model.info.folder;
    b->model.info.folder = "/cache/models--owner--tiny/snapshots/1"; // by its name in the hub's cache
    command = ae_format("'aedile stats owner/tiny%s", rest);
    assert_open_fails(b, NULL, 0, AE_ERR_NOT_FOUND, command);
    ae_free(command);
    b->model.info.folder = folder;
    setenv("AEDILE_STATS", "/nowhere/at/all", 1);
    assert_open_fails(b, NULL, 0, AE_ERR_NOT_FOUND,
                      "'/nowhere/at/all/owner_tiny/wikipedia_stats/transformer.h.2");
    unsetenv("AEDILE_STATS");
    assert_open_fails(b, in_folder(b->folder, "none"), 0, AE_ERR_NOT_FOUND, "none' are not there");
    assert_open_fails(b, write_text(b->folder, "notes.txt", "x"), 0, AE_ERR_ARGUMENT,
                      "notes.txt' are neither a folder nor an .npz file");
    // Statistics over other text, where nobody named their folder, are pointed at.
    setenv("AEDILE_STATS", in_folder(b->folder, "root"), 1);
    write_statistics(
        b, in_folder(b->folder, "root/owner_tiny/text_stats/transformer.h.2.mlp.c_proj_float32_mom2_9.npz"));
    write_statistics(
        b, in_folder(b->folder, "root/owner_tiny/text_stats/transformer.h.21.mlp.c_proj_float32_mom2_9.npz"));
    assert_open_fails(b, NULL, 0, AE_ERR_NOT_FOUND,
                      "text_stats/transformer.h.2.mlp.c_proj_float32_mom2_9.npz': if that is meant, give it "
                      "with --stats. To collect them: 'aedile stats ");
    assert_null(strstr(ae_last_error(), "h.21."));
    unsetenv("AEDILE_STATS");
}

static void the_only_statistics_of_a_named_folder_are_taken(void **state) {
    bench *b = *state;
    const char *root = in_folder(b->folder, "root");
    write_statistics(
        b, in_folder(b->folder, "root/owner_tiny/text_stats/transformer.h.2.mlp.c_proj_float32_mom2_9.npz"));
    ae_moment *moment = open_it(b, root, 0);
    assert_non_null(strstr(ae_moment_get_info(moment).path, "/text_stats/"));
    assert_warned(b->kept, 1, "root' holds no statistics over 'wikipedia' with 50 samples");
    ae_moment_free(moment);
    // With two there is a choice to make.
    write_statistics(
        b, in_folder(b->folder, "root/owner_tiny/news_stats/transformer.h.2.mlp.c_proj_float32_mom2_9.npz"));
    assert_open_fails(b, root, 0, AE_ERR_NOT_FOUND, "if that is meant, give it with --stats");
}

static void another_sample_size_is_passed_over(void **state) {
    bench *b = *state;
    b->samples = 49;
    const char *path = write_standard(b, "given");
    assert_open_fails(b, in_folder(b->folder, "given"), 0, AE_ERR_NOT_FOUND, "(ignored: sample_size is 49)");
    assert_warned(b->kept, 1, "is ignored: its 'sample_size' is 49, not the 50 of its name");
    // Named as a file it is taken as it is.
    ae_moment *moment = open_it(b, path, 0);
    assert_int_equal(ae_moment_get_info(moment).n_samples, 49);
    ae_moment_free(moment);
    assert_int_equal(b->kept.count, 1);
}

static void all_documents_have_no_number(void **state) {
    bench *b = *state;
    const uint64_t none_bits = 0xfff8000000000002u;
    double none;
    memcpy(&none, &none_bits, sizeof none);
    const char *path =
        in_folder(b->folder, "s/owner_tiny/wikipedia_stats/transformer.h.2.mlp.c_proj_float32_mom2.npz");
    write_statistics(b, path); // makes the folder
    const ae_npz_array arrays[] = {
        {.name = "mom2.count", .dtype = AE_I64, .data = &b->count},
        {.name = "mom2.mom2", .dtype = AE_F32, .n_dim = 2, .shape = {N, N}, .data = b->sum},
        {.name = "sample_size", .dtype = AE_F64, .data = &none},
    };
    assert_ok(ae_npz_write(path, arrays, 3));
    b->hparams.mom2_n_samples = 0;
    ae_moment *moment = open_it(b, in_folder(b->folder, "s"), 0);
    assert_int_equal(ae_moment_get_info(moment).n_samples, 0);
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
}

static void solve_once(const ae_moment *moment, double x[N]) {
    for (int i = 0; i < N; i++)
        x[i] = cos(i);
    assert_ok(ae_moment_solve(moment, x));
}

static void the_factor_is_kept_and_used(void **state) {
    bench *b = *state;
    const char *path = in_folder(b->folder, "k.npz"),
               *factor = in_folder(b->folder, "k.npz.factor.safetensors");
    write_statistics(b, path);
    double first[N], second[N];
    ae_moment *moment = open_it(b, path, 0);
    assert_null(moment->mapping);
    solve_once(moment, first);
    ae_moment_free(moment);
    moment = open_it(b, path, 0);
    assert_non_null(moment->mapping);
    assert_null(moment->owned);
    solve_once(moment, second);
    assert_memory_equal(first, second, sizeof first);
    // Lower triangle, zeros above.
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++)
            assert_true(moment->factor[i * N + j] == 0);
    ae_moment_free(moment);
    // The same statistics copied later: their hash says that the factor is still theirs.
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    moment = open_it(b, path, 0);
    assert_non_null(moment->mapping);
    ae_moment_free(moment);
    assert_int_equal(b->kept.count, 0);
    // Other statistics under the same name.
    make_sum(b, 2, 400);
    write_statistics(b, path);
    moment = open_it(b, path, 0);
    assert_null(moment->mapping);
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
    assert_warned(b->kept, 1, "is not a factor of these statistics, or damaged, and is made anew");
    moment = open_it(b, path, 0);
    assert_non_null(moment->mapping);
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
    assert_int_equal(b->kept.count, 1);
    // Damage: cut short, a diagonal that no factor has, and one bit of one value.
    assert_int_equal(truncate(factor, 300), 0);
    moment = open_it(b, path, 0);
    assert_null(moment->mapping);
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
    assert_warned(b->kept, 2, "the kept factor cannot be used and is made anew: ");
    FILE *stream = fopen(factor, "r+b");
    assert_non_null(stream);
    const double zero = 0;
    assert_int_equal(fseek(stream, -(long)sizeof zero, SEEK_END), 0);
    assert_int_equal(fwrite(&zero, sizeof zero, 1, stream), 1);
    assert_int_equal(fclose(stream), 0);
    moment = open_it(b, path, 0);
    assert_null(moment->mapping);
    ae_moment_free(moment);
    assert_warned(b->kept, 3, "is not a factor of these statistics");
    stream = fopen(factor, "r+b");
    assert_non_null(stream);
    const long value = -2 * (long)sizeof(double); // below the diagonal
    assert_int_equal(fseek(stream, value + 1, SEEK_END), 0);
    const int byte = fgetc(stream);
    assert_int_equal(fseek(stream, value + 1, SEEK_END), 0);
    assert_int_equal(fputc(byte ^ 1, stream), byte ^ 1);
    assert_int_equal(fclose(stream), 0);
    moment = open_it(b, path, 0);
    assert_null(moment->mapping);
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
    assert_warned(b->kept, 4, "is not a factor of these statistics");
}

static void a_factor_that_cannot_be_kept_is_a_warning(void **state) {
    bench *b = *state;
    const char *path = in_folder(b->folder, "k.npz");
    write_statistics(b, path);
    write_text(b->folder, "x", "");
    // A folder in its place: what is there cannot be read, and nothing can be written over it.
    assert_ok(ae_folder_make(in_folder(b->folder, "k.npz.factor.safetensors/y")));
    ae_moment *moment = open_it(b, path, 0);
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
    assert_warned(b->kept, 2, "the kept factor cannot be used and is made anew: ");
    assert_warned(b->kept, 2, "the factor could not be kept and will be computed again next time: ");
}

static void a_quick_factor_that_may_not_be_kept_is_no_matter(void **state) {
    bench *b = *state;
    const char *path = in_folder(b->folder, "others/k.npz"), *others = in_folder(b->folder, "others");
    write_statistics(b, path);
    assert_int_equal(chmod(b->folder, 0755), 0);
    assert_int_equal(chmod(others, 0555), 0);
    const bool root = geteuid() == 0; // who may write everywhere, and is somebody else for a moment
    if (root) assert_int_equal(setresuid(65534, 65534, 0), 0);
    ae_moment *moment = open_it(b, path, 0);
    if (root) assert_int_equal(setresuid(0, 0, 0), 0);
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
    assert_int_equal(b->kept.count, 0);
    assert_false(ae_path_exists(in_folder(b->folder, "others/k.npz.factor.safetensors")));
    assert_int_equal(chmod(others, 0755), 0);
}

static void matrices_that_cannot_be_factored_are_refused(void **state) {
    bench *b = *state;
    const char *path = in_folder(b->folder, "bad.npz");
    // Fewer tokens than entries.
    make_sum(b, 3, 5);
    write_statistics(b, path);
    assert_open_fails(
        b, path, 0, AE_ERR_NUMERIC,
        "of layer 2 are not positive definite: 5 tokens of 50 documents were collected, fewer tokens than "
        "the keys have entries. Collect more samples (aedile stats), or add to the diagonal with --ridge");
    ae_moment *moment = open_it(b, path, 0.1);
    assert_solves(b, moment, 0.1);
    ae_moment_free(moment);
    assert_warned(b->kept, 1, "come from 5 tokens, fewer than the 8 entries of a key");
    // An entry that is never active.
    make_sum(b, 4, 400);
    for (int i = 0; i < N; i++)
        b->sum[3 * N + i] = b->sum[i * N + 3] = 0;
    write_statistics(b, path);
    assert_open_fails(
        b, path, 0, AE_ERR_NUMERIC,
        "are not positive definite (leading minor 4 of 8): 400 tokens of 50 documents were collected. "
        "Collect more samples");
    moment = open_it(b, path, 1e-6);
    assert_solves(b, moment, 1e-6);
    ae_moment_free(moment);
    assert_false(ae_path_exists(in_folder(b->folder, "bad.npz.factor.safetensors")));
}

static void damaged_matrices_are_refused(void **state) {
    bench *b = *state;
    const char *path = in_folder(b->folder, "bad.npz");
#define REFUSED(change, status, text)                                                                        \
    do {                                                                                                     \
        make_sum(b, 5, 400);                                                                                 \
        change;                                                                                              \
        write_statistics(b, path);                                                                           \
        assert_open_fails(b, path, 0, status, text);                                                         \
    } while (0)
    REFUSED(b->sum[2 * N + 5] += 50, AE_ERR_FORMAT, "'mom2.mom2' is not symmetric: entry [5, 2] is ");
    REFUSED(b->sum[2 * N + 5] = NAN, AE_ERR_NUMERIC, "entry [2, 5] of 'mom2.mom2' is nan");
    REFUSED(b->sum[5 * N + 2] = INFINITY, AE_ERR_NUMERIC, "entry [5, 2] of 'mom2.mom2' is inf");
    REFUSED(b->sum[4 * N + 4] = -1, AE_ERR_FORMAT, "entry [4, 4] of 'mom2.mom2' is -1");
    REFUSED(b->sum[4 * N + 4] = NAN, AE_ERR_NUMERIC, "entry [4, 4] of 'mom2.mom2' is nan");
    REFUSED(b->count = 0, AE_ERR_FORMAT, "array 'mom2.count' is 0, expected a whole number of 1 or more");
    REFUSED((b->count = 400, b->samples = -3), AE_ERR_FORMAT, "array 'sample_size' is -3");
#undef REFUSED
    // Halves that differ by rounding are fine.
    b->samples = 50;
    make_sum(b, 5, 400);
    b->sum[2 * N + 5] *= 1.0f + 1e-6f;
    write_statistics(b, path);
    ae_moment_free(open_it(b, path, 0));

    float wrong[6] = {1, 0, 0, 1, 0, 0};
    const ae_npz_array shape[] = {
        {.name = "mom2.count", .dtype = AE_I64, .data = &b->count},
        {.name = "mom2.mom2", .dtype = AE_F32, .n_dim = 2, .shape = {3, 2}, .data = wrong}};
    assert_ok(ae_npz_write(path, shape, 2));
    assert_open_fails(
        b, path, 0, AE_ERR_MISMATCH,
        "does not fit the model: 'mom2.mom2' has 2 dimensions and 3 x 2 entries, the model's keys have 8");
    assert_ok(ae_npz_write(path, shape, 1));
    assert_open_fails(b, path, 0, AE_ERR_FORMAT, "has no array 'mom2.mom2'");
    assert_ok(ae_npz_write(path, shape + 1, 1));
    assert_open_fails(b, path, 0, AE_ERR_FORMAT,
                      "has no array 'mom2.count': it does not hold second moments");
    const ae_npz_array list[] = {
        {.name = "mom2.count", .dtype = AE_F32, .n_dim = 1, .shape = {6}, .data = wrong},
        {.name = "mom2.mom2", .dtype = AE_F32, .n_dim = 2, .shape = {3, 2}, .data = wrong}};
    assert_ok(ae_npz_write(path, list, 2));
    assert_open_fails(b, path, 0, AE_ERR_FORMAT,
                      "array 'mom2.count' has 1 dimensions, expected a single number");
    write_text(b->folder, "bad.npz", "not a zip");
    assert_open_fails(b, path, 0, AE_ERR_FORMAT, "bad.npz'");

    ae_moment *moment;
    assert_fails(ae_moment_open(&b->model, 4, &b->hparams, path, 0, NULL, &moment), AE_ERR_ARGUMENT,
                 "layer 4 does not exist: 'owner/tiny' has layers 0 to 3");
    assert_open_fails(b, path, -1, AE_ERR_ARGUMENT, "the ridge is -1");
    assert_open_fails(b, path, NAN, AE_ERR_ARGUMENT, "the ridge is nan");
}

static bool refuse(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user, (void)stage, (void)done, (void)total, (void)unit;
    return false;
}

static void factoring_can_be_stopped_and_can_fail(void **state) {
    bench *b = *state;
    const char *path = in_folder(b->folder, "own.npz");
    write_statistics(b, path);
    const ae_hooks stop = {.progress = refuse};
    ae_moment *moment = NULL;
    assert_fails(ae_moment_open(&b->model, 2, &b->hparams, path, 0, &stop, &moment), AE_ERR_CANCELLED,
                 "factoring second moments was stopped");
    ae_status status = AE_ERR_MEMORY;
    for (uint64_t at = 1; status != AE_OK; at++) {
        b->kept = (kept_warnings){0};
        unlink(in_folder(b->folder, "own.npz.factor.safetensors"));
        ae_memory_fail_at(at);
        status = ae_moment_open(&b->model, 2, &b->hparams, path, 0, &b->hooks, &moment);
        ae_memory_fail_at(0);
        if (status != AE_OK && status != AE_ERR_MEMORY)
            fail_msg("allocation %d: %s", (int)at, ae_last_error());
        // Only what keeps the factor may fail quietly, with a warning.
        if (status == AE_OK && b->kept.count > 0) {
            assert_warned(b->kept, 1, "the factor could not be kept");
            ae_moment_free(moment);
            status = AE_ERR_MEMORY;
        }
    }
    assert_solves(b, moment, 0);
    ae_moment_free(moment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_opened_and_solved_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_known_matrix_gives_known_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(statistics_are_found_in_their_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_leads_nowhere_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_tried_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_only_statistics_of_a_named_folder_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_sample_size_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_documents_have_no_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_factor_is_kept_and_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_factor_that_cannot_be_kept_is_a_warning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_quick_factor_that_may_not_be_kept_is_no_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(matrices_that_cannot_be_factored_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_matrices_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(factoring_can_be_stopped_and_can_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
