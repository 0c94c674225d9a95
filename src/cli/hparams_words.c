#include "cli/hparams_words.h"

#include <stdlib.h>
#include <string.h>

#include "edit/moment.h"

static int compare_ints(const void *a, const void *b) {
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

ae_status ae_hparams_take(const ae_hparams_words *words, const ae_model *model, ae_hparams *h) {
    const ae_status status = words->variant ? ae_variant_parse(words->variant, &h->variant) : AE_OK;
    if (status != AE_OK) return status;
    if (words->layers->count) {
        h->n_layers = (int)words->layers->count;
        for (int i = 0; i < h->n_layers; i++)
            h->layers[i] = (int)words->layers->items[i];
        qsort(h->layers, (size_t)h->n_layers, sizeof *h->layers, compare_ints);
    }
    if (words->no_stats) h->mom2_adjustment = false;
    if (words->dataset) {
        AE_TRY(ae_dataset_check(words->dataset));
        memcpy(h->mom2_dataset, words->dataset, strlen(words->dataset) + 1);
        h->mom2_n_samples = 0;
    }
    if (words->n_samples) h->mom2_n_samples = *words->n_samples;
    return ae_hparams_check(h, model);
}
