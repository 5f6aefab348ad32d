/* A certificate authority of the tests' own, made anew in every run. */
#ifndef TESTS_HUB_AUTHORITY_H
#define TESTS_HUB_AUTHORITY_H

#include <openssl/types.h>

struct authority;

/* All functions assert that they worked. */
struct authority *authority_make(void);
void authority_free(struct authority *authority);

/* Writes its own certificate, which clients are to trust, as `folder`/`name`. */
void authority_write(const struct authority *authority, const char *folder, const char *name);

/* The name that a folder of certificates has it under, "1a2b3c4d.0", in `out`. */
void authority_hashed_name(const struct authority *authority, char out[16]);

/* What a server needs that shows a certificate for `names` ("DNS:localhost,IP:127.0.0.1"), good from `from` until
 * `until`, in seconds from now. Freed by the caller. */
SSL_CTX *authority_certify(const struct authority *authority, const char *names, long from, long until);

#endif
