/* Fetching one file's content into the cache. */
#ifndef HUB_BLOB_H
#define HUB_BLOB_H

#include "hub/session.h"

enum { HUB_ETAG_SIZE = 129 };

/* A file of a model, as the hub describes it. */
struct hub_file {
    char *name;
    char etag[HUB_ETAG_SIZE];
    char commit[HUB_ETAG_SIZE];
    int64_t size; /* -1: not said */
    bool cached;  /* the blob is there */
};

/* Asks the hub about `name` at `revision`. `*there` is false where the model has no such file (404). Whether
 * its size is one to be fetched (hub_check_size) is the caller's to ask. Errors: MODEL
 * (no such model or revision, no access), IO (also: not a hub), CANCELLED, MEMORY. */
int hub_file_describe(struct hub_session *session, const char *revision, const char *name, bool *there,
                      struct hub_file *out);
void hub_file_free(struct hub_file *file);

/* Bytes of the blob that an earlier run left; 0: none. */
int64_t hub_blob_partial(const struct hub_session *session, const struct hub_file *file);

/* Fetches the blob, going on with what an earlier run left, and lets the snapshot's name lead to it: complete and
 * checked, or not there. Another process that fetches it is waited for. The session's `state.done` grows with it.
 * Errors: IO (also: wrong size or content, no space), CANCELLED, MEMORY; what came stays for the next run unless it
 * was wrong. */
int hub_blob_fetch(struct hub_session *session, const struct hub_file *file);

#endif
