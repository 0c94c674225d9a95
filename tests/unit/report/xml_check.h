/* xml_check.h: is a text well-formed XML, as far as our drawings and pages go? */
#ifndef AE_TEST_XML_CHECK_H
#define AE_TEST_XML_CHECK_H

#include <ctype.h>

#include "test.h"

// A reference such as &lt; or &#39; at `at`.
static inline const char *check_reference(const char *at) {
    static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(at, known[i], strlen(known[i])) == 0) return at + strlen(known[i]);
    fail_msg("a bare '&': %.40s", at);
    return at;
}

// The attributes of an element up to its '>' or "/>".
static inline const char *check_attributes(const char *at) {
    while (*at && *at != '>' && strncmp(at, "/>", 2) != 0) {
        if (isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        const size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-");
        if (name == 0 || strncmp(at + name, "=\"", 2) != 0) fail_msg("no attribute: %.40s", at);
        for (at += name + 2; *at && *at != '"';) {
            if (*at == '<') fail_msg("'<' in an attribute: %.40s", at);
            at = *at == '&' ? check_reference(at) : at + 1;
        }
        if (*at++ != '"') fail_msg("an attribute without end");
    }
    return at;
}

/* Fails unless every element is closed in order, attributes are quoted, and text holds no bare '<' or '&'. */
static inline void assert_well_formed(const char *text) {
    enum { DEPTH = 32 };
    char open[DEPTH][40];
    int depth = 0;
    const char *at = text;
    while (*at) {
        if (*at == '&') {
            at = check_reference(at);
        } else if (*at != '<') {
            if ((unsigned char)*at < 0x20 && !isspace((unsigned char)*at)) fail_msg("a control character");
            at++;
        } else if (at[1] == '/') {
            const size_t length = strcspn(at + 2, ">");
            if (depth == 0 || strlen(open[depth - 1]) != length ||
                strncmp(open[depth - 1], at + 2, length) != 0)
                fail_msg("'%s' is open, and this closes: %.40s", depth ? open[depth - 1] : "nothing", at);
            depth--;
            at += 2 + length + 1;
        } else {
            const size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz0123456789");
            if (length == 0 || length >= sizeof open[0] || depth == DEPTH) fail_msg("no element: %.40s", at);
            snprintf(open[depth++], sizeof open[0], "%.*s", (int)length, at + 1);
            at = check_attributes(at + 1 + length);
            if (*at == '/') depth--;
            at += *at == '/' ? 2 : 1;
        }
    }
    if (depth != 0) fail_msg("'%s' is not closed", open[depth - 1]);
}

#endif
