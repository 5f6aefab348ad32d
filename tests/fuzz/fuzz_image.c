/* libFuzzer: whatever bytes an image file may hold; with FUZZ_FORMAT defined, of that format alone. */
#include "base/error.h"
#include "media/image_decoders.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drop_message(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)level;
    (void)message;
    (void)user_data;
}

static uint32_t checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = ~0u;
    for (size_t i = 0; i < size; i++) {
        sum ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
    }
    return ~sum;
}

/* Gives each PNG chunk its right checksum: otherwise few mutations get past it. */
static void repair_checksums(uint8_t *data, size_t size)
{
    if (size < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0)
        return;
    for (size_t at = 8; size - at >= 12;) {
        size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (length > size - at - 12)
            return;
        uint32_t sum = checksum(data + at + 4, length + 4);
        for (int i = 0; i < 4; i++)
            data[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sowlv2_set_log(drop_message, NULL);
#ifdef FUZZ_FORMAT
    const char *description;
    const struct image_format *const format = image_format_detect(data, size, &description);
    if (!format || strcasecmp(format->name, FUZZ_FORMAT) != 0)
        return -1; /* not for this corpus */
#endif
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    repair_checksums(copy, size);
    const char *kind;
    if (image_most_bytes(image_format_detect(copy, size, &kind), copy, size, 1 << 16) < 1 << 20)
        abort();
    struct image image;
    const struct image_options options = {.max_pixels = 1 << 16, .allow_truncated = size % 2 != 0, .seconds = 10};
    int status = image_decode_with("fuzz", copy, size, &options, &image);
    free(copy);
    if (status) {
        if (image.pixels)
            abort();
        return 0;
    }
    /* Every pixel must have been written: the memory sanitizer sees a branch on one that was not. */
    size_t count = (size_t)image.width * (size_t)image.height * 3;
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += image.pixels[i];
    if (image.width < 1 || image.height < 1 || (int64_t)image.width * image.height > 1 << 16 || sum > count * 255)
        abort();
    image_free(&image);
    return 0;
}
