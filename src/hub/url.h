/* Web addresses: who serves one, whether it may be asked, and how to make one. */
#ifndef HUB_URL_H
#define HUB_URL_H

#include "base/strings.h"

#include <stdbool.h>

/* Scheme, host and port: what must be the same for a token to be sent. */
struct url_origin {
    char scheme[8];
    char host[256]; /* lower case, an IPv6 address in brackets */
    unsigned port;
};

/* False where `url` is not an http or https address, or carries a user name. */
bool url_read_origin(const char *url, struct url_origin *out);
bool url_same_origin(const struct url_origin *a, const struct url_origin *b);

/* Whether the host is this machine: localhost, 127.x.x.x or [::1]. */
bool url_is_local(const struct url_origin *origin);

/* Whether the address may be asked: https always, http only on this machine and where the endpoint is such an address
 * too. */
bool url_may_be_asked(const struct url_origin *origin, bool endpoint_is_plain);

/* The address that a redirect from `base` to `target` means, freed by the caller; NULL: none, or out of memory. */
char *url_follow(const char *base, const char *target);

/* Appends `text` with everything but letters, digits, "-._~" and, where `keep_slashes`, '/' escaped. */
void url_append_escaped(struct string *out, const char *text, bool keep_slashes);

#endif
