// bench/linear: how fast y = x W is, by library, shape, orientation and number of rows.
//
// Weights are cold: copies that make up 320 MB or more are used in turn. The candidates of one cell take
// turns, in a new random order each round, so that whatever else the machine does hits them alike; a cell
// shows the median GFLOP/s and, after the slash, the best.
//
// Usage: linear [-t threads] [-s seconds a candidate] [-m rows,rows,...] [-k in,out]   (prints a Markdown
// table)
#include <cblas.h>
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/random.h"

enum { MAX_SAMPLES = 400, N_CANDIDATES = 7, MAX_COPIES = 160 };
static const size_t pool_bytes = 320u << 20, packed_bytes = 128u << 20;

static void must(int failed, const char *what) {
    if (!failed) return;
    fprintf(stderr, "linear: %s failed: %s\n", what, ae_last_error());
    exit(1);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct cell {
    int64_t in, out, rows;
    bool in_out;
    int n_copies, n_packed, next; // packed copies: enough to be cold
    float *weights;               // [n_copies, in * out]
    uint16_t *halves;
    float *x, *y;
    ae_backend *backend;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t plain, packed;
    dnnl_memory_t x_memory, y_memory, plain_memory[MAX_COPIES], packed_memory[MAX_COPIES];
} cell;

static float *weight(cell *c, int copy) {
    return c->weights + (size_t)copy * (size_t)(c->in * c->out);
}

static void run_openblas(cell *c, int copy) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, c->in_out ? CblasNoTrans : CblasTrans, (blasint)c->rows,
                (blasint)c->out, (blasint)c->in, 1, c->x, (blasint)c->in, weight(c, copy),
                (blasint)(c->in_out ? c->out : c->in), 0, c->y, (blasint)c->out);
}

static void run_gemv(cell *c, int copy) {
    blasint rows = (blasint)(c->in_out ? c->in : c->out), cols = (blasint)(c->in_out ? c->out : c->in);
    cblas_sgemv(CblasRowMajor, c->in_out ? CblasTrans : CblasNoTrans, rows, cols, 1, weight(c, copy), cols,
                c->x, 1, 0, c->y, 1);
}

static void run_dnnl(cell *c, dnnl_primitive_t product, dnnl_memory_t w) {
    dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, c->x_memory}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, c->y_memory}};
    must(dnnl_primitive_execute(product, c->stream, 3, arguments) || dnnl_stream_wait(c->stream), "oneDNN");
}

static void run_plain(cell *c, int copy) {
    run_dnnl(c, c->plain, c->plain_memory[copy]);
}

static void run_packed(cell *c, int copy) {
    run_dnnl(c, c->packed, c->packed_memory[copy % c->n_packed]);
}

static void run_backend(cell *c, const void *data, ae_dtype dtype) {
    ae_weight w = {data, dtype, (int32_t)c->in, (int32_t)c->out, c->in_out};
    must(c->backend->linear(c->backend, c->y, w.n_out, c->x, w.n_in, &w, NULL, (int32_t)c->rows, false),
         "linear");
}

static void run_f32(cell *c, int copy) {
    run_backend(c, weight(c, copy), AE_F32);
}

static void run_f16(cell *c, int copy) {
    run_backend(c, c->halves + (size_t)copy * (size_t)(c->in * c->out), AE_F16);
}

static void run_bf16(cell *c, int copy) {
    run_backend(c, c->halves + (size_t)copy * (size_t)(c->in * c->out), AE_BF16);
}

static const struct {
    const char *name;
    void (*run)(cell *c, int copy);
    bool one_row_only;
} candidates[N_CANDIDATES] = {
    {"OpenBLAS", run_openblas, false},    {"gemv", run_gemv, true},        {"oneDNN", run_plain, false},
    {"oneDNN packed", run_packed, false}, {"backend F32", run_f32, false}, {"backend F16", run_f16, false},
    {"backend BF16", run_bf16, false},
};

/* oneDNN's products, on the weights as they lie and on its own layout. */
static void prepare_dnnl(cell *c) {
    dnnl_dims_t x = {c->rows, c->in}, w = {c->in, c->out}, y = {c->rows, c->out};
    dnnl_dims_t strides = {c->in_out ? c->out : 1, c->in_out ? 1 : c->in};
    dnnl_memory_desc_t x_desc, w_desc, any, y_desc;
    must(dnnl_memory_desc_init_by_tag(&x_desc, 2, x, dnnl_f32, dnnl_ab) ||
             dnnl_memory_desc_init_by_strides(&w_desc, 2, w, dnnl_f32, strides) ||
             dnnl_memory_desc_init_by_tag(&any, 2, w, dnnl_f32, dnnl_format_tag_any) ||
             dnnl_memory_desc_init_by_tag(&y_desc, 2, y, dnnl_f32, dnnl_ab),
         "oneDNN descriptions");
    must(dnnl_memory_create(&c->x_memory, &x_desc, c->engine, c->x) ||
             dnnl_memory_create(&c->y_memory, &y_desc, c->engine, c->y),
         "oneDNN memory");
    for (int i = 0; i < c->n_copies; i++)
        must(dnnl_memory_create(&c->plain_memory[i], &w_desc, c->engine, weight(c, i)), "oneDNN memory");
    for (int packed = 0; packed < 2; packed++) {
        dnnl_matmul_desc_t matmul;
        dnnl_primitive_desc_t description;
        must(dnnl_matmul_desc_init(&matmul, &x_desc, packed ? &any : &w_desc, NULL, &y_desc) ||
                 dnnl_primitive_desc_create(&description, &matmul, NULL, c->engine, NULL) ||
                 dnnl_primitive_create(packed ? &c->packed : &c->plain, description),
             "oneDNN product");
        if (packed) {
            const dnnl_memory_desc_t *desc =
                dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
            for (int i = 0; i < c->n_packed; i++)
                must(dnnl_memory_create(&c->packed_memory[i], desc, c->engine, DNNL_MEMORY_ALLOCATE),
                     "oneDNN memory");
            for (int i = 0; i < c->n_packed; i++) {
                dnnl_primitive_desc_t reorder_description;
                dnnl_primitive_t reorder;
                must(dnnl_reorder_primitive_desc_create(&reorder_description, &w_desc, c->engine, desc,
                                                        c->engine, NULL) ||
                         dnnl_primitive_create(&reorder, reorder_description),
                     "oneDNN reorder");
                dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, c->plain_memory[0]},
                                               {DNNL_ARG_TO, c->packed_memory[i]}};
                must(dnnl_primitive_execute(reorder, c->stream, 2, arguments) || dnnl_stream_wait(c->stream),
                     "reorder");
                dnnl_primitive_destroy(reorder);
                dnnl_primitive_desc_destroy(reorder_description);
            }
        }
        dnnl_primitive_desc_destroy(description);
    }
}

static void release_dnnl(cell *c) {
    dnnl_primitive_destroy(c->plain);
    dnnl_primitive_destroy(c->packed);
    dnnl_memory_destroy(c->x_memory);
    dnnl_memory_destroy(c->y_memory);
    for (int i = 0; i < c->n_copies; i++)
        dnnl_memory_destroy(c->plain_memory[i]);
    for (int i = 0; i < c->n_packed; i++)
        dnnl_memory_destroy(c->packed_memory[i]);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(cell *c, double limit, ae_random *random) {
    static double samples[N_CANDIDATES][MAX_SAMPLES];
    prepare_dnnl(c);
    int n = 0;
    for (double start = seconds(); n < MAX_SAMPLES && (n < 5 || seconds() - start < limit * N_CANDIDATES);
         n++) {
        int order[N_CANDIDATES];
        for (int i = 0; i < N_CANDIDATES; i++) {
            int j = (int)(ae_random_next(random) % (uint64_t)(i + 1));
            order[i] = order[j];
            order[j] = i;
        }
        for (int i = 0; i < N_CANDIDATES; i++) {
            int k = order[i];
            if (candidates[k].one_row_only && c->rows > 1) continue;
            double from = seconds();
            candidates[k].run(c, c->next);
            samples[k][n] = seconds() - from;
            c->next = (c->next + 1) % c->n_copies;
        }
    }
    printf("| %ld x %ld %s | %ld | %d |", (long)c->in, (long)c->out, c->in_out ? "in_out" : "out_in",
           (long)c->rows, n);
    for (int k = 0; k < N_CANDIDATES; k++) {
        if (candidates[k].one_row_only && c->rows > 1) {
            printf(" |");
            continue;
        }
        qsort(samples[k], (size_t)n, sizeof(double), ascending);
        double work = 2e-9 * (double)c->rows * (double)c->in * (double)c->out;
        printf(" %.0f / %.0f |", work / samples[k][n / 2], work / samples[k][0]);
    }
    printf("\n");
    fflush(stdout);
    release_dnnl(c);
}

static int64_t *parse_rows(char *text, int *n) {
    static int64_t rows[32];
    for (*n = 0; text && *n < 32; (*n)++) {
        rows[*n] = strtol(text, &text, 10);
        text = *text == ',' ? text + 1 : NULL;
    }
    return rows;
}

int main(int argc, char **argv) {
    static const int64_t shapes[][2] = {{768, 2304},   {768, 3072},  {3072, 768},  {1600, 4800},
                                        {1600, 1600},  {1600, 6400}, {6400, 1600}, {4096, 16384},
                                        {16384, 4096}, {1600, 50257}};
    char default_rows[] = "1,8,24,64,128,420,2048";
    int n_rows = 0, n_threads = 4;
    int64_t *rows = parse_rows(default_rows, &n_rows), only_in = 0, only_out = 0;
    double limit = 0.25;
    for (int option; (option = getopt(argc, argv, "t:s:m:k:")) != -1;) {
        if (option == 't')
            n_threads = atoi(optarg);
        else if (option == 's')
            limit = atof(optarg);
        else if (option == 'm')
            rows = parse_rows(optarg, &n_rows);
        else if (option == 'k') {
            int n;
            int64_t *pair = parse_rows(optarg, &n);
            only_in = pair[0];
            only_out = n > 1 ? pair[1] : 0;
            rows = parse_rows(default_rows, &n_rows);
        } else
            return 2;
    }
    omp_set_num_threads(n_threads);
    cell c = {0};
    must(ae_backend_cpu(n_threads, &c.backend), "backend");
    must(dnnl_engine_create(&c.engine, dnnl_cpu, 0) ||
             dnnl_stream_create(&c.stream, c.engine, dnnl_stream_default_flags),
         "oneDNN");
    ae_random random = ae_random_stream(0, 0, 0);
    printf("%d threads, GFLOP/s, median / best\n\n| weights | rows | samples |", n_threads);
    for (int k = 0; k < N_CANDIDATES; k++)
        printf(" %s |", candidates[k].name);
    printf("\n|---|---|---|");
    for (int k = 0; k < N_CANDIDATES; k++)
        printf("---|");
    printf("\n");
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        c.in = shapes[s][0];
        c.out = shapes[s][1];
        if (only_in && (c.in != only_in || c.out != only_out)) continue;
        size_t elements = (size_t)(c.in * c.out);
        c.n_copies = (int)((pool_bytes + elements * 4 - 1) / (elements * 4));
        if (c.n_copies > MAX_COPIES) c.n_copies = MAX_COPIES;
        c.n_packed = (int)((packed_bytes + elements * 4 - 1) / (elements * 4));
        c.weights = malloc((size_t)c.n_copies * elements * sizeof(float));
        c.halves = malloc((size_t)c.n_copies * elements * sizeof(uint16_t));
        must(!c.weights || !c.halves, "memory for weights");
        for (size_t i = 0; i < (size_t)c.n_copies * elements; i++) {
            c.weights[i] = (float)(i * 2654435761u % 1000) * 0.001f - 0.5f;
            c.halves[i] = (uint16_t)(0x3000 + i * 2654435761u % 1024);
        }
        for (int in_out = 1; in_out >= 0; in_out--)
            for (int r = 0; r < n_rows; r++) {
                c.in_out = in_out;
                c.rows = rows[r];
                c.x = calloc((size_t)(c.rows * c.in), sizeof(float));
                c.y = calloc((size_t)(c.rows * c.out), sizeof(float));
                must(!c.x || !c.y, "memory for rows");
                for (int64_t i = 0; i < c.rows * c.in; i++)
                    c.x[i] = (float)(i % 97) * 0.01f;
                measure(&c, limit, &random);
                free(c.x);
                free(c.y);
            }
        free(c.weights);
        free(c.halves);
    }
    dnnl_stream_destroy(c.stream);
    dnnl_engine_destroy(c.engine);
    c.backend->destroy(c.backend);
    return 0;
}
