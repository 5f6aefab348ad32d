/* --help: made of the tables of verbs and options. */
#include "cli/help.h"

#include "cli/options.h"

#include <stdio.h>
#include <string.h>

enum { LINE_WIDTH = 80, OPTION_COLUMN = 2, TEXT_COLUMN = 28 };

static const char *const group_titles[GROUP_COUNT] = {
    [GROUP_MAIN] = "What to find, where",
    [GROUP_OUTPUT] = "What is written",
    [GROUP_MODEL] = "Models",
    [GROUP_DETECTION] = "Detection",
    [GROUP_MASKS] = "Masks",
    [GROUP_SPEED] = "Speed and memory",
    [GROUP_VIDEO] = "Video",
    [GROUP_FRAMES] = "Importance and choice",
    [GROUP_COMMON] = "Common to all verbs",
};

/* Prints ASCII `text` wrapped, from column `at` on, each further line beginning at `indent`. A newline in the
 * text ends the line. */
static void print_wrapped(const char *text, size_t at, size_t indent)
{
    bool fresh = true; /* no word on this line yet */

    while (*text) {
        size_t length = strcspn(text, " \n");

        if (!fresh && at + 1 + length > LINE_WIDTH) {
            printf("\n%*s", (int)indent, "");
            at = indent;
            fresh = true;
        }
        if (length > 0) {
            printf("%s%.*s", fresh ? "" : " ", (int)length, text);
            at += length + !fresh;
            fresh = false;
        }
        text += length;
        if (*text == '\n') {
            printf("\n%*s", text[1] == '\n' || !text[1] ? 0 : (int)indent, "");
            at = indent;
            fresh = true;
        }
        text += *text != '\0';
    }
    printf("\n");
}

static void print_option(const struct option_spec *spec)
{
    char text[512];
    int width =
        printf("%*s--%s%s%s", OPTION_COLUMN, "", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");

    if (width + 2 > TEXT_COLUMN) {
        printf("\n");
        width = 0;
    }
    printf("%*s", TEXT_COLUMN - width, "");
    snprintf(text, sizeof(text), "%s%s%s%s", spec->help, spec->fallback ? " [default: " : "",
             spec->fallback ? spec->fallback : "", spec->fallback ? "]" : "");
    print_wrapped(text, TEXT_COLUMN, TEXT_COLUMN);
}

static void print_options(unsigned verb)
{
    for (int group = 0; group < GROUP_COUNT; group++) {
        const struct option_spec *spec;
        bool titled = false;

        for (size_t i = 0; (spec = option_at(i)); i++) {
            if ((int)spec->group != group || !(spec->verbs & verb))
                continue;
            if (!titled)
                printf("\n%s:\n", group_titles[group]);
            titled = true;
            print_option(spec);
        }
    }
}

static void print_exit_statuses(void)
{
    printf("\nExit status:\n"
           "  0    done, also when nothing was found\n"
           "  1    some inputs failed, each named; the rest are done\n"
           "  2    the command line or the configuration file is wrong\n"
           "  3    a model cannot be had\n"
           "  4    everything failed\n"
           "  130  interrupted; what was done is complete\n");
}

void help_tool(void)
{
    printf("sowlv2: find, segment and track what you can name\n"
           "\n"
           "Usage: sowlv2 VERB [OPTION...]\n"
           "       sowlv2 VERB --help\n"
           "       sowlv2 --help | --version\n"
           "\n"
           "Verbs:\n");
    for (size_t i = 0; i < verb_count; i++)
        printf("  %-10s %s\n", verb_table[i].name, verb_table[i].summary);
    printf("\n"
           "A first run:\n"
           "  sowlv2 detect --prompt cat \"a red bicycle\" --input photos/ --output out/\n"
           "\n"
           "The results are in out/results.jsonl and out/overlay/.\n");
    print_exit_statuses();
}

void help_verb(const struct verb *verb)
{
    printf("sowlv2 %s: %s\n\n", verb->name, verb->summary);
    printf("Usage: sowlv2 %s %s\n\n", verb->name, verb->usage);
    print_wrapped(verb->description, 0, 0);
    if (verb->examples)
        printf("\nExamples:\n%s", verb->examples);
    print_options(verb->options);
    print_exit_statuses();
}
