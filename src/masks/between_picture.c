/* Small grey pictures of frames. */
#include "base/error.h"
#include "masks/between_parts.h"

#include <stdlib.h>

/* A picture's longer side; and no level is made that is smaller than this. */
enum { LEAST_SIDE = 12 };

static void set_sizes(int width, int height, struct between_picture *out)
{
    const int longer = width > height ? width : height;
    const double scale = longer > BETWEEN_SIDE ? (double)BETWEEN_SIDE / (double)longer : 1.0;
    int w = (int)(width * scale + 0.5), h = (int)(height * scale + 0.5);
    out->source_width = width;
    out->source_height = height;
    w = w > 0 ? w : 1;
    h = h > 0 ? h : 1;
    out->levels = 0;
    do {
        out->level[out->levels].width = w;
        out->level[out->levels].height = h;
        out->levels++;
        w = (w + 1) / 2;
        h = (h + 1) / 2;
    } while (out->levels < BETWEEN_LEVELS && w >= LEAST_SIDE && h >= LEAST_SIDE);
}

static int reserve(int width, int height, struct between_picture *out)
{
    if (out->levels > 0 && out->source_width == width && out->source_height == height)
        return 0;
    between_picture_free(out);
    set_sizes(width, height, out);
    size_t total = 1, at = 0;
    for (int i = 0; i < out->levels; i++)
        total += (size_t)out->level[i].width * (size_t)out->level[i].height;
    out->memory = malloc(total);
    if (!out->memory) {
        *out = (struct between_picture){0};
        return error_memory("picture of a frame");
    }
    for (int i = 0; i < out->levels; i++) {
        out->level[i].pixels = out->memory + at;
        at += (size_t)out->level[i].width * (size_t)out->level[i].height;
    }
    return 0;
}

/* Means over blocks; of a large frame's block at most about 4x4 pixels are looked at. */
static void shrink(const uint8_t *rgb, int width, int height, size_t stride, struct between_level *out)
{
    for (int y = 0; y < out->height; y++) {
        const int top = (int)((int64_t)height * y / out->height), end = (int)((int64_t)height * (y + 1) / out->height);
        const int bottom = end > top ? end : top + 1, down = (bottom - top + 3) / 4;
        for (int x = 0; x < out->width; x++) {
            const int left = (int)((int64_t)width * x / out->width),
                      stop = (int)((int64_t)width * (x + 1) / out->width);
            const int right = stop > left ? stop : left + 1, across = (right - left + 3) / 4;
            uint32_t sum = 0, count = 0;
            for (int row = top; row < bottom; row += down) {
                const uint8_t *pixels = rgb + (size_t)row * stride;
                for (int column = left; column < right; column += across, count++) {
                    const uint8_t *pixel = pixels + (size_t)column * 3;
                    sum += 77U * pixel[0] + 150U * pixel[1] + 29U * pixel[2];
                }
            }
            out->pixels[y * out->width + x] = (uint8_t)((sum / (count > 0 ? count : 1) + 128U) >> 8);
        }
    }
}

static void halve(const struct between_level *from, struct between_level *out)
{
    for (int y = 0; y < out->height; y++) {
        const uint8_t *upper = from->pixels + 2 * y * from->width;
        const uint8_t *lower = 2 * y + 1 < from->height ? upper + from->width : upper;
        for (int x = 0; x < out->width; x++) {
            const int left = 2 * x, right = left + 1 < from->width ? left + 1 : left;
            out->pixels[y * out->width + x] =
                (uint8_t)((upper[left] + upper[right] + lower[left] + lower[right] + 2) / 4);
        }
    }
}

int between_picture_make(const uint8_t *rgb, int width, int height, size_t stride, struct between_picture *out)
{
    const int status = reserve(width, height, out);
    if (status != 0)
        return status;
    shrink(rgb, width, height, stride != 0 ? stride : (size_t)width * 3, &out->level[0]);
    for (int i = 1; i < out->levels; i++)
        halve(&out->level[i - 1], &out->level[i]);
    return 0;
}

void between_picture_free(struct between_picture *picture)
{
    free(picture->memory);
    *picture = (struct between_picture){0};
}

float between_sample(const struct between_level *level, float x, float y)
{
    const float right = (float)(level->width - 1), bottom = (float)(level->height - 1);
    x = x > 0.0F ? (x < right ? x : right) : 0.0F;
    y = y > 0.0F ? (y < bottom ? y : bottom) : 0.0F;
    const int left = (int)x, top = (int)y;
    const int across = left + 1 < level->width ? 1 : 0, down = top + 1 < level->height ? level->width : 0;
    const float u = x - (float)left, v = y - (float)top;
    const uint8_t *at = level->pixels + top * level->width + left;
    const float upper = (float)at[0] + u * (float)(at[across] - at[0]);
    const float lower = (float)at[down] + u * (float)(at[down + across] - at[down]);
    return upper + v * (lower - upper);
}
