/* edit/cholesky.h: a Cholesky factor whose bytes do not depend on how many threads compute it.
 *
 * LAPACK's dpotrf by OpenBLAS cuts its work by the number of threads, and with it the order of its sums. A
 * factor is kept in a file and read by whoever comes next (factor.c), with other threads: so it must not
 * remember who made it. */
#ifndef AE_EDIT_CHOLESKY_H
#define AE_EDIT_CHOLESKY_H

/* a[n, n], row-major, of which the lower triangle is read, becomes L with a = L Lᵀ; above the diagonal
 * nothing is touched. Returns 0, or the order of the first leading minor that is not positive (a is then
 * undefined), or less than 0 where LAPACK refuses its arguments. n_threads 0: as OpenMP has it. */
int ae_cholesky(double *a, int n, int n_threads);

#endif
