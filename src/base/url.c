/* Addresses are taken as people type them, not only as RFC 3986 has them: a password may hold what it may not. */
#include "base/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* How long the scheme at the beginning of the text is, where "://" follows; 0: it begins with none. */
static size_t scheme_length(const char *text)
{
    size_t length = 0;

    if (!is_letter(*text))
        return 0;
    while (is_letter(text[length]) || is_digit(text[length]) || (text[length] && strchr("+-.", text[length])))
        length++;
    return strncmp(text + length, "://", 3) == 0 ? length : 0;
}

bool url_is(const char *text)
{
    return scheme_length(text) > 0;
}

bool url_has_scheme(const char *text, const char *scheme)
{
    const size_t length = scheme_length(text);

    return length > 0 && length == strlen(scheme) && strncasecmp(text, scheme, length) == 0;
}

/* How long the user and the password of an address are, '@' left out, `host` being what comes after "://"; 0: it has
 * none. */
static size_t user_length(const char *host)
{
    const char *const sentence = strstr(host, ": "); /* what a message says of it */
    const size_t all = strcspn(host, "/?#");
    const size_t length = sentence && sentence < host + all ? (size_t)(sentence - host) : all;
    const char *const colon = memchr(host, ':', length);
    const char *at = memrchr(host, '@', length), *later = NULL;

    /* A slash and the like may be part of the password: what is hidden is rather too much than too little. */
    if (at && colon && colon < at)
        later = memrchr(at, '@', strcspn(at, "? \t"));
    else if (!at && colon && *host != '[' && colon + 1 < host + length && !is_digit(colon[1])) /* no port */
        later = memrchr(host + length, '@', strcspn(host + length, " \t"));
    if (later)
        at = later;
    if (at && strncmp(host, "USER:PASSWORD@", 14) == 0) /* how a message says where they go */
        return 0;
    return at ? (size_t)(at - host) : 0;
}

/* Puts at most three marks in place of what is between, and closes the gap. */
static char *cover(char *from, char *to, char mark)
{
    const size_t length = to - from < 3 ? (size_t)(to - from) : 3;

    memset(from, mark, length);
    memmove(from + length, to, strlen(to) + 1);
    return from + length;
}

/* Covers the values of words that name a secret, between `from` and the end of the word there. */
static void hide_values(char *from)
{
    static const char *const words[] = {"password=", "passwd=", "pwd=", "pass=", "token=", "secret=", "sig="};

    for (char *at = from; *at && *at != ' ' && *at != '\t'; at++)
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            char *const value = at + strlen(words[i]);

            if (strncasecmp(at, words[i], strlen(words[i])) == 0)
                cover(value, value + strcspn(value, "&/?# \t"), '*');
        }
}

/* Where an address that begins before `host` ends, the marks behind it that belong to a sentence left out. */
static char *find_end(char *host)
{
    char *end = host + strcspn(host, " \t");

    while (end > host && strchr(":,;.)'\"", end[-1]))
        end--;
    return end;
}

void url_hide_secrets(char *text)
{
    for (char *at = text; (at = strstr(at, "://"));) {
        char *host = at + 3, *query;

        at = host;
        host = cover(host, host + user_length(host), '*');
        query = memchr(host, '?', (size_t)(find_end(host) - host));
        if (query)
            cover(query + 1, find_end(query + 1), '.');
        hide_values(host);
    }
}

static int hex_value(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes %XX, in place. False, and the text is as it was, where a part would be no text or two parts of a path. */
static bool undo_escapes(char *text)
{
    char *const plain = strdup(text);
    size_t length = 0;
    bool good = plain;

    for (const char *at = text; good && *at; at++) {
        const int high = *at == '%' ? hex_value(at[1]) : -1, low = high >= 0 ? hex_value(at[2]) : -1;
        const unsigned char byte = (unsigned char)(low >= 0 ? 16 * high + low : *at);

        good = byte >= 0x20 && byte != 0x7F && (low < 0 || byte != '/');
        plain[length++] = (char)byte;
        at += low >= 0 ? 2 : 0;
    }
    if (good) {
        memcpy(text, plain, length);
        text[length] = '\0';
    }
    free(plain);
    return good;
}

/* The host and what follows, user and password left out; NULL: it is no address. */
static const char *find_host(const char *url)
{
    const size_t length = scheme_length(url);
    const char *const host = length > 0 ? url + length + 3 : NULL;
    const size_t user = host ? user_length(host) : 0;

    return user > 0 ? host + user + 1 : host;
}

/* Leaves out what some cameras and servers write behind a name: "film.mp4;id=1", "user=me&password=it". */
static void cut_parameters(char *name)
{
    const size_t length = strcspn(name, "&");

    name[strcspn(name, ";")] = '\0';
    if (length < strlen(name) && memchr(name, '=', length))
        name[length] = '\0';
    hide_values(name);
}

char *url_name(const char *url)
{
    const char *const host = find_host(url);
    const char *const path = host ? host + strcspn(host, "/?#") : url;
    const char *end = path + strcspn(path, "?#"), *begin;
    char *name;

    while (end > path && end[-1] == '/')
        end--;
    for (begin = end; begin > path && begin[-1] != '/';)
        begin--;
    name = strndup(begin, (size_t)(end - begin));
    if (!name)
        return NULL;
    cut_parameters(name);
    undo_escapes(name);
    if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return name;
    free(name);
    return host ? strndup(host, (size_t)(path - host)) : strdup(url);
}

char *url_plain(const char *url)
{
    const char *const host = find_host(url);
    struct string text = {0};

    if (!host)
        return strdup(url);
    string_append(&text, url, scheme_length(url) + 3);
    string_append(&text, host, strcspn(host, "?#"));
    if (text.failed)
        string_free(&text);
    else
        hide_values(text.data);
    return text.data;
}

size_t url_asked_length(const char *url)
{
    const char *const host = find_host(url);

    if (!url_has_scheme(url, "http") && !url_has_scheme(url, "https"))
        return strlen(url);
    return (size_t)(host - url) + strcspn(host, "#");
}

char *url_to_path(const char *url)
{
    const char *path = url_has_scheme(url, "file") ? url + strlen("file://") : NULL;
    char *copy;

    if (path && strncmp(path, "localhost/", 10) == 0)
        path += strlen("localhost");
    if (!path || *path != '/')
        return NULL;
    copy = strdup(path);
    for (char *part = copy; part && *part;) { /* file managers write escapes; where they make no sense they stay */
        char *const end = part + strcspn(part, "/"), slash = *end;
        size_t length;

        *end = '\0';
        undo_escapes(part);
        length = strlen(part);
        memmove(part + length, end, 1 + (slash ? strlen(end + 1) + 1 : 0));
        part[length] = slash;
        part += length + (slash ? 1 : 0);
    }
    return copy;
}
