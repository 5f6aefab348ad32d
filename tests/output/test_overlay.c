/* Overlays: where outlines and labels lie, that every other pixel is untouched, and labels that hold
 * anything. */
#include "base/error.h"
#include "output/overlay.h"
#include "output/overlay_internal.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Fontconfig keeps its cache behind offsets instead of pointers: the leak sanitizer takes it for lost. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so\n";
}

struct picture {
    int width, height;
    uint8_t *pixels, *original;
};

static struct picture make_picture(int width, int height)
{
    size_t bytes = (size_t)width * (size_t)height * 3;
    struct picture picture = {width, height, malloc(bytes), malloc(bytes)};
    assert_non_null(picture.pixels);
    assert_non_null(picture.original);
    /* No byte is one of the palette's, so that a drawn pixel always counts as changed. */
    for (size_t i = 0; i < bytes; i++)
        picture.original[i] = (uint8_t)(3 + i * 2654435761u % 12);
    memcpy(picture.pixels, picture.original, bytes);
    return picture;
}

static void free_picture(struct picture *picture)
{
    free(picture->pixels);
    free(picture->original);
}

static void reset(struct picture *picture)
{
    memcpy(picture->pixels, picture->original, (size_t)picture->width * (size_t)picture->height * 3);
}

static const uint8_t *pixel_at(const struct picture *picture, int x, int y)
{
    return picture->pixels + ((size_t)y * (size_t)picture->width + (size_t)x) * 3;
}

static bool is_changed(const struct picture *picture, int x, int y)
{
    const uint8_t *pixel = pixel_at(picture, x, y);
    return memcmp(pixel, picture->original + (pixel - picture->pixels), 3) != 0;
}

static bool has_colour(const struct picture *picture, int x, int y, struct colour colour)
{
    const uint8_t *pixel = pixel_at(picture, x, y);
    return pixel[0] == colour.red && pixel[1] == colour.green && pixel[2] == colour.blue;
}

/* The smallest rectangle around all changed pixels; empty where none is. */
static struct rectangle changed_area(const struct picture *picture)
{
    struct rectangle area = {picture->width, picture->height, 0, 0};
    for (int y = 0; y < picture->height; y++) {
        for (int x = 0; x < picture->width; x++) {
            if (!is_changed(picture, x, y))
                continue;
            area.left = x < area.left ? x : area.left;
            area.top = y < area.top ? y : area.top;
            area.right = x + 1 > area.right ? x + 1 : area.right;
            area.bottom = y + 1 > area.bottom ? y + 1 : area.bottom;
        }
    }
    return area;
}

static void expect_outline(struct picture *picture, const float box[4], struct rectangle outer)
{
    reset(picture);
    struct overlay_item item = {{box[0], box[1], box[2], box[3]}, NULL, 5};
    assert_int_equal(overlay_draw(picture->pixels, picture->width, picture->height, &item, 1, OVERLAY_BOXES), 0);
    int line = overlay_line_width(picture->width, picture->height);
    for (int y = 0; y < picture->height; y++) {
        for (int x = 0; x < picture->width; x++) {
            bool inside = x >= outer.left && x < outer.right && y >= outer.top && y < outer.bottom;
            bool hole =
                x >= outer.left + line && x < outer.right - line && y >= outer.top + line && y < outer.bottom - line;
            if (inside && !hole ? !has_colour(picture, x, y, palette_colour(5)) : is_changed(picture, x, y))
                fail_msg("box %g %g %g %g: pixel %d, %d", (double)box[0], (double)box[1], (double)box[2],
                         (double)box[3], x, y);
        }
    }
}

static void test_outlines(void **state)
{
    (void)state;
    struct picture picture = make_picture(90, 60);
    assert_int_equal(overlay_line_width(90, 60), 2);
    expect_outline(&picture, (float[]){10, 20, 40, 50}, (struct rectangle){9, 19, 41, 51});
    expect_outline(&picture, (float[]){10.4f, 20.6f, 40.4f, 50.6f}, (struct rectangle){9, 20, 41, 52});
    /* At the border the whole thickness stays visible. */
    expect_outline(&picture, (float[]){0, 0, 90, 60}, (struct rectangle){0, 0, 90, 60});
    expect_outline(&picture, (float[]){-50, -1e30f, 1e30f, INFINITY}, (struct rectangle){0, 0, 90, 60});
    /* Too small for a hole. */
    expect_outline(&picture, (float[]){30, 30, 31, 31}, (struct rectangle){29, 29, 32, 32});
    expect_outline(&picture, (float[]){30, 30, 30, 30}, (struct rectangle){29, 29, 31, 31});
    free_picture(&picture);

    picture = make_picture(1500, 1200);
    assert_int_equal(overlay_line_width(1500, 1200), 4);
    expect_outline(&picture, (float[]){100, 200, 1300, 900}, (struct rectangle){98, 198, 1302, 902});
    free_picture(&picture);
}

static void test_invisible_boxes(void **state)
{
    (void)state;
    struct picture picture = make_picture(40, 30);
    const struct rectangle none = {40, 30, 0, 0};
    expect_outline(&picture, (float[]){NAN, 1, 9, 9}, none);
    expect_outline(&picture, (float[]){1, 1, 9, NAN}, none);
    expect_outline(&picture, (float[]){9, 1, 1, 9}, none);
    expect_outline(&picture, (float[]){-20, 1, -10, 9}, none);
    expect_outline(&picture, (float[]){41, 1, 60, 9}, none);
    expect_outline(&picture, (float[]){-INFINITY, 1, -INFINITY, 9}, none);
    struct overlay_item item = {{1, 1, 9, 9}, "cat", 0};
    assert_int_equal(overlay_draw(picture.pixels, 0, 30, &item, 1, OVERLAY_BOXES), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(overlay_draw(picture.pixels, 40, 30, &item, 1, 0), 0);
    assert_int_equal(overlay_draw(picture.pixels, 40, 30, NULL, 0, OVERLAY_BOXES | OVERLAY_LABELS), 0);
    assert_int_equal(changed_area(&picture).right, 0);
    free_picture(&picture);
}

/* Draws the label alone and gives its area, which must be filled without holes. */
static struct rectangle draw_label(struct picture *picture, const float box[4], const char *label, int color)
{
    reset(picture);
    struct overlay_item item = {{box[0], box[1], box[2], box[3]}, label, color};
    assert_int_equal(overlay_draw(picture->pixels, picture->width, picture->height, &item, 1, OVERLAY_LABELS), 0);
    struct rectangle area = changed_area(picture);
    for (int y = area.top; y < area.bottom; y++)
        for (int x = area.left; x < area.right; x++)
            assert_true(is_changed(picture, x, y));
    if (area.left < area.right)
        assert_true(has_colour(picture, area.left, area.top, palette_colour(color)));
    return area;
}

static void test_label_places(void **state)
{
    (void)state;
    struct picture picture = make_picture(400, 300);
    int text = overlay_text_size(400, 300);
    struct rectangle area = draw_label(&picture, (float[]){100, 100, 200, 200}, "cat 0.83", 3);
    assert_int_equal(area.left, 99);
    assert_int_equal(area.bottom, 99); /* on top of the outline */
    assert_true(area.bottom - area.top >= text && area.bottom - area.top <= 3 * text);
    int width = area.right - area.left, height = area.bottom - area.top;
    assert_true(width > 2 * text && width < 10 * text);

    area = draw_label(&picture, (float[]){100, 3, 200, 200}, "cat 0.83", 3); /* no room above */
    assert_int_equal(area.top, 2);
    assert_int_equal(area.bottom - area.top, height);
    area = draw_label(&picture, (float[]){390, 100, 400, 200}, "cat 0.83", 3); /* no room to the right */
    assert_int_equal(area.right, 400);
    assert_int_equal(area.right - area.left, width);
    area = draw_label(&picture, (float[]){-70, 290, 20, 500}, "cat 0.83", 3);
    assert_int_equal(area.left, 0);
    assert_int_equal(area.bottom, 289);

    /* Two labels of one box do not cover each other. */
    reset(&picture);
    struct overlay_item items[2] = {{{100, 100, 200, 200}, "cat 0.83", 3}, {{100, 100, 200, 200}, "dog 0.53", 0}};
    assert_int_equal(overlay_draw(picture.pixels, 400, 300, items, 2, OVERLAY_LABELS), 0);
    area = changed_area(&picture);
    assert_int_equal(area.bottom - area.top, 2 * height);
    free_picture(&picture);
}

static void test_text_is_drawn(void **state)
{
    (void)state;
    static const int colors[] = {3, 4}; /* yellow takes black text, blue white */
    for (int i = 0; i < 2; i++) {
        struct picture picture = make_picture(200, 150);
        struct rectangle area = draw_label(&picture, (float[]){20, 50, 90, 90}, "cat 0.83", colors[i]);
        int extreme = 0;
        for (int y = area.top; y < area.bottom; y++) {
            for (int x = area.left; x < area.right; x++) {
                const uint8_t *p = pixel_at(&picture, x, y);
                int sum = p[0] + p[1] + p[2];
                extreme += i == 0 ? sum < 120 : sum > 645;
            }
        }
        assert_true(extreme > 10);
        free_picture(&picture);
    }
}

static void test_long_label_fits(void **state)
{
    (void)state;
    struct picture picture = make_picture(240, 100);
    char *label = malloc(5000001);
    assert_non_null(label);
    memset(label, 'w', 5000000);
    strcpy(label + 5000000 - 5, " 0.83");
    struct rectangle area = draw_label(&picture, (float[]){100, 50, 200, 90}, label, 1);
    assert_true(area.left >= 0 && area.right <= 240 && area.right - area.left > 200);
    free(label);
    free_picture(&picture);
}

static void test_hostile_labels(void **state)
{
    (void)state;
    static const char *const labels[] = {
        "a\nb",
        "a\r\nb",
        "\xff\xfe\x80",
        "\xf0\x9f\x90",
        "\xed\xa0\x80",
        "\xe2\x80\xae"
        "cat",
        "\x01\x1b[31m red",
        "\xd9\x82\xd8\xb7\xd8\xa9 0.77",
        "\xe7\x8c\xab",
        "\xf0\x9f\x90\xb1",
        "<b>not markup</b> &amp;",
        "%s%n",
        "a\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
        "a\xe2\x80\xa9"
        "b",
        "\xef\xbf\xbf",
        "\xe2\x81\xa6 0.1",
        "\t",
        "one\xe2\x80\x8btwo",
    };
    static const int sizes[][2] = {{200, 150}, {16, 16}, {1, 1}, {3, 200}, {500, 2}};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        struct picture picture = make_picture(sizes[s][0], sizes[s][1]);
        for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++)
            draw_label(&picture, (float[]){0, 0, 9, 9}, labels[i], (int)i);
        free_picture(&picture);
    }
}

static void expect_clean(const char *label, const char *expected)
{
    char *clean = overlay_clean_text(label);
    assert_non_null(clean);
    assert_string_equal(clean, expected);
    free(clean);
}

static void test_clean_text(void **state)
{
    (void)state;
    expect_clean("", "");
    expect_clean("cat 0.83", "cat 0.83");
    expect_clean("caf\xc3\xa9", "caf\xc3\xa9");
    expect_clean("a\nb\r\tc\x7f", "a b  c ");
    expect_clean("a\xe2\x80\xa8"
                 "b\xc2\x85"
                 "c",
                 "a b c");
    expect_clean("\xe2\x80\xae"
                 "cat\xe2\x81\xa9",
                 "cat");
    expect_clean("a\xff"
                 "b",
                 "a\xef\xbf\xbd"
                 "b");

    char label[3 * 2000 + 8] = "";
    for (int i = 0; i < 2000; i++)
        memcpy(label + 3 * i, "\xe7\x8c\xab", 3);
    strcpy(label + 6000, " 0.83");
    char *clean = overlay_clean_text(label);
    assert_non_null(clean);
    assert_true(strlen(clean) < 1000);
    assert_null(strstr(clean, "\xef\xbf\xbd")); /* no character was cut in two */
    assert_non_null(strstr(clean, "\xe2\x80\xa6"));
    assert_string_equal(clean + strlen(clean) - 5, " 0.83");
    free(clean);
    memset(label, 0xff, sizeof(label) - 1);
    label[sizeof(label) - 1] = 0;
    clean = overlay_clean_text(label);
    assert_non_null(clean);
    assert_true(strlen(clean) <= OVERLAY_TEXT_BYTES);
    free(clean);
}

static void test_line_breaks_are_spaces(void **state)
{
    (void)state;
    struct picture one = make_picture(200, 150), two = make_picture(200, 150);
    draw_label(&one, (float[]){20, 60, 90, 90}, "red cat", 1);
    draw_label(&two, (float[]){20, 60, 90, 90}, "red\ncat", 1);
    assert_memory_equal(one.pixels, two.pixels, 200 * 150 * 3);
    assert_int_equal(draw_label(&one, (float[]){20, 60, 90, 90}, "", 1).right, 0);
    assert_int_equal(draw_label(&one, (float[]){20, 60, 90, 90}, "\n \t", 1).right, 0);
    free_picture(&one);
    free_picture(&two);
}

static void test_blend(void **state)
{
    (void)state;
    uint8_t pixels[4 * 3] = {0, 0, 0, 255, 255, 255, 10, 11, 12, 10, 11, 12};
    overlay_blend_run(pixels, 2, 0); /* e6 9f 00 = 230 159 0 */
    overlay_blend_run(pixels + 9, 1, 0);
    static const uint8_t expected[4 * 3] = {115, 80, 0, 243, 207, 128, 10, 11, 12, 120, 85, 6};
    assert_memory_equal(pixels, expected, sizeof(expected));
}

enum { THREADS = 4 };

static void *draw_many(void *argument)
{
    struct picture *picture = argument;
    static const struct overlay_item items[] = {
        {{20, 40, 90, 90}, "cat 0.83", 0},
        {{60, 20, 150, 120}, "\xd9\x82\xd8\xb7\xd8\xa9 0.77", 1},
        {{100, 60, 190, 140}, "\xf0\x9f\x90\xb1 caf\xc3\xa9 0.5", 2},
    };
    for (int i = 0; i < 20; i++) {
        reset(picture);
        if (overlay_draw(picture->pixels, picture->width, picture->height, items, 3, OVERLAY_BOXES | OVERLAY_LABELS))
            return picture;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct picture pictures[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pictures[i] = make_picture(200, 150);
        assert_int_equal(pthread_create(&threads[i], NULL, draw_many, &pictures[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
        assert_memory_equal(pictures[i].pixels, pictures[0].pixels, 200 * 150 * 3);
    }
    for (int i = 0; i < THREADS; i++)
        free_picture(&pictures[i]);
}

/* In a process of its own, before any font was looked up. */
static void test_no_fonts(void **state)
{
    (void)state;
    char config[] = "/tmp/sowlv2-fonts-XXXXXX";
    int fd = mkstemp(config);
    assert_true(fd >= 0);
    static const char text[] = "<fontconfig></fontconfig>\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("FONTCONFIG_FILE", config, 1);
        static uint8_t pixels[100 * 100 * 3];
        const struct overlay_item item = {{10, 40, 90, 90}, "cat 0.83", 0};
        int status = overlay_draw(pixels, 100, 100, &item, 1, OVERLAY_BOXES | OVERLAY_LABELS);
        _exit(status == 0 && pixels[(40 * 100 + 50) * 3] == 0xe6 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    unlink(config);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_fonts),
        cmocka_unit_test(test_outlines),
        cmocka_unit_test(test_invisible_boxes),
        cmocka_unit_test(test_label_places),
        cmocka_unit_test(test_text_is_drawn),
        cmocka_unit_test(test_long_label_fits),
        cmocka_unit_test(test_hostile_labels),
        cmocka_unit_test(test_clean_text),
        cmocka_unit_test(test_line_breaks_are_spaces),
        cmocka_unit_test(test_blend),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
