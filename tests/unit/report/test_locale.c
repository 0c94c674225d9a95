// What the library writes does not follow the locale of the program that uses it: a German one, in which a
// number has a comma.
#include "support.h"

#include <locale.h>

#include "base/number.h"
#include "compare_runs.h"
#include "edit/moment.h"
#include "eval/python_json.h"

/* Sets the locale that `localedef` makes, without which there is nothing to test. */
static void speak_german(void *const *state) {
    const char *folder = in_folder_of(state, "locale");
    char command[1000];
    snprintf(command, sizeof command,
             "mkdir '%s' && localedef -c -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", folder, folder);
    const int made = system(command);
    setenv("LOCPATH", folder, 1);
    if (made == -1 || !setlocale(LC_ALL, "de_DE.UTF-8")) {
        print_message("no German locale could be made here\n");
        skip();
    }
    char text[16];
    snprintf(text, sizeof text, "%g", 1.5);
    assert_string_equal(text, "1,5");
}

static int speak_plainly(void **state) {
    setlocale(LC_ALL, "C");
    return remove_scratch_folder(state);
}

static void numbers_have_points(void **state) {
    speak_german(state);
    char text[32], *end = NULL;
    assert_int_equal(ae_print(text, sizeof text, "%.2f", 0.25), 4);
    assert_string_equal(text, "0.25");
    assert_true(ae_number("0.25;", &end) == 0.25);
    assert_string_equal(end, ";");
    char *made = ae_format("%g", 0.5);
    assert_string_equal(made, "0.5");
    ae_free(made);
    ae_text grown = {0};
    assert_ok(ae_text_printf(&grown, "%.1f", 2.5));
    assert_string_equal(grown.data, "2.5");
    ae_free(grown.data);
    made = ae_factor_path("a.npz", 0.1);
    assert_string_equal(made, "a.npz.factor-ridge0.1.safetensors");
    ae_free(made);
    json_t *value = json_pack("[f, f, f]", 0.1, 1e-7, 123456.75);
    made = ae_python_json(value, -1);
    assert_string_equal(made, "[0.1, 1e-07, 123456.75]");
    ae_free(made);
    json_decref(value);
    value = json_pack("[f]", 0.5);
    made = ae_json_dump(value, 0); // jansson's own business
    assert_string_equal(made, "[0.5]");
    ae_free(made);
    json_decref(value);
    snprintf(text, sizeof text, "%g", 1.5); // the program's own locale is as it was
    assert_string_equal(text, "1,5");
}

/* Every file that is made of a run. */
static void write_all(void *const *state, const char *run, const char *folder) {
    assert_ok(ae_folder_make(in_folder_of(state, folder)));
    static const struct {
        ae_report_format format;
        const char *name;
    } kinds[] = {{AE_REPORT_HTML, "page.html"},
                 {AE_REPORT_SVG, "svg"},
                 {AE_REPORT_CSV, "csv"},
                 {AE_REPORT_PNG, "png"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char name[100];
        snprintf(name, sizeof name, "%s/%s", folder, kinds[i].name);
        const char *output = in_folder_of(state, name);
        assert_ok(ae_report_write(&run, 1, &(ae_report_options){.format = kinds[i].format, .output = output},
                                  NULL));
    }
}

static void reports_are_the_same(void **state) {
    made_up_run made_up = made_up_run_defaults;
    made_up.n_cases = 40;
    const char *run = make_run(state, "run", made_up);
    write_all(state, run, "plain");
    speak_german(state);
    write_all(state, run, "german");
    char *difference = compare_runs(in_folder_of(state, "plain"), in_folder_of(state, "german"));
    if (difference) fail_msg("%s", difference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_have_points, make_scratch_folder, speak_plainly),
        cmocka_unit_test_setup_teardown(reports_are_the_same, make_scratch_folder, speak_plainly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
