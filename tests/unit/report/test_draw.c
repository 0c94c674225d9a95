// report/draw, report/canvas: drawings are whole, show what they should, and stay small.
#include "support.h"

#include "report/draw.h"
#include "xml_check.h"

static const char *const figures[] = {"scores", "downstream_f1", "downstream_accuracy", "distance",
                                      "update", "entropy",       "perplexity",          "k_dot_u"};
enum { N_FIGURES = sizeof figures / sizeof *figures };

static const char *draw(void *const *state, const char *const *runs, size_t n, ae_report_format format,
                        double scale) {
    const char *output = in_folder_of(state, "out");
    const ae_report_options options = {.format = format, .output = output, .scale = scale};
    assert_ok(ae_report_write(runs, n, &options, NULL));
    return output;
}

static char *read_figure(void *const *state, const char *id) {
    char name[100];
    snprintf(name, sizeof name, "out/%s.svg", id);
    return read_text(in_folder_of(state, name));
}

static void all_figures_are_drawn(void **state) {
    made_up_run made = made_up_run_defaults;
    const char *runs[3] = {make_run(state, "healthy", made)};
    made.fate = RUN_COLLAPSES;
    runs[1] = make_run(state, "collapses", made);
    made.fate = RUN_OF_REFERENCE;
    runs[2] = make_run(state, "reference", made);
    draw(state, runs, 3, AE_REPORT_SVG, 0);
    char **names;
    size_t n;
    assert_ok(ae_folder_list(in_folder_of(state, "out"), &names, &n));
    assert_int_equal(n, N_FIGURES); // and no temporary file stays
    ae_folder_list_free(names, n);
    for (size_t f = 0; f < N_FIGURES; f++) {
        char *svg = read_figure(state, figures[f]);
        assert_well_formed(svg);
        assert_int_equal(strncmp(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", 47), 0);
        assert_null(strstr(svg, "nan"));
        assert_null(strstr(svg, "inf"));
        assert_int_equal(count_of(svg, ">healthy r-rome</text>"), 1);
        assert_int_equal(count_of(svg, ">collapses rome</text>"), 1);
        // Of the reference's run there is what its files tell.
        const bool told = f < 4;
        assert_int_equal(count_of(svg, ">reference p-rome</text>"), told);
        const size_t panels = f == 0 ? 3 : f < 3 ? 4 : 1;
        assert_int_equal(count_of(svg, "<g class=\"series\""), panels * (told ? 3 : 2));
        assert_int_equal(count_of(svg, "<g class=\"series\" data-run=\"2\">"), told ? panels : 0);
        assert_int_equal(count_of(svg, ">flagged edit</text>"), f == 1 || f == 2 || f == 6 ? 0 : 1);
        ae_free(svg);
    }
    char *svg = read_figure(state, "scores");
    assert_int_equal(count_of(svg, ">%, mean of the last 10 edits</text>"), 3);
    assert_int_equal(count_of(svg, ">Neighbourhood</text>"), 1);
    ae_free(svg);
}

static void one_run_shows_its_measures_together(void **state) {
    const char *run = make_run(state, "run", made_up_run_defaults);
    draw(state, &run, 1, AE_REPORT_SVG, 0);
    char *svg = read_figure(state, "downstream_f1");
    assert_int_equal(count_of(svg, "<g class=\"axes\">"), 1);
    assert_int_equal(count_of(svg, "<g class=\"series\""), 4);
    assert_int_equal(count_of(svg, ">SST-2</text>"), 1); // in the legend
    assert_int_equal(count_of(svg, ">RTE</text>"), 1);
    assert_non_null(strstr(svg, "class=\"s3\"")); // each task in a colour of its own
    ae_free(svg);
    svg = read_figure(state, "update");
    assert_null(strstr(svg, ">run r-rome</text>")); // nothing to tell apart
    ae_free(svg);
}

static void names_cannot_break_a_drawing(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 10;
    const char *runs[2] = {make_run(state, "<b>&\"'\x01\xff run", made), make_run(state, "plain", made)};
    draw(state, runs, 2, AE_REPORT_SVG, 0);
    char *svg = read_figure(state, "update");
    assert_well_formed(svg);
    assert_non_null(strstr(svg, ">&lt;b&gt;&amp;&quot;&#39;\xEF\xBF\xBD\xEF\xBF\xBD run r-rome</text>"));
    ae_free(svg);
}

// What lies within half a point of another point is not drawn twice.
static void long_runs_make_small_drawings(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 4000;
    made.generation_interval = 0;
    const char *run = make_run(state, "run", made);
    draw(state, &run, 1, AE_REPORT_SVG, 0);
    for (size_t f = 0; f < N_FIGURES; f++) {
        if (strcmp(figures[f], "entropy") == 0) { // without generation tests there is none
            assert_false(ae_path_exists(in_folder_of(state, "out/entropy.svg")));
            continue;
        }
        char *svg = read_figure(state, figures[f]);
        assert_true(strlen(svg) < 100000);
        ae_free(svg);
    }
    char *svg = read_figure(state, "update");              // the one outlier is among what is left, ringed
    assert_int_equal(count_of(svg, "a5 5 0 1 0 10 0"), 2); // it, and the legend's
    ae_free(svg);
}

// A panel of one series of 20,000 points as SVG; its axes are 0 to 20000 and 0 to 1.
static char *draw_points(const double *x, const double *y, ae_series_form form, ae_frame *plot) {
    static const bool flagged[20000];
    const ae_report_run run = {.label = "run", .flagged = flagged};
    const ae_report report = {.runs = (ae_report_run *)(uintptr_t)&run, .n_runs = 1};
    ae_series series = {.name = "run", .form = form, .n = 20000, .x = x, .y = y};
    const ae_panel panel = {
        .x = {.label = "x", .high = 20000}, .y = {.label = "y", .high = 1}, .series = &series, .n_series = 1};
    ae_text out = {0};
    ae_svg svg;
    ae_svg_begin(&svg, &out, 480, 300, "", false);
    assert_ok(ae_draw_panel(&svg.canvas, &report, &panel, (ae_frame){0, 0, 480, 300}, plot));
    assert_ok(ae_svg_finish(&svg));
    return out.data;
}

static void thinning_keeps_what_is_seen(void **state) {
    (void)state;
    double *x = ae_alloc(20000, sizeof *x), *y = ae_alloc(20000, sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    for (int i = 0; i < 20000; i++) {
        x[i] = i;
        y[i] = 0.5;
    }
    y[7001] = 1;    // a spike up
    y[13001] = 0;   // and one down
    y[16000] = NAN; // a gap
    ae_frame plot;
    char *svg = draw_points(x, y, AE_SERIES_LINE, &plot);
    const char *series = strstr(svg, "<g class=\"series\"");
    assert_non_null(series);
    assert_true(count_of(series, "L") < 2 * 440 * 2 + 10 && count_of(series, "L") > 400);
    assert_int_equal(count_of(series, "M"), 2); // before and behind the gap
    char place[40];
    snprintf(place, sizeof place, " %g", plot.y);
    assert_int_equal(count_of(series, place), 1);
    snprintf(place, sizeof place, " %g", plot.y + plot.height);
    assert_int_equal(count_of(series, place), 1);
    ae_free(svg);

    // Gaps within a column of the image take no spike away.
    for (int i = 0; i < 20000; i += 10)
        y[i] = NAN;
    svg = draw_points(x, y, AE_SERIES_LINE, &plot);
    series = strstr(svg, "<g class=\"series\"");
    snprintf(place, sizeof place, " %g", plot.y);
    assert_int_equal(count_of(series, place), 1);
    ae_free(svg);

    // A point without neighbours is a dot.
    for (int i = 0; i < 20000; i++)
        y[i] = i == 7001 || i == 13001 || i == 13002 ? 0.5 : NAN;
    svg = draw_points(x, y, AE_SERIES_LINE, &plot);
    series = strstr(svg, "<g class=\"series\"");
    assert_int_equal(count_of(series, "h0"), 1);
    assert_int_equal(count_of(series, "M"), 2 + 1); // in the line both, which the one alone leaves unseen
    assert_int_equal(count_of(series, "L"), 1);
    ae_free(svg);

    for (int i = 0; i < 20000; i++) {
        x[i] = i < 10000 ? 5000 : 15000;
        y[i] = i == 7001 ? 1 : i == 13001 ? 0 : 0.5;
    }
    svg = draw_points(x, y, AE_SERIES_DOTS, &plot);
    series = strstr(svg, "<g class=\"series\"");
    assert_int_equal(count_of(series, "h0"), 4); // two heaps, and the spikes
    ae_free(svg);
    ae_free(x);
    ae_free(y);
}

static uint32_t big_endian(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void images_have_their_size(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 20;
    const char *run = make_run(state, "run", made);
    static const double scales[] = {0, 1, 3};
    uint32_t widths[3], heights[3];
    for (int s = 0; s < 3; s++) {
        draw(state, &run, 1, AE_REPORT_PNG, scales[s]);
        ae_map map;
        assert_ok(ae_map_open(in_folder_of(state, "out/perplexity.png"), &map));
        assert_true(map.size > 3000);
        assert_memory_equal(map.data, "\x89PNG\r\n\x1a\n", 8);
        widths[s] = big_endian(map.data + 16);
        heights[s] = big_endian(map.data + 20);
        ae_map_close(&map);
    }
    assert_int_equal(widths[0], 960); // two pixels a point
    assert_int_equal(widths[1], 480);
    assert_int_equal(widths[2], 1440);
    assert_int_equal(heights[2], 3 * heights[1]);
    for (size_t f = 0; f < N_FIGURES; f++) {
        char name[100];
        snprintf(name, sizeof name, "out/%s.png", figures[f]);
        assert_true(ae_path_exists(in_folder_of(state, name)));
    }
}

static void an_image_is_painted(void **state) {
    (void)state;
    ae_png png;
    ae_text bytes = {0};
    assert_ok(ae_png_begin(&png, 30, 20, 1));
    const ae_point line[] = {{0, 10}, {10, 10}, {15, NAN}, {20, 10}, {30, 10}}, dot = {5, 5};
    png.canvas.lines(&png.canvas, line, 5, AE_COLOUR_SERIES + 1, 4, -1);
    png.canvas.marks(&png.canvas, &dot, 1, AE_COLOUR_FLAG, AE_SHAPE_SQUARE, 2);
    assert_ok(ae_png_finish(&png, &bytes));
    assert_memory_equal(bytes.data, "\x89PNG", 4);
    ae_free(bytes.data);
    assert_fails(ae_png_begin(&png, 1e5, 1e5, 20), AE_ERR_ARGUMENT, "an image of 2000000 by 2000000 pixels");
}

static void styles_differ(void **state) {
    (void)state;
    for (int a = 0; a < 64; a++)
        for (int b = 0; b < a; b++) {
            size_t n_a, n_b;
            const bool dash = ae_style_dash(a, &n_a) != ae_style_dash(b, &n_b);
            assert_true(dash || ae_style_colour(a) != ae_style_colour(b));
            if (a < AE_STYLES) { // ... in each of three ways
                assert_true(dash && ae_style_colour(a) != ae_style_colour(b));
                assert_int_not_equal(ae_style_shape(a), ae_style_shape(b));
                assert_string_not_equal(ae_colour_hex(ae_style_colour(a)), ae_colour_hex(ae_style_colour(b)));
            }
        }
}

static void shapes_lie_around_their_point(void **state) {
    (void)state;
    for (int shape = AE_SHAPE_CIRCLE; shape <= AE_SHAPE_RING; shape++) {
        ae_point corners[AE_CORNERS_MAX];
        const size_t n = ae_shape_corners((ae_shape)shape, corners);
        assert_int_equal(n == 0, shape == AE_SHAPE_CIRCLE || shape == AE_SHAPE_RING);
        double x = 0, y = 0;
        for (size_t c = 0; c < n; c++) {
            x += corners[c].x;
            y += corners[c].y;
            assert_true(hypot(corners[c].x, corners[c].y) < 1.6);
        }
        assert_true(fabs(x) < 1e-9 && fabs(y) < 1e-9);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        in_folder(all_figures_are_drawn),
        in_folder(one_run_shows_its_measures_together),
        in_folder(names_cannot_break_a_drawing),
        in_folder(long_runs_make_small_drawings),
        cmocka_unit_test(thinning_keeps_what_is_seen),
        in_folder(images_have_their_size),
        cmocka_unit_test(an_image_is_painted),
        cmocka_unit_test(styles_differ),
        cmocka_unit_test(shapes_lie_around_their_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
