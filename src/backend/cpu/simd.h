/* backend/cpu/simd.h: one loop, compiled for several instruction sets, chosen at run time.
 *
 * A loop is written once as an AE_SIMD_INLINE function `name_body`; AE_SIMD(name, (parameters), (arguments))
 * makes `name` of it, which runs the widest version that the machine has. (The attribute target_clones would
 * do the same, but gcc 12 and clang 14 take "avx2,fma" for two versions.) The build
 * forbids contraction of products and sums, and sums run in a fixed number of lanes, so that every version
 * gives the same bits. (The matrix products do not: avx512.c contracts, and OpenBLAS does as it likes.) */
#ifndef AE_BACKEND_CPU_SIMD_H
#define AE_BACKEND_CPU_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define AE_SIMD_INLINE static inline __attribute__((always_inline))

enum { AE_LANES = 16 }; // partial sums of a reduction

#if defined(__x86_64__)

#define AE_SIMD_X86      1
#define AE_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define AE_TARGET_AVX2   __attribute__((target("avx2,fma,f16c")))

typedef enum ae_simd_level { AE_SIMD_BASE, AE_SIMD_AVX2, AE_SIMD_AVX512 } ae_simd_level;

/* What is used at most; for tests, which lower it (cpu.c). */
extern ae_simd_level ae_simd_most;

static inline ae_simd_level ae_simd_of_machine(void) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return AE_SIMD_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AE_SIMD_AVX2;
    return AE_SIMD_BASE;
}

static inline ae_simd_level ae_simd(void) {
    const ae_simd_level level = ae_simd_of_machine();
    return level < ae_simd_most ? level : ae_simd_most;
}

#define AE_SIMD(name, parameters, arguments)                                                                 \
    AE_TARGET_AVX512 static void name##_avx512 parameters {                                                  \
        name##_body arguments;                                                                               \
    }                                                                                                        \
    AE_TARGET_AVX2 static void name##_avx2 parameters {                                                      \
        name##_body arguments;                                                                               \
    }                                                                                                        \
    static void name parameters {                                                                            \
        switch (ae_simd()) {                                                                                 \
        case AE_SIMD_AVX512:                                                                                 \
            name##_avx512 arguments;                                                                         \
            break;                                                                                           \
        case AE_SIMD_AVX2:                                                                                   \
            name##_avx2 arguments;                                                                           \
            break;                                                                                           \
        case AE_SIMD_BASE:                                                                                   \
            name##_body arguments;                                                                           \
            break;                                                                                           \
        }                                                                                                    \
    }

#else

#define AE_SIMD(name, parameters, arguments)                                                                 \
    static void name parameters {                                                                            \
        name##_body arguments;                                                                               \
    }

#endif

AE_SIMD_INLINE uint32_t ae_bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

AE_SIMD_INLINE float ae_float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
