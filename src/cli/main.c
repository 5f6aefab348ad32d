/* The tool: which verb, its settings, its exit status. */
#include "base/error.h"
#include "base/file.h"
#include "cli/exit_status.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_version(void)
{
    printf("sowlv2 %s\n", sowlv2_version());
}

/* Standard output is buffered: whether it could be written shows here. */
static int finish_output(int result)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    failed |= fflush(stdout) != 0;
    if (!failed || result != EXIT_DONE)
        return result;
    error_set(SOWLV2_ERROR_IO, "standard output: cannot be written: %s", errno ? strerror(errno) : "a write failed");
    return verb_fail(EXIT_ALL_FAILED);
}

/* Runs a verb with words[1..count-1] as its arguments. */
static int run_verb(const struct verb *verb, int count, char **words)
{
    struct settings settings = settings_default();
    int result = EXIT_DONE, status;

    status = options_parse(count, words, verb->options, verb->name, &settings);
    if (!status && settings.help) {
        help_verb(verb);
    } else if (!status && settings.version) {
        print_version();
    } else {
        terminal_open(settings.quiet, settings.verbose);
        if (!status)
            status = settings_check_common(&settings);
        result = status ? verb_fail(EXIT_USAGE) : verb->run(&settings);
    }
    settings_free(&settings);
    return result;
}

/* Verbs of the contract that a later version has. */
static bool is_later(const char *word)
{
    static const char *const later[] = {"bench", "export", "quantize", "serve"};

    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (strcmp(later[i], word) == 0)
            return true;
    return false;
}

/* The tool called without a verb it knows. */
static int explain_verbs(const char *word)
{
    if (!word)
        error_set(SOWLV2_ERROR_ARGUMENT, "no verb: say what to do, for example 'sowlv2 detect': see 'sowlv2 --help'");
    else if (option_after_dashes(word))
        error_set(SOWLV2_ERROR_ARGUMENT, "%s: begins with a typographic dash: write --%s: see 'sowlv2 --help'", word,
                  option_after_dashes(word));
    else if (*word == '-')
        error_set(SOWLV2_ERROR_ARGUMENT,
                  "%s: a verb comes first, for example 'sowlv2 detect %s ...': see 'sowlv2 --help'", word, word);
    else if (is_later(word))
        error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: this verb is not built into this version yet: see 'sowlv2 --help'",
                  word);
    else
        error_set(SOWLV2_ERROR_ARGUMENT, "%s: no such verb: see 'sowlv2 --help'", word);
    return verb_fail(EXIT_USAGE);
}

static int run_tool(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const struct verb *verb = word ? verb_find(word) : NULL;

    if (verb)
        return run_verb(verb, argc - 1, argv + 1);
    if (word && strcmp(word, "help") == 0 && argc > 2 && verb_find(argv[2])) {
        help_verb(verb_find(argv[2]));
        return EXIT_DONE;
    }
    if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)) {
        help_tool();
        return EXIT_DONE;
    }
    if (word && strcmp(word, "--version") == 0) {
        print_version();
        return EXIT_DONE;
    }
    return explain_verbs(word);
}

/* Whether the verb has forward passes: pull and models start faster without what those need. */
static bool computes(int argc, char **argv)
{
    return argc < 2 || (strcmp(argv[1], "pull") != 0 && strcmp(argv[1], "models") != 0);
}

/* OpenMP's threads spin for many milliseconds before they sleep, and where other programs use the machine too they spin
 * while the thread they wait for has no processor: the run then takes several times as long. The runtime reads its
 * setting before main, so where the user has set none this starts the program again with a shorter spin. Returns where
 * that is not possible or not needed. */
static void choose_waiting(char **argv)
{
    /* About half a millisecond: longer than between two products of a pass, shorter than a time slice. */
    static const char *const spins = "10000";

    if (!getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY") && setenv("GOMP_SPINCOUNT", spins, 1) == 0) {
        char path[PATH_MAX]; /* the real path, so that process lists show the tool's name */
        const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
        if (length > 0) {
            path[length] = '\0';
            execv(path, argv); /* comes back only where it failed: then all runs on as it was */
        }
    }
}

int main(int argc, char **argv)
{
    int result;

    if (argc == 2 && strcmp(argv[1], SOWLV2_DECODER_ARGUMENT) == 0)
        _exit(sowlv2_decoder_serve()); /* nothing that ends with a process may be done any more */
    signals_ignore_limit();
    if (computes(argc, argv))
        choose_waiting(argv);
    if (argc > 0 && strcmp(path_base(argv[0]), "sowlv2-detect") == 0)
        result = run_verb(verb_find("detect"), argc, argv);
    else
        result = run_tool(argc, argv);
    return finish_output(result);
}
