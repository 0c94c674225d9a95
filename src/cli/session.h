/* cli/session.h: the model that a command works on, with its journal applied. */
#ifndef AE_CLI_SESSION_H
#define AE_CLI_SESSION_H

#include "cli/console.h"

typedef struct ae_session {
    ae_model *model;
    ae_journal *journal; // NULL where none was named
    size_t n_active;     // edits that are applied
    double seconds_load;
} ae_session;

/* Finds and opens MODEL, without a journal. */
ae_status ae_session_open_model(const char *name, const ae_common *common, ae_session *out);

/* Finds and opens MODEL, opens common->journal read-only where one is named, and applies it. */
ae_status ae_session_open(const char *name, const ae_common *common, ae_session *out);

/* Closes both; a zeroed session is fine. */
void ae_session_close(ae_session *session);

/* Entries of the journal that are not reverted. */
size_t ae_count_active(const ae_journal *journal);

#endif
