/* Suffixes, natural order, and what of a folder counts as an image. */
#include "base/error.h"
#include "base/test_folder.h"
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
    static const char *const videos[] = {"a.mjpeg", "a.MJPG", "a.asf",  "a.3g2",  "a.divx", "a.dv",   "a.rm",  "a.obu",
                                         "a.h263",  "a.m2ts", "a.webm", "a.rmvb", "a.f4v",  "a.h265", "a.vob", "a.ogv"};
    for (size_t i = 0; i < sizeof(videos) / sizeof(*videos); i++)
        assert_true(listing_is_video_name(videos[i]) && !listing_is_image_name(videos[i]));
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

static void expect_list(const struct string_list *list, const char *const *names)
{
    size_t count = 0;
    for (; names[count]; count++) {
        assert_true(count < list->count);
        assert_string_equal(list->items[count], names[count]);
    }
    assert_int_equal(list->count, count);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Images, films and the rest, here and below; what is left out is counted, and some of it named. */
static void test_walk(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *output = test_path(folder, "out");
    static const char *const files[] = {"b.jpg",          "a10.MP4",   "a9.mov",   ".hidden.mp4", "x.txt",
                                        "y.txt",          "z.txt",     "zz.pdf",   "sub/c.png",   "sub/d.asf",
                                        "sub/deep/e.mkv", "sub/n.txt", "out/f.png"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        test_write_text(folder, files[i], strstr(files[i], "txt") ? "text" : "\x01\x02");
    test_write(folder, "sub/film", "\x1A\x45\xDF\xA3 and so on", 14); /* by its content alone */
    struct listing_options options = {.leave_out = output};
    struct listing listing;
    assert_int_equal(listing_walk(folder, &options, &listing), 0);
    expect_list(&listing.images, LIST("b.jpg"));
    expect_list(&listing.videos, LIST("a9.mov", "a10.MP4"));
    assert_int_equal(listing.files, 4);
    assert_int_equal(listing.some.count, 3);
    assert_int_equal(listing.folders, 1); /* not the output */
    listing_free(&listing);

    options.recursive = true;
    assert_int_equal(listing_walk(folder, &options, &listing), 0);
    expect_list(&listing.images, LIST("b.jpg", "sub/c.png"));
    expect_list(&listing.videos, LIST("a9.mov", "a10.MP4", "sub/d.asf", "sub/deep/e.mkv", "sub/film"));
    assert_int_equal(listing.files, 5);
    assert_int_equal(listing.folders, 0);
    assert_false(listing.cut);
    listing_free(&listing);

    options.any = true;
    assert_int_equal(listing_walk(folder, &options, &listing), 0);
    assert_int_equal(listing.images.count + listing.videos.count, 1);
    listing_free(&listing);
    options = (struct listing_options){.recursive = true, .most = 5};
    assert_int_equal(listing_walk(folder, &options, &listing), 0);
    assert_true(listing.cut);
    assert_true(listing.images.count + listing.videos.count + listing.files <= 5);
    listing_free(&listing);
    assert_int_equal(listing_walk("/nonexistent/folder", &options, &listing), SOWLV2_ERROR_IO);
    listing_free(&listing);
    free(output);
    test_folder_remove(folder);
}

/* What the kernel says of itself has no end. */
static void test_kernel(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    test_link("/proc/self", folder, "link");
    test_write_text(folder, "a.png", "");
    const struct listing_options options = {.recursive = true};
    struct listing listing;
    assert_int_equal(listing_walk(folder, &options, &listing), 0);
    expect_list(&listing.images, LIST("a.png"));
    expect_list(&listing.videos, LIST(NULL));
    assert_int_equal(listing.files, 0);
    listing_free(&listing);
    test_folder_remove(folder);
}

static void test_folders(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *deep = test_path(folder, "a/b"), *hidden = test_path(folder, "a/.c/x");
    test_write_text(folder, "a/b/x", "");
    test_write_text(folder, "a/.c/x", "");
    test_write_text(folder, "d/x", "");
    struct string_list folders = {0};
    assert_int_equal(listing_folders(folder, NULL, &folders), 0);
    assert_int_equal(folders.count, 4);
    assert_string_equal(folders.items[0], folder);
    bool found = false;
    for (size_t i = 0; i < folders.count; i++) {
        found = found || strcmp(folders.items[i], deep) == 0;
        assert_null(strstr(folders.items[i], "/.c"));
    }
    assert_true(found);
    string_list_free(&folders);
    free(deep);
    free(hidden);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suffixes), cmocka_unit_test(test_order),  cmocka_unit_test(test_folder),
        cmocka_unit_test(test_walk),     cmocka_unit_test(test_kernel), cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
