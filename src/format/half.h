/* format/half.h: the two 16-bit floating point types, IEEE binary16 (F16) and bfloat16 (BF16), to float and
 * back.
 *
 * One element at a time; tensor.c converts rows with the same results to the bit, wider instructions or not.
 * Rounding is to nearest, ties to even; subnormals are kept; too large becomes infinity; a NaN stays one
 * (quiet, with its sign and its leading payload bits). */
#ifndef AE_FORMAT_HALF_H
#define AE_FORMAT_HALF_H

#include <stdint.h>
#include <string.h>

static inline float ae_float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t ae_float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float ae_f16_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7fffu;
    uint32_t bits;
    if (magnitude >= 0x7c00u) {
        bits = 0x7f800000u | magnitude << 13;
        if (magnitude > 0x7c00u) bits |= 0x00400000u;
    } else if (magnitude >= 0x0400u) {
        bits = (magnitude << 13) + ((127u - 15u) << 23);
    } else {
        // A subnormal half is m * 2^-24: put m into the mantissa of 2^-14 and take 2^-14 away again, exactly.
        bits = ae_float_bits(ae_float_from_bits((113u << 23) | magnitude << 13) -
                             ae_float_from_bits(113u << 23));
    }
    return ae_float_from_bits(sign | bits);
}

static inline uint16_t ae_float_to_f16(float value) {
    uint32_t bits = ae_float_bits(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    uint32_t half;
    if (magnitude > 0x7f800000u) {
        half = 0x7e00u | (magnitude >> 13 & 0x3ffu);
    } else if (magnitude >= 0x477ff000u) { // 65520, half way from the largest half to 2^16, and above
        half = 0x7c00u;
    } else if (magnitude >= 0x38800000u) { // 2^-14: a normal half
        half = (magnitude - ((127u - 15u) << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    } else {
        // Adding 0.5 leaves a float whose last place is 2^-24, the unit of subnormal halves: the addition
        // rounds.
        half = ae_float_bits(ae_float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
    }
    return (uint16_t)(sign | half);
}

static inline float ae_bf16_to_float(uint16_t brain) {
    return ae_float_from_bits((uint32_t)brain << 16);
}

static inline uint16_t ae_float_to_bf16(float value) {
    uint32_t bits = ae_float_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#endif
