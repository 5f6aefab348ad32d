/* Web addresses as inputs: what is one, what to call it, and what of it nobody may read. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include "base/strings.h"

#include <stdbool.h>

/* Whether the text begins with "scheme://". */
bool url_is(const char *text);
/* The same for one scheme, of any case: "file". */
bool url_has_scheme(const char *text, const char *scheme);

/* Hides, in place, what is secret in every address that the text holds: the user and the password before the host, all
 * of the query (signatures, tokens), and values of "password=" and the like in the path. The text gets no longer. */
void url_hide_secrets(char *text);

/* What a file from there is called: the last part of the path, its escapes undone, without query, parameters and
 * secrets; where there is none, the host. Freed by the caller; NULL: out of memory. */
char *url_name(const char *url);

/* The address without user, password, query and fragment; freed by the caller; NULL: out of memory. */
char *url_plain(const char *url);

/* How much of the address, from its beginning, is asked for: of HTTP all before the fragment ("#top"), which only says
 * where in what comes back. */
size_t url_asked_length(const char *url);

/* The path that a "file://" address means; freed by the caller. NULL: it is none, or names another machine. */
char *url_to_path(const char *url);

#endif
