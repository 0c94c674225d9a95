/* bench/lib/machine.h: what the machine can do at most, and what a program took of it. */
#ifndef AE_BENCH_MACHINE_H
#define AE_BENCH_MACHINE_H

#include <stddef.h>

/* Fused multiply-adds in registers on `threads` threads, the widest vectors there are: operations a second
 * (two an element), best of several. */
double bench_peak_flops(int threads);

/* Reading memory far larger than the caches, eight streams a thread: bytes a second, best of several. */
double bench_peak_bytes(int threads);

/* The processor's name and how many there are, the system's memory and kernel: one line. */
void bench_describe(char *out, size_t size);

/* The most bytes this process ever had resident, mapped files among them. */
double bench_peak_resident(void);
/* Of what is resident now: the part that is no file's. */
double bench_anonymous(void);

/* Runs a command (NULL ends argv), its output thrown away: its exit status, or -1. The caller should be small
 * itself: a child starts out with its parent's peak. */
typedef struct bench_child {
    double seconds, resident; // peak, bytes
} bench_child;
int bench_run(char *const *argv, bench_child *out);

#endif
