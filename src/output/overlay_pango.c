/* Labels through Pango and Cairo, so that every script reads right. */
#include "base/error.h"
#include "output/overlay_internal.h"

#include <pango/pangocairo.h>
#include <stdlib.h>
#include <string.h>

/* Lays the text out on one line of that width; gives its extents. */
static void lay_out(PangoLayout *layout, const char *text, int available, PangoRectangle *extents)
{
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

static int copy_surface(cairo_surface_t *surface, struct label_picture *out)
{
    cairo_surface_flush(surface);
    const uint8_t *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    uint8_t *to = out->pixels = malloc((size_t)out->width * (size_t)out->height * 3);
    if (!to)
        return error_memory("the label of an overlay");
    for (int y = 0; y < out->height; y++) {
        const uint8_t *from = data + (size_t)y * stride;
        for (int x = 0; x < out->width; x++, to += 3, from += 4) {
            uint32_t pixel; /* opaque, so not scaled by alpha */
            memcpy(&pixel, from, sizeof(pixel));
            to[0] = (uint8_t)(pixel >> 16);
            to[1] = (uint8_t)(pixel >> 8);
            to[2] = (uint8_t)pixel;
        }
    }
    return 0;
}

int overlay_pango_label(struct label_layout *opaque, const char *text, const struct label_style *style,
                        struct label_picture *out)
{
    PangoLayout *layout = (PangoLayout *)(void *)opaque;
    PangoRectangle extents;
    lay_out(layout, text, style->most_width - 2 * style->padding, &extents);
    int width = extents.width + 2 * style->padding, height = extents.height + style->padding;
    *out = (struct label_picture){.width = width < style->most_width ? width : style->most_width,
                                  .height = height < style->most_height ? height : style->most_height};

    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, out->width, out->height);
    cairo_t *cairo = cairo_create(surface);
    cairo_set_source_rgb(cairo, style->paper.red / 255.0, style->paper.green / 255.0, style->paper.blue / 255.0);
    cairo_paint(cairo);
    double ink = palette_wants_black_text(style->paper) ? 0.0 : 1.0;
    cairo_set_source_rgb(cairo, ink, ink, ink);
    cairo_move_to(cairo, style->padding - extents.x, style->padding / 2.0 - extents.y);
    pango_cairo_show_layout(cairo, layout);
    bool failed = cairo_status(cairo) != CAIRO_STATUS_SUCCESS;
    cairo_destroy(cairo);
    int status = failed ? error_memory("the label of an overlay") : copy_surface(surface, out);
    cairo_surface_destroy(surface);
    return status;
}

/* The default font map belongs to the thread, so that no lock is needed. */
struct label_layout *overlay_pango_begin(int text_size)
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
    return (struct label_layout *)(void *)layout;
}

void overlay_pango_end(struct label_layout *layout)
{
    g_object_unref(layout);
}
