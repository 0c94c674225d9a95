#include "format/tensor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/half.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#endif

static const struct {
    const char *name;
    size_t size;
} types[AE_DTYPE_COUNT] = {
#define AE_DTYPE_ROW(code, name, size) {name, size},
    AE_DTYPE_TABLE(AE_DTYPE_ROW)
#undef AE_DTYPE_ROW
};

const char *ae_dtype_name(ae_dtype dtype) {
    return (unsigned)dtype < AE_DTYPE_COUNT ? types[dtype].name : "unknown";
}

size_t ae_dtype_size(ae_dtype dtype) {
    return (unsigned)dtype < AE_DTYPE_COUNT ? types[dtype].size : 0;
}

bool ae_dtype_parse(const char *name, ae_dtype *out) {
    for (int i = 0; i < AE_DTYPE_COUNT; i++) {
        if (strcmp(name, types[i].name) != 0) continue;
        *out = (ae_dtype)i;
        return true;
    }
    return false;
}

const char *ae_dtype_list(void) {
#define AE_DTYPE_LISTED(code, name, size) ", " name
    static const char list[] = AE_DTYPE_TABLE(AE_DTYPE_LISTED);
#undef AE_DTYPE_LISTED
    return list + 2;
}

int64_t ae_tensor_elements(const ae_tensor *tensor) {
    if (tensor->n_dim < 0 || tensor->n_dim > AE_MAX_DIM) return -1;
    int64_t n = 1;
    bool overflow = false, empty = false;
    for (int i = 0; i < tensor->n_dim; i++) {
        if (tensor->shape[i] < 0) return -1;
        if (tensor->shape[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(n, tensor->shape[i], &n))
            overflow = true;
    }
    return overflow ? -1 : empty ? 0 : n;
}

const char *ae_shape_text(int n_dim, const int64_t *shape, char text[AE_SHAPE_TEXT]) {
    size_t used = 0;
    text[used++] = '[';
    for (int i = 0; i < n_dim && i < AE_MAX_DIM; i++)
        used +=
            (size_t)snprintf(text + used, AE_SHAPE_TEXT - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    text[used++] = ']';
    text[used] = '\0';
    return text;
}

// ---- rows of halves --------------------------------------------------------------------------------

static void f16_row_plain(const unsigned char *bytes, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        out[i] = ae_f16_to_float(half);
    }
}

static void row_f16_plain(const float *values, int64_t n, unsigned char *bytes) {
    for (int64_t i = 0; i < n; i++) {
        uint16_t half = ae_float_to_f16(values[i]);
        memcpy(bytes + 2 * i, &half, 2);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) static void f16_row_wide(const unsigned char *bytes, int64_t n,
                                                             float *out) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(bytes + 2 * i))));
    f16_row_plain(bytes + 2 * i, n - i, out + i);
}

__attribute__((target("avx,f16c"))) static void row_f16_wide(const float *values, int64_t n,
                                                             unsigned char *bytes) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(bytes + 2 * i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(values + i), _MM_FROUND_TO_NEAREST_INT));
    row_f16_plain(values + i, n - i, bytes + 2 * i);
}

// Asked of the CPU once: the question is slow in a virtual machine, and clang 14's builtin does not know
// F16C.
static bool wide_halves(void) {
    enum { NOT_ASKED, NO, YES };
    static atomic_int answer = NOT_ASKED;
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (known == NOT_ASKED) {
        unsigned a, b, c = 0, d;
        known = __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) ? YES : NO;
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == YES;
}
#endif

static void f16_row(const unsigned char *bytes, int64_t n, float *out) {
#if defined(__x86_64__)
    if (wide_halves()) {
        f16_row_wide(bytes, n, out);
        return;
    }
#endif
    f16_row_plain(bytes, n, out);
}

static void row_f16(const float *values, int64_t n, unsigned char *bytes) {
#if defined(__x86_64__)
    if (wide_halves()) {
        row_f16_wide(values, n, bytes);
        return;
    }
#endif
    row_f16_plain(values, n, bytes);
}

void ae_tensor_to_float(const ae_tensor *tensor, int64_t first, int64_t n, float *out) {
    if (n <= 0) return;
    const unsigned char *bytes =
        (const unsigned char *)tensor->data + (size_t)first * ae_dtype_size(tensor->dtype);
    switch (tensor->dtype) {
    case AE_F32:
        memcpy(out, bytes, (size_t)n * sizeof *out);
        break;
    case AE_F16:
        f16_row(bytes, n, out);
        break;
    case AE_BF16:
        for (int64_t i = 0; i < n; i++) {
            uint16_t brain;
            memcpy(&brain, bytes + 2 * i, 2);
            out[i] = ae_bf16_to_float(brain);
        }
        break;
    case AE_F64:
        for (int64_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, bytes + 8 * i, 8);
            out[i] = (float)value;
        }
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            out[i] = NAN;
    }
}

void ae_float_to_dtype(const float *values, int64_t n, ae_dtype dtype, void *out) {
    if (n <= 0) return;
    unsigned char *bytes = out;
    switch (dtype) {
    case AE_F32:
        memcpy(out, values, (size_t)n * sizeof *values);
        break;
    case AE_F16:
        row_f16(values, n, bytes);
        break;
    case AE_BF16:
        for (int64_t i = 0; i < n; i++) {
            uint16_t brain = ae_float_to_bf16(values[i]);
            memcpy(bytes + 2 * i, &brain, 2);
        }
        break;
    case AE_F64:
        for (int64_t i = 0; i < n; i++) {
            double value = values[i];
            memcpy(bytes + 8 * i, &value, 8);
        }
        break;
    default:
        memset(out, 0, (size_t)n * ae_dtype_size(dtype));
    }
}

// ---- lookup by name --------------------------------------------------------------------------------

static int compare_names(const void *a, const void *b) {
    const ae_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

const ae_tensor **ae_tensor_sort(const ae_tensor *tensors, size_t count) {
    const ae_tensor **sorted = ae_alloc(count, sizeof *sorted);
    if (!sorted) return NULL;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &tensors[i];
    qsort(sorted, count, sizeof *sorted, compare_names);
    return sorted;
}

const ae_tensor *ae_tensor_lookup(const ae_tensor *const *sorted, size_t count, const char *name) {
    ae_tensor key = {.name = name};
    const ae_tensor *wanted = &key;
    const ae_tensor *const *found = bsearch(&wanted, sorted, count, sizeof *sorted, compare_names);
    return found ? *found : NULL;
}
