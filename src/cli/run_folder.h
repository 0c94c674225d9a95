/* cli/run_folder.h: runs by name. */
#ifndef AE_CLI_RUN_FOLDER_H
#define AE_CLI_RUN_FOLDER_H

/* The folder that `word` means: itself, or, where there is none and it is a mere name, <results>/ROME/<word>.
 * Free with free(); NULL on lack of memory. */
char *ae_run_folder(const char *word, const char *results);

#endif
