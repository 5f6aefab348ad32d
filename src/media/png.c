/* PNG out. Written here and not through a library for speed's sake: an overlay of 1920 x 1080 takes zlib's fastest
 * settings some 100 ms, and a run writes one for each object. */
#include "media/png.h"

#include "base/error.h"
#include "base/file.h"
#include "media/deflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h> /* crc32 */

enum { FILTER_NONE = 0, FILTER_AVERAGE = 3 };

static void put_big_endian(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static int write_bytes(FILE *stream, const void *data, size_t size)
{
    return size == 0 || fwrite(data, 1, size, stream) == size ? 0 : SOWLV2_ERROR_IO;
}

static int write_chunk(FILE *stream, const char *type, const uint8_t *data, size_t size)
{
    uint8_t head[8], tail[4];
    uLong crc = crc32_z(crc32(0, NULL, 0), (const uint8_t *)type, 4);
    put_big_endian(head, (uint32_t)size);
    memcpy(head + 4, type, 4);
    put_big_endian(tail, (uint32_t)(size > 0 ? crc32_z(crc, data, size) : crc));
    int status = write_bytes(stream, head, sizeof(head));
    if (!status)
        status = write_bytes(stream, data, size);
    return status ? status : write_bytes(stream, tail, sizeof(tail));
}

static int write_data(void *stream, const uint8_t *data, size_t size)
{
    return write_chunk(stream, "IDAT", data, size);
}

static int write_head(FILE *stream, int width, int height, int channels)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t header[13] = {0};
    put_big_endian(header, (uint32_t)width);
    put_big_endian(header + 4, (uint32_t)height);
    header[8] = 8;                                         /* bits */
    header[9] = channels == 1 ? 0 : channels == 3 ? 2 : 6; /* grey, RGB, RGBA */
    int status = write_bytes(stream, signature, sizeof(signature));
    return status ? status : write_chunk(stream, "IHDR", header, sizeof(header));
}

/* Eight bytes at once: x - (a + b) / 2, each by itself. */
static uint64_t minus_average(uint64_t x, uint64_t a, uint64_t b)
{
    const uint64_t high = 0x8080808080808080u;
    uint64_t average = (a & b) + (((a ^ b) >> 1) & ~high);
    return ((x | high) - (average & ~high)) ^ ((x ^ ~average) & high);
}

/* row - the average of the pixel to the left and the one above, which keeps a photograph's residues small. */
static void filter_average(const uint8_t *row, const uint8_t *above, size_t bytes, size_t channels, uint8_t *out)
{
    size_t i = 0;
    for (; i < channels && i < bytes; i++)
        out[i] = (uint8_t)(row[i] - above[i] / 2);
    for (; i + 8 <= bytes; i += 8) {
        uint64_t x, left, up;
        memcpy(&x, row + i, 8);
        memcpy(&left, row + i - channels, 8);
        memcpy(&up, above + i, 8);
        x = minus_average(x, left, up);
        memcpy(out + i, &x, 8);
    }
    for (; i < bytes; i++)
        out[i] = (uint8_t)(row[i] - (row[i - channels] + above[i]) / 2);
}

/* Masks are runs already: a filter would only break them. */
static int write_rows(struct deflate *deflate, const uint8_t *pixels, int height, size_t bytes, size_t channels,
                      size_t stride)
{
    uint8_t *filtered = malloc(bytes + 1), *none = calloc(bytes, 1);
    int status = filtered && none ? 0 : SOWLV2_ERROR_MEMORY;
    for (int y = 0; y < height && !status; y++) {
        const uint8_t *row = pixels + (size_t)y * stride;
        if (channels == 1) {
            filtered[0] = FILTER_NONE;
            memcpy(filtered + 1, row, bytes);
        } else {
            filtered[0] = FILTER_AVERAGE;
            filter_average(row, y > 0 ? row - stride : none, bytes, channels, filtered + 1);
        }
        status = deflate_push(deflate, filtered, bytes + 1);
    }
    free(filtered);
    free(none);
    return status ? status : deflate_finish(deflate);
}

static int encode(FILE *stream, const uint8_t *pixels, int width, int height, int channels, size_t stride)
{
    struct deflate *deflate = deflate_create(write_data, stream);
    int status = deflate ? write_head(stream, width, height, channels) : SOWLV2_ERROR_MEMORY;
    if (!status)
        status = write_rows(deflate, pixels, height, (size_t)width * (size_t)channels, (size_t)channels, stride);
    if (!status)
        status = write_chunk(stream, "IEND", NULL, 0);
    deflate_free(&deflate);
    return status;
}

int png_write(const char *path, const uint8_t *pixels, int width, int height, int channels, size_t stride)
{
    if (width < 1 || height < 1 || (channels != 1 && channels != 3 && channels != 4) ||
        stride < (size_t)width * (size_t)channels)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: cannot write %d x %d pixels of %d channels as PNG", path, width,
                         height, channels);
    struct file_writer writer;
    int status = file_writer_open(path, &writer);
    if (status)
        return status;
    errno = 0;
    status = encode(writer.stream, pixels, width, height, channels, stride);
    int why = errno; /* of a write that failed */
    if (!status)
        return file_writer_commit(&writer);
    file_writer_abort(&writer);
    if (status == SOWLV2_ERROR_MEMORY)
        return error_memory(path);
    return error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", path, why ? strerror(why) : "the file cannot be written");
}
