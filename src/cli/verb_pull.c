/* sowlv2 pull: models into the hub cache, ahead of time. */
#include "base/error.h"
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#include <stdio.h>

/* Fetches one model; prints its folder. */
static int pull_one(const struct settings *settings, const char *model)
{
    struct download download = {0};
    struct sowlv2_model_options options = sowlv2_model_options_default();
    char size[32], *folder;
    int64_t bytes;
    int status;

    download_options(settings, model, settings->revision, &download, &options);
    status = sowlv2_pull(&options, &folder, &bytes);
    download_end(&download);
    if (status)
        return status;
    download_format_size(size, sizeof(size), bytes);
    if (bytes > 0)
        terminal_say("%s: %s downloaded", model, size);
    else
        terminal_say("%s: is up to date", model);
    printf("%s\n", folder);
    fflush(stdout);
    sowlv2_string_free(&folder);
    return 0;
}

int verb_pull(struct settings *settings)
{
    size_t failed = 0;
    int worst = EXIT_NO_MODEL;

    if (settings->texts.count == 0) {
        error_set(SOWLV2_ERROR_ARGUMENT,
                  "pull: no model: give one or more hub ids, for example google/owlv2-base-patch16-ensemble");
        return verb_fail(EXIT_USAGE);
    }
    signals_catch_interrupts();
    for (size_t i = 0; i < settings->texts.count; i++) {
        const int status = pull_one(settings, settings->texts.items[i]);

        if (signals_interrupted)
            return EXIT_INTERRUPTED;
        failed += status != 0;
        if (status)
            verb_fail(EXIT_NO_MODEL);
        if (status == SOWLV2_ERROR_ARGUMENT)
            worst = EXIT_USAGE;
    }
    if (failed == 0)
        return EXIT_DONE;
    return failed < settings->texts.count ? EXIT_SOME_FAILED : worst;
}
