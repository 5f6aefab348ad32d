/* See session.h. */
#include "hub/session.h"

#include "base/error.h"
#include "base/log.h"
#include "hub/url.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_TRIES = 5, LONGEST_BACKOFF_MS = 16000, LONGEST_RETRY_AFTER = 300, SLICE_MS = 100 };

int hub_session_open(const struct hub_settings *settings, const struct hub_request *request,
                     sowlv2_download_callback progress, void *user_data, struct hub_session *out)
{
    *out = (struct hub_session){.settings = settings,
                                .request = request,
                                .progress = progress,
                                .user_data = user_data,
                                .state = {.model = request->id, .file = ""}};
    return http_open(settings, hub_session_alive, out, &out->http);
}

void hub_session_close(struct hub_session *session)
{
    http_close(&session->http);
}

bool hub_session_alive(void *user_data)
{
    const struct hub_session *session = user_data;
    return !session->progress || session->progress(&session->state, session->user_data);
}

char *hub_session_url(const struct hub_session *session, const char *revision, const char *name)
{
    struct string url = {0};
    string_append_format(&url, "%s/%s/resolve/", session->settings->endpoint, session->request->id);
    url_append_escaped(&url, revision, false);
    string_append_text(&url, "/");
    url_append_escaped(&url, name, true);
    if (url.failed)
        string_free(&url);
    return url.data;
}

/* Waits, asking now and then whether to go on. */
static int wait_for(struct hub_session *session, int64_t milliseconds)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    for (; milliseconds > 0; milliseconds -= SLICE_MS) {
        const struct timespec rest = {.tv_nsec = milliseconds * 1000000L};
        if (!hub_session_alive(session))
            return error_set(SOWLV2_ERROR_CANCELLED, "download: stopped: the next run continues from here");
        nanosleep(milliseconds < SLICE_MS ? &rest : &slice, NULL);
    }
    return 0;
}

static bool may_pass(long code)
{
    return code == 408 || code == 429 || code == 500 || code == 502 || code == 503 || code == 504;
}

/* How long to wait before try number `tries` + 1, in milliseconds; below 0: longer than anyone would. */
static int64_t pause_before(const struct hub_session *session, const struct http_answer *answer, int tries)
{
    if (answer->retry_after > LONGEST_RETRY_AFTER)
        return -1;
    if (answer->retry_after >= 0)
        return answer->retry_after * 1000;
    const int64_t pause = (int64_t)session->settings->retry_ms << (tries - 1);
    return pause < LONGEST_BACKOFF_MS ? pause : LONGEST_BACKOFF_MS;
}

static int report_busy(const struct hub_session *session, const struct http_answer *answer)
{
    if (answer->retry_after > LONGEST_RETRY_AFTER)
        return error_set(SOWLV2_ERROR_IO, "%s: %s: asks to wait %lld s: try again then, or set HF_TOKEN",
                         session->request->id, session->settings->endpoint, (long long)answer->retry_after);
    return error_set(SOWLV2_ERROR_IO, "%s: %s: answers %ld%s%s: try again later", session->request->id,
                     session->settings->endpoint, answer->code, *answer->error_message ? ", " : "",
                     answer->error_message);
}

int hub_session_ask(struct hub_session *session, struct http_request *request, const int64_t *position,
                    struct http_answer *answer)
{
    int status = 0;
    for (int tries = 1;; tries++) {
        const int64_t before = position ? *position : 0;
        request->offset = before;
        const enum http_end end = http_perform(session->http, request, answer, &status);
        if (end == HTTP_FAILED || (end == HTTP_UNREACHED && !session->contacted))
            return status;
        session->contacted |= end == HTTP_ANSWERED;
        if (end == HTTP_ANSWERED && !may_pass(answer->code))
            return 0;
        if (end == HTTP_ANSWERED)
            status = report_busy(session, answer);
        else
            answer->retry_after = -1;
        if (position && *position > before)
            tries = 1;
        const int64_t pause = pause_before(session, answer, tries);
        if (tries >= MOST_TRIES || pause < 0)
            return status;
        log_debug("%s: trying again in %lld ms", error_message(), (long long)pause);
        if ((status = wait_for(session, pause)))
            return status;
    }
}

/* The hub answers 401 both for what is not there and for what needs a token. */
static int report_no_access(const struct hub_session *session, const struct http_answer *answer)
{
    const char *id = session->request->id, *endpoint = session->settings->endpoint;
    if (strcmp(answer->error_code, "GatedRepo") == 0)
        return error_set(
            SOWLV2_ERROR_MODEL,
            "%s: is open only to those who have agreed to its terms: agree at %s/%s, then give your token in "
            "HF_TOKEN or with 'hf auth login'",
            id, endpoint, id);
    if (session->settings->token)
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: %s refuses access (%ld) with the token that was given: check the name, and that the "
                         "token in HF_TOKEN, or of 'hf auth login', is valid and may read it",
                         id, endpoint, answer->code);
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: there is no such model on %s, or it needs a token (%ld): check the name, or give a token in "
                     "HF_TOKEN or with 'hf auth login'",
                     id, endpoint, answer->code);
}

int hub_session_refused(const struct hub_session *session, const char *name, const struct http_answer *answer)
{
    const char *id = session->request->id, *endpoint = session->settings->endpoint;
    if (answer->code == 401 || answer->code == 403)
        return report_no_access(session, answer);
    if (strcmp(answer->error_code, "RevisionNotFound") == 0)
        return error_set(SOWLV2_ERROR_MODEL, "%s: has no revision '%s' on %s: give a branch, tag or commit that it has",
                         id, session->request->revision, endpoint);
    if (strcmp(answer->error_code, "RepoNotFound") == 0)
        return error_set(SOWLV2_ERROR_MODEL, "%s: there is no such model on %s: check the name", id, endpoint);
    if (answer->code == 404)
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: has no %s on %s: it is not a model that sowlv2 reads: check the name, or take a version "
                         "that was made for transformers",
                         id, name, endpoint);
    return error_set(SOWLV2_ERROR_IO, "%s: %s: %s answers %ld%s%s: try again later", id, name, endpoint, answer->code,
                     *answer->error_message ? ", " : "", answer->error_message);
}
