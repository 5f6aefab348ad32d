/* Fetching one blob: resumed, checked, renamed when complete. */
#include "hub/blob.h"

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "hub/digest.h"
#include "hub/limits.h"
#include "hub/lock.h"
#include "hub/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TELL_STEP = 256 << 10, ROOM_STEP = 1 << 20 };

/* A blob on its way. */
struct fetch {
    struct hub_session *session;
    const struct hub_file *file;
    char *path;      /* the blob */
    char *temporary; /* its name until it is complete */
    int descriptor;
    int64_t there;         /* bytes written, of this run and earlier ones */
    int64_t before;        /* of these, the earlier ones' */
    int64_t told;          /* what the user was told of */
    int64_t room_checked;  /* of `there`, when the disk's room was looked at */
    bool too_long;         /* more came than a file of its kind can have */
    struct digest *digest; /* NULL: the etag is no hash */
};

static char *temporary_name(const char *path)
{
    struct string name = {0};
    string_append_format(&name, "%s.incomplete", path);
    if (name.failed)
        string_free(&name);
    return name.data;
}

int64_t hub_blob_partial(const struct hub_session *session, const struct hub_file *file)
{
    struct stat status;
    char *path = hub_store_blob(session->request, file->etag);
    char *name = path ? temporary_name(path) : NULL;
    const bool found = name && lstat(name, &status) == 0 && S_ISREG(status.st_mode) &&
                       (file->size < 0 || (int64_t)status.st_size <= file->size);
    free(path);
    free(name);
    return found ? (int64_t)status.st_size : 0;
}

static int start_digest(struct fetch *fetch)
{
    fetch->told = fetch->there;
    if (!digest_is_known(fetch->file->etag, fetch->file->size))
        return 0;
    return digest_start(fetch->file->etag, fetch->descriptor, fetch->file->size, fetch->there, &fetch->digest);
}

/* Throws away what is there. */
static int start_over(struct fetch *fetch)
{
    digest_cancel(&fetch->digest);
    if (ftruncate(fetch->descriptor, 0) != 0)
        return hub_store_failed(fetch->temporary, errno);
    fetch->session->state.done -= fetch->there;
    fetch->session->state.resumed -= fetch->before;
    fetch->there = fetch->before = 0;
    return start_digest(fetch);
}

static int report_wrong_size(const struct fetch *fetch, int64_t found)
{
    return error_set(SOWLV2_ERROR_IO, "%s: %s: the hub sends %lld bytes, but announced %lld: try again later",
                     fetch->session->request->id, fetch->file->name, (long long)found, (long long)fetch->file->size);
}

/* What is still to come; below 0: nobody knows. */
static int64_t missing(const struct fetch *fetch)
{
    return fetch->file->size < 0 ? -1 : fetch->file->size - fetch->there;
}

static int check_room(struct fetch *fetch)
{
    fetch->room_checked = fetch->there;
    return hub_check_room(fetch->session, fetch->file->name, missing(fetch));
}

/* What an answer's headers say about its body, before the first byte is taken. */
static int begin_body(struct fetch *fetch, const struct http_answer *answer)
{
    const bool part = answer->code == 206;
    const int64_t total = part ? answer->range_total : answer->length;
    if (fetch->file->size >= 0 && total >= 0 && total != fetch->file->size)
        return report_wrong_size(fetch, total);
    if (part && answer->range_start != fetch->there)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: %s: the hub sends a different part than the one requested: try again later",
                         fetch->session->request->id, fetch->file->name);
    const int status = !part && fetch->there > 0 ? start_over(fetch) : 0; /* it does not know ranges */
    return status ? status : check_room(fetch);
}

static int take_body(const struct http_answer *answer, const void *bytes, size_t count, void *user_data)
{
    struct fetch *fetch = user_data;
    int status = answer->body_begun ? 0 : begin_body(fetch, answer);
    if (!status && fetch->file->size >= 0 && (int64_t)count > missing(fetch))
        status = report_wrong_size(fetch, fetch->there + (int64_t)count);
    if (!status && (status = hub_check_size(fetch->session, fetch->file->name, fetch->there + (int64_t)count)))
        fetch->too_long = true;
    if (!status && fetch->there - fetch->room_checked >= ROOM_STEP) /* others write to the disk too */
        status = check_room(fetch);
    for (const char *at = bytes; !status && count > 0;) {
        const ssize_t written = pwrite(fetch->descriptor, at, count, (off_t)fetch->there);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return hub_store_failed(fetch->temporary, errno);
        if (fetch->digest)
            digest_feed(fetch->digest, at, (size_t)written);
        at += written;
        count -= (size_t)written;
        fetch->there += written;
        fetch->session->state.done += written;
        if (fetch->session->state.total > 0 && fetch->session->state.done > fetch->session->state.total)
            fetch->session->state.total = fetch->session->state.done; /* a file whose size nobody said */
    }
    if (!status && fetch->there - fetch->told >= TELL_STEP) {
        fetch->told = fetch->there;
        if (!hub_session_alive(fetch->session))
            status = error_set(SOWLV2_ERROR_CANCELLED, "download: stopped: the next run continues from here");
    }
    return status;
}

/* Asks once, retries included; each try begins where the last one ended. */
static int ask(struct fetch *fetch, const char *url, struct http_answer *answer)
{
    struct http_request request = {.url = url, .body = take_body, .user_data = fetch};
    return hub_session_ask(fetch->session, &request, &fetch->there, answer);
}

/* Brings what is missing. */
static int transfer(struct fetch *fetch)
{
    struct http_answer answer;
    char *url = hub_session_url(fetch->session, fetch->file->commit, fetch->file->name);
    int status = url ? ask(fetch, url, &answer) : error_memory(fetch->file->name);
    if (!status && answer.code == 416 && fetch->there > 0 && !(status = start_over(fetch)))
        status = ask(fetch, url, &answer); /* what is there is not the beginning of this file */
    free(url);
    if (!status && answer.code != 200 && answer.code != 206)
        return hub_session_refused(fetch->session, fetch->file->name, &answer);
    if (!status && fetch->file->size >= 0 && fetch->there != fetch->file->size)
        return report_wrong_size(fetch, fetch->there);
    return status;
}

/* Whether what is there is what the hub described. */
static int check(struct fetch *fetch, bool *good)
{
    *good = true;
    if (!fetch->digest)
        return 0;
    return digest_finish(&fetch->digest, good);
}

static int open_temporary(struct fetch *fetch)
{
    struct stat status;
    fetch->descriptor = open(fetch->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fetch->descriptor < 0 || fstat(fetch->descriptor, &status) != 0)
        return hub_store_failed(fetch->temporary, errno);
    if (!S_ISREG(status.st_mode))
        return hub_store_failed(fetch->temporary, EEXIST);
    fetch->there = fetch->before = (int64_t)status.st_size;
    fetch->session->state.done += fetch->there;
    fetch->session->state.resumed += fetch->before;
    const int64_t most = fetch->file->size >= 0 ? fetch->file->size : hub_size_limit(fetch->file->name);
    return fetch->there > most ? start_over(fetch) : start_digest(fetch);
}

static int receive(struct fetch *fetch)
{
    bool good = false;
    int status = open_temporary(fetch);
    while (!status && !good) {
        const bool whole = fetch->file->size >= 0 && fetch->there == fetch->file->size;
        const bool resumed = fetch->before > 0;
        if (!whole)
            status = transfer(fetch);
        if (!status)
            status = check(fetch, &good);
        if (!status && !good && resumed) {
            log_notice("%s: %s: what an earlier run left was damaged: downloading it again",
                       fetch->session->request->id, fetch->file->name);
            status = start_over(fetch);
        } else if (!status && !good) {
            unlink(fetch->temporary);
            fetch->session->state.done -= fetch->there;
            status = error_set(SOWLV2_ERROR_IO,
                               "%s: %s: what arrived is not what the hub described (its hash differs): try again, and "
                               "check what stands between you and the hub",
                               fetch->session->request->id, fetch->file->name);
        }
    }
    if (!status && rename(fetch->temporary, fetch->path) != 0)
        status = hub_store_failed(fetch->path, errno);
    if (fetch->too_long)
        unlink(fetch->temporary); /* it is no beginning of a file that could be whole one day */
    digest_cancel(&fetch->digest);
    if (fetch->descriptor >= 0)
        close(fetch->descriptor);
    return status;
}

/* Whether another process brought the blob while its lock was waited for. */
static bool came_meanwhile(const struct fetch *fetch)
{
    struct stat status;
    return stat(fetch->path, &status) == 0 && S_ISREG(status.st_mode) &&
           (fetch->file->size < 0 || (int64_t)status.st_size == fetch->file->size);
}

static int fetch_locked(struct fetch *fetch)
{
    struct hub_session *session = fetch->session;
    if (fetch->file->cached || came_meanwhile(fetch)) {
        if (!fetch->file->cached && fetch->file->size > 0)
            session->state.done += fetch->file->size, session->state.resumed += fetch->file->size;
        return 0;
    }
    return receive(fetch);
}

int hub_blob_fetch(struct hub_session *session, const struct hub_file *file)
{
    struct fetch fetch = {.session = session, .file = file, .descriptor = -1};
    struct hub_lock lock = {.descriptor = -1};
    struct string what = {0};
    char *lock_path = hub_store_lock(session->request, file->etag);
    session->state.file = file->name;
    fetch.path = hub_store_blob(session->request, file->etag);
    fetch.temporary = fetch.path ? temporary_name(fetch.path) : NULL;
    string_append_format(&what, "%s: %s", session->request->id, file->name);
    int status = lock_path && fetch.temporary && !what.failed ? 0 : error_memory(file->name);
    if (!status)
        status = hub_lock_take(lock_path, what.data, session->settings, hub_session_alive, session, &lock);
    if (!status)
        status = fetch_locked(&fetch);
    if (!status)
        status = hub_store_link(session->request, file->commit, file->name, file->etag);
    hub_lock_release(&lock);
    session->state.file = "";
    string_free(&what);
    free(lock_path);
    free(fetch.path);
    free(fetch.temporary);
    return status;
}
