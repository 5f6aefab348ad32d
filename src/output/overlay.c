/* Box outlines and mask colours, straight onto the pixels: nothing else of the image changes. */
#include "output/overlay.h"

#include "base/error.h"
#include "output/overlay_internal.h"

#include <math.h>

int overlay_line_width(int width, int height)
{
    int line = (int)lround((width < height ? width : height) / 300.0);
    return line < 2 ? 2 : line;
}

int overlay_text_size(int width, int height)
{
    int text = (int)lround((width < height ? width : height) / 40.0);
    return text < 12 ? 12 : text;
}

static int clamp_round(float value, int limit)
{
    return value <= 0.0f ? 0 : value >= (float)limit ? limit : (int)lroundf(value);
}

bool overlay_outline(const struct canvas *canvas, const float box[4], struct rectangle *outer)
{
    /* Written so that not-a-number fails each test. */
    bool visible = box[0] <= box[2] && box[1] <= box[3] && box[2] >= 0.0f && box[3] >= 0.0f &&
                   box[0] <= (float)canvas->width && box[1] <= (float)canvas->height;
    if (!visible)
        return false;
    float half = 0.5f * (float)overlay_line_width(canvas->width, canvas->height);
    *outer = (struct rectangle){
        clamp_round(box[0] - half, canvas->width),
        clamp_round(box[1] - half, canvas->height),
        clamp_round(box[2] + half, canvas->width),
        clamp_round(box[3] + half, canvas->height),
    };
    return outer->left < outer->right && outer->top < outer->bottom;
}

static void fill(const struct canvas *canvas, int left, int top, int right, int bottom, struct colour colour)
{
    for (int y = top; y < bottom; y++) {
        uint8_t *pixel = canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)left) * 3;
        for (int x = left; x < right; x++, pixel += 3) {
            pixel[0] = colour.red;
            pixel[1] = colour.green;
            pixel[2] = colour.blue;
        }
    }
}

static void draw_outline(const struct canvas *canvas, const struct rectangle *outer, struct colour colour)
{
    int line = overlay_line_width(canvas->width, canvas->height);
    if (outer->right - outer->left <= 2 * line || outer->bottom - outer->top <= 2 * line) {
        fill(canvas, outer->left, outer->top, outer->right, outer->bottom, colour);
        return;
    }
    fill(canvas, outer->left, outer->top, outer->right, outer->top + line, colour);
    fill(canvas, outer->left, outer->bottom - line, outer->right, outer->bottom, colour);
    fill(canvas, outer->left, outer->top + line, outer->left + line, outer->bottom - line, colour);
    fill(canvas, outer->right - line, outer->top + line, outer->right, outer->bottom - line, colour);
}

int overlay_draw(uint8_t *pixels, int width, int height, const struct overlay_item *items, size_t count, unsigned parts)
{
    if (width < 1 || height < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "overlay: an image of %d x %d pixels", width, height);
    struct canvas canvas = {pixels, width, height};
    if (parts & OVERLAY_BOXES) {
        for (size_t i = 0; i < count; i++) {
            struct rectangle outer;
            if (overlay_outline(&canvas, items[i].box, &outer))
                draw_outline(&canvas, &outer, palette_colour(items[i].color_index));
        }
    }
    return parts & OVERLAY_LABELS ? overlay_draw_labels(&canvas, items, count) : 0;
}

static void blend(uint8_t *pixel, struct colour colour)
{
    pixel[0] = (uint8_t)((pixel[0] + colour.red + 1) / 2);
    pixel[1] = (uint8_t)((pixel[1] + colour.green + 1) / 2);
    pixel[2] = (uint8_t)((pixel[2] + colour.blue + 1) / 2);
}

void overlay_blend_run(uint8_t *pixels, size_t count, int color_index)
{
    struct colour colour = palette_colour(color_index);
    for (size_t i = 0; i < count; i++)
        blend(pixels + 3 * i, colour);
}
