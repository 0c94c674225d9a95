/* json_get PATH < DOCUMENT: prints one value of a JSON document: json_get edits.0.layer. The document must be
 * the only thing on stdin. "#" at the end of the path gives the number of elements; an empty path checks the
 * document alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

int main(int argc, char **argv) {
    json_error_t error;
    json_t *root = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error), *at = root;
    if (!root) {
        fprintf(stderr, "json_get: line %d: %s\n", error.line, error.text);
        return 2;
    }
    for (char *key = argc > 1 ? strtok(argv[1], ".") : NULL; key; key = strtok(NULL, ".")) {
        if (strcmp(key, "#") == 0) {
            printf("%zu\n", json_is_array(at) ? json_array_size(at) : json_object_size(at));
            json_decref(root);
            return 0;
        }
        at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
        if (!at) {
            fprintf(stderr, "json_get: there is no '%s'\n", key);
            json_decref(root);
            return 1;
        }
    }
    if (json_is_string(at))
        printf("%s\n", json_string_value(at));
    else if (argc > 1)
        json_dumpf(at, stdout, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9)), putchar('\n');
    json_decref(root);
    return 0;
}
