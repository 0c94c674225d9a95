/* cli/run_values.h: what `aedile run` is told. */
#ifndef AE_CLI_RUN_VALUES_H
#define AE_CLI_RUN_VALUES_H

#include "cli/options.h"

typedef struct ae_run_values {
    ae_common common;
    const char *model, *name;
    const char *ds, *data, *select;
    int64_t limit, max_edits;
    const char *variant, *hparams, *hparams_fname, *alg_name;
    ae_ints layers;
    const char *stats, *stats_dataset;
    int64_t stats_samples;
    double ridge;
    bool no_stats;
    const char *templates;
    uint64_t seed;
    bool sequential, pre, skip_generation_tests;
    int64_t num_edits, generation_interval;
    int64_t glue_interval;
    ae_texts glue;
    const char *glue_labels;
    const char *ppl_text;
    int64_t ppl_interval, ppl_tokens;
    const char *guard;
    const char *results, *resume;
    bool dry_run;
} ae_run_values;

extern const ae_option ae_table_run[], ae_table_run_names[]; // the second: as the reference calls them

#endif
