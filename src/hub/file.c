/* What the hub says about a file: its commit, etag and size. */
#include "base/error.h"
#include "hub/blob.h"
#include "hub/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The etag without W/ and quotes, which becomes a file's name: false where it cannot. */
static bool clean_etag(const char *etag, char *out)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (strncmp(etag, "W/", 2) == 0)
        etag += 2;
    size_t length = strlen(etag);
    if (length >= 2 && etag[0] == '"' && etag[length - 1] == '"') {
        etag++;
        length -= 2;
    }
    if (length == 0 || length >= HUB_ETAG_SIZE || strspn(etag, allowed) < length || etag[0] == '.')
        return false;
    memcpy(out, etag, length);
    out[length] = '\0';
    return true;
}

static int read_answer(const struct hub_session *session, const struct http_answer *answer, struct hub_file *out)
{
    const bool redirect = answer->code >= 300;
    if (!hub_commit_is_valid(answer->commit) || strlen(answer->commit) >= HUB_ETAG_SIZE ||
        !clean_etag(*answer->linked_etag ? answer->linked_etag : answer->etag, out->etag))
        return error_set(SOWLV2_ERROR_IO,
                         "%s: %s does not answer as a model hub does: check HF_ENDPOINT, and that no proxy or login "
                         "page stands between",
                         session->request->id, session->settings->endpoint);
    memcpy(out->commit, answer->commit, strlen(answer->commit) + 1);
    out->size = answer->linked_size >= 0 ? answer->linked_size : redirect ? -1 : answer->length;
    return 0;
}

/* Whether the blob is in the cache, of the size that the hub says: one cut short by a full disk is not. */
static int look_for_blob(const struct hub_session *session, struct hub_file *out)
{
    struct stat status;
    char *path = hub_store_blob(session->request, out->etag);
    if (!path)
        return error_memory(out->name);
    out->cached =
        stat(path, &status) == 0 && S_ISREG(status.st_mode) && (out->size < 0 || (int64_t)status.st_size == out->size);
    free(path);
    return 0;
}

int hub_file_describe(struct hub_session *session, const char *revision, const char *name, bool *there,
                      struct hub_file *out)
{
    struct http_answer answer;
    char *url = hub_session_url(session, revision, name);
    struct http_request request = {.url = url, .head = true};
    *out = (struct hub_file){.size = -1};
    *there = false;
    int status = url ? hub_session_ask(session, &request, NULL, &answer) : error_memory(name);
    free(url);
    if (status)
        return status;
    const bool whole_missing =
        strcmp(answer.error_code, "RepoNotFound") == 0 || strcmp(answer.error_code, "RevisionNotFound") == 0;
    if (answer.code == 404 && !whole_missing) {
        if (strcmp(answer.error_code, "EntryNotFound") == 0 && hub_commit_is_valid(answer.commit))
            hub_store_absent(session->request, answer.commit, name);
        return 0;
    }
    if (answer.code != 200 && (answer.code < 300 || answer.code >= 400))
        return hub_session_refused(session, name, &answer);
    out->name = strdup(name);
    status = out->name ? read_answer(session, &answer, out) : error_memory(name);
    if (!status)
        status = look_for_blob(session, out);
    if (status)
        hub_file_free(out);
    *there = !status;
    return status;
}

void hub_file_free(struct hub_file *file)
{
    free(file->name);
    *file = (struct hub_file){0};
}
