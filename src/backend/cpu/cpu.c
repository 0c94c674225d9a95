// The CPU backend itself: making, freeing, its memory.
#include "backend/cpu/cpu.h"

#include <cblas.h>
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/simd.h"
#include "base/memory.h"

#ifdef AE_SIMD_X86
ae_simd_level ae_simd_most = AE_SIMD_AVX512;
#endif

enum { MAX_THREADS = 1024, NO_LIMIT = 4 * MAX_THREADS };

static void destroy(ae_backend *be) {
    if (!be) return;
    ae_cpu_onednn_free(ae_cpu(be)->onednn);
    ae_free(ae_cpu(be)->scratch);
    ae_free(be);
}

static const ae_backend ops = {
    .name = "cpu",
    .destroy = destroy,
    .alloc = ae_cpu_alloc,
    .release = ae_cpu_release,
    .zero = ae_cpu_zero,
    .put = ae_cpu_put,
    .get = ae_cpu_get,
    .embed = ae_cpu_embed,
    .linear = ae_cpu_linear,
    .linear_backward = ae_cpu_linear_backward,
    .layer_norm = ae_cpu_layer_norm,
    .layer_norm_backward = ae_cpu_layer_norm_backward,
    .gelu = ae_cpu_gelu,
    .gelu_backward = ae_cpu_gelu_backward,
    .rotary = ae_cpu_rotary,
    .attention = ae_cpu_attention,
    .attention_backward = ae_cpu_attention_backward,
    .gather = ae_cpu_gather,
    .scatter = ae_cpu_scatter,
    .scatter_add = ae_cpu_scatter_add,
    .add = ae_cpu_add,
    .cross_entropy = ae_cpu_cross_entropy,
    .log_softmax = ae_cpu_log_softmax,
    .kl_divergence = ae_cpu_kl_divergence,
    .second_moment = ae_cpu_second_moment,
    .rank_one = ae_cpu_rank_one,
    .all_finite = ae_cpu_all_finite,
    .expand = ae_cpu_expand,
};

// Sums come in another order with other instructions, and with other versions of the libraries.
static void describe_arithmetic(char *text, size_t size) {
    static const char *const levels[] = {"", "AVX2, ", "AVX-512, "};
    int level = 0, version = 0; // of OpenBLAS: the text behind its name
#ifdef AE_SIMD_X86
    level = (int)ae_simd();
#endif
    const char *config = openblas_get_config();
    sscanf(config, "OpenBLAS %*s%n", &version);
    const dnnl_version_t *onednn = dnnl_version();
    snprintf(text, size, "%s%.*s %s, oneDNN %d.%d.%d", levels[level], version, config,
             openblas_get_corename(), onednn->major, onednn->minor, onednn->patch);
}

ae_status ae_backend_cpu(int n_threads, ae_backend **out) {
    if (n_threads < 0 || n_threads > MAX_THREADS)
        return ae_fail(AE_ERR_ARGUMENT, "%d threads: expected 0 (one a core) to %d", n_threads, MAX_THREADS);
    ae_cpu_backend *cpu = ae_alloc(1, sizeof *cpu);
    if (!cpu) return ae_no_memory();
    cpu->base = ops;
    cpu->base.n_threads = n_threads > 0 ? n_threads : omp_get_num_procs();
    describe_arithmetic(cpu->arithmetic, sizeof cpu->arithmetic);
    cpu->base.arithmetic = cpu->arithmetic;
    *out = &cpu->base;
    return AE_OK;
}

int ae_cpu_team(int n_threads) {
    const int limit = omp_get_thread_limit();
    if (omp_get_active_level() >= omp_get_max_active_levels()) return 1;
    if (limit >= NO_LIMIT) return n_threads;
    if (omp_in_parallel()) return 1; // others take from the same limit
    return n_threads < limit ? n_threads : limit;
}

int ae_cpu_library_threads(int n_threads) {
    int former = omp_get_max_threads();
    omp_set_num_threads(n_threads);
    return former;
}

ae_status ae_cpu_scratch(ae_cpu_backend *cpu, size_t count, size_t size, void **out) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return ae_fail(AE_ERR_MEMORY, "out of memory: %zu times %zu bytes cannot be addressed", count, size);
    if (bytes > cpu->scratch_size || !cpu->scratch) {
        void *bigger = ae_alloc(count, size);
        if (!bigger) return ae_no_memory();
        ae_free(cpu->scratch);
        cpu->scratch = bigger;
        cpu->scratch_size = bytes;
    }
    *out = cpu->scratch;
    return AE_OK;
}

ae_status ae_cpu_alloc(ae_backend *be, size_t n, float **out) {
    (void)be;
    float *memory = ae_alloc(n, sizeof *memory);
    if (!memory) return ae_no_memory();
    *out = memory;
    return AE_OK;
}

void ae_cpu_release(ae_backend *be, float *memory) {
    (void)be;
    ae_free(memory);
}

ae_status ae_cpu_zero(ae_backend *be, float *x, size_t n) {
    (void)be;
    if (n > 0) memset(x, 0, n * sizeof *x);
    return AE_OK;
}

ae_status ae_cpu_put(ae_backend *be, float *to, const float *from_host, size_t n) {
    (void)be;
    if (n > 0) memcpy(to, from_host, n * sizeof *to);
    return AE_OK;
}

ae_status ae_cpu_get(ae_backend *be, float *to_host, const float *from, size_t n) {
    (void)be;
    if (n > 0) memcpy(to_host, from, n * sizeof *from);
    return AE_OK;
}
