/* bench/lib/peer.h: bench/reference.py as a process beside the benchmark, asked over two pipes. */
#ifndef AE_BENCH_PEER_H
#define AE_BENCH_PEER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct bench_peer {
    pid_t process;
    FILE *to, *from;
} bench_peer;

/* Starts `python script --model folder --threads n` and waits until it has loaded. False, with a word on
 * standard error, where it does not come up: then there is nothing to compare with. *hello: its first line.
 */
bool bench_peer_start(bench_peer *peer, const char *python, const char *script, const char *folder,
                      int threads, json_t **hello);

/* Sends the request (its reference is taken over) and waits. NULL, with a word on standard error, where the
 * answer is an error or none. The answer is the caller's. */
json_t *bench_peer_ask(bench_peer *peer, json_t *request);

void bench_peer_stop(bench_peer *peer);

#endif
