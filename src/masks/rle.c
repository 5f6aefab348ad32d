/* COCO's compressed run lengths: column after column, each length as the difference from the last but one,
 * five bits a character. */
#include "masks/masks.h"

#include "base/error.h"
#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

/* The lengths so far; those before the last are not needed any more. */
struct encoder {
    struct string text;
    uint64_t count;       /* lengths written */
    int64_t before, last; /* the last two */
    int64_t length;       /* of the run at hand */
    uint8_t value;        /* its pixels */
};

static void write_length(struct encoder *encoder)
{
    int64_t rest = encoder->length - (encoder->count > 2 ? encoder->before : 0);
    char digits[16];
    size_t count = 0;
    for (bool more = true; more;) {
        int digit = (int)(rest & 31);
        rest = (rest - digit) / 32; /* an arithmetic shift */
        more = digit & 16 ? rest != -1 : rest != 0;
        digits[count++] = (char)((more ? digit | 32 : digit) + 48);
    }
    string_append(&encoder->text, digits, count);
    encoder->before = encoder->last;
    encoder->last = encoder->length;
    encoder->count++;
}

static void add_column(struct encoder *encoder, const uint8_t *column, int height)
{
    for (const uint8_t *at = column, *end = column + height; at < end;) {
        const uint8_t *next = memchr(at, !encoder->value, (size_t)(end - at));
        next = next ? next : end;
        encoder->length += next - at;
        if (next < end) {
            write_length(encoder);
            encoder->length = 0;
            encoder->value ^= 1;
        }
        at = next;
    }
}

enum { STRIP = 64 }; /* columns turned at a time: as many as a cache line has bytes */

/* All columns of `pixels` [height][width], a strip at a time through `strip` [STRIP][height]. */
static void add_columns(struct encoder *encoder, const uint8_t *pixels, int width, int height, uint8_t *strip)
{
    for (int left = 0; left < width; left += STRIP) {
        const int columns = width - left < STRIP ? width - left : STRIP;
        for (int y = 0; y < height; y++) {
            const uint8_t *row = pixels + (size_t)y * (size_t)width + left;
            for (int x = 0; x < columns; x++)
                strip[(size_t)x * (size_t)height + (size_t)y] = row[x] != 0;
        }
        for (int x = 0; x < columns; x++)
            add_column(encoder, strip + (size_t)x * (size_t)height, height);
    }
}

int sowlv2_mask_rle(const struct sowlv2_mask *mask, char **out)
{
    if (out)
        *out = NULL;
    if (!mask || !out || mask->width < 1 || mask->height < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_mask_rle: a mask and out are needed");
    uint8_t *pixels = malloc((size_t)mask->width * (size_t)mask->height);
    uint8_t *strip = malloc((size_t)mask->height * STRIP);
    struct encoder encoder = {0};
    int status = pixels && strip ? 0 : error_memory("mask");
    if (status == 0)
        status = sowlv2_mask_to_pixels(mask, pixels);
    if (status == 0) {
        add_columns(&encoder, pixels, mask->width, mask->height, strip);
        write_length(&encoder);
        status = encoder.text.failed ? error_memory("mask") : 0;
    }
    free(pixels);
    free(strip);
    if (status != 0) {
        string_free(&encoder.text);
        return status;
    }
    *out = encoder.text.data;
    return 0;
}
