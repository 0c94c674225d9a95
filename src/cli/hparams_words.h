/* cli/hparams_words.h: hyperparameters that the command line gives, over those of a file or of what is built
 * in. */
#ifndef AE_CLI_HPARAMS_WORDS_H
#define AE_CLI_HPARAMS_WORDS_H

#include "aedile/edit.h"
#include "cli/options.h"

typedef struct ae_hparams_words {
    const char *variant; // NULL: as it is
    const ae_ints *layers;
    bool no_stats;
    const char *dataset;      // of the statistics; NULL: as it is
    const int64_t *n_samples; // NULL: as it is, or, where a data set is named, all: as `stats` collects
} ae_hparams_words;

/* Replaces what is given, layers in ascending order, and checks the whole against the model. */
ae_status ae_hparams_take(const ae_hparams_words *words, const ae_model *model, ae_hparams *hparams);

#endif
