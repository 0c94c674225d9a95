#include "edits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "edit/capture.h"
#include "edit/templates.h"

void bench_stop_if(bool failed, const char *what) {
    if (!failed) return;
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, ae_last_error());
    exit(1);
}

void bench_must(ae_status status, const char *what) {
    bench_stop_if(status != AE_OK, what);
}

bool bench_wanted(const char *list, const char *what) {
    if (!list) return true;
    const char *at = strstr(list, what);
    const size_t n = strlen(what);
    return at && (at == list || at[-1] == ',') && (at[n] == '\0' || at[n] == ',');
}

void bench_print_time(const bench_samples *s) {
    const bool small = bench_median(s) < 0.1;
    const double unit = small ? 1e3 : 1;
    if (s->n == 0)
        printf(" |");
    else
        printf(" %.2f / %.2f %s |", unit * bench_median(s), unit * bench_least(s), small ? "ms" : "s");
    fflush(stdout);
}

const ae_request bench_request = {
    .prompt = "{} is located in", .subject = "The Louvre", .target_new = " Rome", .case_id = -1};

void bench_make_templates(int count, ae_templates *out) {
    static const char words[] =
        "The next morning our committee agreed that every harbour town along this coast would open its old "
        "market again before harvest ended. Nobody had asked for such generous terms, yet fishermen, bakers "
        "and teachers signed at once and went home singing under clear autumn stars, where lanterns burned "
        "until midnight";
    *out = (ae_templates){.text = ae_alloc((size_t)count, sizeof *out->text), .count = (size_t)count};
    bench_stop_if(!out->text, "templates");
    const char *from = words;
    for (int i = 0; i < count; i++) {
        const char *end = from;
        for (int n = 0; n < (i % 2 ? 4 : 9) && end; n++)
            end = strchr(end + 1, ' ');
        out->text[i] = i == 0 ? ae_strdup("{}") : ae_format("%.*s. {}", end ? (int)(end - from) : 0, from);
        bench_stop_if(!out->text[i] || !end, "templates");
        if (i > 0) from = strchr(from, ' ') + 1;
    }
    bench_must(ae_templates_finish(out), "templates");
}

bench_rows bench_count_rows(ae_model *model, const ae_hparams *hparams, const ae_templates *templates,
                            const ae_request *request) {
    ae_arena *arena = NULL;
    ae_fact fact;
    bench_must(ae_arena_new(&arena), "arena");
    bench_must(ae_fact_build(model, request, templates, hparams->fact_token, false, NULL, arena, &fact),
               "texts");
    bench_rows rows = {.changing = 1, // the KL text's
                       .logits = fact.n_rewrites * fact.n_targets + 1,
                       .n_texts = fact.n_rewrites + 1};
    for (int i = 0; i < fact.n_rewrites; i++) {
        rows.changing += fact.rewrites[i].n_ids - fact.rewrites[i].lookup;
        if (fact.rewrites[i].n_ids > rows.longest) rows.longest = fact.rewrites[i].n_ids;
    }
    ae_arena_free(arena);
    return rows;
}

bool bench_note_step(void *steps, const char *stage, double done, double total, const char *unit) {
    bench_steps *s = steps;
    (void)total, (void)unit;
    if (strcmp(stage, "optimising the value") != 0) return true;
    const double now = ae_seconds();
    if (done >= 1 && s->seconds) bench_add(s->seconds, now - s->last);
    s->last = now;
    return true;
}
