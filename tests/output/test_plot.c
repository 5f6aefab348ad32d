/* The plot: what it shows where, at every size of video. */
#include "base/file.h"
#include "base/test_folder.h"
#include "output/plot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t count_colour(const struct image *image, int red, int green, int blue)
{
    int64_t count = 0;

    for (size_t i = 0; i < (size_t)image->width * (size_t)image->height; i++) {
        const uint8_t *pixel = image->pixels + 3 * i;

        count += abs(pixel[0] - red) < 3 && abs(pixel[1] - green) < 3 && abs(pixel[2] - blue) < 3;
    }
    return count;
}

static void test_shrink(void **state)
{
    const int sizes[][4] = {
        {1840, 1380, 184, 138}, {1840, 100, 184, 10}, {10, 1380, 1, 138}, {1, 5000, 1, 138}, {20, 10, 20, 10}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct image image = {sizes[i][0], sizes[i][1], NULL}, small;
        const size_t bytes = (size_t)image.width * (size_t)image.height * 3;

        image.pixels = malloc(bytes);
        assert_non_null(image.pixels);
        memset(image.pixels, 200, bytes);
        assert_int_equal(plot_shrink(&image, &small), 0);
        assert_int_equal(small.width, sizes[i][2]);
        assert_int_equal(small.height, sizes[i][3]);
        for (size_t k = 0; k < (size_t)small.width * (size_t)small.height * 3; k++)
            assert_int_equal(small.pixels[k], 200);
        image_free(&small);
        image_free(&image);
    }
}

static void test_plots(void **state)
{
    static struct plot_point points[5000];
    static struct plot_thumb thumbs[60];
    static uint8_t purple[40 * 30 * 3];
    const int64_t counts[][2] = {{0, 0}, {1, 1}, {2, 2}, {5000, 60}};
    char *folder = test_folder_make(), *path = test_path(folder, "plot.png");

    (void)state;
    for (size_t i = 0; i < sizeof(purple); i += 3)
        memcpy(purple + i, (const uint8_t[]){90, 10, 200}, 3);
    for (int i = 0; i < 5000; i++)
        points[i] = (struct plot_point){i * 0.5, (float)(i % 100) / 200.0F, i % 90 == 0, i % 1000 == 0};
    for (int i = 0; i < 60; i++)
        thumbs[i] = (struct plot_thumb){{40, 30, purple}, i + 1, i * 40.0};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        const struct plot plot = {"a title \xff", points, counts[i][0], thumbs, counts[i][1]};
        struct image image;

        assert_int_equal(plot_write(path, &plot), 0);
        assert_int_equal(image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
        const int64_t shown = counts[i][1] < PLOT_MOST_THUMBS ? counts[i][1] : PLOT_MOST_THUMBS;
        assert_int_equal(count_colour(&image, 90, 10, 200), shown * 40 * 30);
        assert_true((count_colour(&image, 217, 64, 26) > 0) == (counts[i][0] > 0));      /* chosen points */
        assert_true((count_colour(&image, 224, 224, 224) > 1000) == (counts[i][0] > 0)); /* the grid */
        image_free(&image);
    }
    const struct plot plot = {"", points, 2, NULL, 0};
    assert_int_not_equal(plot_write("/nonexistent/plot.png", &plot), 0);
    free(path);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shrink), cmocka_unit_test(test_plots)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
