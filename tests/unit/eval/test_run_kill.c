// eval/run: killed at every change that it makes to the disk, in turn, and resumed, a run ends with the files
// and the weights of one that was never killed.
//
// What changes files is defined here once more, before the C library's own, and ends the process at the n-th
// call: a write before anything of it is written, or behind its first half; anything else before it happens.
#include "run_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare_runs.h"

enum { KILLED = 77, FAILED = 78 };

static long left; // calls until the end; 0: never

static bool is_the_end(void) {
    return left > 0 && --left == 0;
}

ssize_t write(int file, const void *bytes, size_t length) {
    if (is_the_end()) _exit(KILLED);
    if (is_the_end()) {
        if (syscall(SYS_write, file, bytes, length / 2) < 0) _exit(FAILED);
        _exit(KILLED);
    }
    return syscall(SYS_write, file, bytes, length);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    if (is_the_end()) _exit(KILLED);
    return syscall(SYS_pwrite64, file, bytes, length, at);
}

// Flushes nothing: what ends here is the process, not the machine.
int fsync(int file) {
    if (is_the_end()) _exit(KILLED);
    (void)file;
    return 0;
}

int ftruncate(int file, off_t length) {
    if (is_the_end()) _exit(KILLED);
    return (int)syscall(SYS_ftruncate, file, length);
}

int rename(const char *from, const char *to) {
    if (is_the_end()) _exit(KILLED);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdir(const char *path, mode_t mode) {
    if (is_the_end()) _exit(KILLED);
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path) {
    if (is_the_end()) _exit(KILLED);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

// ---- runs in processes of their own ----------------------------------------------------------------

typedef struct plan {
    const char *folder;
    bool sequential, pre;
    int num_edits;
    ae_guard guard;
} plan;

// The edited layer's weights when the run is over, as a file beside the results.
static void write_weights(const plan *p, ae_model *model, const char *results) {
    const size_t n = (size_t)model->info.d_mlp * (size_t)model->info.d_model;
    float *weights = ae_alloc(n, sizeof *weights);
    assert_ok(ae_model_get_mlp_out(model, RUN_LAYER, weights));
    char *path = ae_format("%s/%s/weights", p->folder, results);
    assert_ok(ae_atomic_write(path, weights, n * sizeof *weights));
    ae_free(path);
    ae_free(weights);
}

static bool heed_nothing(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user, (void)stage, (void)done, (void)total, (void)unit;
    return true;
}

// Begins the run below `results`, or goes on with it, and is killed at the n-th change of the disk (0:
// never).
static int run_process(const plan *p, const char *results, long n) {
    const pid_t child = fork();
    if (child == 0) {
        ae_model *model = open_run_model(p->folder);
        ae_run_options o = small_run(p->folder, model, results);
        o.sequential = p->sequential;
        o.pre = p->pre;
        o.num_edits = p->num_edits;
        o.guard = p->guard;
        o.ppl_interval = 3;
        char *run = ae_format("%s/ROME/run_000", o.results);
        if (ae_path_is_folder(run)) o.resume = "run_000";
        const ae_hooks hooks = {.progress = heed_nothing};
        ae_run_result result;
        left = n;
        const ae_status status = ae_run_execute(model, &o, &hooks, NULL, &result);
        left = 0;
        if (status != AE_OK || !result.complete) {
            print_error("%s\n", status == AE_OK ? "the run is not complete" : ae_last_error());
            _exit(FAILED);
        }
        write_weights(p, model, results);
        _exit(0);
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

static void assert_same(const plan *p, const char *results, const char *expected, long n) {
    char *a = ae_format("%s/%s", p->folder, results), *b = ae_format("%s/%s", p->folder, expected);
    char *difference = compare_runs(a, b);
    if (difference) fail_msg("killed at change %ld: %s", n, difference);
    ae_free(a);
    ae_free(b);
}

static void remove_results(const plan *p, const char *results) {
    char *command = ae_format("rm -rf '%s/%s'", p->folder, results);
    assert_int_equal(system(command), 0);
    ae_free(command);
}

// All changes with AE_TEST_ALL_KILLS, else every third, from another one in each configuration.
static void kill_at_each_change(const plan *p, long first) {
    const long step = getenv("AE_TEST_ALL_KILLS") ? 1 : 3;
    assert_int_equal(run_process(p, "whole", 0), 0);
    long n = step == 1 ? 1 : first, kills = 0;
    for (;; n += step, kills++) {
        const int code = run_process(p, "killed", n);
        if (code == 0) break; // it has fewer changes than n
        if (code != KILLED) fail_msg("change %ld: exit code %d", n, code);
        if (run_process(p, "killed", 0) != 0) fail_msg("killed at change %ld, it could not go on", n);
        assert_same(p, "killed", "whole", n);
        remove_results(p, "killed");
    }
    assert_same(p, "killed", "whole", n);
    assert_true(kills > 20);
    print_message("%ld kills\n", kills);
    // Killed again and again: each time it goes on for a few changes more than the last time.
    remove_results(p, "killed");
    int code = KILLED;
    for (n = 5, kills = 0; code == KILLED; n += 2, kills++)
        code = run_process(p, "killed", n);
    assert_int_equal(code, 0);
    assert_true(kills > 3);
    assert_same(p, "killed", "whole", n);
    remove_results(p, "killed");
    remove_results(p, "whole");
}

static void edits_that_accumulate(void **state) {
    kill_at_each_change(&(plan){.folder = *state, .sequential = true, .num_edits = 1, .guard = AE_GUARD_WARN},
                        1);
}

static void chunks_that_accumulate(void **state) {
    kill_at_each_change(
        &(plan){.folder = *state, .sequential = true, .pre = true, .num_edits = 4, .guard = AE_GUARD_SKIP},
        2);
}

static void independent_chunks(void **state) {
    kill_at_each_change(&(plan){.folder = *state, .num_edits = 2, .guard = AE_GUARD_SKIP}, 3);
}

// Statistics are collected in a process of their own: one that has had threads cannot be forked safely.
static int set_up(void **state) {
    if (make_scratch_folder(state) != 0) return -1;
    write_run_inputs(*state);
    const pid_t child = fork();
    if (child == 0) {
        ae_model *model = open_run_model(*state);
        collect_run_statistics(*state, model);
        _exit(0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_that_accumulate),
        cmocka_unit_test(chunks_that_accumulate),
        cmocka_unit_test(independent_chunks),
    };
    return cmocka_run_group_tests(tests, set_up, remove_scratch_folder);
}
