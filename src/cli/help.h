/* cli/help.h: the commands' tables as text for people: --help, and aedile(1). */
#ifndef AE_CLI_HELP_H
#define AE_CLI_HELP_H

#include "cli/options.h"

/* All commands in the order in which they are shown; NULL behind the last. */
extern const ae_command *const ae_commands[];

void ae_help_overview(void);
void ae_help_command(const ae_command *command);

/* The manual page of all commands, for man(7). */
void ae_help_manual(void);

#endif
