/* Images of callers, from a file and from memory, against Pillow's pixels (tests/reference/make_images.py). */
#include "base/file.h"
#include "goldens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA TEST_DATA "/media/data/"
#define NAME DATA "exif_6.jpg"

/* Where expected.txt has the picture in expected.rgb. */
enum { WIDTH = 7, HEIGHT = 11, OFFSET = 99753, BYTES = 3 * WIDTH * HEIGHT };

static char *data, *expected;
static size_t size;

static int set_up(void **state)
{
    size_t bytes;
    (void)state;
    must(file_read(NAME, 1 << 20, &data, &size));
    must(file_read(DATA "expected.rgb", 1 << 20, &expected, &bytes));
    assert_true(bytes >= OFFSET + BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(data);
    free(expected);
    return 0;
}

static void check(struct sowlv2_decoded_image *image)
{
    assert_int_equal(image->image.width, WIDTH);
    assert_int_equal(image->image.height, HEIGHT);
    assert_ptr_equal(image->image.pixels, image->pixels);
    assert_true(image->image.stride == 0 || image->image.stride == 3 * WIDTH);
    assert_memory_equal(image->pixels, expected + OFFSET, BYTES);
    sowlv2_decoded_image_free(image);
    assert_null(image->pixels);
    assert_null(image->image.pixels);
    assert_int_equal(image->image.width + image->image.height, 0);
    sowlv2_decoded_image_free(image);
}

static void decodes(void **state)
{
    struct sowlv2_decoded_image image;
    (void)state;
    must(sowlv2_image_decode(NAME, NULL, 0, NULL, &image));
    check(&image);
    must(sowlv2_image_decode("from the net", data, size, NULL, &image));
    check(&image);
    must(sowlv2_image_decode(NULL, data, size, NULL, &image));
    check(&image);
}

static void expect(int status, int wanted, const char *text, const struct sowlv2_decoded_image *image)
{
    assert_int_equal(status, wanted);
    if (!strstr(sowlv2_error_message(), text))
        fail_msg("\"%s\" is not in: %s", text, sowlv2_error_message());
    assert_null(image->pixels);
    assert_null(image->image.pixels);
}

static void refuses(void **state)
{
    struct sowlv2_image_options options = sowlv2_image_options_default();
    struct sowlv2_decoded_image image;
    (void)state;
    memset(&image, 0x51, sizeof(image));
    expect(sowlv2_image_decode(DATA "nonexistent.png", NULL, 0, NULL, &image), SOWLV2_ERROR_IO, "nonexistent.png",
           &image);
    memset(&image, 0x51, sizeof(image));
    expect(sowlv2_image_decode(NULL, NULL, 0, NULL, &image), SOWLV2_ERROR_ARGUMENT, "name", &image);
    memset(&image, 0x51, sizeof(image));
    expect(sowlv2_image_decode("from the net", data, 0, NULL, &image), SOWLV2_ERROR_FORMAT, "from the net", &image);
    memset(&image, 0x51, sizeof(image));
    expect(sowlv2_image_decode(NULL, "what is this, no image", 22, NULL, &image), SOWLV2_ERROR_UNSUPPORTED, "image",
           &image);
    options.max_pixels = BYTES / 3 - 1;
    memset(&image, 0x51, sizeof(image));
    expect(sowlv2_image_decode(NAME, NULL, 0, &options, &image), SOWLV2_ERROR_ARGUMENT, "exif_6.jpg", &image);
    options.max_pixels++;
    must(sowlv2_image_decode(NAME, NULL, 0, &options, &image));
    check(&image);
    options.size = 0;
    memset(&image, 0x51, sizeof(image));
    expect(sowlv2_image_decode(NAME, NULL, 0, &options, &image), SOWLV2_ERROR_ARGUMENT,
           "sowlv2_image_options_default()", &image);
}

static int notices;

static void count_notices(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)user_data;
    notices += level == SOWLV2_LOG_NOTICE && strstr(message, "half of it");
}

static void takes_what_is_there(void **state)
{
    struct sowlv2_image_options options = sowlv2_image_options_default();
    struct sowlv2_decoded_image image;
    (void)state;
    const size_t half = size - 20;
    expect(sowlv2_image_decode("half of it", data, half, NULL, &image), SOWLV2_ERROR_FORMAT, "half of it", &image);
    options.allow_truncated = true;
    sowlv2_set_log(count_notices, NULL);
    must(sowlv2_image_decode("half of it", data, half, &options, &image));
    assert_int_equal(notices, 1);
    assert_int_equal(image.image.width, WIDTH);
    assert_int_equal(image.image.height, HEIGHT);
    sowlv2_decoded_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(takes_what_is_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
