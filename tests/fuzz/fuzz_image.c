/* libFuzzer: whatever bytes an image file may hold. */
#include "base/error.h"
#include "media/image.h"

#include <stdlib.h>
#include <string.h>

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
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    repair_checksums(copy, size);
    struct image image;
    int status = image_decode("fuzz", copy, size, 1 << 16, &image);
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
