/* report/page.h: the report as one HTML file that opens offline.
 *
 * Figures and the table of runs are there without JavaScript; what is touched (values on hover, legend, the
 * table of edits, an edit's details) is made by page.js from the JSON block at the end (page_data.c). */
#ifndef AE_REPORT_PAGE_H
#define AE_REPORT_PAGE_H

#include "report/draw.h"

/* page.css and page.js, embedded by embed.cmake. */
extern const unsigned char ae_page_css[], ae_page_js[];
extern const size_t ae_page_css_size, ae_page_js_size;

/* Where the axes of a panel's drawing lie, for the page's data. */
typedef struct ae_page_panel {
    const ae_panel *panel;
    ae_frame plot;
} ae_page_panel;

ae_status ae_page_write(ae_text *out, const ae_report *report);

/* The JSON of the page; `panels` in the order of the figures. */
ae_status ae_page_data(ae_text *out, const ae_report *report, const ae_page_panel *panels);

#endif
