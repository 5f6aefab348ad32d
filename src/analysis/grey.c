/* Small grey pictures, to see how much changes from frame to frame. */
#include "analysis/importance.h"

#include <string.h>

/* Pixels side by side whose sums are made at once, and rows: as many as a sum of bytes has room for. */
enum { STRIP = 512, CHANNELS = 3, MOST_ROWS = UINT16_MAX / UINT8_MAX };

/* The part of a picture that is looked at: a block's rows, a strip's columns. */
struct strip {
    const uint8_t *pixels; /* the first one */
    size_t row_bytes;
    int64_t rows;
    int64_t left, right;
};

/* sums[i] = the sum over the rows of byte i: at most MOST_ROWS of them. */
static void add_rows(const struct strip *strip, uint16_t *restrict sums)
{
    const size_t bytes = (size_t)(strip->right - strip->left) * CHANNELS;
    memset(sums, 0, bytes * sizeof(*sums));
    for (int64_t y = 0; y < strip->rows; y++) {
        const uint8_t *restrict row = strip->pixels + (size_t)y * strip->row_bytes;
        for (size_t i = 0; i < bytes; i++)
            sums[i] = (uint16_t)(sums[i] + row[i]);
    }
}

struct span {
    int64_t first, end;
};

/* What block `index` of `count` covers of `size` pixels: at least one. */
static struct span block_of(int size, int index, int count)
{
    const int64_t first = (int64_t)size * index / count, end = (int64_t)size * (index + 1) / count;
    return (struct span){first, end > first ? end : first + 1};
}

/* Adds what the strip has of each block of a row of them. */
static void add_strip(const struct strip *strip, int width, uint64_t blocks[IMPORTANCE_GREY_WIDTH])
{
    uint16_t sums[STRIP * CHANNELS];
    add_rows(strip, sums);
    for (int x = 0; x < IMPORTANCE_GREY_WIDTH; x++) {
        const struct span block = block_of(width, x, IMPORTANCE_GREY_WIDTH);
        const int64_t first = block.first > strip->left ? block.first : strip->left;
        const int64_t end = block.end < strip->right ? block.end : strip->right;
        for (int64_t column = first; column < end; column++) {
            const uint16_t *const sum = sums + (column - strip->left) * CHANNELS;
            blocks[x] += 77U * sum[0] + 150U * sum[1] + 29U * sum[2];
        }
    }
}

void importance_grey(const uint8_t *pixels, int width, int height, size_t row_bytes, uint8_t grey[IMPORTANCE_GREY])
{
    for (int y = 0; y < IMPORTANCE_GREY_HEIGHT; y++) {
        const struct span down = block_of(height, y, IMPORTANCE_GREY_HEIGHT);
        uint64_t blocks[IMPORTANCE_GREY_WIDTH] = {0};
        for (int64_t top = down.first, rows; top < down.end; top += rows) {
            rows = down.end - top < MOST_ROWS ? down.end - top : MOST_ROWS;
            for (int64_t left = 0; left < width; left += STRIP) {
                const struct strip strip = {pixels + (size_t)top * row_bytes + (size_t)left * CHANNELS, row_bytes, rows,
                                            left, width - left < STRIP ? width : left + STRIP};
                add_strip(&strip, width, blocks);
            }
        }
        for (int x = 0; x < IMPORTANCE_GREY_WIDTH; x++) {
            const struct span across = block_of(width, x, IMPORTANCE_GREY_WIDTH);
            const int64_t count = (down.end - down.first) * (across.end - across.first);
            grey[y * IMPORTANCE_GREY_WIDTH + x] = (uint8_t)(blocks[x] / 256 / (uint64_t)count);
        }
    }
}
