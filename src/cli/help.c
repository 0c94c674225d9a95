#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "aedile/status.h"

static const char purpose[] = "edits facts in GPT-2 and GPT-J models, and can undo every edit";

static const char about[] = "aedile changes what a language model answers about one subject by a rank-one "
                            "update of one matrix (ROME and r-ROME). The "
                            "model's own files are never touched: edits are kept in a journal, a folder "
                            "beside it, from which they can be listed, "
                            "shown, reverted exactly, and exported.\n\n"
                            "MODEL is a Hugging Face model folder, the name of a model in the local Hugging "
                            "Face cache (gpt2-xl, EleutherAI/gpt-j-6B), "
                            "or demo, a small model that comes with aedile.";

static const struct {
    const char *name, *text;
} variables[] = {
    {"HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME",
     "Where downloaded models are; the first that is set says it: the folder itself by the first two names, "
     "else hub in HF_HOME, huggingface/hub in XDG_CACHE_HOME, .cache/huggingface/hub in HOME."},
    {"AEDILE_STATS", "A statistics folder that edit and run look in."},
    {"AEDILE_DEMO", "The folder of the demo model."},
    {"OMP_WAIT_POLICY, GOMP_SPINCOUNT",
     "How threads wait for each other. Where neither is set, they look a thousand times and then give way."},
};

enum { WIDTH = 80, COLUMN = 26 };

// ---- plain text ------------------------------------------------------------------------------------

// Prints text wrapped to WIDTH, each line after the first indented; `at` is the column where the first
// begins.
static void print_wrapped(const char *text, int indent, int at) {
    while (*text) {
        if (*text == '\n') {
            printf("\n%*s", indent, "");
            at = indent;
            text++;
            continue;
        }
        const int length = (int)strcspn(text, " \n");
        if (at > indent && at + 1 + length > WIDTH) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", length, text);
        at += length;
        text += length;
        while (*text == ' ')
            text++;
    }
    putchar('\n');
}

static void print_option(const ae_option *o) {
    int at = o->letter ? printf("  -%c, ", o->letter) : printf("      ");
    at += printf("--%s", o->name);
    if (o->argument) at += printf(" %s", o->argument);
    if (at >= COLUMN) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", COLUMN - at, "");
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s%s%s", o->help, o->initial ? " (default: " : "",
             o->initial ? o->initial : "", o->initial ? ")" : "", o->required ? " Required." : "");
    print_wrapped(text, COLUMN, COLUMN);
}

void ae_help_command(const ae_command *command) {
    print_wrapped(command->brief, 0, printf("aedile %s:", command->name));
    putchar('\n');
    for (size_t i = 0; i < 3 && command->usage[i]; i++)
        print_wrapped(command->usage[i], 7, printf("%s aedile %s", i ? "      " : "Usage:", command->name));
    putchar('\n');
    print_wrapped(command->about, 0, 0);
    for (size_t t = 0; t < AE_TABLES_MAX && command->tables[t]; t++)
        for (const ae_option *o = command->tables[t]; o->name; o++) {
            if (o->section) printf("\n%s\n", o->section);
            print_option(o);
        }
    printf("\nExamples\n");
    for (size_t i = 0; i < 3 && command->examples[i].text; i++) {
        printf("%s  ", i ? "\n" : "");
        print_wrapped(command->examples[i].text, 2, 2);
        printf("    %s\n", command->examples[i].line);
    }
}

void ae_help_overview(void) {
    print_wrapped(purpose, 0, printf("aedile %s:", ae_version()));
    printf("\nUsage: aedile COMMAND MODEL [options]\n\n");
    print_wrapped(about, 0, 0);
    printf("\nCommands\n");
    for (size_t i = 0; ae_commands[i]; i++)
        print_wrapped(ae_commands[i]->brief, 12, printf("  %-10s", ae_commands[i]->name));
    printf("\n  aedile help COMMAND    what a command does, its options, examples\n"
           "  aedile --version       the version\n");
}

// ---- the manual page -------------------------------------------------------------------------------

// Text with what troff would take for its own made harmless.
static void print_roff(const char *text) {
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        begins = *text == '\n';
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", stdout);
            text++;
        } else if (*text == '\\') {
            fputs("\\e", stdout);
        } else if (*text == '-') {
            fputs("\\-", stdout);
        } else {
            putchar(*text);
        }
    }
}

static void print_roff_option(const ae_option *o) {
    printf(".TP\n");
    if (o->letter) printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    print_roff(o->name);
    printf("\\fR");
    if (o->argument) {
        printf(" \\fI");
        print_roff(o->argument);
        printf("\\fR");
    }
    putchar('\n');
    print_roff(o->help);
    if (o->initial) {
        printf(" Default: ");
        print_roff(o->initial);
        putchar('.');
    }
    if (o->required) printf(" Required.");
    putchar('\n');
}

static void print_roff_command(const ae_command *command) {
    printf(".SS \"aedile %s\"\n", command->name);
    for (size_t i = 0; i < 3 && command->usage[i]; i++) {
        printf(".br\n\\fBaedile %s\\fR ", command->name);
        print_roff(command->usage[i]);
        putchar('\n');
    }
    printf(".PP\n");
    print_roff(command->about);
    putchar('\n');
    for (size_t t = 0; t < AE_TABLES_MAX && command->tables[t]; t++)
        for (const ae_option *o = command->tables[t]; o->name; o++)
            print_roff_option(o);
    for (size_t i = 0; i < 3 && command->examples[i].text; i++) {
        printf(".PP\n");
        print_roff(command->examples[i].text);
        printf("\n.PP\n.nf\n.RS 4\n");
        print_roff(command->examples[i].line);
        printf("\n.RE\n.fi\n");
    }
}

void ae_help_manual(void) {
    printf(".TH AEDILE 1 \"\" \"aedile %s\" \"User Commands\"\n.SH NAME\naedile \\- %s\n", ae_version(),
           purpose);
    printf(".SH SYNOPSIS\n\\fBaedile\\fR \\fICOMMAND\\fR \\fIMODEL\\fR [\\fIoptions\\fR]\n"
           ".br\n\\fBaedile help\\fR \\fICOMMAND\\fR\n.SH DESCRIPTION\n");
    print_roff(about);
    printf("\n.SH COMMANDS\n");
    for (size_t i = 0; ae_commands[i]; i++)
        print_roff_command(ae_commands[i]);
    printf(
        ".SH EXIT STATUS\n0: done. 1: the command failed; stderr says why. 2: the command line is wrong.\n");
    printf(".SH ENVIRONMENT\n");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        printf(".TP\n.B ");
        print_roff(variables[i].name);
        putchar('\n');
        print_roff(variables[i].text);
        putchar('\n');
    }
}
