#include "backend/cpu/convert.h"

#include "backend/cpu/simd.h"

#ifdef AE_SIMD_X86
#include <immintrin.h>
#endif

AE_SIMD_INLINE void bf16_body(const unsigned char *from, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, from + 2 * i, 2);
        out[i] = ae_float_of((uint32_t)h << 16);
    }
}
AE_SIMD(bf16, (const unsigned char *from, size_t n, float *out), (from, n, out))

/* Shifted into place, a half's exponent is too small by 112 for a float; multiplying by 2^112 puts that right
 * and makes subnormals normal on the way. Infinities and NaNs have the exponent set outright. */
AE_SIMD_INLINE void f16_body(const unsigned char *from, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, from + 2 * i, 2);
        uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = (uint32_t)(h & 0x7fffu) << 13;
        uint32_t scaled = ae_bits_of(ae_float_of(rest) * 0x1p112f);
        uint32_t special = rest | 0x7f800000u;
        out[i] = ae_float_of(sign | (rest >= 0x0f800000u ? special : scaled));
    }
}

#ifdef AE_SIMD_X86
__attribute__((target("avx2,fma,f16c"))) static void f16_f16c(const unsigned char *from, size_t n,
                                                              float *out) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(from + 2 * i))));
    f16_body(from + 2 * i, n - i, out + i);
}
#endif

static void f16(const unsigned char *from, size_t n, float *out) {
#ifdef AE_SIMD_X86
    if (ae_simd() != AE_SIMD_BASE) {
        f16_f16c(from, n, out);
        return;
    }
#endif
    f16_body(from, n, out);
}

void ae_cpu_to_float(const void *data, ae_dtype dtype, size_t first, size_t n, float *out) {
    const unsigned char *from = (const unsigned char *)data + first * ae_cpu_dtype_size(dtype);
    if (dtype == AE_F32)
        memcpy(out, from, n * sizeof *out);
    else if (dtype == AE_F16)
        f16(from, n, out);
    else
        bf16(from, n, out);
}

ae_status ae_cpu_check_dtype(ae_dtype dtype) {
    if (dtype == AE_F32 || dtype == AE_F16 || dtype == AE_BF16) return AE_OK;
    return ae_fail(AE_ERR_INTERNAL, "a weight of data type %d reached the backend, expected F32, F16 or BF16",
                   (int)dtype);
}

size_t ae_cpu_dtype_size(ae_dtype dtype) {
    return dtype == AE_F32 ? 4 : 2;
}
