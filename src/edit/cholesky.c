// A column of blocks at a time, from the left. Tiles are the same whatever the number of threads; each is
// computed by one thread, by one call of OpenBLAS's for each step.
#include "edit/cholesky.h"

#include <cblas.h>
#include <omp.h>
#include <stddef.h>

// LAPACK's factorisation, by OpenBLAS: info > 0 is the order of the leading minor that is not positive. The
// last argument is the hidden length of `uplo` in the Fortran calling convention.
extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_length);

enum { TILE = 256 };

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Rows [row, row + rows) of the columns [first, first + cols), less what the columns before contribute. */
static void subtract_left(double *a, int n, int row, int rows, int first, int cols) {
    const double *left = a + (size_t)row * (size_t)n, *top = a + (size_t)first * (size_t)n;
    double *tile = a + (size_t)row * (size_t)n + (size_t)first;
    if (row == first) // only the lower triangle
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, cols, first, -1.0, top, n, 1.0, tile, n);
    else
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, cols, first, -1.0, left, n, top, n, 1.0,
                    tile, n);
}

int ae_cholesky(double *a, int n, int n_threads) {
    int order = 0, former = omp_get_max_threads();
    if (n_threads <= 0) n_threads = former;
    omp_set_num_threads(1); // OpenBLAS's, in each thread of the regions below
    for (int first = 0; first < n && order == 0; first += TILE) {
        const int cols = least(TILE, n - first), below = first + cols;
        double *diagonal = a + (size_t)first * (size_t)n + (size_t)first;
        if (first > 0) {
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
            for (int row = first; row < n; row += TILE)
                subtract_left(a, n, row, least(TILE, n - row), first, cols);
        }
        dpotrf_("U", &cols, diagonal, &n, &order, 1); // upper by columns is lower by rows
        if (order > 0) order += first;
        if (order != 0) break;
#pragma omp parallel for num_threads(n_threads) schedule(dynamic) if (n - below > TILE)
        for (int row = below; row < n; row += TILE)
            cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, least(TILE, n - row),
                        cols, 1.0, diagonal, n, a + (size_t)row * (size_t)n + (size_t)first, n);
    }
    omp_set_num_threads(former);
    return order;
}
