/* cli/visible.h: text of files and models, shown to a person.
 *
 * A terminal obeys control characters, and reorders a line by Unicode's directional ones: text from a file
 * could hide or forge what the program says. Where text is shown they become escapes, \u001b, which in JSON's
 * strings mean the same character; bytes that are not UTF-8 become \xff. */
#ifndef AE_CLI_VISIBLE_H
#define AE_CLI_VISIBLE_H

#include <stddef.h>
#include <stdio.h>

enum { AE_ESCAPE = 8 };

/* The first character of text[0..n), n > 0: how many bytes it takes; `escape` is what stands for it, "" where
 * it can be shown as it is. Safe within a signal's handler. */
size_t ae_escape(const char *text, size_t n, char escape[AE_ESCAPE]);

/* Prints that character, \n and \t by these short names; how many bytes it takes. */
size_t ae_print_character(FILE *stream, const char *text, size_t n);

/* Prints the text, which then stays on its line. */
void ae_print_visible(FILE *stream, const char *text);

/* The same, with spaces behind it up to `width` bytes, as printf's %-*s. */
void ae_print_column(FILE *stream, const char *text, int width);

/* Prints what a model says: lines and tabs as they are, and '?' for what would be an escape. */
void ae_print_plain(FILE *stream, const char *text);

/* Prints a document of JSON. */
void ae_print_json(FILE *stream, const char *text);

#endif
