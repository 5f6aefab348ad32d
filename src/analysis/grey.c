/* Small grey pictures, to see how much changes from frame to frame. */
#include "analysis/importance.h"

#include <string.h>

/* Pixels side by side whose sums are made at once, and rows: as many as a sum of bytes has room for. TOGETHER: rows
 * that are read side by side. LINE: bytes of the cache's lines. */
enum { STRIP = 2048, CHANNELS = 3, MOST_ROWS = UINT16_MAX / UINT8_MAX, TOGETHER = 4, LINE = 64 };

/* The part of a picture that is looked at: a block's rows, a strip's columns. */
struct strip {
    const uint8_t *pixels; /* the first one */
    size_t row_bytes;
    int64_t rows;
    int64_t left, right;
};

static void add_bytes(const uint8_t *restrict bytes, size_t count, uint16_t *restrict sums)
{
    for (size_t i = 0; i < count; i++)
        sums[i] = (uint16_t)(sums[i] + bytes[i]);
}

/* The same of TOGETHER rows, whose sums are read and written once. */
static void add_together(const uint8_t *restrict a, size_t row_bytes, size_t count, uint16_t *restrict sums)
{
    const uint8_t *restrict const b = a + row_bytes, *restrict const c = b + row_bytes,
                                  *restrict const d = c + row_bytes;
    for (size_t i = 0; i < count; i++) {
        const uint16_t low = (uint16_t)(a[i] + b[i]), high = (uint16_t)(c[i] + d[i]);
        sums[i] = (uint16_t)(sums[i] + (uint16_t)(low + high));
    }
}

/* sums[i] = the sum over the rows of byte i: at most MOST_ROWS of them. A processor does not foresee the jump to the
 * next rows: they are asked for. */
static void add_rows(const struct strip *strip, uint16_t *restrict sums)
{
    const size_t bytes = (size_t)(strip->right - strip->left) * CHANNELS, step = strip->row_bytes;
    memset(sums, 0, bytes * sizeof(*sums));
    int64_t y = 0;
    for (; y + TOGETHER <= strip->rows; y += TOGETHER) {
        const uint8_t *const row = strip->pixels + (size_t)y * step;
        const uint8_t *const soon = y + 2 * TOGETHER <= strip->rows ? row + TOGETHER * step : row;
        size_t i = 0;
        for (; i + LINE <= bytes; i += LINE) {
            for (size_t k = 0; k < TOGETHER; k++)
                __builtin_prefetch(soon + k * step + i);
            add_together(row + i, step, LINE, sums + i);
        }
        add_together(row + i, step, bytes - i, sums + i);
    }
    for (; y < strip->rows; y++) {
        const uint8_t *const row = strip->pixels + (size_t)y * step;
        size_t i = 0;
        for (; i + LINE <= bytes; i += LINE)
            add_bytes(row + i, LINE, sums + i);
        add_bytes(row + i, bytes - i, sums + i);
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

/* Adds what the strip has of each block of a row of them, which cover the columns `across`. */
static void add_strip(const struct strip *strip, const struct span across[IMPORTANCE_GREY_WIDTH],
                      uint64_t blocks[IMPORTANCE_GREY_WIDTH])
{
    uint16_t sums[STRIP * CHANNELS];
    add_rows(strip, sums);
    for (int x = 0; x < IMPORTANCE_GREY_WIDTH; x++) {
        const int64_t first = across[x].first > strip->left ? across[x].first : strip->left;
        const int64_t end = across[x].end < strip->right ? across[x].end : strip->right;
        uint64_t red = 0, green = 0, blue = 0;
        for (const uint16_t *sum = sums + (first - strip->left) * CHANNELS, *last = sum + (end - first) * CHANNELS;
             first < end && sum < last; sum += CHANNELS) {
            red += sum[0];
            green += sum[1];
            blue += sum[2];
        }
        blocks[x] += 77 * red + 150 * green + 29 * blue;
    }
}

void importance_grey(const uint8_t *pixels, int width, int height, size_t row_bytes, uint8_t grey[IMPORTANCE_GREY])
{
    importance_grey_rows(pixels, width, height, row_bytes, 0, IMPORTANCE_GREY_HEIGHT, grey);
}

void importance_grey_rows(const uint8_t *pixels, int width, int height, size_t row_bytes, int first, int end,
                          uint8_t grey[IMPORTANCE_GREY])
{
    struct span across[IMPORTANCE_GREY_WIDTH];
    for (int x = 0; x < IMPORTANCE_GREY_WIDTH; x++)
        across[x] = block_of(width, x, IMPORTANCE_GREY_WIDTH);
    for (int y = first; y < end; y++) {
        const struct span down = block_of(height, y, IMPORTANCE_GREY_HEIGHT);
        uint64_t blocks[IMPORTANCE_GREY_WIDTH] = {0};
        for (int64_t top = down.first, rows; top < down.end; top += rows) {
            rows = down.end - top < MOST_ROWS ? down.end - top : MOST_ROWS;
            for (int64_t left = 0; left < width; left += STRIP) {
                const struct strip strip = {pixels + (size_t)top * row_bytes + (size_t)left * CHANNELS, row_bytes, rows,
                                            left, width - left < STRIP ? width : left + STRIP};
                add_strip(&strip, across, blocks);
            }
        }
        for (int x = 0; x < IMPORTANCE_GREY_WIDTH; x++) {
            const int64_t count = (down.end - down.first) * (across[x].end - across[x].first);
            grey[y * IMPORTANCE_GREY_WIDTH + x] = (uint8_t)(blocks[x] / 256 / (uint64_t)count);
        }
    }
}
