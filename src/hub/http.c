/* See http.h. libcurl does the transport; redirects are followed here, where it is seen who gets the token. */
#include "hub/http.h"

#include "base/error.h"
#include "hub/http_explain.h"
#include "hub/http_headers.h"
#include "hub/url.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* LEAST_SPEED, bytes a second over the time-out: less counts as nothing, or one byte now and then would hold up a
 * run for days. */
enum { MOST_REDIRECTS = 10, BUFFER_SIZE = 512 << 10, LEAST_SPEED = 256 };

struct http {
    const struct hub_settings *settings;
    struct url_origin endpoint;
    bool endpoint_is_plain; /* http, which it is on this machine only */
    bool (*alive)(void *user_data);
    void *user_data;
    CURL *curl;
    char curl_error[CURL_ERROR_SIZE];
    /* The request in hand. */
    const struct http_request *request;
    struct http_answer *answer;
    int body_status;
    bool cancelled;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

static void start_curl(void)
{
    ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static size_t take_header(char *line, size_t size, size_t count, void *user_data)
{
    struct http *http = user_data;
    http_answer_take(http->answer, line, size * count);
    return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user_data)
{
    struct http *http = user_data;
    const size_t length = size * count;
    if (http->request->body && (http->answer->code == 200 || http->answer->code == 206) && length > 0) {
        http->body_status = http->request->body(http->answer, bytes, length, http->request->user_data);
        http->answer->body_begun = true;
        if (http->body_status)
            return length + 1; /* any other number ends the transfer */
    }
    return length;
}

static int watch(void *user_data, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct http *http = user_data;
    (void)down_total, (void)down, (void)up_total, (void)up;
    http->cancelled |= http->alive && !http->alive(http->user_data);
    return http->cancelled;
}

static bool set_options(struct http *http)
{
    const struct hub_settings *settings = http->settings;
    CURL *curl = http->curl;
    CURLcode failed = CURLE_OK;
    failed |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    failed |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->curl_error);
    failed |= curl_easy_setopt(curl, CURLOPT_USERAGENT, "sowlv2");
    failed |= curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
    failed |= curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    failed |= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    failed |= curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
    failed |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    failed |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
    failed |= curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    failed |= curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
    failed |= curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
    failed |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    failed |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    failed |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    if (settings->ca_file)
        failed |= curl_easy_setopt(curl, CURLOPT_CAINFO, settings->ca_file);
    if (settings->ca_folder)
        failed |= curl_easy_setopt(curl, CURLOPT_CAPATH, settings->ca_folder);
    /* The same for a proxy that itself is reached by https, in builds of libcurl that can do that. */
    if (settings->ca_file)
        curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, settings->ca_file);
    if (settings->ca_folder)
        curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, settings->ca_folder);
    return failed == CURLE_OK;
}

int http_open(const struct hub_settings *settings, bool (*alive)(void *user_data), void *user_data, struct http **out)
{
    struct http *http = calloc(1, sizeof(*http));
    *out = NULL;
    if (!http)
        return error_memory("download");
    pthread_once(&once, start_curl);
    http->settings = settings;
    http->alive = alive;
    http->user_data = user_data;
    http->curl = ready ? curl_easy_init() : NULL;
    if (!http->curl || !url_read_origin(settings->endpoint, &http->endpoint) || !set_options(http)) {
        http_close(&http);
        return error_set(SOWLV2_ERROR_IO, "download: libcurl could not be started: reinstall it");
    }
    http->endpoint_is_plain = url_is_local(&http->endpoint) && strcmp(http->endpoint.scheme, "http") == 0;
    *out = http;
    return 0;
}

void http_close(struct http **http)
{
    if (!*http)
        return;
    curl_easy_cleanup((*http)->curl);
    free(*http);
    *http = NULL;
}

/* The headers that a request to `origin` carries; NULL: out of memory. */
static struct curl_slist *make_headers(const struct http *http, const struct url_origin *origin)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity"), *longer;
    if (!list || !http->settings->token || !url_same_origin(origin, &http->endpoint))
        return list;
    char *line = NULL;
    longer =
        asprintf(&line, "Authorization: Bearer %s", http->settings->token) < 0 ? NULL : curl_slist_append(list, line);
    if (line)
        explicit_bzero(line, strlen(line));
    free(line);
    if (!longer)
        curl_slist_free_all(list);
    return longer;
}

static void aim(struct http *http, const char *url, const struct url_origin *origin, struct curl_slist *headers)
{
    const struct http_request *request = http->request;
    CURL *curl = http->curl;
    char range[32];
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, url_is_local(origin) ? "*" : NULL);
    if (request->head) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, http->settings->etag_timeout);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, http->settings->etag_timeout);
        curl_easy_setopt(curl, CURLOPT_RANGE, NULL);
        return;
    }
    snprintf(range, sizeof(range), "%lld-", (long long)request->offset);
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, http->settings->download_timeout);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 0L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)LEAST_SPEED);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, http->settings->download_timeout);
    curl_easy_setopt(curl, CURLOPT_RANGE, request->offset > 0 ? range : NULL);
}

/* How a transfer ended that curl gave up, and the error for it. */
static enum http_end explain(struct http *http, const char *host, CURLcode code, int *status)
{
    const char *why = *http->curl_error ? http->curl_error : curl_easy_strerror(code);
    if (http->cancelled) {
        *status = error_set(SOWLV2_ERROR_CANCELLED, "download: stopped: the next run continues from here");
        return HTTP_FAILED;
    }
    if (http->body_status) {
        *status = http->body_status;
        return HTTP_FAILED;
    }
    return http_explain(http->curl, code, host, why, http->settings, status);
}

/* A write to a connection that the other side has closed raises SIGPIPE in some builds of libcurl's TLS: it must not
 * reach the program, whose handlers are not ours to change. */
static CURLcode perform_quietly(CURL *curl)
{
    const struct timespec at_once = {0};
    sigset_t pipes, before, pending;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    const bool was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    const bool blocked = pthread_sigmask(SIG_BLOCK, &pipes, &before) == 0;
    const CURLcode code = curl_easy_perform(curl);
    if (blocked && !was_pending)
        while (sigtimedwait(&pipes, NULL, &at_once) < 0 && errno == EINTR)
            ;
    if (blocked)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* One request to one address, no redirects. */
static enum http_end ask(struct http *http, const char *url, const struct url_origin *origin, int *status)
{
    struct curl_slist *headers = make_headers(http, origin);
    if (!headers) {
        *status = error_memory("download");
        return HTTP_FAILED;
    }
    http_answer_clear(http->answer);
    http->body_status = 0;
    http->curl_error[0] = '\0';
    aim(http, url, origin, headers);
    const CURLcode code = perform_quietly(http->curl);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return code == CURLE_OK ? HTTP_ANSWERED : explain(http, origin->host, code, status);
}

static bool is_redirect(const struct http_answer *answer)
{
    return (answer->code == 301 || answer->code == 302 || answer->code == 303 || answer->code == 307 ||
            answer->code == 308) &&
           *answer->location;
}

/* Whether the answer itself says what file it is about, as the hub's redirects to its storage do. */
static bool describes_file(const struct http_answer *answer)
{
    return *answer->commit && (*answer->linked_etag || *answer->etag);
}

/* The next address where the answer is a redirect to be followed; else NULL. */
static char *next_address(const struct http *http, const char *url, const struct url_origin *origin)
{
    struct url_origin target;
    char *next = is_redirect(http->answer) ? url_follow(url, http->answer->location) : NULL;
    if (next && http->request->head && describes_file(http->answer) && url_read_origin(next, &target) &&
        !url_same_origin(origin, &target)) {
        free(next);
        return NULL;
    }
    return next;
}

enum http_end http_perform(struct http *http, const struct http_request *request, struct http_answer *answer,
                           int *status)
{
    char *url = strdup(request->url);
    enum http_end end = HTTP_FAILED;
    http->request = request;
    http->answer = answer;
    http->cancelled = false;
    *status = url ? 0 : error_memory("download");
    for (int hops = 0; url; hops++) {
        struct url_origin origin;
        end = HTTP_FAILED;
        if (!url_read_origin(url, &origin) || !url_may_be_asked(&origin, http->endpoint_is_plain))
            *status = error_set(SOWLV2_ERROR_IO,
                                "%s: leads to an address that is not https: this is not safe: use another HF_ENDPOINT",
                                http->settings->endpoint);
        else if (hops > MOST_REDIRECTS)
            *status =
                error_set(SOWLV2_ERROR_IO, "%s: redirects too many times: try again later", http->settings->endpoint);
        else
            end = ask(http, url, &origin, status);
        char *next = end == HTTP_ANSWERED ? next_address(http, url, &origin) : NULL;
        free(url);
        url = next;
    }
    return end;
}
