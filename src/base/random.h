/* base/random.h: seeded random streams, the same on every machine (but for _normal, which asks libm).
 *
 * xoshiro256** (Blackman & Vigna 2018, public domain algorithm), seeded through splitmix64. A stream is named
 * by (seed, a, b), so that what one consumer draws never shifts what another sees; and the Mersenne Twister
 * with CPython's shuffle, because sample lists in this field are made by Python's `random` (spec: moments,
 * selections). */
#ifndef AE_BASE_RANDOM_H
#define AE_BASE_RANDOM_H

#include "base/error.h"

typedef struct ae_random {
    uint64_t state[4];
} ae_random;

/* The stream (seed, a, b); say at the caller what a and b number. */
ae_random ae_random_stream(uint64_t seed, uint64_t a, uint64_t b);
uint64_t ae_random_next(ae_random *random);
double ae_random_uniform(ae_random *random); // [0, 1), 53 bits
double ae_random_normal(ae_random *random);  // mean 0, variance 1 (Box-Muller); for tests and benchmarks

/* The list 0..n-1 as Python's `random.Random(seed).shuffle(list)` leaves it. `out` has room for n. */
ae_status ae_python_shuffle(uint64_t seed, uint32_t n, uint32_t *out);

#endif
