// bench/machine: what the machine is and what it can do at most. Usage: machine THREADS
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    char text[512];
    const int threads = argc > 1 ? atoi(argv[1]) : 1;
    bench_describe(text, sizeof text);
    printf("%s\n\n| threads | multiply-adds | reading memory |\n|---|---|---|\n", text);
    for (int n = 1; n <= threads; n *= 2)
        printf("| %d | %.0f GFLOP/s | %.0f GB/s |\n", n, bench_peak_flops(n) * 1e-9,
               bench_peak_bytes(n) * 1e-9);
    return 0;
}
