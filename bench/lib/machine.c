#include "machine.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "backend/cpu/simd.h"
#include "base/clock.h"

enum { CHAINS = 12, ROUNDS = 50 * 1000 * 1000, REPEATS = 8, STREAMS = 8 };
static const size_t READ_BYTES = (size_t)1 << 30;

// ---- floating-point operations ---------------------------------------------------------------------

#ifdef AE_SIMD_X86
#include <immintrin.h>

AE_TARGET_AVX512 static float chains_512(void) {
    __m512 sum[CHAINS];
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm512_set1_ps((float)c);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            sum[c] = _mm512_fmadd_ps(sum[c], x, y);
    for (int c = 1; c < CHAINS; c++)
        sum[0] = _mm512_add_ps(sum[0], sum[c]);
    return _mm512_reduce_add_ps(sum[0]);
}

__attribute__((target("avx2,fma"))) static float chains_256(void) {
    __m256 sum[CHAINS];
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm256_set1_ps((float)c);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            sum[c] = _mm256_fmadd_ps(sum[c], x, y);
    for (int c = 1; c < CHAINS; c++)
        sum[0] = _mm256_add_ps(sum[0], sum[c]);
    float lanes[8];
    _mm256_storeu_ps(lanes, sum[0]);
    return lanes[0];
}
#endif

static float chains_plain(void) {
    float sum[CHAINS] = {0};
    for (int r = 0; r < ROUNDS; r++)
        for (int c = 0; c < CHAINS; c++)
            sum[c] = sum[c] * 0.999f + 0.001f;
    for (int c = 1; c < CHAINS; c++)
        sum[0] += sum[c];
    return sum[0];
}

double bench_peak_flops(int threads) {
    int lanes = 1;
    float (*chains)(void) = chains_plain;
#ifdef AE_SIMD_X86
    if (ae_simd() == AE_SIMD_AVX512) {
        lanes = 16;
        chains = chains_512;
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        lanes = 8;
        chains = chains_256;
    }
#endif
    double best = 0;
    volatile float sink = 0; // so that the loop is not left out
    for (int r = 0; r < REPEATS; r++) {
        const double start = ae_seconds();
        float sum = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
        sum += chains();
        sink = sum;
        const double rate = 2.0 * lanes * CHAINS * (double)ROUNDS * threads / (ae_seconds() - start);
        if (rate > best) best = rate;
    }
    (void)sink;
    return best;
}

// ---- memory ----------------------------------------------------------------------------------------

AE_SIMD_INLINE void read_all_body(const uint64_t *from, size_t n, uint64_t *out) {
    uint64_t sum[STREAMS] = {0};
    const size_t part = n / STREAMS;
    for (size_t i = 0; i < part; i += 64) // eight lines of each stream in turn
        for (size_t s = 0; s < STREAMS; s++) {
            uint64_t some = 0;
            for (size_t j = 0; j < 64; j++)
                some += from[s * part + i + j];
            sum[s] += some;
        }
    *out = 0;
    for (size_t s = 0; s < STREAMS; s++)
        *out += sum[s];
}
AE_SIMD(read_all, (const uint64_t *from, size_t n, uint64_t *out), (from, n, out))

double bench_peak_bytes(int threads) {
    uint64_t *memory = mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NAN;
    (void)madvise(memory, READ_BYTES, MADV_HUGEPAGE);
    const size_t n = READ_BYTES / sizeof *memory,
                 share = n / (size_t)threads / (STREAMS * 64) * (STREAMS * 64);
#pragma omp parallel num_threads(threads)
    memset(memory + share * (size_t)omp_get_thread_num(), 1, share * sizeof *memory);
    double best = 0;
    volatile uint64_t sink = 0;
    for (int r = 0; r < REPEATS; r++) {
        const double start = ae_seconds();
        uint64_t sum = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
        {
            uint64_t some;
            read_all(memory + share * (size_t)omp_get_thread_num(), share, &some);
            sum += some;
        }
        sink = sum;
        const double rate = (double)(share * (size_t)threads * sizeof *memory) / (ae_seconds() - start);
        if (rate > best) best = rate;
    }
    (void)sink;
    munmap(memory, READ_BYTES);
    return best;
}

// ---- what is there, what was taken -----------------------------------------------------------------

/* The text behind "<name>" and a colon in a file of such lines; "" where there is none. */
static void field_of(const char *path, const char *name, char *out, size_t size) {
    char line[512];
    *out = '\0';
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) != 0 || !colon) continue;
        char *text = colon + 1 + strspn(colon + 1, " \t");
        text[strcspn(text, "\n")] = '\0';
        snprintf(out, size, "%s", text);
        break;
    }
    if (file) fclose(file);
}

static double kilobytes(const char *path, const char *name) {
    char text[64];
    field_of(path, name, text, sizeof text);
    return *text ? 1024 * atof(text) : NAN;
}

void bench_describe(char *out, size_t size) {
    char cpu[128], family[16], model[16];
    struct utsname system = {0};
    (void)uname(&system);
    field_of("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    field_of("/proc/cpuinfo", "cpu family", family, sizeof family);
    field_of("/proc/cpuinfo", "model\t", model, sizeof model);
    snprintf(out, size, "%s (family %s, model %s), %d processors, %.0f GB of memory, %s %s, gcc %s",
             *cpu ? cpu : system.machine, family, model, omp_get_num_procs(),
             kilobytes("/proc/meminfo", "MemTotal") * 1e-9, system.sysname, system.release, __VERSION__);
}

double bench_peak_resident(void) {
    return kilobytes("/proc/self/status", "VmHWM");
}

double bench_anonymous(void) {
    return kilobytes("/proc/self/status", "RssAnon");
}

int bench_run(char *const *argv, bench_child *out) {
    const double start = ae_seconds();
    const pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nothing >= 0) dup2(nothing, STDOUT_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) < 0) return -1;
    *out = (bench_child){ae_seconds() - start, (double)usage.ru_maxrss * 1024};
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
