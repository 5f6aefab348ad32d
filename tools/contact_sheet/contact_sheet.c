/* contact_sheet OUT.png COLUMNS PICTURE[=CAPTION]...: pictures side by side on one, each with its caption below. One
 * whose caption begins with "+" gets a green frame, one with "-" a red one. */
#include "base/error.h"
#include "media/image.h"
#include "media/png.h"
#include "output/overlay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_WIDTH = 320, CELL_HEIGHT = 240, GAP = 12, CAPTION = 30, PAPER = 250, FRAME = 4, MOST_COLUMNS = 100 };

struct sheet {
    int columns, rows, width, height;
    uint8_t *pixels;
};

/* Pastes the picture into its cell, as large as fits, each pixel the mean of those it stands for. */
static void paste(struct sheet *sheet, int index, const struct image *image)
{
    const double scale = fmin((double)CELL_WIDTH / image->width, (double)CELL_HEIGHT / image->height);
    const int width = (int)fmax(1, image->width * scale), height = (int)fmax(1, image->height * scale);
    const int left = GAP + index % sheet->columns * (CELL_WIDTH + GAP) + (CELL_WIDTH - width) / 2;
    const int top = GAP + index / sheet->columns * (CELL_HEIGHT + CAPTION + GAP) + (CELL_HEIGHT - height) / 2;

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const int x0 = (int)((int64_t)image->width * x / width), y0 = (int)((int64_t)image->height * y / height);
            int x1 = (int)((int64_t)image->width * (x + 1) / width);
            int y1 = (int)((int64_t)image->height * (y + 1) / height);
            uint8_t *out = sheet->pixels + 3 * ((size_t)(top + y) * (size_t)sheet->width + (size_t)(left + x));
            unsigned sum[3] = {0, 0, 0}, count;

            x1 = x1 > x0 ? x1 : x0 + 1;
            y1 = y1 > y0 ? y1 : y0 + 1;
            count = (unsigned)((x1 - x0) * (y1 - y0));
            for (int row = y0; row < y1; row++)
                for (int column = x0; column < x1; column++)
                    for (int c = 0; c < 3; c++)
                        sum[c] += image->pixels[3 * ((size_t)row * (size_t)image->width + (size_t)column) + (size_t)c];
            for (int c = 0; c < 3; c++)
                out[c] = (uint8_t)((sum[c] + count / 2) / count);
        }
}

/* The caption as an overlay's label, in a strip of its own below the cell. */
static int write_caption(struct sheet *sheet, int index, const char *caption)
{
    const int left = GAP + index % sheet->columns * (CELL_WIDTH + GAP);
    const int top = GAP + index / sheet->columns * (CELL_HEIGHT + CAPTION + GAP) + CELL_HEIGHT;
    const struct overlay_item item = {.box = {0, CAPTION - 2, CELL_WIDTH, CAPTION - 1}, .label = caption};
    uint8_t *strip = malloc((size_t)3 * CELL_WIDTH * CAPTION);
    int status;

    if (!strip)
        return error_memory("caption");
    memset(strip, PAPER, (size_t)3 * CELL_WIDTH * CAPTION);
    status = overlay_draw(strip, CELL_WIDTH, CAPTION, &item, 1, OVERLAY_LABELS);
    for (int y = 0; !status && y < CAPTION; y++)
        memcpy(sheet->pixels + 3 * ((size_t)(top + y) * (size_t)sheet->width + (size_t)left),
               strip + (size_t)3 * CELL_WIDTH * (size_t)y, (size_t)3 * CELL_WIDTH);
    free(strip);
    return status;
}

/* Around the cell and its caption. */
static void frame(struct sheet *sheet, int index, const uint8_t *colour)
{
    const int left = GAP + index % sheet->columns * (CELL_WIDTH + GAP) - FRAME;
    const int top = GAP + index / sheet->columns * (CELL_HEIGHT + CAPTION + GAP) - FRAME;
    const int width = CELL_WIDTH + 2 * FRAME, height = CELL_HEIGHT + CAPTION + 2 * FRAME;

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            if (x < FRAME || y < FRAME || x >= width - FRAME || y >= height - FRAME)
                memcpy(sheet->pixels + 3 * ((size_t)(top + y) * (size_t)sheet->width + (size_t)(left + x)), colour, 3);
}

static int add(struct sheet *sheet, int index, char *argument)
{
    static const uint8_t good[3] = {40, 150, 60}, bad[3] = {210, 40, 40};
    char *caption = strchr(argument, '=');
    struct image image = {0};
    int status;

    if (caption)
        *caption++ = '\0';
    if (caption && (*caption == '+' || *caption == '-'))
        frame(sheet, index, *caption++ == '+' ? good : bad);
    status = image_read(argument, IMAGE_DEFAULT_MAX_PIXELS, &image);
    if (!status)
        paste(sheet, index, &image);
    if (!status && caption)
        status = write_caption(sheet, index, caption);
    image_free(&image);
    return status;
}

int main(int argc, char **argv)
{
    struct sheet sheet = {.columns = argc > 2 ? atoi(argv[2]) : 0};
    const int count = argc - 3;
    int status = 0;

    if (count < 1 || sheet.columns < 1 || sheet.columns > MOST_COLUMNS) {
        fprintf(stderr, "usage: contact_sheet OUT.png COLUMNS PICTURE[=CAPTION]...\n");
        return 2;
    }
    sheet.rows = (count + sheet.columns - 1) / sheet.columns;
    sheet.width = GAP + sheet.columns * (CELL_WIDTH + GAP);
    sheet.height = GAP + sheet.rows * (CELL_HEIGHT + CAPTION + GAP);
    sheet.pixels = malloc((size_t)3 * (size_t)sheet.width * (size_t)sheet.height);
    if (!sheet.pixels)
        status = error_memory("contact sheet");
    else
        memset(sheet.pixels, PAPER, (size_t)3 * (size_t)sheet.width * (size_t)sheet.height);
    for (int i = 0; !status && i < count; i++)
        status = add(&sheet, i, argv[3 + i]);
    if (!status)
        status = png_write(argv[1], sheet.pixels, sheet.width, sheet.height, 3, (size_t)sheet.width * 3);
    if (status)
        fprintf(stderr, "contact_sheet: %s\n", error_message());
    free(sheet.pixels);
    return status ? 1 : 0;
}
