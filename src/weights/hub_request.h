/* A model on the hub as it was asked for, and its folder in the cache. */
#ifndef WEIGHTS_HUB_REQUEST_H
#define WEIGHTS_HUB_REQUEST_H

#include <stdbool.h>

struct hub_request {
    char *id;              /* "org/name" or "name" */
    char *revision;        /* branch, tag or commit */
    const char *cache_dir; /* as given, not owned; NULL: from the environment */
    char *cache;           /* the cache's folder */
    char *repository;      /* models--org--name in it */
};

/* Splits "id@revision"; `revision`, where given, wins. `cache_dir` NULL or "": as hub_cache_directory says.
 * Errors: MODEL (not an id), ARGUMENT (a revision that cannot be), MEMORY; then there is nothing to free. */
int hub_request_make(const char *model, const char *revision, const char *cache_dir, struct hub_request *out);
void hub_request_free(struct hub_request *request);

/* "sowlv2 pull ID ..." for the request, for messages; freed by the caller; NULL: out of memory. */
char *hub_request_pull_command(const struct hub_request *request);

/* Whether `commit` can be one part of a path: letters, digits, '-' and '_' only. */
bool hub_commit_is_valid(const char *commit);

/* The commit that refs/<revision> names; the revision itself where there is no such ref. `*commit` is freed by the
 * caller. Errors: FORMAT (a damaged ref), IO, MEMORY. */
int hub_read_commit(const struct hub_request *request, char **commit);

#endif
