/* cli/edit_report.h: an edit for people and as JSON; shared by `edit` and `edits show`. */
#ifndef AE_CLI_EDIT_REPORT_H
#define AE_CLI_EDIT_REPORT_H

#include "cli/console.h"

/* The prompt with the subject in its place; free with free(). NULL on lack of memory. */
char *ae_request_text(const ae_request *request);

/* One object; its keys are in docs/cli-json.md. `steps`: with the loss of every step. */
json_t *ae_edit_document(const ae_edit *edit, bool steps);

/* The table of before and after, and the figures of each layer. `steps` as above. */
void ae_print_edit(const ae_edit *edit, bool steps);

/* "3, 5" and "r-rome": into out. */
void ae_edit_layers_text(const ae_edit *edit, char *out, size_t size);

#endif
