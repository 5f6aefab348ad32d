/* Reading an image: find its format, decode, turn as EXIF says. */
#include "media/image.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "media/image_decoders.h"
#include "media/isolation.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* No image of IMAGE_DEFAULT_MAX_PIXELS needs more; a file this large is something else. */
static const size_t largest_file = (size_t)1 << 31;

struct image_options image_options_default(void)
{
    return (struct image_options){.max_pixels = IMAGE_DEFAULT_MAX_PIXELS, .seconds = 60};
}

int image_too_large(const char *name, int64_t width, int64_t height, int64_t max_pixels)
{
    return error_set(SOWLV2_ERROR_ARGUMENT,
                     "%s: %lld x %lld is more than %lld pixels: make it smaller, or raise --max-pixels to %lld", name,
                     (long long)width, (long long)height, (long long)max_pixels, (long long)(width * height));
}

int image_take_view(const char *name, const struct sowlv2_image *given, struct sowlv2_image *out)
{
    *out = *given;
    if (!given->pixels || given->width < 1 || given->height < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: pixels and a size of at least 1x1 are needed", name);

    const size_t row = 3 * (size_t)given->width;
    if (given->stride != 0 && given->stride < row)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a stride of %zu bytes is less than a row", name, given->stride);
    out->stride = given->stride != 0 ? given->stride : row;
    if (out->stride > (size_t)PTRDIFF_MAX / (size_t)given->height)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a stride of %zu bytes is more than memory has for %d rows", name,
                         out->stride, given->height);
    return 0;
}

int image_copy_view(const char *name, const struct sowlv2_image *view, struct image *out)
{
    const size_t row = 3 * (size_t)view->width;

    if (out->width != view->width || out->height != view->height || !out->pixels) {
        image_free(out);
        out->pixels = malloc(row * (size_t)view->height);
        if (!out->pixels)
            return error_memory(name);
        out->width = view->width;
        out->height = view->height;
    }
    for (int y = 0; y < view->height; y++)
        memcpy(out->pixels + (size_t)y * row, view->pixels + (size_t)y * view->stride, row);
    return 0;
}

int image_check_size(const struct image_source *source, uint64_t width, uint64_t height)
{
    if (width == 0 || height == 0 || width > INT_MAX || height > INT_MAX)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: its size, %llu x %llu pixels, is not valid: the file is damaged",
                         source->name, (unsigned long long)width, (unsigned long long)height);
    int64_t count = (int64_t)width * (int64_t)height;
    if (count > source->options->max_pixels)
        return image_too_large(source->name, (int64_t)width, (int64_t)height, source->options->max_pixels);
    return (uint64_t)count > PTRDIFF_MAX / 16 ? error_memory(source->name) : 0;
}

uint8_t *image_pixels(size_t bytes)
{
    static const size_t huge = (size_t)2 << 20;
    uint8_t *pixels = isolation_take_pixels(bytes);
    if (pixels)
        return pixels;
    if (bytes < 2 * huge)
        return malloc(bytes);
    pixels = aligned_alloc(huge, (bytes + huge - 1) / huge * huge);
    if (pixels)
        madvise(pixels, bytes, MADV_HUGEPAGE); /* a wish: without it all works, slower */
    return pixels;
}

void image_free_pixels(uint8_t *pixels)
{
    if (!isolation_give_pixels(pixels))
        free(pixels);
}

int image_allocate(const struct image_source *source, uint64_t width, uint64_t height, struct image *out)
{
    int status = image_check_size(source, width, height);
    if (status)
        return status;
    size_t bytes = (size_t)width * (size_t)height * 3;
    uint8_t *pixels = image_pixels(bytes);
    if (!pixels)
        return error_memory(source->name);
    if (source->options->allow_truncated)
        memset(pixels, 0, bytes);
    *out = (struct image){(int)width, (int)height, pixels};
    return 0;
}

int image_reserve(const struct image_source *source, uint64_t bytes)
{
    return memory_check(source->name, bytes);
}

static double thread_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int image_out_of_time(const struct image_source *source)
{
    return error_set(SOWLV2_ERROR_FORMAT,
                     "%s: decoding takes more than %g s: export it in a simpler way, or make it smaller", source->name,
                     source->options->seconds);
}

int image_check_time(const struct image_source *source)
{
    return source->deadline <= 0 || thread_clock() < source->deadline ? 0 : image_out_of_time(source);
}

int image_truncated(const struct image_source *source, const char *kind)
{
    if (!source->options->allow_truncated)
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: the %s data is truncated: copy or export the file again, or take what is there with "
                         "--allow-truncated",
                         source->name, kind);
    log_notice("%s: the %s data is truncated: the rest of the picture is missing", source->name, kind);
    return 0;
}

void image_tell_hdr(const struct image_source *source, unsigned transfer)
{
    enum { PQ = 16, HLG = 18 };
    if (transfer == PQ || transfer == HLG)
        log_notice("%s: an HDR image (%s): it is not converted to standard range, and looks flat: export it as a plain "
                   "JPEG or PNG if objects are not found in it",
                   source->name, transfer == PQ ? "PQ" : "HLG");
}

static inline uint8_t multiply_255(unsigned a, unsigned b)
{
    unsigned product = a * b + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

void image_cmyk_to_rgb(const uint8_t *cmyk, bool light, uint8_t *rgb, size_t count)
{
    unsigned invert = light ? 255 : 0;
    for (size_t i = 0; i < count; i++, cmyk += 4, rgb += 3) {
        unsigned white = 255 - (cmyk[3] ^ invert);
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(white - multiply_255(cmyk[c] ^ invert, white));
    }
}

static int not_an_image(const char *name, const char *description)
{
    struct string known = {0};
    for (size_t i = 0; image_format_at(i); i++)
        string_append_format(&known, "%s%s",
                             i == 0                   ? ""
                             : image_format_at(i + 1) ? ", "
                                                      : " or ",
                             image_format_at(i)->name);
    const int status =
        error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: is %s: give a %s image", name,
                  description ? description : "not an image of a known format", known.failed ? "JPEG" : known.data);
    string_free(&known);
    return status;
}

static int decode_here(const char *name, const void *data, size_t size, const struct image_options *options,
                       struct image *out)
{
    *out = (struct image){0};
    if (size == 0)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the file is empty: replace it", name);
    const struct image_source source = {.name = name,
                                        .data = data,
                                        .size = size,
                                        .options = options,
                                        .deadline = options->seconds > 0 ? thread_clock() + options->seconds : 0};
    int orientation = 1;
    /* Some libraries blame the file when they get no memory: the allocator tells. */
    errno = 0;
    const char *description;
    const struct image_format *const format = image_format_detect(data, size, &description);
    int status = format ? format->decode(&source, out, &orientation) : not_an_image(name, description);
    if ((status == SOWLV2_ERROR_FORMAT || status == SOWLV2_ERROR_UNSUPPORTED) && errno == ENOMEM)
        status = error_memory(name);
    if (!status)
        status = image_apply_orientation(name, out, orientation);
    if (status)
        image_free(out);
    return status;
}

int image_decode_with(const char *name, const void *data, size_t size, const struct image_options *options,
                      struct image *out)
{
    return options->isolation && size > 0 ? isolation_decode_data(options->isolation, name, data, size, options, out)
                                          : decode_here(name, data, size, options, out);
}

static struct image_options with_max_pixels(int64_t max_pixels)
{
    struct image_options options = image_options_default();
    options.max_pixels = max_pixels;
    return options;
}

int image_decode(const char *name, const void *data, size_t size, int64_t max_pixels, struct image *out)
{
    struct image_options options = with_max_pixels(max_pixels);
    return image_decode_with(name, data, size, &options, out);
}

/* What is being read before it is decoded. */
struct arrival {
    const char *name;
    const struct image_options *options;
    bool endless; /* nobody knows how much will come */
};

/* Nothing else is read to its end, be it a video of some gigabytes or an endless pipe. */
static int check_head(void *user_data, const char *data, size_t size, size_t *limit)
{
    const struct arrival *arrival = user_data;
    const char *description = NULL;
    const uint8_t *bytes = (const uint8_t *)data;
    const struct image_format *const format = image_format_detect(bytes, size, &description);
    if (!format && size > 0)
        return not_an_image(arrival->name, description);
    if (!arrival->endless)
        return 0;
    uint64_t most = image_most_bytes(format, bytes, size, (uint64_t)arrival->options->max_pixels);
    *limit = most < largest_file ? (size_t)most : largest_file;
    return 0;
}

int image_read_descriptor(const char *name, int descriptor, size_t expected, const struct image_options *options,
                          struct image *out)
{
    struct arrival arrival = {.name = name, .options = options, .endless = expected == 0};
    char *data;
    size_t size;
    *out = (struct image){0};
    int status = file_read_descriptor(descriptor, name, expected, largest_file, check_head, &arrival, &data, &size);
    if (status)
        return status;
    status = decode_here(name, data, size, options, out);
    free(data);
    return status;
}

static int read_anywhere(const char *name, int descriptor, size_t expected, const struct image_options *options,
                         struct image *out)
{
    return options->isolation ? isolation_decode_image(options->isolation, name, descriptor, expected, options, out)
                              : image_read_descriptor(name, descriptor, expected, options, out);
}

int image_read_with(const char *path, const struct image_options *options, struct image *out)
{
    size_t size;
    int file = -1;
    *out = (struct image){0};
    int status = file_open_regular(path, &file, &size);
    if (status)
        return status;
    status = read_anywhere(path, file, size, options, out);
    close(file);
    return status;
}

int image_read(const char *path, int64_t max_pixels, struct image *out)
{
    struct image_options options = with_max_pixels(max_pixels);
    return image_read_with(path, &options, out);
}

int image_read_stdin(const struct image_options *options, struct image *out)
{
    return read_anywhere("standard input", STDIN_FILENO, 0, options, out);
}

void image_free(struct image *image)
{
    image_free_pixels(image->pixels);
    *image = (struct image){0};
}
