/* Drawn with Cairo, its text through Pango, or with the plain face. */
#include "output/plot.h"

#include "base/error.h"
#include "base/optional.h"
#include "media/png.h"
#include "output/fonts.h"
#include "output/overlay_internal.h"
#include "output/plain_face.h"

#include <inttypes.h>
#include <math.h>
#include <pango/pangocairo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 1200,
    LEFT = 56,
    RIGHT = WIDTH - 24,
    TOP = 48,
    BOTTOM = 320, /* of the curve's field */
    THUMBS_TOP = 372,
    THUMBS_A_ROW = 6,
    THUMB_STEP_X = 191,
    THUMB_STEP_Y = PLOT_THUMB_HEIGHT + 30,
    MOST_TITLE = 400,
};

int plot_shrink(const struct image *image, struct image *out)
{
    const double across = (double)PLOT_THUMB_WIDTH / image->width, down = (double)PLOT_THUMB_HEIGHT / image->height;
    const double scale = fmin(1.0, fmin(across, down));

    *out = (struct image){(int)fmax(1.0, image->width * scale), (int)fmax(1.0, image->height * scale), NULL};
    out->pixels = malloc((size_t)out->width * (size_t)out->height * 3);
    if (!out->pixels)
        return error_memory("thumbnail");
    for (int y = 0; y < out->height; y++) {
        const int64_t top = (int64_t)image->height * y / out->height;
        const int64_t bottom = (int64_t)image->height * (y + 1) / out->height;

        for (int x = 0; x < out->width; x++) {
            const int64_t left = (int64_t)image->width * x / out->width;
            const int64_t right = (int64_t)image->width * (x + 1) / out->width;
            uint64_t sum[3] = {0, 0, 0};

            for (int64_t row = top; row < bottom; row++) {
                const uint8_t *pixel = image->pixels + ((size_t)row * (size_t)image->width + (size_t)left) * 3;

                for (int64_t column = left; column < right; column++, pixel += 3)
                    for (int c = 0; c < 3; c++)
                        sum[c] += pixel[c];
            }
            for (int c = 0; c < 3; c++)
                out->pixels[((size_t)y * (size_t)out->width + (size_t)x) * 3 + (size_t)c] =
                    (uint8_t)(sum[c] / (uint64_t)((bottom - top) * (right - left)));
        }
    }
    return 0;
}

static void draw_with_fonts(cairo_t *cairo, double x, double y, double align, int size, const char *text)
{
    PangoLayout *layout = pango_cairo_create_layout(cairo);
    PangoFontDescription *font = pango_font_description_from_string("Sans");
    int width;

    pango_font_description_set_absolute_size(font, size * (double)PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_text(layout, text, -1);
    pango_layout_get_pixel_size(layout, &width, NULL);
    cairo_move_to(cairo, x - align * width, y);
    pango_cairo_show_layout(cairo, layout);
    pango_font_description_free(font);
    g_object_unref(layout);
}

struct plain_place {
    cairo_t *cairo;
    double x, y;
};

static void put_dot(void *user_data, int x, int y)
{
    const struct plain_place *place = user_data;

    cairo_rectangle(place->cairo, place->x + x, place->y + y, 1, 1);
}

/* Text whose top is at y; `align` 0: from x, 0.5: around it, 1: up to it. */
static void draw_text(cairo_t *cairo, double x, double y, double align, int size, const char *text)
{
    char *clean = overlay_clean_text(text);

    if (clean && fonts_ready()) {
        draw_with_fonts(cairo, x, y, align, size, clean);
    } else {
        struct plain_line line;

        plain_line_set(&line, clean ? clean : text);
        plain_line_draw(&line, put_dot,
                        &(struct plain_place){cairo, floor(x - align * plain_line_width(&line)), floor(y) + 4});
        cairo_fill(cairo);
    }
    free(clean);
}

static void format_time(char *text, size_t size, double time, double span)
{
    if (span >= 600)
        snprintf(text, size, "%d:%02d", (int)(time / 60), (int)fmod(time, 60));
    else
        snprintf(text, size, "%.*f s", span < 20 ? 2 : span < 100 ? 1 : 0, time);
}

static double place_x(const struct plot *plot, double time)
{
    const double first = plot->points[0].time, span = plot->points[plot->count - 1].time - first;

    return span > 0 ? LEFT + (RIGHT - LEFT) * (time - first) / span : (LEFT + RIGHT) / 2.0;
}

static double place_y(float score)
{
    return BOTTOM - (BOTTOM - TOP) * fmin(1.0, fmax(0.0, (double)score));
}

static void draw_axes(cairo_t *cairo, const struct plot *plot)
{
    const double first = plot->points[0].time, span = plot->points[plot->count - 1].time - first;
    char text[64];

    cairo_set_line_width(cairo, 1);
    for (int i = 0; i <= 4; i++) {
        const double y = floor(place_y((float)i / 4)) + 0.5;

        cairo_set_source_rgb(cairo, 0.88, 0.88, 0.88);
        cairo_move_to(cairo, LEFT, y);
        cairo_line_to(cairo, RIGHT, y);
        cairo_stroke(cairo);
        cairo_set_source_rgb(cairo, 0.25, 0.25, 0.25);
        snprintf(text, sizeof(text), "%.2f", i / 4.0);
        draw_text(cairo, LEFT - 8, y - 8, 1, 12, text);
    }
    for (int i = 0; i <= 8 && (span > 0 || i == 0); i++) {
        const double time = first + span * i / 8;

        format_time(text, sizeof(text), time, span);
        draw_text(cairo, place_x(plot, time), BOTTOM + 8, i == 0 && span > 0 ? 0 : i == 8 ? 1 : 0.5, 12, text);
    }
}

static void draw_curve(cairo_t *cairo, const struct plot *plot)
{
    for (int64_t i = 1; i < plot->count; i++) {
        if (!plot->points[i].scene_start)
            continue;
        cairo_set_source_rgb(cairo, 0.62, 0.62, 0.62);
        cairo_move_to(cairo, place_x(plot, plot->points[i].time), TOP);
        cairo_line_to(cairo, place_x(plot, plot->points[i].time), BOTTOM);
        cairo_stroke(cairo);
    }
    cairo_set_source_rgb(cairo, 0.12, 0.35, 0.70);
    cairo_set_line_width(cairo, 1.5);
    for (int64_t i = 0; i < plot->count; i++)
        cairo_line_to(cairo, place_x(plot, plot->points[i].time), place_y(plot->points[i].score));
    cairo_stroke(cairo);
    cairo_set_source_rgb(cairo, 0.85, 0.25, 0.10);
    for (int64_t i = 0; i < plot->count; i++) {
        if (!plot->points[i].chosen)
            continue;
        cairo_arc(cairo, place_x(plot, plot->points[i].time), place_y(plot->points[i].score), 4, 0, 6.2832);
        cairo_fill(cairo);
    }
}

static void draw_thumb(cairo_t *cairo, const struct plot_thumb *thumb, double x, double y, double span)
{
    const struct image *image = &thumb->image;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->width, image->height);
    char text[96], time[64];

    if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
        uint8_t *data = cairo_image_surface_get_data(surface);
        const size_t stride = (size_t)cairo_image_surface_get_stride(surface);

        for (size_t row = 0; row < (size_t)image->height; row++)
            for (size_t column = 0; column < (size_t)image->width; column++) {
                const uint8_t *from = image->pixels + (row * (size_t)image->width + column) * 3;
                const uint32_t pixel = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];

                memcpy(data + row * stride + column * 4, &pixel, sizeof(pixel));
            }
        cairo_surface_mark_dirty(surface);
        cairo_set_source_surface(cairo, surface, x, y + PLOT_THUMB_HEIGHT - image->height);
        cairo_paint(cairo);
    }
    cairo_surface_destroy(surface);
    format_time(time, sizeof(time), thumb->time, span);
    snprintf(text, sizeof(text), "%" PRId64 "   %s", thumb->number, time);
    cairo_set_source_rgb(cairo, 0.25, 0.25, 0.25);
    draw_text(cairo, x, y + PLOT_THUMB_HEIGHT + 3, 0, 12, text);
}

static void draw(cairo_t *cairo, const struct plot *plot, int64_t shown)
{
    char title[MOST_TITLE + 1];

    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
    snprintf(title, sizeof(title), "%s", plot->title);
    draw_text(cairo, LEFT, 14, 0, 16, title);
    if (plot->count > 0) {
        draw_axes(cairo, plot);
        draw_curve(cairo, plot);
    }
    for (int64_t i = 0; i < shown; i++) {
        const struct plot_thumb *thumb = &plot->thumbs[i * plot->thumb_count / shown];
        const int row = (int)(i / THUMBS_A_ROW), column = (int)(i % THUMBS_A_ROW);

        draw_thumb(cairo, thumb, LEFT - 28 + column * THUMB_STEP_X, THUMBS_TOP + row * THUMB_STEP_Y,
                   plot->count > 0 ? plot->points[plot->count - 1].time : 0);
    }
}

/* Cairo's pixels to RGB in place, and to the file. */
static int write_surface(const char *path, cairo_surface_t *surface)
{
    const int height = cairo_image_surface_get_height(surface);
    const size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    uint8_t *data, *rgb = malloc((size_t)WIDTH * (size_t)height * 3), *to = rgb;
    int status;

    if (!rgb)
        return error_memory(path);
    cairo_surface_flush(surface);
    data = cairo_image_surface_get_data(surface);
    for (size_t row = 0; row < (size_t)height; row++)
        for (size_t column = 0; column < WIDTH; column++, to += 3) {
            uint32_t pixel;

            memcpy(&pixel, data + row * stride + column * 4, sizeof(pixel));
            to[0] = (uint8_t)(pixel >> 16);
            to[1] = (uint8_t)(pixel >> 8);
            to[2] = (uint8_t)pixel;
        }
    status = png_write(path, rgb, WIDTH, height, 3, (size_t)WIDTH * 3);
    free(rgb);
    return status;
}

int plot_write(const char *path, const struct plot *plot)
{
    const int64_t shown = plot->thumb_count < PLOT_MOST_THUMBS ? plot->thumb_count : PLOT_MOST_THUMBS;
    const int rows = (int)((shown + THUMBS_A_ROW - 1) / THUMBS_A_ROW);
    const int needed = optional_need("pango", path);

    if (needed)
        return needed;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, THUMBS_TOP + rows * THUMB_STEP_Y);
    cairo_t *cairo = cairo_create(surface);
    cairo_status_t drawn;
    int status;

    draw(cairo, plot, shown);
    drawn = cairo_status(cairo);
    cairo_destroy(cairo);
    status = drawn == CAIRO_STATUS_SUCCESS
                 ? write_surface(path, surface)
                 : error_set(SOWLV2_ERROR_MEMORY, "%s: cannot draw: %s", path, cairo_status_to_string(drawn));
    cairo_surface_destroy(surface);
    return status;
}
