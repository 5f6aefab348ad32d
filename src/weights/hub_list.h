/* What models the hub cache holds, and which come with the program. */
#ifndef WEIGHTS_HUB_LIST_H
#define WEIGHTS_HUB_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One commit of a model. */
struct hub_listed {
    char *id;
    char *revisions;  /* the refs that name it, "main, v1"; "" where none does */
    char *commit;     /* "" where it came with the program */
    const char *kind; /* as model_kind.h has it; NULL: not one of ours, or there is no config.json */
    int64_t size;     /* bytes of its files */
    bool complete;    /* all that its kind needs is there */
};

struct hub_list {
    struct hub_listed *items; /* [count], by id, then by commit */
    size_t count;
    char *cache; /* the cache's folder */
};

/* Lists the cache of `cache_dir` (NULL: as the environment says); one that is not there is an empty list. What cannot
 * be read is left out. Errors: MODEL (no folder to look in), MEMORY. */
int hub_list_read(const char *cache_dir, struct hub_list *out);

/* Appends the demo models that are installed with the program, by the name that they are asked for. Where none are,
 * nothing is. Errors: MEMORY. */
int hub_list_add_installed(struct hub_list *list);
void hub_list_free(struct hub_list *list);

#endif
