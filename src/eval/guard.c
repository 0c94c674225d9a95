#include "eval/guard.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

const char *const ae_guard_names[AE_GUARD_STOP + 1] = {
    [AE_GUARD_WARN] = "warn", [AE_GUARD_SKIP] = "skip", [AE_GUARD_STOP] = "stop"};

// Values in ascending order.
typedef struct sorted {
    double *items;
    size_t count, capacity;
} sorted;

typedef struct layer_history {
    int layer;
    sorted update_norm, k_dot_u;
} layer_history;

struct ae_guard_history {
    layer_history layers[AE_MAX_EDIT_LAYERS];
    int n_layers;
    double base_perplexity, last_perplexity; // NaN: not measured
};

ae_status ae_guard_new(ae_guard_history **out) {
    ae_guard_history *h = ae_alloc(1, sizeof *h);
    if (!h) return ae_no_memory();
    h->base_perplexity = h->last_perplexity = NAN;
    *out = h;
    return AE_OK;
}

void ae_guard_free(ae_guard_history *h) {
    if (!h) return;
    for (int i = 0; i < h->n_layers; i++) {
        ae_free(h->layers[i].update_norm.items);
        ae_free(h->layers[i].k_dot_u.items);
    }
    ae_free(h);
}

// ---- history ---------------------------------------------------------------------------------------

static ae_status insert(sorted *list, double value) {
    AE_TRY(ae_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof value));
    size_t at = list->count++;
    for (; at > 0 && list->items[at - 1] > value; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = value;
    return AE_OK;
}

static double median(const sorted *list) {
    const size_t n = list->count;
    return n % 2 ? list->items[n / 2] : 0.5 * (list->items[n / 2 - 1] + list->items[n / 2]);
}

static const layer_history *find_layer(const ae_guard_history *h, int layer) {
    for (int i = 0; i < h->n_layers; i++)
        if (h->layers[i].layer == layer) return &h->layers[i];
    return NULL;
}

static ae_status add_layer(ae_guard_history *h, const ae_layer_figures *figures) {
    layer_history *l = (layer_history *)(uintptr_t)find_layer(h, figures->layer);
    if (!l) {
        if (h->n_layers == AE_MAX_EDIT_LAYERS)
            return ae_fail(AE_ERR_INTERNAL, "the guard was shown edits of more than %d layers",
                           AE_MAX_EDIT_LAYERS);
        l = &h->layers[h->n_layers++];
        l->layer = figures->layer;
    }
    // A flagged edit that is kept may hold anything; what cannot be ordered has no place in a median.
    if (!isfinite(figures->update_norm) || !isfinite(figures->k_dot_u)) return AE_OK;
    AE_TRY(insert(&l->update_norm, figures->update_norm));
    return insert(&l->k_dot_u, figures->k_dot_u);
}

ae_status ae_guard_add(ae_guard_history *h, const ae_edit_figures *figures) {
    for (int i = 0; i < figures->n_layers; i++)
        AE_TRY(add_layer(h, &figures->layers[i]));
    return AE_OK;
}

void ae_guard_note_base_perplexity(ae_guard_history *h, double perplexity) {
    if (isfinite(perplexity)) h->base_perplexity = perplexity;
}

void ae_guard_note_perplexity(ae_guard_history *h, double perplexity) {
    if (isfinite(perplexity)) h->last_perplexity = perplexity;
}

// ---- checks ----------------------------------------------------------------------------------------

static void add_flag(char flag[AE_FLAG_TEXT], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_flag(char flag[AE_FLAG_TEXT], const char *format, ...) {
    size_t length = strlen(flag);
    if (length > 0) length += (size_t)snprintf(flag + length, AE_FLAG_TEXT - length, "; ");
    if (length >= AE_FLAG_TEXT) return;
    va_list arguments;
    va_start(arguments, format);
    ae_vprint(flag + length, AE_FLAG_TEXT - length, format, arguments);
    va_end(arguments);
}

// The first figure that is not finite; NULL: all are.
static const char *find_unfit(const ae_layer_figures *l) {
    const struct {
        const char *name;
        double value;
    } figures[] = {{"k·u", l->k_dot_u},
                   {"the update's norm", l->update_norm},
                   {"the matrix's norm", l->weight_norm},
                   {"the norm of delta", l->delta_norm},
                   {"the norm of target_init", l->target_init_norm}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (!isfinite(figures[i].value)) return figures[i].name;
    for (int i = 0; i < l->n_steps; i++)
        if (!isfinite(l->loss[i])) return "the loss";
    return NULL;
}

static void check_layer(const ae_guard_history *h, const ae_layer_figures *l, char flag[AE_FLAG_TEXT]) {
    const char *unfit = find_unfit(l);
    if (unfit) {
        add_flag(flag, "%s is not finite at layer %d", unfit, l->layer);
        return;
    }
    const layer_history *past = find_layer(h, l->layer);
    const size_t n = past ? past->update_norm.count : 0;
    const double norm = n >= AE_GUARD_ENOUGH ? median(&past->update_norm) : INFINITY;
    const double k_dot_u = n >= AE_GUARD_ENOUGH ? median(&past->k_dot_u) : -INFINITY;
    if (l->update_norm > l->weight_norm)
        add_flag(flag, "update norm %.4g is larger than the matrix's own, %.4g, at layer %d", l->update_norm,
                 l->weight_norm, l->layer);
    if (l->update_norm > AE_GUARD_NORM_FACTOR * norm)
        add_flag(
            flag,
            "update norm %.4g is %.1f times the median of the %zu edits before, %.4g (bound %g), at layer %d",
            l->update_norm, l->update_norm / norm, n, norm, AE_GUARD_NORM_FACTOR, l->layer);
    if (l->k_dot_u <= 0)
        add_flag(flag, "k·u is %.4g, not positive, at layer %d", l->k_dot_u, l->layer);
    else if (l->k_dot_u < AE_GUARD_KU_FACTOR * k_dot_u)
        add_flag(flag, "k·u %.4g is %.3f of the median of the %zu edits before, %.4g (bound %g), at layer %d",
                 l->k_dot_u, l->k_dot_u / k_dot_u, n, k_dot_u, AE_GUARD_KU_FACTOR, l->layer);
    if (l->n_steps > 0 && l->loss[l->n_steps - 1] > l->loss[0])
        add_flag(flag, "the loss rose from %.4g to %.4g at layer %d", l->loss[0], l->loss[l->n_steps - 1],
                 l->layer);
}

bool ae_guard_check_edit(const ae_guard_history *h, const ae_edit_figures *figures, char flag[AE_FLAG_TEXT]) {
    flag[0] = '\0';
    for (int i = 0; i < figures->n_layers; i++)
        check_layer(h, &figures->layers[i], flag);
    return flag[0] != '\0';
}

bool ae_guard_check_perplexity(const ae_guard_history *h, double perplexity, char flag[AE_FLAG_TEXT]) {
    const struct {
        const char *what;
        double value;
    } bounds[] = {{"the last one", h->last_perplexity}, {"the unedited model's", h->base_perplexity}};
    if (!isfinite(perplexity)) {
        add_flag(flag, "perplexity is not finite");
        return true;
    }
    bool flagged = false;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds && !flagged; i++)
        if (perplexity > AE_GUARD_PERPLEXITY_FACTOR * bounds[i].value) { // false where it was not measured
            add_flag(flag, "perplexity %.4g is %.1f times %s, %.4g (bound %g)", perplexity,
                     perplexity / bounds[i].value, bounds[i].what, bounds[i].value,
                     AE_GUARD_PERPLEXITY_FACTOR);
            flagged = true;
        }
    return flagged;
}
