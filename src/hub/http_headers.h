/* Reading an answer's header lines. */
#ifndef HUB_HTTP_HEADERS_H
#define HUB_HTTP_HEADERS_H

#include "hub/http.h"

/* An answer of which nothing is known yet. */
void http_answer_clear(struct http_answer *answer);

/* Takes one header line, as it came, into `answer`. A status line begins afresh. */
void http_answer_take(struct http_answer *answer, const char *line, size_t length);

#endif
