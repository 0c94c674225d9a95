#include "aedile/edit.h"

#include <string.h>

#include "base/error.h"

// A subject or target of nothing but spaces names nothing.
static bool is_blank(const char *text) {
    return !text || text[strspn(text, " ")] == '\0';
}

ae_status ae_request_check(const ae_request *request) {
    const char *prompt = request->prompt;
    if (is_blank(prompt))
        return ae_fail(AE_ERR_ARGUMENT, "the prompt is empty; it needs one '{}' where the subject stands");
    const char *fill = strstr(prompt, "{}");
    if (!fill)
        return ae_fail(AE_ERR_ARGUMENT, "prompt '%s' has no '{}'; put one where the subject stands", prompt);
    if (strstr(fill + 2, "{}"))
        return ae_fail(AE_ERR_ARGUMENT,
                       "prompt '%s' has more than one '{}'; exactly one marks the subject's place", prompt);
    if (fill > prompt && fill[-1] != ' ')
        return ae_fail(AE_ERR_ARGUMENT, "prompt '%s': its '{}' must come first or follow a space", prompt);
    if (is_blank(request->subject))
        return ae_fail(AE_ERR_ARGUMENT, "prompt '%s': the subject is empty", prompt);
    if (is_blank(request->target_new))
        return ae_fail(AE_ERR_ARGUMENT, "prompt '%s', subject '%s': the new target is empty", prompt,
                       request->subject);
    return AE_OK;
}
