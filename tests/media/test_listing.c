/* Suffixes, natural order, and what of a folder counts as an image. */
#include "base/error.h"
#include "media/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_suffixes(void **state)
{
    (void)state;
    static const char *const images[] = {"a.jpg", "a.JPEG", "a.b.Png", "x.bmp",  "x.tif",  "x.TIFF",
                                         "a.gif", "a.WebP", "a.avif",  "a.HEIC", "a.heif", "\xc3\xa9.jpg"};
    static const char *const others[] = {"a.jpg.txt", "jpg", ".jpg", "a.jpgx", "", "a.jxl", "a.mp4"};
    for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++)
        assert_true(listing_is_image_name(images[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(listing_is_image_name(others[i]));
    assert_true(listing_is_video_name("clip.MP4"));
    assert_true(listing_is_video_name("clip.avi"));
    assert_true(listing_is_video_name("clip.mov"));
    assert_true(listing_is_video_name("clip.mkv"));
    assert_false(listing_is_video_name("clip.jpg"));
    assert_false(listing_is_video_name(".mp4"));
}

static void test_order(void **state)
{
    (void)state;
    /* Already in order; every pair is compared both ways. */
    static const char *const names[] = {
        "",
        "1.jpg",
        "01.jpg2", /* by value equal to the one before up to the longer rest */
        "2.jpg",
        "10.jpg",
        "99999999999999999999999999.jpg",
        "100000000000000000000000000.jpg",
        "A.jpg",
        "a.jpg",
        "a1b2.jpg",
        "a1b10.jpg",
        "a002.jpg",
        "a02.jpg",
        "a2.jpg",
        "a2b.jpg",
        "img",
        "img0",
        "img9.jpg",
        "img10.jpg",
        "\xc3\xa9.jpg",
    };
    size_t count = sizeof(names) / sizeof(*names);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = listing_compare(names[i], names[j]);
            int expected = i < j ? -1 : i > j;
            if ((order > 0) - (order < 0) != expected)
                fail_msg("\"%s\" and \"%s\" compare as %d", names[i], names[j], order);
        }
    }
}

static void put(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fclose(file);
}

static void take(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    remove(path);
}

static void test_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/sowlv2-listing-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct string_list names;
    assert_int_equal(listing_folder(folder, &names), 0);
    assert_int_equal(names.count, 0);
    string_list_free(&names);

    static const char *const files[] = {"img10.png", "img9.PNG", ".hidden.jpg", "notes.txt", "a b.jpeg", "clip.mp4"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        put(folder, files[i]);
    char path[256], target[256];
    snprintf(path, sizeof(path), "%s/folder.jpg", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/pipe.jpg", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(target, sizeof(target), "%s/img9.PNG", folder);
    snprintf(path, sizeof(path), "%s/link.jpg", folder);
    assert_int_equal(symlink(target, path), 0);
    snprintf(path, sizeof(path), "%s/dangling.jpg", folder);
    assert_int_equal(symlink("nowhere", path), 0);

    static const char *const expected[] = {"a b.jpeg", "dangling.jpg", "img9.PNG", "img10.png", "link.jpg"};
    assert_int_equal(listing_folder(folder, &names), 0);
    assert_int_equal(names.count, sizeof(expected) / sizeof(*expected));
    for (size_t i = 0; i < names.count; i++)
        assert_string_equal(names.items[i], expected[i]);
    string_list_free(&names);

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        take(folder, files[i]);
    take(folder, "folder.jpg");
    take(folder, "pipe.jpg");
    take(folder, "link.jpg");
    take(folder, "dangling.jpg");
    assert_int_equal(rmdir(folder), 0);

    assert_int_equal(listing_folder(folder, &names), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), folder));
    assert_int_equal(names.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suffixes),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
