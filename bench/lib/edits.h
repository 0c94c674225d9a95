/* bench/lib/edits.h: the edit that the benchmarks measure, and what they share besides. */
#ifndef AE_BENCH_EDITS_H
#define AE_BENCH_EDITS_H

#include "aedile/edit.h"
#include "samples.h"

/* Ends the program with the library's last error. */
void bench_stop_if(bool failed, const char *what);
void bench_must(ae_status status, const char *what);

/* Whether `what` is in a list parted by commas; NULL: everything is. */
bool bench_wanted(const char *list, const char *what);

/* " median / best |" in seconds or milliseconds; of none " |". */
void bench_print_time(const bench_samples *s);

/* "The Louvre is located in" -> " Rome": four tokens of a text change with the value, as with the median
 * record of CounterFact. */
extern const ae_request bench_request;

/* The first is "{}", then in turn four and nine words of one text, beginning at every word (up to 48 in all):
 * as long as the sampled ones are, and no two begin alike. Free with ae_templates_free. */
void bench_make_templates(int count, ae_templates *out);

/* Rows of the request's texts that change with the value, those of which there are logits, and the longest
 * text. */
typedef struct bench_rows {
    int changing, logits, n_texts, longest;
} bench_rows;
bench_rows bench_count_rows(ae_model *model, const ae_hparams *hparams, const ae_templates *templates,
                            const ae_request *request);

/* Times each step of a value optimisation: `progress` of an ae_hooks whose `user` is this. */
typedef struct bench_steps {
    double last;
    bench_samples *seconds;
} bench_steps;
bool bench_note_step(void *steps, const char *stage, double done, double total, const char *unit);

#endif
