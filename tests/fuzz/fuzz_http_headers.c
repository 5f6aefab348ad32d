/* Fuzzes the reader of HTTP answers' header lines, and what is done with the address that they lead to. */
#include "hub/http_headers.h"
#include "hub/url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    check(end);
    check(!memchr(text, '\n', (size_t)(end - text)));
}

static void check_answer(const struct http_answer *answer)
{
    check(answer->code == 0 || (answer->code >= 100 && answer->code <= 999));
    check(answer->length >= -1 && answer->linked_size >= -1 && answer->retry_after >= -1);
    check(answer->range_start >= -1 && answer->range_total >= -1);
    check(!answer->body_begun);
    check_text(answer->etag, sizeof(answer->etag));
    check_text(answer->linked_etag, sizeof(answer->linked_etag));
    check_text(answer->commit, sizeof(answer->commit));
    check_text(answer->error_code, sizeof(answer->error_code));
    check_text(answer->error_message, sizeof(answer->error_message));
    check_text(answer->location, sizeof(answer->location));
}

/* An address that may be asked is https, whatever the hub says, unless hub and address are this machine. */
static void check_redirect(const struct http_answer *answer)
{
    struct url_origin origin;
    char *next = url_follow("https://hub.example/org/name/resolve/main/config.json", answer->location);
    if (next && url_read_origin(next, &origin)) {
        check(origin.port <= 65535 && strlen(origin.host) < sizeof(origin.host) && *origin.host);
        check(!url_may_be_asked(&origin, false) || strcmp(origin.scheme, "https") == 0);
        check(!url_may_be_asked(&origin, true) || strcmp(origin.scheme, "https") == 0 || url_is_local(&origin));
        check(strcmp(origin.scheme, "https") == 0 || strncmp(next, "https:", 6) != 0);
    }
    free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer answer;
    http_answer_clear(&answer);
    for (const uint8_t *line = data, *end = data + size; line < end;) {
        const uint8_t *feed = memchr(line, '\n', (size_t)(end - line));
        const size_t length = feed ? (size_t)(feed - line) + 1 : (size_t)(end - line);
        char *copy = malloc(length); /* of exactly its length, so that a read beyond is seen */
        check(copy);
        memcpy(copy, line, length);
        http_answer_take(&answer, copy, length);
        free(copy);
        line += length;
        check_answer(&answer);
    }
    if (*answer.location)
        check_redirect(&answer);
    return 0;
}
