#include "base/random.h"

#include <math.h>

#include "base/memory.h"

static uint64_t splitmix64(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

ae_random ae_random_stream(uint64_t seed, uint64_t a, uint64_t b) {
    // Each name is mixed in turn; splitmix64's output after each is a bijection of its input.
    uint64_t x = seed;
    x = splitmix64(&x) ^ a;
    x = splitmix64(&x) ^ b;
    ae_random random;
    for (int i = 0; i < 4; i++)
        random.state[i] = splitmix64(&x);
    return random;
}

static uint64_t rotate(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

uint64_t ae_random_next(ae_random *random) {
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double ae_random_uniform(ae_random *random) {
    return (double)(ae_random_next(random) >> 11) * 0x1p-53;
}

double ae_random_normal(ae_random *random) {
    double radius = sqrt(-2.0 * log1p(-ae_random_uniform(random)));
    return radius * cos(6.283185307179586 * ae_random_uniform(random));
}

// MT19937 (Matsumoto & Nishimura 1998), seeded as CPython seeds it from an int: init_by_array of its 32-bit
// digits.
typedef struct twister {
    uint32_t state[624];
    int at;
} twister;

static void twister_seed(twister *t, uint64_t seed) {
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    int n_key = key[1] ? 2 : 1;
    uint32_t *s = t->state;
    s[0] = 19650218u;
    for (uint32_t i = 1; i < 624; i++)
        s[i] = 1812433253u * (s[i - 1] ^ (s[i - 1] >> 30)) + i;
    int i = 1, j = 0;
    for (int k = 0; k < 624; k++) {
        s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1664525u)) + key[j] + (uint32_t)j;
        if (++i == 624) s[0] = s[623], i = 1;
        if (++j == n_key) j = 0;
    }
    for (int k = 0; k < 623; k++) {
        s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1566083941u)) - (uint32_t)i;
        if (++i == 624) s[0] = s[623], i = 1;
    }
    s[0] = 0x80000000u;
    t->at = 624;
}

static uint32_t twister_next(twister *t) {
    uint32_t *s = t->state;
    if (t->at == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % 624] & 0x7fffffffu);
            s[i] = s[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        t->at = 0;
    }
    uint32_t y = s[t->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

ae_status ae_python_shuffle(uint64_t seed, uint32_t n, uint32_t *out) {
    twister *t = ae_alloc(1, sizeof *t);
    if (!t) return ae_no_memory();
    twister_seed(t, seed);
    for (uint32_t i = 0; i < n; i++)
        out[i] = i;
    for (uint32_t i = n; i-- > 1;) {
        // CPython's _randbelow(i + 1): draw as many bits as i + 1 has, again until the number is below it.
        uint32_t below = i + 1;
        int bits = 32 - __builtin_clz(below);
        uint32_t j;
        do
            j = twister_next(t) >> (32 - bits);
        while (j >= below);
        uint32_t swapped = out[i];
        out[i] = out[j];
        out[j] = swapped;
    }
    ae_free(t);
    return AE_OK;
}
