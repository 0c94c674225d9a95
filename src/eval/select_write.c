#include "aedile/eval.h"
#include "eval/select.h"

ae_status ae_select_write(const char *rule, int64_t total, const char *path) {
    return ae_selection_write(rule, total, path);
}
