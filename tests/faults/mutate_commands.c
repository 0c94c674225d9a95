// The commands that mutate runs, and what each may touch.
#include "mutate_parts.h"

#include <string.h>

int area_of(const char *path) {
    if (strcmp(path, "model/hparams.json") == 0) return HPARAMS;
    if (starts_with(path, "model/stats/")) return STATS;
    if (starts_with(path, "model/")) return MODEL;
    if (starts_with(path, "edits/")) return JOURNAL;
    return starts_with(path, "results/") ? RUN : 0;
}

#define PROMPT   "-p", "The Moon is in"
#define REQUESTS "-r", "requests.json", "--show", "4"
#define RUN_OPTIONS                                                                                          \
    "--ds", "records.json", "--sequential", "--glue-interval", "0", "--ppl-text", "text.txt",                \
        "--ppl-tokens", "100", "--ppl-interval", "2", "--pre"

const command commands[] = {
    {"inspect", MODEL, NULL, true, {"inspect", "model", "--check", "--tensors"}},
    {"inspect edited", JOURNAL, NULL, true, {"inspect", "model", "--journal", "edits"}},
    {"generate", MODEL, NULL, true, {"generate", "model", PROMPT, "-n", "8", "-k", "5"}},
    {"generate edited",
     MODEL | JOURNAL,
     NULL,
     true,
     {"generate", "model", PROMPT, "-n", "8", "--journal", "edits"}},
    {"score", MODEL, NULL, true, {"score", "model", PROMPT, "-t", "Rome", "Paris"}},
    {"score edited", MODEL | JOURNAL, NULL, true, {"score", "model", PROMPT, "-t", "Rome", "-j", "edits"}},
    {"edit more",
     MODEL | HPARAMS | STATS | JOURNAL,
     "edits/",
     false,
     {"edit", "model", REQUESTS, "--journal", "edits", "--templates", "templates.json"}},
    {"edit", MODEL | HPARAMS | STATS, "new/", false, {"edit", "model", REQUESTS, "--journal", "new"}},
    {"edit two layers",
     MODEL | JOURNAL,
     "edits/",
     false,
     {"edit", "model", REQUESTS, "--journal", "edits", "--layer", "0,2", "--no-stats"}},
    {"stats",
     MODEL,
     "new/",
     true,
     {"stats", "model", "--text", "text.txt", "--layer", "1", "--output", "new"}},
    {"stats edited",
     JOURNAL,
     "new/",
     true,
     {"stats", "model", "--text", "text.txt", "--layer", "0", "--output", "new", "--journal", "edits"}},
    {"export", MODEL | JOURNAL, "new/", true, {"export", "model", "--journal", "edits", "--output", "new"}},
    {"export as LoRA",
     MODEL | JOURNAL,
     "new/",
     true,
     {"export", "model", "--journal", "edits", "--format", "lora", "--output", "new"}},
    {"list", JOURNAL, NULL, true, {"edits", "list", "--journal", "edits"}},
    {"show", JOURNAL, NULL, true, {"edits", "show", "3", "--journal", "edits"}},
    {"verify", JOURNAL, NULL, true, {"edits", "verify", "--journal", "edits"}},
    {"verify with model", MODEL | JOURNAL, NULL, true, {"edits", "verify", "model", "--journal", "edits"}},
    {"revert", JOURNAL, "edits/", true, {"edits", "revert", "1", "--journal", "edits"}},
    {"run", MODEL | HPARAMS | STATS, "new/", false, {"run", "model", RUN_OPTIONS, "--results", "new"}},
    {"resume", RUN, "results/", false, {"run", "--resume", "run_000"}},
    {"summarize", RUN, NULL, true, {"summarize", "run_000", "--std"}},
    {"report html", RUN, "new.html", true, {"report", "run_000", "--output", "new.html"}},
    {"report csv", RUN, "new/", true, {"report", "run_000", "--format", "csv", "--output", "new"}},
    {"report svg", RUN, "new/", true, {"report", "run_000", "--format", "svg", "--output", "new"}},
};
const size_t n_commands = sizeof commands / sizeof *commands;
