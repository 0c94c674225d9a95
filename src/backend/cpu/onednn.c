#include "backend/cpu/matmul.h"

#include <dnnl.h>
#include <omp.h>
#include <string.h>

#include "base/memory.h"

enum { KEPT = 128, ARGUMENTS = 3 };

/* What a compiled product depends on. */
typedef struct shape {
    int32_t n_rows, n_inner, n_cols, lda, ldc, n_threads, transposed, accumulate;
} shape;

typedef struct ready {
    shape shape;
    uint64_t last_use; // 0: the place is free
    dnnl_primitive_t product;
    dnnl_memory_t memory[ARGUMENTS]; // a, b, c: without data between calls
} ready;

struct ae_cpu_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    uint64_t calls;
    ready kept[KEPT];
};

#define DNNL_TRY(expression)                                                                                 \
    do {                                                                                                     \
        dnnl_status_t got_ = (expression);                                                                   \
        if (got_ != dnnl_success) return failed(got_, #expression);                                          \
    } while (0)

static ae_status failed(dnnl_status_t status, const char *call) {
    if (status == dnnl_out_of_memory)
        return ae_fail(AE_ERR_MEMORY, "out of memory: oneDNN refused a product");
    return ae_fail(AE_ERR_INTERNAL, "oneDNN gave status %d for %s", (int)status, call);
}

static void drop(ready *r) {
    for (int i = 0; i < ARGUMENTS; i++)
        if (r->memory[i]) dnnl_memory_destroy(r->memory[i]);
    if (r->product) dnnl_primitive_destroy(r->product);
    *r = (ready){0};
}

void ae_cpu_onednn_free(ae_cpu_onednn *products) {
    if (!products) return;
    for (int i = 0; i < KEPT; i++)
        drop(&products->kept[i]);
    if (products->stream) dnnl_stream_destroy(products->stream);
    if (products->engine) dnnl_engine_destroy(products->engine);
    ae_free(products);
}

static ae_status describe(const shape *s, dnnl_memory_desc_t memory[ARGUMENTS]) {
    dnnl_dims_t a = {s->n_rows, s->n_inner}, b = {s->n_inner, s->n_cols}, c = {s->n_rows, s->n_cols};
    dnnl_dims_t a_strides = {s->lda, 1}, c_strides = {s->ldc, 1}, b_strides = {s->n_cols, 1};
    if (s->transposed) b_strides[0] = 1, b_strides[1] = s->n_inner;
    DNNL_TRY(dnnl_memory_desc_init_by_strides(&memory[0], 2, a, dnnl_f32, a_strides));
    DNNL_TRY(dnnl_memory_desc_init_by_strides(&memory[1], 2, b, dnnl_f32, b_strides));
    DNNL_TRY(dnnl_memory_desc_init_by_strides(&memory[2], 2, c, dnnl_f32, c_strides));
    return AE_OK;
}

/* A product that adds to c has a "sum" behind it. The attributes are the caller's to destroy. */
static ae_status attributes(bool accumulate, dnnl_primitive_attr_t *out) {
    DNNL_TRY(dnnl_primitive_attr_create(out));
    if (!accumulate) return AE_OK;
    dnnl_post_ops_t sum;
    DNNL_TRY(dnnl_post_ops_create(&sum));
    dnnl_status_t status = dnnl_post_ops_append_sum(sum, 1.0f);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out, sum);
    dnnl_post_ops_destroy(sum);
    DNNL_TRY(status);
    return AE_OK;
}

static ae_status compile(ae_cpu_onednn *products, const shape *s, ready *out) {
    dnnl_memory_desc_t memory[ARGUMENTS];
    AE_TRY(describe(s, memory));
    dnnl_matmul_desc_t matmul;
    DNNL_TRY(dnnl_matmul_desc_init(&matmul, &memory[0], &memory[1], NULL, &memory[2]));
    dnnl_primitive_attr_t attr = NULL;
    ae_status status = attributes(s->accumulate, &attr);
    if (status == AE_OK) {
        dnnl_primitive_desc_t description = NULL;
        dnnl_status_t got = dnnl_primitive_desc_create(&description, &matmul, attr, products->engine, NULL);
        if (got == dnnl_success) {
            got = dnnl_primitive_create(&out->product, description);
            dnnl_primitive_desc_destroy(description);
        }
        if (got != dnnl_success) status = failed(got, "dnnl_primitive_create");
    }
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (status != AE_OK) return status;
    for (int i = 0; i < ARGUMENTS; i++)
        DNNL_TRY(dnnl_memory_create(&out->memory[i], &memory[i], products->engine, DNNL_MEMORY_NONE));
    return AE_OK;
}

/* The kept product of this shape, or a new one in the place that was used longest ago. */
static ae_status find(ae_cpu_onednn *products, const shape *s, ready **out) {
    ready *oldest = &products->kept[0];
    for (int i = 0; i < KEPT; i++) {
        ready *r = &products->kept[i];
        if (r->last_use > 0 && memcmp(&r->shape, s, sizeof *s) == 0) {
            *out = r;
            return AE_OK;
        }
        if (r->last_use < oldest->last_use) oldest = r;
    }
    drop(oldest);
    ae_status status = compile(products, s, oldest);
    if (status != AE_OK) {
        drop(oldest);
        return status;
    }
    oldest->shape = *s;
    *out = oldest;
    return AE_OK;
}

static ae_status start(ae_cpu_onednn **out) {
    ae_cpu_onednn *products = ae_alloc(1, sizeof *products);
    if (!products) return ae_no_memory();
    dnnl_status_t status = dnnl_engine_create(&products->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&products->stream, products->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        ae_cpu_onednn_free(products);
        return failed(status, "dnnl_stream_create");
    }
    *out = products;
    return AE_OK;
}

static ae_status run(ae_cpu_onednn *products, const ae_cpu_product *p, int n_threads) {
    shape s = {p->n_rows, p->n_inner, p->n_cols, p->lda, p->ldc, n_threads, p->transposed, p->accumulate};
    ready *r;
    AE_TRY(find(products, &s, &r));
    r->last_use = ++products->calls;
    static const int roles[ARGUMENTS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    void *data[ARGUMENTS] = {(void *)(uintptr_t)p->a, (void *)(uintptr_t)p->b, p->c}; // a and b are only read
    dnnl_exec_arg_t arguments[ARGUMENTS];
    for (int i = 0; i < ARGUMENTS; i++) {
        DNNL_TRY(dnnl_memory_set_data_handle(r->memory[i], data[i]));
        arguments[i] = (dnnl_exec_arg_t){roles[i], r->memory[i]};
    }
    DNNL_TRY(dnnl_primitive_execute(r->product, products->stream, ARGUMENTS, arguments));
    DNNL_TRY(dnnl_stream_wait(products->stream));
    return AE_OK;
}

ae_status ae_cpu_onednn_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    if (!cpu->onednn) AE_TRY(start(&cpu->onednn));
    // It must get exactly the threads that it counts on: a region with fewer leaves a part undone, silently.
    int n_threads = ae_cpu_team(cpu->base.n_threads), dynamic = omp_get_dynamic();
    int former = ae_cpu_library_threads(n_threads);
    omp_set_dynamic(false);
    ae_status status = run(cpu->onednn, p, n_threads);
    omp_set_dynamic(dynamic);
    ae_cpu_library_threads(former);
    return status;
}
