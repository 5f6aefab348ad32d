/* sowlv2 models: what the hub cache holds for us, and what came with the program. */
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "weights/hub_list.h"
#include "weights/model_kind.h"

#include <stdio.h>
#include <string.h>

/* What the columns say. */
struct row {
    const char *id, *revision, *task, *state;
    char size[32];
};

static struct row make_row(const struct hub_listed *item)
{
    const bool installed = *item->commit == '\0';
    struct row row = {.id = item->id,
                      .revision = installed          ? "-"
                                  : *item->revisions ? item->revisions
                                                     : item->commit,
                      .task = model_kind_task(item->kind),
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

static void print_rows(const struct hub_list *list)
{
    int id = 0, revision = 0;

    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind) {
            const struct row row = make_row(&list->items[i]);

            id = longer(id, row.id);
            revision = longer(revision, row.revision);
        }
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind) {
            const struct row row = make_row(&list->items[i]);

            printf("%-*s  %-*s  %8s  %-12s  %s\n", id, row.id, revision, row.revision, row.size, row.task, row.state);
        }
}

int verb_models(struct settings *settings)
{
    struct hub_list list;
    size_t others = 0, own = 0;
    int64_t bytes = 0;
    char size[32];

    if (hub_list_read(settings->cache_dir, &list))
        return verb_fail(EXIT_NO_MODEL);
    for (size_t i = 0; i < list.count; i++) {
        own += list.items[i].kind != NULL;
        others += list.items[i].kind == NULL;
        bytes += list.items[i].kind == NULL ? list.items[i].size : 0;
    }
    download_format_size(size, sizeof(size), bytes);
    const int status = hub_list_add_installed(&list) ? verb_fail(EXIT_NO_MODEL) : EXIT_DONE;
    print_rows(&list);
    fflush(stdout); /* before what follows on standard error */
    if (own == 0)
        terminal_say("no models in %s: 'sowlv2 pull ID' fetches one", list.cache);
    if (others > 0)
        terminal_say("%zu other%s (%s) that sowlv2 does not compute", others, others == 1 ? "" : "s", size);
    hub_list_free(&list);
    return status;
}
