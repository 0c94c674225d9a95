#include "edit/optimise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double STOP_LOSS = 0.05, BETA_1 = 0.9, BETA_2 = 0.999, ADAM_EPSILON = 1e-8;
enum { LOGIT_ROWS = 128 }; // rows of logits in memory at once

// One request's state.
typedef struct descent {
    ae_solution *solution;
    double *m, *v;    // [d_model], Adam's moments
    double *gradient; // [d_model], of the part of the loss that the model computes
    double radius;    // of delta's ball
    double decay;     // v_weight_decay / ‖target_init‖²
    double nll, kl;   // of the evaluation at hand
    bool done;
} descent;

// The rows that change, of the facts still being optimised: the rewriting texts of all, then their KL texts.
typedef struct changing {
    ae_arena *arena;
    ae_batch batch;
    int32_t *rows;     // [batch.n_rows], in the capture's residual
    int32_t *fact;     // [batch.n_seqs], whose text a sequence is
    int32_t *lookups;  // [batch.n_seqs], its first row
    int32_t *out_rows; // [n_out], whose logits count: n_loss rows of target tokens, then one of each KL text
    int32_t *out_fact; // [n_out]
    int32_t *targets;  // [n_loss]
    double *weights;   // [n_out], of each row in its fact's loss
    int32_t n_loss, n_out;
} changing;

typedef struct optimiser {
    ae_capture *c;
    const ae_hparams *hparams;
    descent *facts; // [c->n_facts]
    changing now;
    ae_tape *tape;
    ae_work *work;
    float *x, *dx;               // [rows, d_model]
    float *top, *d_top;          // [out rows, d_model]
    float *logits;               // [LOGIT_ROWS, n_vocab]
    float *normed, *mean, *rstd; // [LOGIT_ROWS, ...]
    float *log_init;             // [n_facts, n_vocab], the KL texts at the first evaluation
    float *per_seq;              // [n_seqs, d_model]: deltas in, gradients out
    float *per_seq_host;         // the same, host
    double *row_loss;            // [out rows]
} optimiser;

// ---- layout ----------------------------------------------------------------------------------------

static ae_status lay_out(optimiser *o) {
    const ae_capture *c = o->c;
    changing *now = &o->now;
    ae_arena_free(now->arena);
    *now = (changing){0};
    AE_TRY(ae_arena_new(&now->arena));
    int32_t n_seqs = 0, n_rows = 0;
    for (int32_t f = 0; f < c->n_facts; f++) {
        const ae_fact *fact = &c->facts[f];
        if (o->facts[f].done) continue;
        n_seqs += fact->n_rewrites + 1;
        now->n_loss += fact->n_rewrites * fact->n_targets;
        now->n_out += fact->n_rewrites * fact->n_targets + 1;
        for (int32_t i = 0; i < fact->n_rewrites; i++)
            n_rows += fact->rewrites[i].n_ids - fact->rewrites[i].lookup;
        n_rows += 1;
    }
    ae_seq *seqs = ae_arena_alloc(now->arena, (size_t)n_seqs, sizeof *seqs);
    now->rows = ae_arena_alloc(now->arena, (size_t)n_rows, sizeof *now->rows);
    now->fact = ae_arena_alloc(now->arena, (size_t)n_seqs, sizeof *now->fact);
    now->lookups = ae_arena_alloc(now->arena, (size_t)n_seqs, sizeof *now->lookups);
    now->out_rows = ae_arena_alloc(now->arena, (size_t)now->n_out, sizeof *now->out_rows);
    now->out_fact = ae_arena_alloc(now->arena, (size_t)now->n_out, sizeof *now->out_fact);
    now->targets = ae_arena_alloc(now->arena, (size_t)now->n_loss, sizeof *now->targets);
    now->weights = ae_arena_alloc(now->arena, (size_t)now->n_out, sizeof *now->weights);
    if (!seqs || !now->rows || !now->fact || !now->lookups || !now->out_rows || !now->out_fact ||
        !now->targets || !now->weights)
        return ae_no_memory();

    int32_t s = 0, row = 0, out = 0;
    for (int kind = 0; kind < 2; kind++) { // rewriting texts, then KL texts
        for (int32_t f = 0; f < c->n_facts; f++) {
            const ae_fact *fact = &c->facts[f];
            if (o->facts[f].done) continue;
            const ae_sequence *texts = kind == 0 ? fact->rewrites : &fact->kl;
            const int32_t n_texts = kind == 0 ? fact->n_rewrites : 1,
                          n_loss = kind == 0 ? fact->n_targets : 1;
            for (int32_t i = 0; i < n_texts; i++, s++) {
                const ae_sequence *t = &texts[i];
                const int32_t n = t->n_ids - t->lookup;
                const int32_t past = t->lookup - t->shared;
                seqs[s] = (ae_seq){.n_rows = n,
                                   .ctx_row = t->shared_row,
                                   .ctx_len = t->shared,
                                   .own_row = t->row,
                                   .past = past};
                now->fact[s] = f;
                now->lookups[s] = row;
                for (int32_t j = 0; j < n; j++)
                    now->rows[row + j] = t->row + past + j;
                for (int32_t j = 0; j < n_loss; j++, out++) {
                    now->out_rows[out] = row + n - n_loss + j;
                    now->out_fact[out] = f;
                    if (kind == 0) now->targets[out] = fact->targets[j];
                    now->weights[out] = kind == 0 ? 1.0 / ((double)fact->n_rewrites * fact->n_targets)
                                                  : o->hparams->kl_factor;
                }
                row += n;
            }
        }
    }
    return ae_batch_new(now->arena, seqs, n_seqs, &now->batch);
}

// ---- one evaluation --------------------------------------------------------------------------------

// The residual after the edited layer at the rows that change, delta added at each lookup index.
static ae_status start_rows(optimiser *o) {
    ae_backend *be = o->c->m->backend;
    const changing *now = &o->now;
    const int32_t d = o->c->m->config.d_model, n_seqs = now->batch.n_seqs;
    AE_TRY(be->gather(be, o->x, d, o->c->residual, d, now->rows, now->batch.n_rows, d));
    for (int32_t s = 0; s < n_seqs; s++)
        for (int32_t j = 0; j < d; j++)
            o->per_seq_host[(size_t)s * (size_t)d + (size_t)j] =
                (float)o->facts[now->fact[s]].solution->delta[j];
    AE_TRY(be->put(be, o->per_seq, o->per_seq_host, (size_t)n_seqs * (size_t)d));
    return be->scatter_add(be, o->x, d, now->lookups, o->per_seq, d, n_seqs, d);
}

static ae_status run_above(optimiser *o) {
    ae_model *m = o->c->m;
    ae_backend *be = m->backend;
    const changing *now = &o->now;
    const int32_t d = m->config.d_model, last = m->config.n_layer - 1;
    const ae_selection select = {.rows = now->out_rows, .n = now->n_out};
    for (int32_t layer = o->c->layer + 1; layer <= last; layer++)
        AE_TRY(ae_layer_forward(m, layer, &now->batch, o->x, o->c->store, o->work,
                                &o->tape->layers[layer - o->tape->first], layer == last ? &select : NULL,
                                NULL));
    const bool selected = o->c->layer < last; // the last layer itself may be the edited one
    return be->gather(be, o->top, d, o->x, d, selected ? NULL : now->out_rows, now->n_out, d);
}

// Losses of rows [first, first + n) of the top, all of one kind, and the gradient at them.
static ae_status loss_rows(optimiser *o, int32_t first, int32_t n, bool initial, bool want_gradient) {
    ae_model *m = o->c->m;
    ae_backend *be = m->backend;
    const changing *now = &o->now;
    const int32_t n_vocab = m->config.n_vocab;
    const size_t at = (size_t)first * (size_t)m->config.d_model;
    const double *weights = want_gradient ? now->weights + first : NULL;
    AE_TRY(ae_head_forward(m, o->top + at, n, o->normed, o->mean, o->rstd, o->logits));
    if (first < now->n_loss)
        AE_TRY(
            be->cross_entropy(be, o->row_loss + first, o->logits, now->targets + first, weights, n, n_vocab));
    else
        for (int32_t i = 0; i < n; i++) {
            float *logits = o->logits + (size_t)i * (size_t)n_vocab;
            float *log_init = o->log_init + (size_t)now->out_fact[first + i] * (size_t)n_vocab;
            if (initial) {
                AE_TRY(be->gather(be, log_init, n_vocab, logits, n_vocab, NULL, 1, n_vocab));
                AE_TRY(be->log_softmax(be, log_init, 1, n_vocab));
            }
            AE_TRY(be->kl_divergence(be, o->row_loss + first + i, logits, log_init,
                                     weights ? weights + i : NULL, 1, n_vocab));
        }
    if (!want_gradient) return AE_OK;
    return ae_head_backward(m, o->d_top + at, o->normed, o->logits, o->top + at, o->mean, o->rstd, n);
}

static ae_status back_to_deltas(optimiser *o) {
    ae_model *m = o->c->m;
    ae_backend *be = m->backend;
    const changing *now = &o->now;
    const int32_t d = m->config.d_model, last = m->config.n_layer - 1, n_seqs = now->batch.n_seqs;
    const ae_selection select = {.rows = now->out_rows, .n = now->n_out};
    if (o->c->layer == last) {
        AE_TRY(be->zero(be, o->dx, (size_t)now->batch.n_rows * (size_t)d));
        AE_TRY(be->scatter(be, o->dx, d, now->out_rows, o->d_top, d, now->n_out, d));
    } else
        AE_TRY(be->gather(be, o->dx, d, o->d_top, d, NULL, now->n_out, d));
    for (int32_t layer = last; layer > o->c->layer; layer--)
        AE_TRY(ae_layer_backward(m, layer, &now->batch, o->dx, o->c->store, o->work,
                                 &o->tape->layers[layer - o->tape->first], layer == last ? &select : NULL));
    AE_TRY(be->gather(be, o->per_seq, d, o->dx, d, now->lookups, n_seqs, d));
    AE_TRY(be->get(be, o->per_seq_host, o->per_seq, (size_t)n_seqs * (size_t)d));
    for (int32_t f = 0; f < o->c->n_facts; f++)
        memset(o->facts[f].gradient, 0, (size_t)d * sizeof(double));
    for (int32_t s = 0; s < n_seqs; s++)
        for (int32_t j = 0; j < d; j++)
            o->facts[now->fact[s]].gradient[j] += (double)o->per_seq_host[(size_t)s * (size_t)d + (size_t)j];
    return AE_OK;
}

// The model's part of every open fact's loss (nll, kl) and, where wanted, its gradient.
static ae_status evaluate(optimiser *o, bool initial, bool want_gradient) {
    const changing *now = &o->now;
    AE_TRY(start_rows(o));
    AE_TRY(run_above(o));
    for (int32_t first = 0; first < now->n_out;) {
        const int32_t end = first < now->n_loss ? now->n_loss : now->n_out; // a chunk is all of one kind
        const int32_t n = end - first < LOGIT_ROWS ? end - first : LOGIT_ROWS;
        AE_TRY(loss_rows(o, first, n, initial, want_gradient));
        first += n;
    }
    for (int32_t f = 0; f < o->c->n_facts; f++)
        o->facts[f].nll = o->facts[f].kl = 0;
    for (int32_t i = 0; i < now->n_out; i++) {
        descent *fact = &o->facts[now->out_fact[i]];
        *(i < now->n_loss ? &fact->nll : &fact->kl) += now->weights[i] * o->row_loss[i];
    }
    return want_gradient ? back_to_deltas(o) : AE_OK;
}

// ---- descent ---------------------------------------------------------------------------------------

static double norm(const double *x, int32_t n) {
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

// One step of Adam on delta, then back onto the ball (Adam's moments stay as they are). False: delta is not
// finite.
static bool take_step(descent *fact, const ae_hparams *hparams, int32_t d) {
    double *delta = fact->solution->delta;
    const double length = norm(delta, d);
    const int32_t t = fact->solution->n_steps; // evaluations so far: 1 at the first step
    const double correct_1 = 1 - pow(BETA_1, t), correct_2 = 1 - pow(BETA_2, t);
    for (int32_t j = 0; j < d; j++) {
        // d‖delta‖/d delta is delta/‖delta‖, and 0 at 0
        const double g = fact->gradient[j] + (length > 0 ? fact->decay * delta[j] / length : 0);
        fact->m[j] = BETA_1 * fact->m[j] + (1 - BETA_1) * g;
        fact->v[j] = BETA_2 * fact->v[j] + (1 - BETA_2) * g * g;
        delta[j] -= hparams->v_lr * (fact->m[j] / correct_1) / (sqrt(fact->v[j] / correct_2) + ADAM_EPSILON);
    }
    const double reached = norm(delta, d);
    if (reached > fact->radius)
        for (int32_t j = 0; j < d; j++)
            delta[j] *= fact->radius / reached;
    return isfinite(reached);
}

// `what` of this evaluation is not finite.
static ae_status blame(const optimiser *o, int32_t f, const char *what) {
    char text[200];
    snprintf(text, sizeof text, "the %s of the value optimisation of subject '%.80s' at layer %d, step %d,",
             what, o->c->facts[f].request->subject, o->c->layer, o->facts[f].solution->n_steps);
    return ae_model_blame(o->c->m, text);
}

static bool all_finite(const double *x, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

// Records the evaluation; steps, or closes the fact. *closed counts.
static ae_status record(optimiser *o, int32_t f, bool last, int32_t *closed) {
    descent *fact = &o->facts[f];
    ae_solution *s = fact->solution;
    const int32_t d = o->c->m->config.d_model, i = s->n_steps++;
    s->nll[i] = fact->nll;
    s->kl[i] = fact->kl;
    s->decay[i] = fact->decay * norm(s->delta, d);
    s->loss[i] = s->nll[i] + s->kl[i] + s->decay[i];
    if (!isfinite(s->loss[i])) return blame(o, f, "loss");
    const bool reached = s->loss[i] < STOP_LOSS;
    if (reached || last) {
        s->at_start = reached && i == 0;
        fact->done = true;
        (*closed)++;
        return AE_OK;
    }
    if (!all_finite(fact->gradient, d)) return blame(o, f, "gradient");
    // A delta whose norm leaves the range of double would be scaled to nothing.
    return take_step(fact, o->hparams, d) ? AE_OK : blame(o, f, "step");
}

static ae_status open_facts(optimiser *o, ae_arena *arena, ae_solution *solutions) {
    const size_t d = (size_t)o->c->m->config.d_model, n_steps = (size_t)o->hparams->v_num_grad_steps;
    o->facts = ae_alloc((size_t)o->c->n_facts, sizeof *o->facts);
    if (!o->facts) return ae_no_memory();
    for (int32_t f = 0; f < o->c->n_facts; f++) {
        ae_solution *s = &solutions[f];
        descent *fact = &o->facts[f];
        double *state = ae_arena_alloc(arena, 3 * d, sizeof *state);
        double *trace = ae_arena_alloc(arena, 4 * n_steps, sizeof *trace);
        *s = (ae_solution){.delta = ae_arena_alloc(arena, d, sizeof *s->delta)};
        if (!state || !trace || !s->delta) return ae_no_memory();
        s->loss = trace;
        s->nll = trace + n_steps;
        s->kl = trace + 2 * n_steps;
        s->decay = trace + 3 * n_steps;
        const double length = norm(o->c->facts[f].target_init, (int32_t)d);
        if (length == 0)
            return ae_fail(AE_ERR_NUMERIC,
                           "the value at subject '%.80s' is zero at layer %d: there is nothing to scale "
                           "the optimisation by",
                           o->c->facts[f].request->subject, o->c->layer);
        *fact = (descent){.solution = s,
                          .m = state,
                          .v = state + d,
                          .gradient = state + 2 * d,
                          .radius = o->hparams->clamp_norm_factor * length,
                          .decay = o->hparams->v_weight_decay / (length * length)};
    }
    return AE_OK;
}

static ae_status make_room(optimiser *o) {
    ae_model *m = o->c->m;
    ae_backend *be = m->backend;
    const size_t d = (size_t)m->config.d_model, rows = (size_t)o->now.batch.n_rows,
                 seqs = (size_t)o->now.batch.n_seqs;
    const size_t out = (size_t)o->now.n_out, chunk = out < LOGIT_ROWS ? out : LOGIT_ROWS;
    const int32_t first = o->c->layer + 1;
    AE_TRY(ae_tape_new(m, first, m->config.n_layer - first, o->now.batch.n_rows, &o->tape));
    AE_TRY(ae_work_new(m, o->now.batch.n_rows, &o->work));
    AE_TRY(be->alloc(be, rows * d, &o->x));
    AE_TRY(be->alloc(be, rows * d, &o->dx));
    AE_TRY(be->alloc(be, out * d, &o->top));
    AE_TRY(be->alloc(be, out * d, &o->d_top));
    AE_TRY(be->alloc(be, chunk * (size_t)m->config.n_vocab, &o->logits));
    AE_TRY(be->alloc(be, chunk * d, &o->normed));
    AE_TRY(be->alloc(be, chunk, &o->mean));
    AE_TRY(be->alloc(be, chunk, &o->rstd));
    AE_TRY(be->alloc(be, (size_t)o->c->n_facts * (size_t)m->config.n_vocab, &o->log_init));
    AE_TRY(be->alloc(be, seqs * d, &o->per_seq));
    o->per_seq_host = ae_alloc(seqs * d, sizeof *o->per_seq_host);
    o->row_loss = ae_alloc(out, sizeof *o->row_loss);
    return o->per_seq_host && o->row_loss ? AE_OK : ae_no_memory();
}

static void close_all(optimiser *o) {
    ae_model *m = o->c->m;
    float *all[] = {o->x,      o->dx,   o->top,  o->d_top,    o->logits,
                    o->normed, o->mean, o->rstd, o->log_init, o->per_seq};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        m->backend->release(m->backend, all[i]);
    ae_tape_free(m, o->tape);
    ae_work_free(m, o->work);
    ae_arena_free(o->now.arena);
    ae_free(o->per_seq_host);
    ae_free(o->row_loss);
    ae_free(o->facts);
}

ae_status ae_optimise(ae_capture *capture, const ae_hparams *hparams, const ae_hooks *hooks, ae_arena *arena,
                      ae_solution *solutions) {
    optimiser o = {.c = capture, .hparams = hparams};
    ae_status status = AE_OK;
    const int32_t n_steps = hparams->v_num_grad_steps;
    int32_t open = capture->n_facts;
    AE_TRY_GOTO(done, open_facts(&o, arena, solutions));
    AE_TRY_GOTO(done, lay_out(&o));
    AE_TRY_GOTO(done, make_room(&o)); // enough for every later layout: facts only ever close
    for (int32_t step = 0; step < n_steps && open > 0; step++) {
        const bool last = step == n_steps - 1;
        AE_TRY_GOTO(done, ae_progress(hooks, "optimising the value", step, n_steps, "steps"));
        AE_TRY_GOTO(done, evaluate(&o, step == 0, !last));
        int32_t closed = 0;
        for (int32_t f = 0; f < capture->n_facts; f++)
            if (!o.facts[f].done) AE_TRY_GOTO(done, record(&o, f, last, &closed));
        open -= closed;
        if (closed > 0 && open > 0) AE_TRY_GOTO(done, lay_out(&o));
    }
done:
    close_all(&o);
    return status;
}
