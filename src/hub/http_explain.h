/* Why a request got no answer, in words. */
#ifndef HUB_HTTP_EXPLAIN_H
#define HUB_HTTP_EXPLAIN_H

#include "hub/http.h"

#include <curl/curl.h>

/* Sets the error for a transfer to `host` that `curl` gave up with `code`; `why` is curl's own text. How it ended, and
 * `*status`: IO or MEMORY. */
enum http_end http_explain(CURL *curl, CURLcode code, const char *host, const char *why,
                           const struct hub_settings *settings, int *status);

#endif
