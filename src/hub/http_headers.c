/* See http_headers.h. */
#include "hub/http_headers.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { LONGEST_NUMBER = 18, LEAST_CODE = 100, LARGEST_CODE = 999 };

void http_answer_clear(struct http_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->length = answer->linked_size = answer->range_start = answer->range_total = answer->retry_after = -1;
}

/* A whole number that ends with the text or at `stop`; -1: it is not one. */
static int64_t read_number(const char *text, char stop)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > LONGEST_NUMBER || (text[digits] && text[digits] != stop))
        return -1;
    return strtoll(text, NULL, 10);
}

/* "bytes 5-9/10", "bytes *" "/10" */
static void take_range(struct http_answer *answer, const char *value)
{
    if (strncasecmp(value, "bytes ", 6) != 0)
        return;
    const char *slash = strchr(value, '/');
    answer->range_start = read_number(value + 6, '-');
    answer->range_total = slash ? read_number(slash + 1, '\0') : -1;
}

/* Seconds, or the time of day until which to wait. */
static int64_t read_delay(const char *value)
{
    const int64_t seconds = read_number(value, '\0');
    const time_t until = seconds < 0 ? curl_getdate(value, NULL) : -1, now = time(NULL);
    if (until < 0)
        return seconds;
    return until > now ? (int64_t)until - (int64_t)now : 0;
}

/* "HTTP/1.1 200 OK": the code; 0: it is none. */
static long read_code(const char *text)
{
    const char *space = strchr(text, ' ');
    const int64_t code = space ? read_number(space + 1, ' ') : 0;
    return code >= LEAST_CODE && code <= LARGEST_CODE ? (long)code : 0;
}

/* The hub's own way to say how long to wait: "\"api\";r=0;t=55", no requests left for 55 seconds. */
static void take_rate_limit(struct http_answer *answer, const char *value)
{
    const char *time = strstr(value, ";t=");
    if (strstr(value, ";r=0") && time && answer->retry_after < 0)
        answer->retry_after = read_number(time + 3, ';');
}

static void copy_text(char *out, size_t size, const char *value)
{
    const size_t length = strlen(value);
    out[0] = '\0';
    if (length < size)
        memcpy(out, value, length + 1);
}

static void take_field(struct http_answer *answer, const char *name, const char *value)
{
    const struct {
        const char *name;
        char *text;
        size_t size;
        int64_t *number;
    } fields[] = {
        {"content-length", NULL, 0, &answer->length},
        {"x-linked-size", NULL, 0, &answer->linked_size},
        {"etag", answer->etag, sizeof(answer->etag), NULL},
        {"x-linked-etag", answer->linked_etag, sizeof(answer->linked_etag), NULL},
        {"x-repo-commit", answer->commit, sizeof(answer->commit), NULL},
        {"x-error-code", answer->error_code, sizeof(answer->error_code), NULL},
        {"x-error-message", answer->error_message, sizeof(answer->error_message), NULL},
        {"location", answer->location, sizeof(answer->location), NULL},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcasecmp(name, fields[i].name) != 0)
            continue;
        if (fields[i].number)
            *fields[i].number = read_number(value, '\0');
        else if (fields[i].text)
            copy_text(fields[i].text, fields[i].size, value);
    }
    if (strcasecmp(name, "content-range") == 0)
        take_range(answer, value);
    if (strcasecmp(name, "retry-after") == 0)
        answer->retry_after = read_delay(value);
    if (strcasecmp(name, "ratelimit") == 0 && answer->code == 429)
        take_rate_limit(answer, value);
}

void http_answer_take(struct http_answer *answer, const char *line, size_t length)
{
    char text[8192];
    while (length > 0 && strchr("\r\n \t", line[length - 1]))
        length--;
    if (length >= sizeof(text))
        return;
    memcpy(text, line, length);
    text[length] = '\0';
    if (strncasecmp(text, "HTTP/", 5) == 0) {
        http_answer_clear(answer);
        answer->code = read_code(text);
        return;
    }
    char *colon = strchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    take_field(answer, text, colon + 1 + strspn(colon + 1, " \t"));
}
