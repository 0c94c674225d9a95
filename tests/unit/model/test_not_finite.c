// model: a weight that is no number, in any tensor, of any type: every call whose result it reaches names it;
// and activations that leave the range of float although all weights are finite.
#include "test.h"

#include <math.h>

#include "damaged_model.h"
#include "model/generate.h"
#include "model/score.h"

static const char prompt[] = "the re", target[] = "thing";

// ---- the calls -------------------------------------------------------------------------------------

static ae_status call_generate(ae_model *m) {
    char *text = NULL;
    ae_generate_options options = ae_generate_defaults();
    options.max_tokens = 3;
    const ae_status status = ae_generate(m, prompt, &options, NULL, NULL, &text);
    assert_true(status == AE_OK || !text);
    ae_free(text);
    return status;
}

static ae_status call_score(ae_model *m) {
    const char *targets[] = {target, "on"};
    double nll[2] = {7, 7};
    const ae_status status = ae_score(m, prompt, targets, 2, nll);
    assert_true(status == AE_OK || (nll[0] == 7 && nll[1] == 7));
    return status;
}

static ae_status call_logits(ae_model *m) {
    float logits[TINY_VOCAB];
    logits[0] = 7;
    const ae_status status = ae_logits(m, prompt, logits);
    assert_true(status == AE_OK || logits[0] == 7);
    return status;
}

static ae_status call_likeliest(ae_model *m) {
    const int32_t ids[] = {'t', 'h', 'e'}, *sequence = ids, length = 3;
    int32_t likeliest;
    return ae_likeliest_next(m, &sequence, &length, 1, &likeliest);
}

static const struct {
    const char *name;
    ae_status (*call)(ae_model *m);
} calls[] = {
    {"generate", call_generate},
    {"score", call_score},
    {"logits", call_logits},
    {"likeliest", call_likeliest},
};
enum { N_CALLS = sizeof calls / sizeof *calls };

// Positions that no token stands at, and an untied embedding's rows of tokens that do not occur, are not
// read.
static bool is_read(const damaged *p, const ae_tensor *t, int64_t element) {
    const int64_t row = element / TINY_D;
    if (strstr(t->name, "wpe")) return row < 4; // no call sees fewer tokens than it has
    if (strstr(t->name, "wte")) return p->model->config.tied_head || row == 't';
    return true;
}

// Every call either finds the value and names tensor and element, or gives the results of an undamaged model.
static void check(const damaged *p, const ae_tensor *t, int64_t element, float value) {
    char named[160], shown[16];
    snprintf(shown, sizeof shown, "%g", (double)value);
    snprintf(named, sizeof named, "tensor '%s' holds %s at element %lld", t->name, shown, (long long)element);
    ae_model *m = damaged_open(p);
    for (int i = 0; i < N_CALLS; i++) {
        const ae_status status = calls[i].call(m);
        const ae_status expected = is_read(p, t, element) ? AE_ERR_NUMERIC : AE_OK;
        if (status != expected)
            fail_msg("%s with %s %s: %s, not %s", calls[i].name, p->folder, named, ae_status_name(status),
                     ae_status_name(expected));
        if (status == AE_OK) continue;
        if (!strstr(ae_last_error(), named) || !strstr(ae_last_error(), p->folder))
            fail_msg("%s: '%s' does not say '%s'", calls[i].name, ae_last_error(), named);
    }
    assert_fails(ae_model_check_finite(m), AE_ERR_NUMERIC, named);
    ae_model_free(m);
}

static void a_weight_that_is_no_number_is_named_by_every_call(void **state) {
    const char *root = *state;
    static const char *const architectures[] = {"gpt2", "gptj"};
    static const ae_dtype dtypes[] = {AE_F32, AE_F16, AE_BF16};
    static const float values[] = {NAN, INFINITY, -INFINITY};
    int n = 0;
    for (int a = 0; a < 2; a++)
        for (int d = 0; d < (getenv("AE_SANITIZED") ? 1 : 3); d++) {
            damaged p = {0};
            assert_int_equal(damaged_make(&p, root, architectures[a], dtypes[d]), 0);
            for (size_t i = 0; i < ae_checkpoint_count(p.model->checkpoint); i++) {
                const ae_tensor *t = ae_checkpoint_at(p.model->checkpoint, i);
                // The first element, the last, and of embeddings one of a token that occurs: 't' is id 116.
                const int64_t elements[] = {0, ae_tensor_elements(t) - 1, 't' * TINY_D + 5};
                for (int e = 0; e < (strstr(t->name, "wte") ? 3 : 2); e++)
                    for (int v = 0; v < 3; v++, n++) {
                        float was;
                        damaged_poke(&p, t, elements[e], values[v], &was);
                        check(&p, t, elements[e], values[v]);
                        damaged_poke(&p, t, elements[e], was, NULL);
                    }
            }
            for (int i = 0; i < N_CALLS; i++) // nothing is left behind
                assert_ok(calls[i].call(p.model));
            damaged_free(&p);
        }
    print_message("%d damaged models, %d calls each\n", n, N_CALLS);
}

// ---- finite weights, activations that are not ------------------------------------------------------

static void activations_out_of_range_are_placed(void **state) {
    const char *root = *state;
    static const struct {
        const char *name, *tensor;
        float value;
        const char *where;
    } cases[] = {
        {"attention's logits", "transformer.h.1.attn.c_attn.weight", 1e25f,
         "(first in the activations after layer 1, at token "},
        {"attention's values", "transformer.h.2.attn.c_proj.weight", 3e38f,
         "(first in the activations after layer 2, at token "},
        {"the MLP", "transformer.h.0.mlp.c_fc.weight", 3e38f,
         "(first in the activations after layer 0, at token "},
        {"the MLP's end", "transformer.h.2.mlp.c_proj.weight", 3e38f,
         "(first in the activations after layer 2, at token "},
        {"a layer norm's scale", "transformer.h.1.ln_1.weight", 3e38f,
         "(first in the activations after layer 1, at token "},
        {"the last norm's scale", "transformer.ln_f.weight", 3e38f, "although all weights of '"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        damaged p = {0};
        char folder[600];
        snprintf(folder, sizeof folder, "%s/over-%zu", root, i);
        assert_int_equal(damaged_make(&p, folder, "gpt2", AE_F32), 0);
        damaged_fill(&p, cases[i].tensor, cases[i].value);
        ae_model *m = damaged_open(&p);
        assert_ok(ae_model_check_finite(m));
        for (int k = 0; k < N_CALLS; k++) {
            const ae_status status = calls[k].call(m);
            if (status != AE_ERR_NUMERIC || !strstr(ae_last_error(), "although all weights of '") ||
                !strstr(ae_last_error(), cases[i].where))
                fail_msg("%s, %s: %s, '%s' does not say '%s'", cases[i].name, calls[k].name,
                         ae_status_name(status), ae_last_error(), cases[i].where);
        }
        ae_model_free(m);
        damaged_free(&p);
    }
}

// What is large but finite is computed: a norm of rows whose squares no float holds is still a norm.
static void large_activations_are_no_fault(void **state) {
    const char *root = *state;
    damaged p = {0};
    char folder[600];
    snprintf(folder, sizeof folder, "%s/large", root);
    assert_int_equal(damaged_make(&p, folder, "gpt2", AE_F32), 0);
    // The same rows, 1e25 times as large: layer norm takes that out again, but for what the layers add.
    ae_model *m = p.model;
    const ae_tensor *t = ae_checkpoint_find(m->checkpoint, "transformer.wte.weight");
    float row[TINY_D];
    ae_tensor_to_float(t, 'q' * TINY_D, TINY_D, row);
    float logits[TINY_VOCAB];
    for (int j = 0; j < TINY_D; j++)
        damaged_poke(&p, t, 'q' * TINY_D + j, 1e25f * row[j], NULL);
    m = damaged_open(&p);
    assert_ok(ae_logits(m, "q", logits));
    // One token's residual is its embedding, whatever the layers add: the logits are its norm's.
    double mean = 0, square = 0;
    for (int j = 0; j < TINY_D; j++)
        mean += (double)row[j] / TINY_D;
    for (int j = 0; j < TINY_D; j++)
        square += ((double)row[j] - mean) * ((double)row[j] - mean) / TINY_D;
    for (int id = 0; id < 256; id += 5) { // an odd one out is 'q' itself, whose logit is 1e25 times as large
        float other[TINY_D];
        double expected = 0;
        ae_tensor_to_float(t, id * TINY_D, TINY_D, other);
        for (int j = 0; j < TINY_D; j++)
            expected += (((double)row[j] - mean) / sqrt(square) * (double)m->ln_f_weight[j] +
                         (double)m->ln_f_bias[j]) *
                        (double)other[j];
        if (id != 'q' && !(fabs(expected - (double)logits[id]) < 1e-4))
            fail_msg("logit %d is %g, expected %g", id, (double)logits[id], expected);
    }
    ae_model_free(m);
    damaged_free(&p);
}

// ---- edits that are too large ----------------------------------------------------------------------

static void an_update_out_of_range_is_refused(void **state) {
    const char *root = *state;
    for (int d = 0; d < 2; d++) {
        damaged p = {0};
        char folder[600];
        snprintf(folder, sizeof folder, "%s/update-%d", root, d);
        assert_int_equal(damaged_make(&p, folder, d ? "gptj" : "gpt2", d ? AE_BF16 : AE_F32), 0);
        ae_model *m = p.model;
        float u[TINY_MLP] = {0}, right[TINY_D] = {0}, before[TINY_MLP * TINY_D], after[TINY_MLP * TINY_D];
        u[3] = 1;
        right[2] = 1e38f;
        assert_ok(ae_model_check_rank_one(m, 1, u, right));
        assert_ok(ae_model_add_rank_one(m, 1, u, right));
        assert_ok(ae_model_get_mlp_out(m, 1, before));
        // A second one would still fit; what is refused is what may not.
        assert_fails(ae_model_check_rank_one(m, 1, u, right), AE_ERR_NUMERIC,
                     "together they may leave the range of float; refused, the weights are untouched");
        assert_non_null(strstr(ae_last_error(), m->layers[1].mlp_out_tensor->name));
        assert_ok(ae_model_check_rank_one(m, 2, u, right));
        static const float values[] = {NAN, INFINITY, -INFINITY};
        for (int v = 0; v < 3; v++) {
            u[5] = values[v];
            assert_fails(ae_model_check_rank_one(m, 1, u, right), AE_ERR_NUMERIC,
                         "the edit's 'u' for layer 1 holds ");
            assert_non_null(strstr(ae_last_error(), "at element 5"));
            u[5] = 0;
            right[0] = values[v];
            assert_fails(ae_model_check_rank_one(m, 0, u, right), AE_ERR_NUMERIC,
                         "the edit's 'right' for layer 0 holds ");
            right[0] = 0;
        }
        assert_ok(ae_model_get_mlp_out(m, 1, after));
        assert_memory_equal(before, after, sizeof before);
        ae_model_restore(m); // and what was added is forgotten with it
        assert_ok(ae_model_check_rank_one(m, 1, u, right));
        damaged_free(&p);
    }
}

// A matrix with a value that is no number cannot be edited: its copy is not made.
static void a_damaged_matrix_is_not_edited(void **state) {
    const char *root = *state;
    damaged p = {0};
    char folder[600];
    snprintf(folder, sizeof folder, "%s/damaged", root);
    assert_int_equal(damaged_make(&p, folder, "gpt2", AE_F16), 0);
    const float u[TINY_MLP] = {1}, right[TINY_D] = {1};
    damaged_poke(&p, damaged_tensor(&p, "transformer.h.1.mlp.c_proj.weight"), 77, -INFINITY, NULL);
    ae_model *m = damaged_open(&p);
    static const char text[] = "tensor 'transformer.h.1.mlp.c_proj.weight' holds -inf at element 77";
    assert_fails(ae_model_check_rank_one(m, 1, u, right), AE_ERR_NUMERIC, text);
    assert_fails(ae_model_add_rank_one(m, 1, u, right), AE_ERR_NUMERIC, text);
    assert_fails(ae_model_make_editable(m, 1), AE_ERR_NUMERIC, text);
    assert_false(ae_model_is_edited(m));
    ae_model_free(m);
    damaged_free(&p);
}

// ---- continuations that go on without the broken ones ----------------------------------------------

// Where the key's first entries are large, together, the edit takes the residual out of range.
static void broken_continuations_end_alone(void **state) {
    const char *root = *state;
    damaged p = {0};
    char folder[600];
    snprintf(folder, sizeof folder, "%s/broken", root);
    assert_int_equal(damaged_make(&p, folder, "gpt2", AE_F32), 0);
    ae_model *m = p.model;
    enum { N = 40, NEW = 3 };
    int32_t ids[N][1 + NEW];
    ae_continuation alone[N], together[N];
    int32_t results[N][NEW];
    float u[TINY_MLP] = {0}, right[TINY_D];
    for (int j = 0; j < 8; j++)
        u[j] = 1;
    for (int j = 0; j < TINY_D; j++)
        right[j] = j % 2 ? 3e38f : -3e38f;
    assert_ok(ae_model_add_rank_one(m, 0, u, right));
    int n_failed = 0;
    const ae_continue_options strict = {.top_k = 1, .temperature = 1, .stop_id = -1};
    ae_continue_options lenient = strict;
    lenient.go_on = true;
    for (int i = 0; i < N; i++) {
        ids[i][0] = 5 * i;
        alone[i] = (ae_continuation){.prompt = ids[i], .n_prompt = 1, .max_new = NEW, .ids = ids[i] + 1};
        together[i] = alone[i];
        together[i].ids = results[i];
        const ae_status status = ae_continue(m, &alone[i], 1, &strict);
        assert_true(status == AE_OK || status == AE_ERR_NUMERIC);
        if (status != AE_OK) assert_non_null(strstr(ae_last_error(), "an earlier edit broke the model"));
        n_failed += status != AE_OK;
        alone[i].failed = status != AE_OK;
    }
    assert_true(n_failed > 0 && n_failed < N); // else the test shows nothing
    assert_fails(ae_continue(m, together, N, &strict), AE_ERR_NUMERIC, "a logit is not finite although");
    assert_ok(ae_continue(m, together, N, &lenient));
    for (int i = 0; i < N; i++) {
        assert_int_equal(together[i].failed, alone[i].failed);
        assert_int_equal(together[i].n_ids, alone[i].n_ids);
        if (!alone[i].failed) assert_int_equal(together[i].n_ids, NEW);
        assert_memory_equal(together[i].ids, alone[i].ids, (size_t)alone[i].n_ids * sizeof(int32_t));
    }
    damaged_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_that_is_no_number_is_named_by_every_call),
        cmocka_unit_test(activations_out_of_range_are_placed),
        cmocka_unit_test(large_activations_are_no_fault),
        cmocka_unit_test(an_update_out_of_range_is_refused),
        cmocka_unit_test(a_damaged_matrix_is_not_edited),
        cmocka_unit_test(broken_continuations_end_alone),
    };
    return cmocka_run_group_tests(tests, make_scratch_folder, remove_scratch_folder);
}
