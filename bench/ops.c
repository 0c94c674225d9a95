// bench/ops: time of the ops that are not matrix products, at the sizes of one layer of gpt2-xl.
//
// Usage: ops [-t threads] [-r rows]   (prints a Markdown table: best and median of 30, nanoseconds an
// element)
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "backend/backend.h"

enum { SAMPLES = 30, D = 1600, D_MLP = 6400, V = 50257, HEADS = 25, TEXTS = 22 };

typedef struct setting {
    ae_backend *be;
    int32_t rows;
    float *x, *y, *z, *w, *logits;
    double *nll, *moment;
    int32_t *targets;
    ae_seq seqs[TEXTS];
} setting;

static void must(ae_status status) {
    if (status == AE_OK) return;
    fprintf(stderr, "ops: %s\n", ae_last_error());
    exit(1);
}

static ae_attention attention_of(const setting *s) {
    return (ae_attention){s->seqs, TEXTS, HEADS, D / HEADS, 0.125f, s->x, s->z};
}

static size_t gelu(setting *s) {
    must(s->be->gelu(s->be, s->y, s->x, (size_t)s->rows * D_MLP));
    return (size_t)s->rows * D_MLP;
}

static size_t gelu_backward(setting *s) {
    must(s->be->gelu_backward(s->be, s->y, s->x, s->z, (size_t)s->rows * D_MLP));
    return (size_t)s->rows * D_MLP;
}

static size_t layer_norm(setting *s) {
    must(s->be->layer_norm(s->be, s->y, s->w, s->w + s->rows, s->x, s->z, s->z, 1e-5f, s->rows, D));
    return (size_t)s->rows * D;
}

static size_t layer_norm_backward(setting *s) {
    must(s->be->layer_norm_backward(s->be, s->y, s->x, s->z, s->z, s->w, s->w + s->rows, s->rows, D));
    return (size_t)s->rows * D;
}

static size_t attention(setting *s) {
    ae_attention a = attention_of(s);
    must(s->be->attention(s->be, s->y, D, s->x, D, &a));
    return (size_t)s->rows * D;
}

static size_t attention_backward(setting *s) {
    ae_attention a = attention_of(s);
    must(s->be->attention_backward(s->be, s->y, D, s->w, D, s->w + (size_t)s->rows * D, D, s->x, D, s->x, D,
                                   &a));
    return (size_t)s->rows * D;
}

static size_t cross_entropy(setting *s) {
    must(s->be->cross_entropy(s->be, s->nll, s->logits, s->targets, s->nll + TEXTS, TEXTS, V));
    return (size_t)TEXTS * V;
}

static size_t second_moment(setting *s) {
    must(s->be->second_moment(s->be, s->moment, s->x, D_MLP, s->rows, D_MLP));
    return (size_t)D_MLP * D_MLP;
}

static const struct {
    const char *name;
    size_t (*run)(setting *s);
} ops[] = {{"gelu [rows, 6400]", gelu},
           {"gelu_backward [rows, 6400]", gelu_backward},
           {"layer_norm [rows, 1600]", layer_norm},
           {"layer_norm_backward [rows, 1600]", layer_norm_backward},
           {"attention, 22 texts, 25 heads", attention},
           {"attention_backward, the same", attention_backward},
           {"cross_entropy with gradient [22, 50257]", cross_entropy},
           {"second_moment [rows, 6400]", second_moment}};

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(size_t n) {
    float *x = malloc(n * sizeof *x);
    if (!x) exit(1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i * 2654435761u % 1000) * 0.004f - 2;
    return x;
}

int main(int argc, char **argv) {
    int n_threads = 4;
    setting s = {.rows = 440};
    for (int option; (option = getopt(argc, argv, "t:r:")) != -1;) {
        if (option == 't')
            n_threads = atoi(optarg);
        else if (option == 'r')
            s.rows = atoi(optarg);
        else
            return 2;
    }
    must(ae_backend_cpu(n_threads, &s.be));
    size_t n = (size_t)s.rows * D_MLP;
    s.x = numbers(n);
    s.y = numbers(n);
    s.z = numbers(n);
    s.w = numbers(n);
    s.logits = numbers((size_t)TEXTS * V);
    s.nll = calloc(2 * TEXTS, sizeof *s.nll);
    s.moment = calloc((size_t)D_MLP * D_MLP, sizeof *s.moment);
    s.targets = calloc(TEXTS, sizeof *s.targets);
    for (int32_t i = 0; i < TEXTS; i++) {
        int32_t from = s.rows * i / TEXTS, to = s.rows * (i + 1) / TEXTS;
        s.seqs[i] = (ae_seq){.row = from, .n_rows = to - from, .own_row = from};
    }
    printf("%d threads, %d rows\n\n| op | best ms | median ms | ns an element (best) |\n|---|---|---|---|\n",
           n_threads, s.rows);
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        double samples[SAMPLES];
        size_t elements = 0;
        for (int i = 0; i < SAMPLES; i++) {
            double from = seconds();
            elements = ops[k].run(&s);
            samples[i] = seconds() - from;
        }
        qsort(samples, SAMPLES, sizeof *samples, ascending);
        printf("| %s | %.3f | %.3f | %.3f |\n", ops[k].name, 1e3 * samples[0], 1e3 * samples[SAMPLES / 2],
               1e9 * samples[0] / (double)elements);
    }
    free(s.targets);
    free(s.moment);
    free(s.nll);
    free(s.logits);
    free(s.w);
    free(s.z);
    free(s.y);
    free(s.x);
    s.be->destroy(s.be);
    return 0;
}
