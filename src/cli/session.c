#include "cli/session.h"

#include <string.h>

size_t ae_count_active(const ae_journal *journal) {
    size_t active = 0;
    for (size_t i = 0; i < ae_journal_count(journal); i++) {
        ae_journal_entry entry;
        if (ae_journal_read(journal, i, &entry, NULL) == AE_OK && !entry.reverted) active++;
    }
    return active;
}

ae_status ae_session_open_model(const char *name, const ae_common *common, ae_session *out) {
    const double began = ae_clock();
    const ae_model_options options = {.n_threads = (int)common->threads,
                                      .decode_compat =
                                          common->decode && strcmp(common->decode, "compat") == 0};
    ae_session session = {0};
    char *folder = NULL;
    ae_status status = ae_model_find(name, &folder);
    if (status == AE_OK) status = ae_model_open(folder, &options, &session.model);
    ae_free(folder);
    if (status != AE_OK) return status;
    session.seconds_load = ae_clock() - began;
    *out = session;
    return AE_OK;
}

ae_status ae_session_open(const char *name, const ae_common *common, ae_session *out) {
    const double began = ae_clock();
    ae_session session = {0};
    ae_status status = ae_session_open_model(name, common, &session);
    if (status == AE_OK && common->journal) {
        status = ae_journal_open(common->journal, session.model, false, true, &session.journal);
        if (status == AE_OK) status = ae_journal_apply(session.journal, session.model);
        if (status == AE_OK) session.n_active = ae_count_active(session.journal);
    }
    if (status != AE_OK) {
        ae_session_close(&session);
        return status;
    }
    session.seconds_load = ae_clock() - began;
    *out = session;
    return AE_OK;
}

void ae_session_close(ae_session *session) {
    ae_journal_close(session->journal);
    ae_model_free(session->model);
    *session = (ae_session){0};
}
