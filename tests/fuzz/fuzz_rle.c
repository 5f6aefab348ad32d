/* Fuzzes COCO's run lengths: those of any mask, read back by the few lines that COCO's own format asks for, are the
 * mask's pixels. The first two bytes are its size, the others its pixels or its runs. */
#include "masks/masks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Writes what the text says to `pixels`, column after column. Gives how many there are. */
static size_t read_back(const char *text, uint8_t *pixels, size_t room)
{
    int64_t lengths[3] = {0};
    size_t count = 0, at = 0;
    uint8_t value = 0;

    while (*text) {
        int64_t length = 0;
        int shift = 0, digit;

        do {
            digit = *text++ - 48;
            check(digit >= 0 && digit < 64 && shift < 60);
            length |= (int64_t)(digit & 31) << shift;
            shift += 5;
        } while (digit & 32);
        if (digit & 16)
            length -= INT64_C(1) << shift;
        if (count++ > 2)
            length += lengths[1];
        memmove(lengths + 1, lengths, 2 * sizeof(*lengths));
        lengths[0] = length;
        check(length >= 0 && (size_t)length <= room - at);
        memset(pixels + at, value, (size_t)length);
        at += (size_t)length;
        value ^= 1;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return -1;
    const int width = data[0] % 96 + 1, height = data[1] % 96 + 1;
    const size_t count = (size_t)width * (size_t)height;
    uint8_t *const pixels = calloc(count, 1), *const columns = calloc(count, 1);
    struct sowlv2_mask mask = {0};
    char *text = NULL;

    check(pixels && columns);
    for (size_t i = 0, at = 2; i < count && at < size; at++) /* bytes are runs: long ones of few pixels */
        for (int run = data[at] >> 1; run >= 0 && i < count; run--)
            pixels[i++] = data[at] & 1;
    check(mask_set_pixels(&mask, pixels, width, height) == 0);
    check(sowlv2_mask_rle(&mask, &text) == 0);
    check(read_back(text, columns, count) == count);
    int64_t area = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const uint8_t pixel = pixels[(size_t)y * (size_t)width + (size_t)x];
            check(pixel == columns[(size_t)x * (size_t)height + (size_t)y]);
            area += pixel;
        }
    check(mask.area == area);
    memset(columns, 2, count);
    check(sowlv2_mask_to_pixels(&mask, columns) == 0 && memcmp(columns, pixels, count) == 0);
    sowlv2_masks_free(&mask, 1);
    free(text);
    free(columns);
    free(pixels);
    return 0;
}
