/* Images in: pixels against Pillow's (tests/reference/make_images.py), truncation at every byte, what
 * must be refused and how the message reads. */
#include "base/error.h"
#include "base/file.h"
#include "media/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA TEST_DATA "/media/data/"

struct expectation {
    char name[64];
    int width, height;
    size_t offset;
    int tolerance; /* 0, or what the reason beside it in expected.txt explains */
};

/* The notices of the file that is being read, one a line. */
static char notices[1000];

static void take_notice(enum sowlv2_log_level level, const char *message, void *user_data)
{
    size_t length = strlen(notices);
    (void)user_data;
    assert_int_equal(level, SOWLV2_LOG_NOTICE);
    snprintf(notices + length, sizeof(notices) - length, "%s\n", message);
}

/* The files that deserve a word, and a part of it; all others are read without one. */
static const struct {
    const char *begin, *end; /* of their names */
    const char *notice;
} told[] = {
    {"type0_depth16", ".png", "16-bit grey: values above 255 become white"},
    {"grey12", ".tif", "grey of more than 8 bits"},
    {"grey16", ".tif", "grey of more than 8 bits"},
    {"grey32", ".tif", "grey of more than 8 bits"},
    {"lzw_16", ".tif", "grey of more than 8 bits"},
    {"fractions", ".tif", "grey in fractions up to 0.93"},
    {"pages", ".tif", "several pages"},
    {"animation", ".gif", "an animation: its first frame is taken: --as-video takes all"},
    {"animation", ".webp", "an animation: its first frame is taken"},
    {"animation", ".avif", "an animation: its first frame is taken"},
    {"animation_two", ".png", "an animation: its first frame is taken: --as-video takes all"},
    {"deep8", ".png", "use 8 bits only: taken as 8-bit samples"},
    {"deep10", ".png", "use 10 bits only: taken as 10-bit samples"},
    {"deep12", ".png", "use 12 bits only: taken as 12-bit samples"},
    {"deep12", ".tif", "use 12 bits only: taken as 12-bit samples"},
    {"deep14", ".png", "use 14 bits only: taken as 14-bit samples"},
    {"deep14", ".tif", "use 14 bits only: taken as 14-bit samples"},
    {"deep_rgba", "", "use 12 bits only: taken as 12-bit samples"},
    {"deep_grey_alpha", "", "use 12 bits only: taken as 12-bit samples"},
    {"deep_nearly", ".png", "it is nearly black"},
    {"hdr", ".png", "an HDR image (PQ)"},
    {"palette_bytes", ".tif", "use 8 of 16 bits"},
};

static void check_notices(const char *name)
{
    const char *suffix = strrchr(name, '.'), *expected = NULL;
    for (size_t i = 0; i < sizeof(told) / sizeof(*told) && !expected; i++)
        if (strncmp(name, told[i].begin, strlen(told[i].begin)) == 0 && strstr(suffix, told[i].end))
            expected = told[i].notice;
    const char *first = strchr(notices, '\n');
    bool one = first && !first[1];
    if (expected ? !one || !strstr(notices, expected) || !strstr(notices, name) : *notices)
        fail_msg("%s: expected \"%s\", got: %s", name, expected ? expected : "", notices);
}

static char *read_text(const char *path)
{
    char *text;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    return text;
}

/* The lines of expected.txt and the pixels of expected.rgb; freed by the caller. */
static size_t read_expectations(struct expectation **items, uint8_t **pixels, size_t *pixel_bytes)
{
    assert_int_equal(file_read(DATA "expected.rgb", 1 << 20, (char **)pixels, pixel_bytes), 0);
    char *text = read_text(DATA "expected.txt");
    size_t count = 0;
    *items = NULL;
    char *state = NULL;
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        *items = realloc(*items, (count + 1) * sizeof(**items));
        assert_non_null(*items);
        struct expectation *e = &(*items)[count++];
        assert_int_equal(sscanf(line, "%63s %d %d %zu %d", e->name, &e->width, &e->height, &e->offset, &e->tolerance),
                         5);
        assert_true(e->offset + (size_t)e->width * (size_t)e->height * 3 <= *pixel_bytes);
    }
    free(text);
    return count;
}

/* Largest difference of two runs of bytes. */
static int largest_difference(const uint8_t *a, const uint8_t *b, size_t count)
{
    int largest = 0;
    for (size_t i = 0; i < count; i++) {
        int difference = abs(a[i] - b[i]);
        largest = difference > largest ? difference : largest;
    }
    return largest;
}

/* Whether the file's library is one that this build may lack, and does. */
static bool is_left_out(const char *name, int status)
{
    const char *suffix = strrchr(name, '.');
    bool optional = suffix && (strcmp(suffix, ".avif") == 0 || strcmp(suffix, ".heic") == 0);
    return optional && status == SOWLV2_ERROR_UNSUPPORTED && strstr(error_message(), "this build has no lib");
}

static void test_pixels_are_pillows(void **state)
{
    size_t left_out = 0;
    (void)state;
    struct expectation *items;
    uint8_t *pixels;
    size_t pixel_bytes, count = read_expectations(&items, &pixels, &pixel_bytes), wrong = 0;
    assert_true(count > 370);
    for (size_t i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof(path), DATA "%s", items[i].name);
        struct image image;
        *notices = '\0';
        int status = image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image);
        if (status && is_left_out(items[i].name, status)) {
            left_out++;
            continue;
        }
        if (status) {
            print_error("%s: %s\n", items[i].name, error_message());
            wrong++;
            continue;
        }
        check_notices(items[i].name);
        if (image.width != items[i].width || image.height != items[i].height) {
            print_error("%s: %d x %d, expected %d x %d\n", items[i].name, image.width, image.height, items[i].width,
                        items[i].height);
            wrong++;
        } else {
            int difference = largest_difference(image.pixels, pixels + items[i].offset,
                                                (size_t)image.width * (size_t)image.height * 3);
            if (!(difference <= items[i].tolerance)) {
                print_error("%s: pixels differ by up to %d\n", items[i].name, difference);
                wrong++;
            }
        }
        image_free(&image);
        assert_null(image.pixels);
    }
    if (left_out > 0)
        print_message("%zu files left out: built without libavif or libheif\n", left_out);
    assert_int_equal(wrong, 0);
    free(items);
    free(pixels);
}

/* A file cut anywhere is refused, or read with every pixel right: JPEG without the end marker alone, PNG without
 * the checksum of the end chunk, others without what follows their pixels. */
static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    struct expectation *items;
    uint8_t *pixels;
    size_t pixel_bytes, count = read_expectations(&items, &pixels, &pixel_bytes);
    for (size_t i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof(path), DATA "%s", items[i].name);
        char *data;
        size_t size;
        assert_int_equal(file_read(path, 1 << 20, &data, &size), 0);
        /* These hold bytes behind the end of the first picture. */
        bool longer = strcmp(items[i].name, "after_end.jpg") == 0 || strcmp(items[i].name, "two_pictures.jpg") == 0;
        bool end_mark = strstr(items[i].name, ".jpg") || strstr(items[i].name, ".png");
        for (size_t cut = 1; cut < size; cut += 1 + size / 2000) {
            /* A copy of the exact size, so that the address sanitizer sees reads past its end. */
            char *part = malloc(size - cut);
            assert_non_null(part);
            memcpy(part, data, size - cut);
            struct image image;
            int status = image_decode(items[i].name, part, size - cut, IMAGE_DEFAULT_MAX_PIXELS, &image);
            free(part);
            if (status) {
                assert_null(image.pixels);
                continue;
            }
            int difference = largest_difference(image.pixels, pixels + items[i].offset,
                                                (size_t)image.width * (size_t)image.height * 3);
            image_free(&image);
            if ((cut > 4 && !longer && end_mark) || !(difference <= items[i].tolerance))
                fail_msg("%s: accepted without its last %zu bytes", items[i].name, cut);
        }
        free(data);
    }
    free(items);
    free(pixels);
}

static void test_invalid_files(void **state)
{
    (void)state;
    char *text = read_text(DATA "invalid.txt");
    char *lines = NULL;
    size_t count = 0;
    for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines), count++) {
        char name[64], error[32], path[512];
        assert_int_equal(sscanf(line, "%63s %31s", name, error), 2);
        snprintf(path, sizeof(path), DATA "%s", name);
        int expected = strcmp(error, "FORMAT") == 0 ? SOWLV2_ERROR_FORMAT : SOWLV2_ERROR_UNSUPPORTED;
        struct image image;
        int status = image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image);
        if (status != expected && !is_left_out(name, status))
            fail_msg("%s: status %d, expected %d: %s", name, status, expected, status ? error_message() : "read");
        assert_null(image.pixels);
        assert_non_null(strstr(error_message(), name));
        assert_null(strchr(error_message(), '\n'));
    }
    assert_true(count >= 30);
    free(text);
}

static void expect_message(const void *data, size_t size, int status, const char *part)
{
    struct image image;
    assert_int_equal(image_decode("photo", data, size, IMAGE_DEFAULT_MAX_PIXELS, &image), status);
    if (!strstr(error_message(), part))
        fail_msg("\"%s\" does not contain \"%s\"", error_message(), part);
    assert_null(image.pixels);
}

static void test_other_formats_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } formats[] = {
        {"RIFF\x10\0\0\0AVI LIST", 16, "AVI"},
        {"\0\0\0\x18"
         "ftypisom\0\0\0\0",
         16, "MP4"},
        {"\x1a\x45\xdf\xa3\x01\0\0\0", 8, "Matroska"},
        {"\xff\x0a\xfa\x1f", 4, "JPEG XL"},
        {"%PDF-1.7\n", 9, "PDF"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS"},
        {"<!DOCTYPE html><html>", 21, "web page"},
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        expect_message(formats[i].bytes, formats[i].size, SOWLV2_ERROR_UNSUPPORTED, formats[i].name);
        assert_non_null(strstr(error_message(), "photo"));
    }
    expect_message("hello", 5, SOWLV2_ERROR_UNSUPPORTED, "not an image");
    expect_message("\xff", 1, SOWLV2_ERROR_UNSUPPORTED, "not an image");
    expect_message("", 0, SOWLV2_ERROR_FORMAT, "empty");
}

static void test_errors_say_truncated(void **state)
{
    (void)state;
    static const char *const names[] = {DATA "quality_95.jpg", DATA "progressive_2.jpg", DATA "type2_depth8.png",
                                        DATA "type3_depth4_interlaced.png"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *data;
        size_t size;
        assert_int_equal(file_read(names[i], 1 << 20, &data, &size), 0);
        expect_message(data, size * 3 / 4, SOWLV2_ERROR_FORMAT, "truncated");
        expect_message(data, size - 5, SOWLV2_ERROR_FORMAT, "truncated");
        free(data);
    }
}

static void test_pixel_limit(void **state)
{
    (void)state;
    struct image image;
    assert_int_equal(image_read(DATA "type2_depth8.png", 21 * 13, &image), 0);
    image_free(&image);
    assert_int_equal(image_read(DATA "type2_depth8.png", 21 * 13 - 1, &image), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "21 x 13"));
    assert_int_equal(image_read(DATA "quality_75.jpg", 35 * 27 - 1, &image), SOWLV2_ERROR_ARGUMENT);
    assert_null(image.pixels);

    /* 65500 x 65500 declared in a small file: refused before anything of that size is allocated. */
    char *data;
    size_t size;
    assert_int_equal(file_read(DATA "no_markers.jpg", 1 << 20, &data, &size), 0);
    static const char frame[] = {8, 0, 27, 0, 35, 3};
    char *header = memmem(data, size, frame, sizeof(frame));
    assert_non_null(header);
    memcpy(header + 1, "\xff\xdc\xff\xdc", 4);
    expect_message(data, size, SOWLV2_ERROR_ARGUMENT, "65500 x 65500");
    free(data);
}

/* Scans of no content, each a pass over the whole picture, behind a progressive file's own. */
static void test_scan_limit(void **state)
{
    (void)state;
    char *data;
    size_t size;
    assert_int_equal(file_read(DATA "progressive_grey.jpg", 1 << 20, &data, &size), 0);
    static const char start[] = {(char)0xff, (char)0xda};
    char *scan = memmem(data, size, start, 2); /* the first scan: coefficients 0 */
    assert_non_null(scan);
    char *behind = memmem(scan + 2, size - (size_t)(scan + 2 - data), start, 2);
    char *tables = memmem(scan + 2, size - (size_t)(scan + 2 - data), "\xff\xc4", 2);
    assert_non_null(behind);
    if (tables && tables < behind)
        behind = tables;
    size_t before = (size_t)(scan - data), length = (size_t)(behind - scan), repeats = 600;
    char *many = malloc(size + repeats * length);
    assert_non_null(many);
    memcpy(many, data, before);
    for (size_t i = 0; i <= repeats; i++)
        memcpy(many + before + i * length, scan, length);
    memcpy(many + before + (repeats + 1) * length, behind, size - before - length);
    expect_message(many, size + repeats * length, SOWLV2_ERROR_FORMAT, "scans");
    free(many);
    free(data);
}

static void test_only_regular_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/sowlv2-image-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char fifo[64];
    snprintf(fifo, sizeof(fifo), "%s/pipe.jpg", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    const char *const paths[] = {folder, fifo, "/dev/zero", "/nonexistent/photo.jpg"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct image image;
        assert_int_equal(image_read(paths[i], IMAGE_DEFAULT_MAX_PIXELS, &image), SOWLV2_ERROR_IO);
        assert_non_null(strstr(error_message(), paths[i]));
        assert_null(image.pixels);
    }
    unlink(fifo);
    rmdir(folder);
}

static size_t read_file(const char *path, uint8_t *out, size_t most)
{
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    const size_t count = fread(out, 1, most, file);
    assert_int_equal(fclose(file), 0);
    assert_true(count > 4 && count < most);
    return count;
}

/* Reads `count` bytes as a file; its notices are then in `notices`. */
static void read_bytes(const uint8_t *bytes, size_t count)
{
    char path[] = "/tmp/test_image.XXXXXX";
    const int file = mkstemp(path);
    struct image image;

    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, count), (ssize_t)count);
    close(file);
    *notices = '\0';
    const int status = image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image);
    unlink(path);
    assert_int_equal(status, 0);
    image_free(&image);
}

/* Pictures one behind another, as films of JPEG are, are told of; the previews that cameras list behind theirs are not,
 * nor is one picture, also with other bytes behind it. */
static void test_jpeg_streams(void **state)
{
    static const char *const names[] = {"arithmetic_420.jpg", "arithmetic_420_progressive.jpg", "cmyk_plain.jpg"};
    static const uint8_t mpf[] = {0xff, 0xe2, 0, 8, 'M', 'P', 'F', 0, 0, 0};
    static uint8_t bytes[1 << 18];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[512];
        snprintf(path, sizeof(path), DATA "%s", names[i]);
        const size_t count = read_file(path, bytes, sizeof(bytes) / 4);

        read_bytes(bytes, count);
        assert_string_equal(notices, "");
        memcpy(bytes + count, bytes, count);
        read_bytes(bytes, 2 * count);
        assert_non_null(strstr(notices, "several JPEG pictures one after another: the first is taken: --as-video"));
        assert_ptr_equal(strchr(notices, '\n'), strrchr(notices, '\n'));
        read_bytes(bytes, count + 1);
        assert_string_equal(notices, "");
        memmove(bytes + 2 + sizeof(mpf), bytes + 2, 2 * count - 2);
        memcpy(bytes + 2, mpf, sizeof(mpf));
        read_bytes(bytes, 2 * count + sizeof(mpf));
        assert_string_equal(notices, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels_are_pillows),   cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_invalid_files),        cmocka_unit_test(test_other_formats_are_named),
        cmocka_unit_test(test_errors_say_truncated), cmocka_unit_test(test_pixel_limit),
        cmocka_unit_test(test_scan_limit),           cmocka_unit_test(test_only_regular_files),
        cmocka_unit_test(test_jpeg_streams),
    };
    sowlv2_set_log(take_notice, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
