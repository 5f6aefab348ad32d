/* PNG out: read back through the reader that is tested against Pillow, errors, no leftovers. */
#include "base/error.h"
#include "base/file.h"
#include "media/image.h"
#include "media/png.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sowlv2-png-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static size_t files_in_folder(void)
{
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(stream));)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(stream);
    return count;
}

static void write_and_read(int width, int height, int channels, size_t stride)
{
    uint8_t *pixels = malloc(stride * (size_t)height);
    assert_non_null(pixels);
    for (size_t i = 0; i < stride * (size_t)height; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    char path[128];
    snprintf(path, sizeof(path), "%s/out.png", folder);
    assert_int_equal(png_write(path, pixels, width, height, channels, stride), 0);
    assert_int_equal(files_in_folder(), 1);

    struct image image;
    assert_int_equal(image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const uint8_t *from = pixels + (size_t)y * stride + (size_t)x * (size_t)channels;
            const uint8_t *to = image.pixels + ((size_t)y * (size_t)width + (size_t)x) * 3;
            for (int c = 0; c < 3; c++)
                assert_int_equal(to[c], from[channels == 1 ? 0 : c]);
        }
    }
    image_free(&image);
    free(pixels);
    assert_int_equal(unlink(path), 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const int channels[] = {1, 3, 4};
    for (size_t i = 0; i < 3; i++) {
        size_t c = (size_t)channels[i];
        write_and_read(1, 1, channels[i], c);
        write_and_read(37, 21, channels[i], 37 * c);
        write_and_read(37, 21, channels[i], 37 * c + 11);
    }
}

static void test_masks_are_small(void **state)
{
    (void)state;
    static uint8_t mask[720][1280];
    for (int y = 200; y < 500; y++)
        memset(&mask[y][300 + y / 3], 255, 400);
    char path[128];
    snprintf(path, sizeof(path), "%s/mask.png", folder);
    assert_int_equal(png_write(path, mask[0], 1280, 720, 1, 1280), 0);
    char *data;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &data, &size), 0);
    free(data);
    assert_true(size < 10000);
    assert_int_equal(unlink(path), 0);
}

static void test_errors(void **state)
{
    (void)state;
    static const uint8_t pixels[12] = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/missing/out.png", folder);
    assert_int_equal(png_write(path, pixels, 2, 2, 3, 6), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), path));
    snprintf(path, sizeof(path), "%s/out.png", folder);
    assert_int_equal(png_write(path, pixels, 0, 2, 3, 6), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(png_write(path, pixels, 2, -1, 3, 6), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(png_write(path, pixels, 2, 2, 2, 6), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(png_write(path, pixels, 2, 2, 3, 5), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(files_in_folder(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_masks_are_small),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
