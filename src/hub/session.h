/* One model's conversation with the hub: settings, connection, progress. */
#ifndef HUB_SESSION_H
#define HUB_SESSION_H

#include "hub/http.h"
#include "hub/settings.h"
#include "sowlv2.h"
#include "weights/hub_request.h"

struct hub_session {
    const struct hub_settings *settings;
    const struct hub_request *request;
    struct http *http;
    bool contacted; /* the hub has answered: a connection that fails now may come back */
    sowlv2_download_callback progress;
    void *user_data;
    struct sowlv2_download state;
};

/* Everything given must outlive the session. Errors: IO, MEMORY. */
int hub_session_open(const struct hub_settings *settings, const struct hub_request *request,
                     sowlv2_download_callback progress, void *user_data, struct hub_session *out);
void hub_session_close(struct hub_session *session);

/* Tells the progress; false: the user wants to stop. `session` is a struct hub_session. */
bool hub_session_alive(void *session);

/* The address of a file, freed by the caller; NULL: out of memory. */
char *hub_session_url(const struct hub_session *session, const char *revision, const char *name);

/* Performs a request, again where that may help: up to five times in a row without any progress, waiting longer each
 * time or as long as the hub says. `*position` (NULL: 0) is where a GET begins, read before each try; that it grew is
 * progress. 0 where the hub answered with a code that no retry mends; else the error is set: IO, CANCELLED, MEMORY,
 * or what the request's `body` set. */
int hub_session_ask(struct hub_session *session, struct http_request *request, const int64_t *position,
                    struct http_answer *answer);

/* The error for an answer that is none of 200, 206 and a redirect to storage: MODEL where model, revision, file or
 * permission are wrong, IO else. `name` is the file asked for. */
int hub_session_refused(const struct hub_session *session, const char *name, const struct http_answer *answer);

#endif
