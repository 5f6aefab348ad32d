/* Labels: each is a small picture of its own, by the fonts of the system or the plain face, that is copied into the
 * image. */
#include "output/overlay_internal.h"

#include "base/error.h"
#include "output/fonts.h"
#include "output/plain_face.h"

#include <stdlib.h>
#include <string.h>

enum { WIDEST_LABEL = 8192 }; /* Cairo's surfaces end at 32767 */

struct labeller {
    const struct canvas *canvas;
    struct label_style style;
    struct label_layout *layout; /* NULL: the plain face */
    struct rectangle *placed;    /* labels drawn so far */
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

static void copy_picture(const struct canvas *canvas, const struct label_picture *picture, const struct rectangle *at)
{
    int right = at->right < canvas->width ? at->right : canvas->width;
    int bottom = at->bottom < canvas->height ? at->bottom : canvas->height;
    for (int y = at->top; y < bottom; y++)
        memcpy(canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)at->left) * 3,
               picture->pixels + (size_t)(y - at->top) * (size_t)picture->width * 3, (size_t)(right - at->left) * 3);
}

/* Ink, a square of `scale` pixels for each dot, cut at the edges. */
struct ink {
    const struct label_picture *picture;
    int left, top, scale;
    uint8_t level;
};

static void put_dot(void *user_data, int x, int y)
{
    const struct ink *ink = user_data;
    int left = ink->left + x * ink->scale, top = ink->top + y * ink->scale;
    for (int row = top; row < top + ink->scale && row < ink->picture->height; row++)
        for (int column = left; column < left + ink->scale && column < ink->picture->width; column++)
            memset(ink->picture->pixels + ((size_t)row * (size_t)ink->picture->width + (size_t)column) * 3, ink->level,
                   3);
}

int overlay_plain_label(const char *text, const struct label_style *style, struct label_picture *out)
{
    int scale = style->text_size / PLAIN_DOTS_HIGH > 1 ? style->text_size / PLAIN_DOTS_HIGH : 1;
    int room = (style->most_width - 2 * style->padding) / (PLAIN_DOTS_WIDE * scale);
    struct plain_line line;
    plain_line_set(&line, text);
    plain_line_fit(&line, room > 1 ? (size_t)room : 1);
    int width = plain_line_width(&line) * scale + 2 * style->padding;
    int height = PLAIN_DOTS_HIGH * scale + 2 * style->padding;
    *out = (struct label_picture){.width = width < style->most_width ? width : style->most_width,
                                  .height = height < style->most_height ? height : style->most_height};
    size_t count = (size_t)out->width * (size_t)out->height;
    out->pixels = malloc(count * 3);
    if (!out->pixels)
        return error_memory("the label of an overlay");
    for (size_t i = 0; i < count; i++)
        memcpy(out->pixels + 3 * i, (uint8_t[]){style->paper.red, style->paper.green, style->paper.blue}, 3);
    struct ink ink = {out, style->padding, style->padding, scale, palette_wants_black_text(style->paper) ? 0 : 255};
    plain_line_draw(&line, put_dot, &ink);
    return 0;
}

static int draw_label(struct labeller *labeller, const char *text, const struct rectangle *box, struct colour colour)
{
    struct label_picture picture = {0};
    labeller->style.paper = colour;
    int status = labeller->layout ? overlay_pango_label(labeller->layout, text, &labeller->style, &picture)
                                  : overlay_plain_label(text, &labeller->style, &picture);
    if (!status) {
        struct rectangle at = place(labeller, box, picture.width, picture.height);
        copy_picture(labeller->canvas, &picture, &at);
        labeller->placed[labeller->count++] = at;
    }
    free(picture.pixels);
    return status;
}

int overlay_draw_labels(const struct canvas *canvas, const struct overlay_item *items, size_t count)
{
    if (count == 0)
        return 0;
    int text_size = overlay_text_size(canvas->width, canvas->height);
    struct labeller labeller = {
        .canvas = canvas,
        .style = {.text_size = text_size,
                  .padding = (text_size + 2) / 4,
                  .most_width = canvas->width < WIDEST_LABEL ? canvas->width : WIDEST_LABEL,
                  .most_height = canvas->height},
        .placed = calloc(count, sizeof(*labeller.placed)),
    };
    if (!labeller.placed)
        return error_memory("the labels of an overlay");
    if (fonts_ready())
        labeller.layout = overlay_pango_begin(text_size);
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
    if (labeller.layout)
        overlay_pango_end(labeller.layout);
    free(labeller.placed);
    return status;
}
