/* The hash of a file that is being written, computed by a thread beside the writer. */
#ifndef HUB_DIGEST_H
#define HUB_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest;

/* Whether `etag` is a hash that can be checked: 64 hexadecimal digits are the content's SHA-256, 40 are git's (SHA-1
 * of "blob", the size and the content), for which the size must be known (not below 0). */
bool digest_is_known(const char *etag, int64_t size);

/* Begins to hash a file of `size` bytes whose first `there` bytes are in the file open as `descriptor`, which must stay
 * open and is read with pread only; the rest comes through digest_feed. Errors: MEMORY. */
int digest_start(const char *etag, int descriptor, int64_t size, int64_t there, struct digest **out);

/* The next bytes. Waits where the thread is far behind. */
void digest_feed(struct digest *digest, const void *bytes, size_t count);

/* Waits until all is hashed, says whether that is the hash, and frees the digest. Errors: IO (the file cannot be read
 * back). */
int digest_finish(struct digest **digest, bool *same);

/* Stops and frees; harmless with NULL inside. */
void digest_cancel(struct digest **digest);

#endif
