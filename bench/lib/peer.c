#include "peer.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static json_t *read_answer(bench_peer *peer) {
    char *line = NULL;
    size_t size = 0;
    json_t *answer = NULL;
    if (getline(&line, &size, peer->from) > 0) answer = json_loads(line, 0, NULL);
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (!answer || error) {
        fprintf(stderr, "bench: the reference's side: %s\n", error ? error : "no answer");
        json_decref(answer);
        answer = NULL;
    }
    free(line);
    return answer;
}

bool bench_peer_start(bench_peer *peer, const char *python, const char *script, const char *folder,
                      int threads, json_t **hello) {
    int to[2], from[2];
    char count[16];
    snprintf(count, sizeof count, "%d", threads);
    signal(SIGPIPE, SIG_IGN); // a peer that died is seen as no answer
    if (pipe(to) != 0 || pipe(from) != 0) return false;
    peer->process = fork();
    if (peer->process < 0) return false;
    if (peer->process == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        close(to[1]);
        close(from[0]);
        unsetenv("OMP_WAIT_POLICY"); // torch with its own defaults
        unsetenv("GOMP_SPINCOUNT");
        execlp(python, python, script, "--model", folder, "--threads", count, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    peer->to = fdopen(to[1], "w");
    peer->from = fdopen(from[0], "r");
    *hello = peer->to && peer->from ? read_answer(peer) : NULL;
    if (*hello) return true;
    bench_peer_stop(peer);
    return false;
}

json_t *bench_peer_ask(bench_peer *peer, json_t *request) {
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text) return NULL;
    fprintf(peer->to, "%s\n", text);
    fflush(peer->to);
    free(text);
    return read_answer(peer);
}

void bench_peer_stop(bench_peer *peer) {
    if (peer->to) fclose(peer->to);
    if (peer->from) fclose(peer->from);
    if (peer->process > 0) waitpid(peer->process, NULL, 0);
    *peer = (bench_peer){0};
}
