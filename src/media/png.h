/* PNG out: written beside its name, then renamed. */
#ifndef MEDIA_PNG_H
#define MEDIA_PNG_H

#include <stddef.h>
#include <stdint.h>

/* Writes 8-bit pixels of 1 (grey), 3 (RGB) or 4 (RGBA) channels. `stride`: bytes from row to row.
 * Errors: IO (names the path), MEMORY. */
int png_write(const char *path, const uint8_t *pixels, int width, int height, int channels, size_t stride);

#endif
