/* See url.h. */
#include "hub/url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Copies a part of an address, in lower case; false where it is not there or too long. */
static bool copy_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool good = curl_url_get(url, part, &text, flags) == CURLUE_OK && strlen(text) < size;
    if (good)
        for (size_t i = 0; i <= strlen(text); i++)
            out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    curl_free(text);
    return good && *out;
}

static bool has_user(CURLU *url)
{
    char *user = NULL;
    const bool found = curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK;
    curl_free(user);
    return found;
}

bool url_read_origin(const char *url, struct url_origin *out)
{
    char port[8];
    CURLU *parsed = curl_url();
    bool good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK && !has_user(parsed) &&
                copy_part(parsed, CURLUPART_SCHEME, 0, out->scheme, sizeof(out->scheme)) &&
                copy_part(parsed, CURLUPART_HOST, 0, out->host, sizeof(out->host)) &&
                copy_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port));
    if (good) {
        out->port = (unsigned)strtoul(port, NULL, 10);
        good = strcmp(out->scheme, "https") == 0 || strcmp(out->scheme, "http") == 0;
    }
    curl_url_cleanup(parsed);
    return good;
}

bool url_same_origin(const struct url_origin *a, const struct url_origin *b)
{
    return a->port == b->port && strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0;
}

/* 127.x.x.x in full; "127.evil.example" is another machine's name. */
static bool is_loopback_number(const char *host)
{
    return strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.")] == '\0';
}

bool url_is_local(const struct url_origin *origin)
{
    return strcmp(origin->host, "localhost") == 0 || strcmp(origin->host, "[::1]") == 0 ||
           is_loopback_number(origin->host);
}

bool url_may_be_asked(const struct url_origin *origin, bool endpoint_is_plain)
{
    return strcmp(origin->scheme, "https") == 0 || (endpoint_is_plain && url_is_local(origin));
}

char *url_follow(const char *base, const char *target)
{
    char *text = NULL, *copy = NULL;
    CURLU *url = curl_url();
    if (url && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_URL, target, CURLU_URLENCODE) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK)
        copy = strdup(text);
    curl_free(text);
    curl_url_cleanup(url);
    return copy;
}

void url_append_escaped(struct string *out, const char *text, bool keep_slashes)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (const char *c = text; *c; c++)
        if (strchr(plain, *c) || (keep_slashes && *c == '/'))
            string_append(out, c, 1);
        else
            string_append_format(out, "%%%02X", (unsigned)(unsigned char)*c);
}
