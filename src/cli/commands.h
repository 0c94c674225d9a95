/* cli/commands.h: the commands, one file each. */
#ifndef AE_CLI_COMMANDS_H
#define AE_CLI_COMMANDS_H

#include "cli/options.h"

extern const ae_command ae_command_inspect;
extern const ae_command ae_command_generate;
extern const ae_command ae_command_score;
extern const ae_command ae_command_edit;
extern const ae_command ae_command_edits;
extern const ae_command ae_command_export;
extern const ae_command ae_command_stats;
extern const ae_command ae_command_run;
extern const ae_command ae_command_select;
extern const ae_command ae_command_summarize;
extern const ae_command ae_command_report;
extern const ae_command ae_command_demo;

#endif
