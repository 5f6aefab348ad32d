/* Images in: files to 8-bit RGB pixels, exactly as Pillow's Image.open(f), ImageOps.exif_transpose,
 * convert("RGB") gives them. Untrusted input. */
#ifndef MEDIA_IMAGE_H
#define MEDIA_IMAGE_H

#include "sowlv2.h"

/* An owned picture: RGB, rows top to bottom, no padding. */
struct image {
    int width, height;
    uint8_t *pixels; /* [height][width][3] */
};

/* Default for `max_pixels`: Pillow's error level, twice its warning level. */
#define IMAGE_DEFAULT_MAX_PIXELS 178956970

struct isolation;

/* How to read. */
struct image_options {
    int64_t max_pixels;          /* refuse more, before decoding */
    bool allow_truncated;        /* take what is there of a file that was cut, the rest grey or black, with a notice */
    double seconds;              /* most time of one decoder, where its library lets itself be ended; 0: no limit */
    struct isolation *isolation; /* decodes it (see media/isolation.h); NULL: this process does; */
    bool (*interrupted)(void *user_data); /* then, ends the wait for it; NULL: never */
    void *user_data;
};

/* IMAGE_DEFAULT_MAX_PIXELS, nothing truncated, a minute. */
struct image_options image_options_default(void);

/* Reads an image of a format of docs/inputs.md; the content decides, not the suffix. EXIF orientation is applied.
 * `max_pixels` is checked before decoding. Truncated data is an error.
 * Errors: IO, FORMAT (empty, truncated, damaged), UNSUPPORTED (another format: named where it is
 * known), ARGUMENT (more than max_pixels), MEMORY; each names the file. */
int image_read(const char *path, int64_t max_pixels, struct image *out);
int image_read_with(const char *path, const struct image_options *options, struct image *out);

/* The same from memory; `name` is what messages call it. */
int image_decode(const char *name, const void *data, size_t size, int64_t max_pixels, struct image *out);
int image_decode_with(const char *name, const void *data, size_t size, const struct image_options *options,
                      struct image *out);

/* The same of an open file of `expected` bytes (0: a pipe, whose end nobody knows), by this process. */
int image_read_descriptor(const char *name, int descriptor, size_t expected, const struct image_options *options,
                          struct image *out);

/* Lets the libraries find what they look for when they are first used, before a process may open nothing more. */
void image_prepare(void);

/* The same from standard input. */
int image_read_stdin(const struct image_options *options, struct image *out);

/* What a caller holds, its stride filled in. Errors: ARGUMENT (no pixels, a size below 1x1, a stride less than a row,
 * or more than memory has), about `name`. */
int image_take_view(const char *name, const struct sowlv2_image *given, struct sowlv2_image *out);

/* A copy of such a view; memory that `out` has for that size already is used again. Errors: MEMORY. */
int image_copy_view(const char *name, const struct sowlv2_image *view, struct image *out);

/* The picture as models take it. */
static inline struct sowlv2_image image_view(const struct image *image)
{
    return (struct sowlv2_image){
        .pixels = image->pixels, .width = image->width, .height = image->height, .stride = 3 * (size_t)image->width};
}

/* Sets the error of a picture of more than `max_pixels` and returns it. */
int image_too_large(const char *name, int64_t width, int64_t height, int64_t max_pixels);

void image_free(struct image *image);

#endif
