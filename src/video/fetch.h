/* Files behind addresses, whole: pictures, which are no videos. */
#ifndef VIDEO_FETCH_H
#define VIDEO_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Asked while reading waits; true ends the call with CANCELLED. NULL inside: never. */
struct fetch_interrupt {
    bool (*interrupted)(void *user_data);
    void *user_data;
};

/* Reads what is behind the address, at most `most` bytes; `*out` is freed by the caller. Errors: IO, FORMAT (over the
 * limit), UNSUPPORTED (the scheme), CANCELLED, MEMORY; each names the address without its secrets. */
int fetch_all(const char *url, size_t most, const struct fetch_interrupt *interrupt, char **out, size_t *size);

/* Reads how it begins; how many bytes, or an error as above. */
int fetch_head(const char *url, uint8_t *head, size_t capacity, const struct fetch_interrupt *interrupt);

#endif
