/* sowlv2 models: what the hub cache holds for us, and what came with the program. */
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

/* What the columns say. */
struct row {
    const char *id, *revision, *task, *state;
    char size[32];
};

static struct row make_row(const struct sowlv2_listed_model *item)
{
    const bool installed = *item->commit == '\0';
    struct row row = {.id = item->id,
                      .revision = installed          ? "-"
                                  : *item->revisions ? item->revisions
                                                     : item->commit,
                      .task = item->task,
                      .state = !item->complete ? "incomplete"
                               : installed     ? "installed"
                                               : "complete"};

    download_format_size(row.size, sizeof(row.size), item->size);
    return row;
}

static int longer(int width, const char *text)
{
    const int length = (int)strlen(text);

    return length > width ? length : width;
}

/* Columns of both lists are as wide as the widest of either. */
struct widths {
    int id, revision;
};

static void measure(const struct sowlv2_model_list *list, struct widths *widths)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].task) {
            const struct row row = make_row(&list->items[i]);

            widths->id = longer(widths->id, row.id);
            widths->revision = longer(widths->revision, row.revision);
        }
}

static void print_rows(const struct sowlv2_model_list *list, const struct widths *widths)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].task) {
            const struct row row = make_row(&list->items[i]);

            printf("%-*s  %-*s  %8s  %-12s  %s\n", widths->id, row.id, widths->revision, row.revision, row.size,
                   row.task, row.state);
        }
}

int verb_models(struct settings *settings)
{
    struct sowlv2_model_list cached, installed;
    struct widths widths = {0};
    size_t others = 0, own = 0;
    int64_t bytes = 0;
    char size[32];

    if (sowlv2_models_cached(settings->cache_dir, &cached))
        return verb_fail(EXIT_NO_MODEL);
    for (size_t i = 0; i < cached.count; i++) {
        own += cached.items[i].task != NULL;
        others += cached.items[i].task == NULL;
        bytes += cached.items[i].task == NULL ? cached.items[i].size : 0;
    }
    download_format_size(size, sizeof(size), bytes);
    const int status = sowlv2_models_installed(&installed) ? verb_fail(EXIT_NO_MODEL) : EXIT_DONE;
    measure(&cached, &widths);
    measure(&installed, &widths);
    print_rows(&cached, &widths);
    print_rows(&installed, &widths);
    fflush(stdout); /* before what follows on standard error */
    if (own == 0)
        terminal_say("no models in %s: 'sowlv2 pull ID' fetches one", cached.cache);
    if (others > 0)
        terminal_say("%zu other%s (%s) that sowlv2 cannot run", others, others == 1 ? "" : "s", size);
    sowlv2_model_list_free(&cached);
    sowlv2_model_list_free(&installed);
    return status;
}
