#include "report/page.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

// ---- helpers ---------------------------------------------------------------------------------------

static ae_status add(ae_text *out, const char *html) {
    return ae_text_append(out, html, strlen(html));
}

// "<tag attributes>text</tag>"
static ae_status add_element(ae_text *out, const char *tag, const char *attributes, const char *text) {
    AE_TRY(ae_text_printf(out, "<%s%s%s>", tag, *attributes ? " " : "", attributes));
    AE_TRY(ae_xml_text(out, text));
    return ae_text_printf(out, "</%s>", tag);
}

// ---- head ------------------------------------------------------------------------------------------

// The policy allows what is in the file itself and nothing else: no text that a model wrote can fetch
// anything.
static ae_status add_head(ae_text *out, const ae_report *report) {
    AE_TRY(add(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"));
    AE_TRY(add_element(out, "title", "", report->title));
    AE_TRY(ae_text_printf(
        out,
        "\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
        "<meta name=\"generator\" content=\"aedile %s\">\n<link rel=\"icon\" href=\"data:,\">\n"
        "<style>\n",
        ae_version()));
    AE_TRY(ae_text_append(out, (const char *)ae_page_css, ae_page_css_size));
    return add(out, "</style>\n</head>\n<body>\n");
}

static ae_status add_header(ae_text *out, const ae_report *report) {
    size_t cases = 0, flagged = 0;
    for (size_t r = 0; r < report->n_runs; r++) {
        cases += report->runs[r].data->n_cases;
        flagged += report->runs[r].n_flagged;
    }
    AE_TRY(add(out, "<header>\n"));
    AE_TRY(add_element(out, "h1", "", report->title));
    return ae_text_printf(
        out,
        "\n<button id=\"theme\" type=\"button\" hidden>Dark</button>\n"
        "<p class=\"muted\">%zu run%s, %zu edit%s, %zu flagged as out of line.</p>\n</header>\n",
        report->n_runs, report->n_runs == 1 ? "" : "s", cases, cases == 1 ? "" : "s", flagged);
}

// ---- runs ------------------------------------------------------------------------------------------

// A column of the table of runs: a number of the summary, or the one that stands for it with zsRE.
typedef struct column {
    const char *name, *otherwise, *title, *about;
} column;

static const column columns[] = {
    {"post_rewrite_success", "post_rewrite_acc", "ES", "efficacy: the request itself comes out as wanted, %"},
    {"post_paraphrase_success", "post_paraphrase_acc", "PS", "so do its paraphrases, %"},
    {"post_neighborhood_success", "post_neighborhood_acc", "NS", "neighbouring subjects keep theirs, %"},
    {"post_score", NULL, "S", "harmonic mean of the three"},
    {"post_ngram_entropy", NULL, "GE", "n-gram entropy of the generations, bits times 100"},
    {"post_reference_score", NULL, "RS", "likeness of the generations to reference texts, times 100"},
    {"time", NULL, "Time", "seconds an edit"},
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

static ae_status add_summary_cell(ae_text *out, const ae_summary *summary, const column *c) {
    const ae_summary_value *value = ae_summary_get(summary, c->name);
    if (!value && c->otherwise) value = ae_summary_get(summary, c->otherwise);
    if (!value || !isfinite(value->mean)) return add(out, "<td class=\"number\">–</td>");
    AE_TRY(ae_text_printf(out, "<td class=\"number\">%.2f", value->mean));
    if (isfinite(value->low))
        AE_TRY(ae_text_printf(out, "<small>%.1f to %.1f</small>", value->low, value->high));
    return add(out, "</td>");
}

static ae_status add_swatch(ae_text *out, const ae_report *report, size_t run) {
    const ae_point ends[] = {{0, 7}, {34, 7}}, middle = {17, 7};
    const int style = report->n_runs > 1 ? (int)run : 0;
    ae_svg svg;
    ae_svg_begin(&svg, out, 34, 14, "class=\"swatch\" aria-hidden=\"true\"", true);
    svg.canvas.lines(&svg.canvas, ends, 2, ae_style_colour(style), 2, style);
    svg.canvas.marks(&svg.canvas, &middle, 1, ae_style_colour(style), ae_style_shape(style), 3.2);
    return ae_svg_finish(&svg);
}

// What was edited, and with which data.
static ae_status add_small(ae_text *out, const ae_report *report, const ae_run_data *data) {
    const char *model = ae_report_clean(report->arena, data->model);
    const char *dataset = ae_report_clean(report->arena, data->dataset);
    if (!model || !dataset) return ae_no_memory();
    AE_TRY(add(out, "<small>"));
    AE_TRY(ae_xml_text(out, model));
    AE_TRY(add(out, *model && *dataset ? ", " : ""));
    AE_TRY(ae_xml_text(out, dataset));
    return add(out, "</small>");
}

static ae_status add_run_row(ae_text *out, const ae_report *report, size_t r) {
    const ae_report_run *run = &report->runs[r];
    AE_TRY(add(out, "<tr><th scope=\"row\" class=\"plain\">"));
    if (report->n_runs > 1) AE_TRY(add_swatch(out, report, r));
    AE_TRY(ae_xml_text(out, run->label));
    AE_TRY(add_small(out, report, run->data));
    AE_TRY(add(out, "</th>"));
    AE_TRY(ae_text_printf(out, "<td class=\"number\">%zu</td>", run->data->n_cases));
    for (size_t c = 0; c < N_COLUMNS; c++)
        AE_TRY(add_summary_cell(out, run->summary, &columns[c]));
    return ae_text_printf(out,
                          "<td class=\"number\">%s%zu%s</td><td class=\"number\">%" PRId64 "</td></tr>\n",
                          run->n_flagged ? "<span class=\"flag-text\">" : "", run->n_flagged,
                          run->n_flagged ? "</span>" : "", run->data->n_skipped);
}

static ae_status add_runs(ae_text *out, const ae_report *report) {
    AE_TRY(add(out, "<section aria-labelledby=\"runs\">\n<h2 id=\"runs\">Runs</h2>\n<div class=\"scroll\" "
                    "tabindex=\"0\" role=\"region\" aria-labelledby=\"runs\"><table>\n<thead><tr>"
                    "<th scope=\"col\">Run</th>"
                    "<th scope=\"col\" class=\"number\">Edits</th>"));
    for (size_t c = 0; c < N_COLUMNS; c++)
        AE_TRY(ae_text_printf(out, "<th scope=\"col\" class=\"number\"><abbr title=\"%s\">%s</abbr></th>",
                              columns[c].about, columns[c].title));
    AE_TRY(add(
        out, "<th scope=\"col\" class=\"number\">Flagged</th><th scope=\"col\" class=\"number\">Skipped</th>"
             "</tr></thead>\n<tbody>\n"));
    for (size_t r = 0; r < report->n_runs; r++)
        AE_TRY(add_run_row(out, report, r));
    AE_TRY(add(out, "</tbody>\n</table></div>\n<p class=\"muted\">"));
    for (size_t c = 0; c < N_COLUMNS; c++)
        AE_TRY(ae_text_printf(out, "%s%s: %s", c ? "; " : "", columns[c].title, columns[c].about));
    return add(out, ". Means over all edits; below each its 95 % interval, by bootstrap.</p>\n</section>\n");
}

// ---- figures ---------------------------------------------------------------------------------------

static ae_status add_flag_entry(ae_text *out) {
    const ae_point ring = {9, 7}, triangle = {25, 8};
    ae_svg svg;
    AE_TRY(add(out, "<li>"));
    ae_svg_begin(&svg, out, 34, 14, "class=\"swatch\" aria-hidden=\"true\"", true);
    svg.canvas.marks(&svg.canvas, &ring, 1, AE_COLOUR_FLAG, AE_SHAPE_RING, 5);
    svg.canvas.marks(&svg.canvas, &triangle, 1, AE_COLOUR_FLAG, AE_SHAPE_TRIANGLE, 3.2);
    AE_TRY(ae_svg_finish(&svg));
    return add(out, "<span>flagged edit</span></li>\n");
}

// Static names with their styles; page.js puts a box before each.
static ae_status add_legend(ae_text *out, const ae_report *report) {
    size_t flagged = 0;
    if (report->n_runs == 1) return AE_OK;
    AE_TRY(add(out, "<ul id=\"legend\" class=\"legend\" aria-label=\"Runs\">\n"));
    for (size_t r = 0; r < report->n_runs; r++) {
        AE_TRY(ae_text_printf(out, "<li data-run=\"%zu\">", r));
        AE_TRY(add_swatch(out, report, r));
        AE_TRY(add_element(out, "span", "", report->runs[r].label));
        AE_TRY(add(out, "</li>\n"));
        flagged += report->runs[r].n_flagged;
    }
    if (flagged > 0) AE_TRY(add_flag_entry(out));
    return add(out, "</ul>\n");
}

// What the drawing shows in words: each series with its first and last value.
static ae_status describe_panel(ae_text *out, const ae_figure *figure, const ae_panel *panel) {
    AE_TRY(ae_xml_text(out, figure->title));
    if (panel->title) {
        AE_TRY(add(out, ", "));
        AE_TRY(ae_xml_text(out, panel->title));
    }
    AE_TRY(ae_text_printf(out, ". %s by %s.", panel->y.label, panel->x.label));
    for (size_t k = 0; k < panel->n_series; k++) {
        const ae_series *s = &panel->series[k];
        size_t first = s->n, last = 0, count = 0;
        for (size_t i = 0; i < s->n; i++)
            if (isfinite(s->x[i]) && isfinite(s->y[i])) {
                if (first == s->n) first = i;
                last = i;
                count++;
            }
        char from[AE_NUMBER_TEXT], to[AE_NUMBER_TEXT];
        AE_TRY(add(out, " "));
        AE_TRY(ae_xml_text(out, s->name));
        AE_TRY(ae_text_printf(out, ": %zu points, from %s to %s.", count,
                              ae_number_text(s->y[first], 3, from), ae_number_text(s->y[last], 3, to)));
    }
    return AE_OK;
}

// A panel as a drawing of its own; the legend goes into the first where there is no list of runs beside the
// figures.
static ae_status add_panel(ae_text *out, const ae_report *report, const ae_figure *figure,
                           const ae_panel *panel, ae_frame *plot) {
    const bool own_legend = report->n_runs == 1;
    // Three in a row are drawn smaller, so that their text is not.
    const bool narrow = figure->n_panels > 1 && figure->n_panels % 2 == 1;
    const double margin = 6, width = narrow ? 372 : AE_PANEL_WIDTH, height = narrow ? 250 : AE_PANEL_HEIGHT;
    const double top = own_legend ? ae_draw_legend(NULL, report, figure, 0, margin, width - 60) + margin : 0;
    ae_text attributes = {0};
    ae_status status = ae_text_printf(&attributes, "class=\"panel\" role=\"img\" aria-label=\"");
    if (status == AE_OK) status = describe_panel(&attributes, figure, panel);
    if (status == AE_OK) status = add(&attributes, "\"");
    ae_svg svg;
    if (status == AE_OK) {
        ae_svg_begin(&svg, out, width, height + top, attributes.data, true);
        if (own_legend) ae_draw_legend(&svg.canvas, report, figure, 30, margin, width - 60);
        status = ae_draw_panel(&svg.canvas, report, panel, (ae_frame){0, top, width, height}, plot);
    }
    if (status == AE_OK) status = ae_svg_finish(&svg);
    ae_free(attributes.data);
    return status;
}

static ae_status add_figure(ae_text *out, const ae_report *report, const ae_figure *figure,
                            ae_page_panel *panels) {
    AE_TRY(ae_text_printf(out, "<figure id=\"%s\"%s>\n<figcaption>", figure->id,
                          figure->n_panels > 1 ? " class=\"wide\"" : ""));
    AE_TRY(add_element(out, "h3", "", figure->title));
    AE_TRY(add_element(out, "p", "", figure->text));
    AE_TRY(ae_text_printf(out, "</figcaption>\n<div class=\"panels%s\">\n",
                          figure->n_panels % 2 == 0 ? " even" : ""));
    for (size_t p = 0; p < figure->n_panels; p++) {
        panels[p].panel = &figure->panels[p];
        AE_TRY(add_panel(out, report, figure, &figure->panels[p], &panels[p].plot));
    }
    return add(out, "</div>\n</figure>\n");
}

static ae_status add_figures(ae_text *out, const ae_report *report, ae_page_panel *panels) {
    AE_TRY(add(out, "<section aria-labelledby=\"figures\">\n<h2 id=\"figures\">Figures</h2>\n"));
    AE_TRY(add_legend(out, report));
    AE_TRY(add(out, "<div class=\"figures\">\n"));
    for (size_t f = 0; f < report->n_figures; f++) {
        AE_TRY(add_figure(out, report, &report->figures[f], panels));
        panels += report->figures[f].n_panels;
    }
    AE_TRY(add(out, "</div>\n"));
    if (report->missing) {
        AE_TRY(add(out, "<p class=\"muted\">Not measured, and so not shown: "));
        AE_TRY(ae_xml_text(out, report->missing));
        AE_TRY(add(out, ".</p>\n"));
    }
    return add(out, "</section>\n");
}

// ---- the rest --------------------------------------------------------------------------------------

// Filled by page.js.
static const char edits_html[] =
    "<section aria-labelledby=\"edits\">\n<h2 id=\"edits\">Edits</h2>\n"
    "<noscript><p class=\"muted\">The table of edits and their details need JavaScript; "
    "<code>aedile report --format csv</code> writes them as a table.</p></noscript>\n"
    "<div id=\"edit-list\" hidden>\n<div class=\"controls\">\n"
    "<input id=\"filter\" type=\"search\" placeholder=\"Subject, target, case, flag\" aria-label=\"Filter "
    "the edits\">\n"
    "<select id=\"run\" aria-label=\"Run\"><option value=\"\">All runs</option></select>\n"
    "<label><input id=\"flagged\" type=\"checkbox\"> flagged only</label>\n"
    "<span id=\"count\" class=\"muted\" role=\"status\"></span>\n</div>\n"
    "<div id=\"list\" class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-labelledby=\"edits\"></div>\n"
    "<p><button id=\"more\" type=\"button\" hidden>Show more</button></p>\n</div>\n</section>\n</main>\n"
    "<dialog id=\"edit\" aria-labelledby=\"edit-title\">\n<div class=\"bar\"><h2 id=\"edit-title\"></h2>"
    "<button id=\"before\" type=\"button\">Previous</button><button id=\"after\" "
    "type=\"button\">Next</button>"
    "<button id=\"close\" type=\"button\" autofocus=\"\">Close</button></div>\n<div id=\"edit-body\" "
    "class=\"body\"></div>\n</dialog>\n"
    "<div id=\"tip\" role=\"status\" hidden></div>\n";

static ae_status add_page(ae_text *out, const ae_report *report, ae_page_panel *panels) {
    AE_TRY(add_head(out, report));
    AE_TRY(add_header(out, report));
    AE_TRY(add(out, "<main>\n"));
    AE_TRY(add_runs(out, report));
    AE_TRY(add_figures(out, report, panels));
    AE_TRY(add(out, edits_html));
    AE_TRY(ae_text_printf(out, "<footer>Written by aedile %s.</footer>\n", ae_version()));
    AE_TRY(add(out, "<script type=\"application/json\" id=\"data\">"));
    AE_TRY(ae_page_data(out, report, panels));
    AE_TRY(add(out, "</script>\n<script>\n"));
    AE_TRY(ae_text_append(out, (const char *)ae_page_js, ae_page_js_size));
    return add(out, "</script>\n</body>\n</html>\n");
}

ae_status ae_page_write(ae_text *out, const ae_report *report) {
    size_t n_panels = 0;
    for (size_t f = 0; f < report->n_figures; f++)
        n_panels += report->figures[f].n_panels;
    ae_page_panel *panels = ae_alloc(n_panels, sizeof *panels);
    if (!panels) return ae_no_memory();
    const ae_status status = add_page(out, report, panels);
    ae_free(panels);
    return status;
}
