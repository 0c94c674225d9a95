/* compare_runs A B: exit code 0 if two runs' folders are the same but for times; else 1, and the first
 * difference on stdout. */
#include <stdio.h>

#include "compare_runs.h"

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "Usage: compare_runs A B\n");
        return 2;
    }
    char *difference = compare_runs(argv[1], argv[2]);
    if (difference) printf("%s\n", difference);
    const int code = difference != NULL;
    ae_free(difference);
    return code;
}
