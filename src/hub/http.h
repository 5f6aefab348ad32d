/* One HTTP request at a time over a connection that is kept: headers in, body to a function. */
#ifndef HUB_HTTP_H
#define HUB_HTTP_H

#include "hub/settings.h"

#include <stddef.h>
#include <stdint.h>

struct http; /* one thread's connection */

/* `settings` must outlive it. `alive` (may be NULL) is asked several times a second, also while nothing comes; false
 * ends the request with CANCELLED. */
int http_open(const struct hub_settings *settings, bool (*alive)(void *user_data), void *user_data, struct http **out);
void http_close(struct http **http);

/* What the answer's headers say. Texts are "" where there was no such header. */
struct http_answer {
    long code;
    bool body_begun;     /* a piece of the body was taken */
    int64_t length;      /* Content-Length; -1: not said */
    int64_t linked_size; /* X-Linked-Size; -1 */
    int64_t range_start; /* Content-Range's first byte; -1 */
    int64_t range_total; /* Content-Range's whole size; -1 */
    int64_t retry_after; /* seconds; -1 */
    char etag[256], linked_etag[256];
    char commit[128];        /* X-Repo-Commit */
    char error_code[64];     /* X-Error-Code */
    char error_message[256]; /* X-Error-Message */
    char location[4096];     /* empty also where it is longer */
};

/* How a request ended. */
enum http_end {
    HTTP_ANSWERED,  /* there is an answer, of whatever code */
    HTTP_BROKEN,    /* the connection broke or timed out: another try may help */
    HTTP_UNREACHED, /* no connection: no such host, refused, no proxy */
    HTTP_FAILED,    /* another try does not help; the error is set */
};

struct http_request {
    const char *url;
    bool head;      /* ask for the headers only */
    int64_t offset; /* GET from this byte on */
    /* Takes a piece of the body of an answer 200 or 206; non-zero, with the error set, ends the request as
     * HTTP_FAILED. NULL: the body is dropped. */
    int (*body)(const struct http_answer *answer, const void *bytes, size_t count, void *user_data);
    void *user_data;
};

/* Redirects are followed, at most ten: with HEAD, one to another host only where the answer does not describe the
 * file itself. The token goes to the endpoint's own scheme, host and port, nowhere else. For all ends but
 * HTTP_ANSWERED the error is set: IO, CANCELLED, MEMORY, or what `body` set. */
enum http_end http_perform(struct http *http, const struct http_request *request, struct http_answer *answer,
                           int *status);

#endif
