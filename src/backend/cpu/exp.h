/* backend/cpu/exp.h: exp for loops that the compiler vectorises. */
#ifndef AE_BACKEND_CPU_EXP_H
#define AE_BACKEND_CPU_EXP_H

#include "backend/cpu/simd.h"

/* e^x within 2 units in the last place over the whole range, subnormal results included; overflows to
 * infinity above 88.73, is 0 below -104, keeps NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first with so few bits that n times it is
 * exact. e^r by its Taylor polynomial of degree 7 (remainder below 6e-9). 2^n in two factors, because n
 * reaches beyond the normal exponents at both ends. */
AE_SIMD_INLINE float ae_exp(float x) {
    x = x < -105.0f ? -105.0f : x;
    x = x > 89.0f ? 89.0f : x;
    const float shift =
        12582912.0f; // 1.5 * 2^23: adding it rounds to an integer, which stands in the low bits
    float shifted = x * 1.44269504f + shift;
    uint32_t n = ae_bits_of(shifted) - ae_bits_of(shift);
    float whole = shifted - shift;
    float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = (p * r) * r + r + 1.0f;
    uint32_t half = n >> 1 | (n & 0x80000000u); // of a signed n, rounded down
    return p * ae_float_of((half + 127) << 23) * ae_float_of((n - half + 127) << 23);
}

#endif
