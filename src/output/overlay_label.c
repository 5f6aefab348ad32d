/* Labels: text through Pango and Cairo, so that every script reads right, on a small surface of its
 * own that is copied into the image. */
#include "output/overlay_internal.h"

#include "base/error.h"

#include <pango/pangocairo.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST_LABEL = 8192 }; /* Cairo's surfaces end at 32767 */

struct labeller {
    const struct canvas *canvas;
    PangoLayout *layout;
    int padding;
    struct rectangle *placed; /* labels drawn so far */
    size_t count;
};

static bool overlaps(const struct labeller *labeller, const struct rectangle *r)
{
    for (size_t i = 0; i < labeller->count; i++) {
        const struct rectangle *p = &labeller->placed[i];
        if (r->left < p->right && p->left < r->right && r->top < p->bottom && p->top < r->bottom)
            return true;
    }
    return false;
}

/* Above the box, inside its top, below it: the first place inside the image that is free, else the
 * first one inside the image, else the image's top. */
static struct rectangle place(const struct labeller *labeller, const struct rectangle *box, int width, int height)
{
    const struct canvas *canvas = labeller->canvas;
    int left = box->left;
    if (left > canvas->width - width)
        left = canvas->width - width;
    if (left < 0)
        left = 0;
    const int tops[] = {box->top - height, box->top, box->bottom};
    struct rectangle first = {left, 0, left + width, height};
    bool found = false;
    for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
        if (tops[i] < 0 || tops[i] > canvas->height - height)
            continue;
        struct rectangle here = {left, tops[i], left + width, tops[i] + height};
        if (!overlaps(labeller, &here))
            return here;
        if (!found)
            first = here;
        found = true;
    }
    return first;
}

static void copy_surface(const struct canvas *canvas, cairo_surface_t *surface, const struct rectangle *at)
{
    cairo_surface_flush(surface);
    const uint8_t *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    int right = at->right < canvas->width ? at->right : canvas->width;
    int bottom = at->bottom < canvas->height ? at->bottom : canvas->height;
    for (int y = at->top; y < bottom; y++) {
        uint8_t *to = canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)at->left) * 3;
        const uint8_t *from = data + (size_t)(y - at->top) * stride;
        for (int x = at->left; x < right; x++, to += 3, from += 4) {
            uint32_t pixel; /* opaque, so not scaled by alpha */
            memcpy(&pixel, from, sizeof(pixel));
            to[0] = (uint8_t)(pixel >> 16);
            to[1] = (uint8_t)(pixel >> 8);
            to[2] = (uint8_t)pixel;
        }
    }
}

/* Lays the text out on one line that fits the image; gives its extents. */
static void lay_out(const struct labeller *labeller, const char *text, PangoRectangle *extents)
{
    PangoLayout *layout = labeller->layout;
    int available = (labeller->canvas->width < WIDEST_LABEL ? labeller->canvas->width : WIDEST_LABEL);
    available -= 2 * labeller->padding;
    if (available < 1)
        available = 1;
    pango_layout_set_text(layout, text, -1);
    pango_layout_set_width(layout, -1);
    pango_layout_get_pixel_extents(layout, NULL, extents);
    if (extents->width > available) {
        pango_layout_set_width(layout, available * PANGO_SCALE);
        pango_layout_get_pixel_extents(layout, NULL, extents);
    }
}

static int draw_label(struct labeller *labeller, const char *text, const struct rectangle *box, struct colour colour)
{
    PangoRectangle extents;
    lay_out(labeller, text, &extents);
    int width = extents.width + 2 * labeller->padding, height = extents.height + labeller->padding;
    if (width > labeller->canvas->width)
        width = labeller->canvas->width;
    if (width > WIDEST_LABEL)
        width = WIDEST_LABEL;
    if (height > labeller->canvas->height)
        height = labeller->canvas->height;
    struct rectangle at = place(labeller, box, width, height);

    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
    cairo_t *cairo = cairo_create(surface);
    cairo_set_source_rgb(cairo, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
    cairo_paint(cairo);
    double ink = palette_wants_black_text(colour) ? 0.0 : 1.0;
    cairo_set_source_rgb(cairo, ink, ink, ink);
    cairo_move_to(cairo, labeller->padding - extents.x, labeller->padding / 2.0 - extents.y);
    pango_cairo_show_layout(cairo, labeller->layout);
    cairo_status_t failure = cairo_status(cairo);
    cairo_destroy(cairo);
    if (failure == CAIRO_STATUS_SUCCESS)
        copy_surface(labeller->canvas, surface, &at);
    cairo_surface_destroy(surface);
    if (failure != CAIRO_STATUS_SUCCESS)
        return error_memory("the label of an overlay");
    labeller->placed[labeller->count++] = at;
    return 0;
}

/* The default font map belongs to the thread, so that no lock is needed. */
static PangoLayout *create_layout(int text_size)
{
    PangoContext *context = pango_font_map_create_context(pango_cairo_font_map_get_default());
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY); /* no colour fringes in a picture */
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
    pango_cairo_context_set_font_options(context, options);
    cairo_font_options_destroy(options);

    PangoLayout *layout = pango_layout_new(context);
    g_object_unref(context);
    PangoFontDescription *font = pango_font_description_from_string("sans");
    pango_font_description_set_absolute_size(font, (double)text_size * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_MIDDLE); /* the score at the end stays */
    return layout;
}

int overlay_draw_labels(const struct canvas *canvas, const struct overlay_item *items, size_t count)
{
    if (count == 0)
        return 0;
    int text_size = overlay_text_size(canvas->width, canvas->height);
    struct labeller labeller = {
        .canvas = canvas,
        .padding = (text_size + 2) / 4,
        .placed = calloc(count, sizeof(*labeller.placed)),
    };
    if (!labeller.placed)
        return error_memory("the labels of an overlay");
    labeller.layout = create_layout(text_size);
    int status = 0;
    for (size_t i = 0; i < count && !status; i++) {
        struct rectangle box;
        if (!items[i].label || !overlay_outline(canvas, items[i].box, &box))
            continue;
        char *text = overlay_clean_text(items[i].label);
        if (!text)
            status = error_memory("the label of an overlay");
        else if (text[strspn(text, " ")])
            status = draw_label(&labeller, text, &box, palette_colour(items[i].color_index));
        free(text);
    }
    g_object_unref(labeller.layout);
    free(labeller.placed);
    return status;
}
