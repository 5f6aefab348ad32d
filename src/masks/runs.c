/* Masks as runs of equal pixels, row after row. */
#include "masks/masks.h"

#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Growing runs. */
struct builder {
    uint32_t *runs;
    size_t count, capacity;
};

/* Room for `more` runs, at most 64. */
static bool reserve(struct builder *builder, size_t more)
{
    if (builder->capacity - builder->count >= more)
        return true;
    const size_t capacity = builder->capacity > 0 ? 2 * builder->capacity : 64;
    uint32_t *runs = realloc(builder->runs, capacity * sizeof(*runs));
    if (!runs)
        return false;
    builder->runs = runs;
    builder->capacity = capacity;
    return true;
}

static bool append(struct builder *builder, size_t length)
{
    if (!reserve(builder, 1))
        return false;
    builder->runs[builder->count++] = (uint32_t)length;
    return true;
}

/* Hands the runs to the mask. `box` is of no meaning where there is no area. */
static void finish(struct sowlv2_mask *mask, const struct builder *builder, int width, int height, int64_t area,
                   const size_t box[4])
{
    uint32_t *exact = realloc(builder->runs, builder->count * sizeof(*exact));
    mask->runs = exact ? exact : builder->runs;
    mask->run_count = builder->count;
    mask->width = width;
    mask->height = height;
    mask->area = area;
    for (int i = 0; i < 4; i++)
        mask->box[i] = area > 0 ? (float)box[i] : 0.0F;
}

/* Widens the box (whole numbers: left, top, right, bottom) by the pixels [begin, end) in row order. */
static void widen(size_t box[4], size_t begin, size_t end, size_t width)
{
    const size_t top = begin / width, bottom = (end - 1) / width;
    const size_t left = top == bottom ? begin % width : 0, right = top == bottom ? (end - 1) % width + 1 : width;
    box[0] = left < box[0] ? left : box[0];
    box[1] = top < box[1] ? top : box[1];
    box[2] = right > box[2] ? right : box[2];
    box[3] = bottom + 1 > box[3] ? bottom + 1 : box[3];
}

int mask_set_pixels(struct sowlv2_mask *mask, const uint8_t *pixels, int width, int height)
{
    const size_t total = (size_t)width * (size_t)height;
    struct builder builder = {0};
    size_t box[4] = {SIZE_MAX, SIZE_MAX, 0, 0};
    bool complete = true;
    int64_t area = 0;
    for (size_t at = 0, value = 0; at < total && complete; value ^= 1) {
        const uint8_t *next = memchr(pixels + at, value ? 0 : 1, total - at);
        const size_t end = next ? (size_t)(next - pixels) : total;
        complete = append(&builder, end - at);
        if (value && end > at) {
            area += (int64_t)(end - at);
            widen(box, at, end, (size_t)width);
        }
        at = end;
    }
    if (!complete) {
        free(builder.runs);
        return error_memory("mask");
    }
    finish(mask, &builder, width, height, area, box);
    return 0;
}

/* Where the runs have come to in row order. */
struct progress {
    size_t begin;  /* of the run at hand */
    uint64_t last; /* the pixel before the next one */
};

/* The runs that end in a row of `width` pixels, of which the first is number `at`. */
static bool add_row(struct builder *builder, const uint64_t *row, size_t width, size_t at, struct progress *progress)
{
    const size_t whole = width / 64;
    uint64_t last = progress->last;
    for (size_t i = 0;; i++) {
        while (i < whole && row[i] == 0 - last) /* 64 times the last pixel */
            i++;
        if (64 * i >= width)
            break;
        const size_t count = i < whole ? 64 : width % 64;
        uint64_t changes = (row[i] ^ (row[i] << 1 | last)) & (UINT64_MAX >> (64 - count));
        if (!reserve(builder, 64))
            return false;
        last = row[i] >> (count - 1) & 1;
        for (; changes != 0; changes &= changes - 1) {
            const size_t end = at + 64 * i + (size_t)__builtin_ctzll(changes);
            builder->runs[builder->count++] = (uint32_t)(end - progress->begin);
            progress->begin = end;
        }
    }
    progress->last = last;
    return true;
}

/* Widens the box by row y of so many words. */
static void widen_row(size_t box[4], const uint64_t *row, size_t words, size_t y)
{
    size_t first = 0, last = words;
    while (first < words && row[first] == 0)
        first++;
    if (first == words)
        return;
    while (row[last - 1] == 0)
        last--;
    const size_t left = 64 * first + (size_t)__builtin_ctzll(row[first]);
    const size_t right = 64 * last - (size_t)__builtin_clzll(row[last - 1]);
    box[0] = left < box[0] ? left : box[0];
    box[1] = y < box[1] ? y : box[1];
    box[2] = right > box[2] ? right : box[2];
    box[3] = y + 1;
}

int mask_set_bits(struct sowlv2_mask *mask, const uint64_t *bits, int width, int height)
{
    const size_t words = (size_t)bits_words(width), total = (size_t)width * (size_t)height;
    struct builder builder = {0};
    struct progress progress = {0};
    size_t box[4] = {SIZE_MAX, SIZE_MAX, 0, 0};
    bool complete = true;
    int64_t area = 0;
    for (size_t y = 0; y < (size_t)height && complete; y++) {
        const uint64_t *const row = bits + y * words;
        const size_t runs = builder.count;
        complete = add_row(&builder, row, (size_t)width, y * (size_t)width, &progress);
        if (builder.count > runs || progress.last != 0) /* else it is all background */
            widen_row(box, row, words, y);
    }
    if (!complete || !append(&builder, total - progress.begin)) {
        free(builder.runs);
        return error_memory("mask");
    }
    for (size_t i = 1; i < builder.count; i += 2)
        area += builder.runs[i];
    finish(mask, &builder, width, height, area, box);
    return 0;
}

void mask_paint(const struct sowlv2_mask *mask, uint8_t value, uint8_t *out)
{
    size_t at = 0;
    for (size_t i = 0; i < mask->run_count; i++) {
        if (i % 2 == 1)
            memset(out + at, value, mask->runs[i]);
        at += mask->runs[i];
    }
}

/* Pixels that are set in both. */
static int64_t common_pixels(const struct sowlv2_mask *a, const struct sowlv2_mask *b)
{
    int64_t common = 0;
    size_t i = 0, j = 0;
    uint64_t end_a = a->run_count > 0 ? a->runs[0] : 0, end_b = b->run_count > 0 ? b->runs[0] : 0, at = 0;
    while (i < a->run_count && j < b->run_count) {
        const uint64_t end = end_a < end_b ? end_a : end_b;
        if (i % 2 == 1 && j % 2 == 1)
            common += (int64_t)(end - at);
        at = end;
        if (end_a == at && ++i < a->run_count)
            end_a += a->runs[i];
        if (end_b == at && ++j < b->run_count)
            end_b += b->runs[j];
    }
    return common;
}

double sowlv2_mask_iou(const struct sowlv2_mask *a, const struct sowlv2_mask *b)
{
    if (!a || !b || !a->runs || !b->runs)
        return 0.0;
    const bool apart = a->box[2] <= b->box[0] || b->box[2] <= a->box[0] || a->box[3] <= b->box[1] ||
                       b->box[3] <= a->box[1] || a->width != b->width || a->height != b->height;
    if (apart || a->area == 0 || b->area == 0)
        return 0.0;
    const int64_t common = common_pixels(a, b);
    return (double)common / (double)(a->area + b->area - common);
}
