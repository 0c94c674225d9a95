/* cli/cut_short.h: a file that is cut short while it is mapped. */
#ifndef AE_CLI_CUT_SHORT_H
#define AE_CLI_CUT_SHORT_H

#include <stdbool.h>

/* From now on, reading a mapped file behind its end (somebody has cut it short; or its disk fails) ends the
 * process with a sentence that names the file and AE_EXIT_FAILURE, in place of "Bus error". With `json` the
 * sentence comes as a document on stdout, too. */
void ae_tell_of_cut_files(bool json);

#endif
