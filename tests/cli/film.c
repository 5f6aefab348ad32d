/* The film of the tests of videos, and checks of rows, masks and videos. */
#include "film.h"

#include "base/error.h"
#include "base/file.h"
#include "media/image.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIP TEST_DATA "/../examples/data/clip_01.mp4"

char *film_folder, *film_path, *film_output;
struct clip film_scene;

/* Grey slopes that move a little. */
static void paint_nothing(uint8_t *pixels, int width, int height, int frame)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memset(pixels + 3 * ((size_t)y * (size_t)width + (size_t)x), 200 - x / 8 + y / 16 + frame, 3);
}

char *film_write(const char *name, int width, int height, int count, int empty, enum video_codec codec)
{
    const struct video_writer_options options = {
        .width = width, .height = height, .channels = 3, .frame_rate = RATE, .codec = codec};
    char *path = test_path(film_folder, name);
    uint8_t *pixels = malloc((size_t)WIDTH * HEIGHT * 3);
    struct video_writer *writer;

    assert_non_null(pixels);
    test_write_text(film_folder, name, ""); /* makes its folder */
    assert_int_equal(video_writer_open(path, &options, &writer), 0);
    for (int i = 0; i < count; i++) {
        size_t stride = (size_t)width * 3;

        if (i < empty) {
            paint_nothing(pixels, width, height, i);
        } else {
            memcpy(pixels, clip_frame(&film_scene, (i - empty) % film_scene.count), (size_t)WIDTH * HEIGHT * 3);
            stride = (size_t)WIDTH * 3;
        }
        assert_int_equal(video_writer_add(writer, pixels, stride, (double)i / RATE), 0);
    }
    assert_int_equal(video_writer_close(&writer), 0);
    free(pixels);
    return path;
}

int film_set_up_all(void **state)
{
    (void)state;
    film_scene = clip_read(CLIP, &(struct video_reader_options){.frames.last = 16});
    return 0;
}

int film_tear_down_all(void **state)
{
    (void)state;
    clip_free(&film_scene);
    return 0;
}

int film_set_up(void **state)
{
    (void)state;
    film_folder = test_folder_make();
    film_output = test_path(film_folder, "out");
    film_path = film_write("film.mp4", WIDTH, HEIGHT, FRAMES, EMPTY, VIDEO_CODEC_H264);
    return 0;
}

int film_tear_down(void **state)
{
    (void)state;
    free(film_path);
    free(film_output);
    test_folder_remove(film_folder);
    return 0;
}

json_t *film_rows(const char *name)
{
    char *path = test_path(film_output, name);
    json_t *rows = track_case_rows(path);

    free(path);
    return rows;
}

int64_t film_whole(const json_t *row, const char *key)
{
    assert_true(json_is_integer(json_object_get(row, key)));
    return json_integer_value(json_object_get(row, key));
}

double film_number(const json_t *row, const char *key)
{
    assert_true(json_is_number(json_object_get(row, key)));
    return json_number_value(json_object_get(row, key));
}

int64_t film_count_white(const char *name)
{
    char *path = test_path(film_output, name);
    struct image image;
    int64_t count = 0;

    if (image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image) != 0)
        fail_msg("%s", error_message());
    for (size_t i = 0; i < (size_t)image.width * (size_t)image.height; i++) {
        assert_true(image.pixels[3 * i] == 0 || image.pixels[3 * i] == 255);
        count += image.pixels[3 * i] == 255;
    }
    image_free(&image);
    free(path);
    return count;
}

enum { MOST_IDS = 64 };

/* One object of a row as the contract has it; its prompt may change, where doubt finds another one. */
static void check_object(const json_t *object, const json_t *row, bool pictures)
{
    const int64_t id = film_whole(object, "id"), area = film_whole(object, "area");
    const char *prompt = json_string_value(json_object_get(object, "prompt"));
    const json_t *box = json_object_get(object, "box"), *mask = json_object_get(object, "mask");

    assert_in_range(id, 1, MOST_IDS - 1);
    assert_non_null(prompt);
    assert_true(strcmp(prompt, "turtle") == 0 || strcmp(prompt, "guitar") == 0 || strcmp(prompt, "banana") == 0);
    assert_true(film_number(object, "score") > 0.1 && film_number(object, "score") <= 1);
    assert_true(isfinite(film_number(object, "object_score")) && isfinite(film_number(object, "mask_score")));
    assert_int_equal(json_is_true(json_object_get(object, "lost")), area == 0);
    assert_int_equal(json_is_null(box), area == 0);
    for (size_t i = 0; i < 4 && area > 0; i++) {
        const double most = film_number(row, i % 2 ? "height" : "width");

        assert_true(json_is_real(json_array_get(box, i)));
        assert_true(json_number_value(json_array_get(box, i)) >= 0 &&
                    json_number_value(json_array_get(box, i)) <= most);
    }
    assert_int_equal(json_is_string(mask), pictures);
    if (pictures)
        assert_int_equal(film_count_white(json_string_value(mask)), area);
    else
        assert_true(json_is_string(json_object_get(json_object_get(object, "rle"), "counts")));
}

size_t film_check_rows(const json_t *rows, const char *name, int64_t first, int64_t count, int width, int height,
                       bool pictures)
{
    bool seen[MOST_IDS] = {0}, gone[MOST_IDS] = {0};
    size_t objects = 0;

    if (count >= 0)
        assert_int_equal(json_array_size(rows), count);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i), *list = json_object_get(row, "objects");
        bool now[MOST_IDS] = {0};

        assert_string_equal(json_string_value(json_object_get(row, "video")), name);
        assert_int_equal(film_whole(row, "frame"), first + (int64_t)i);
        assert_int_equal(film_whole(row, "width"), width);
        assert_int_equal(film_whole(row, "height"), height);
        assert_true(json_is_array(list));
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *object = json_array_get(list, k);

            check_object(object, row, pictures);
            now[film_whole(object, "id")] = true;
        }
        for (size_t id = 0; id < MOST_IDS; id++) {
            assert_false(now[id] && gone[id]); /* given up is given up */
            gone[id] = seen[id] && !now[id];
            objects += now[id] && !seen[id];
            seen[id] = seen[id] || now[id];
        }
    }
    return objects;
}

void film_check_video(const char *below, const json_t *rows, int width, int height)
{
    char *path = test_path(film_output, below);
    struct clip clip = clip_read(path, NULL);
    const double start = film_number(json_array_get(rows, 0), "time");

    assert_int_equal(clip.count, json_array_size(rows));
    assert_int_equal(clip.width, width);
    assert_int_equal(clip.height, height);
    for (int i = 0; i < clip.count; i++)
        assert_true(fabs(clip.times[i] - (film_number(json_array_get(rows, (size_t)i), "time") - start)) < 2e-3);
    assert_int_equal(clip.damage.skipped + clip.damage.concealed, 0);
    clip_free(&clip);
    free(path);
}

char *film_read_text(const char *below)
{
    char *path = test_path(film_output, below), *text;
    size_t size;

    if (file_read(path, 1 << 26, &text, &size) != 0)
        fail_msg("%s", error_message());
    free(path);
    return text;
}

size_t film_count_lines(const char *below)
{
    char *text = film_read_text(below);
    size_t lines = 0;

    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    free(text);
    return lines;
}

void film_wait_for_rows(const char *below, size_t count)
{
    char *path = test_path(film_output, below);

    for (int tries = 0; tries < 6000; tries++) {
        const struct timespec moment = {.tv_nsec = 10000000};

        if (file_exists(path) && film_count_lines(below) >= count)
            break;
        nanosleep(&moment, NULL);
    }
    free(path);
}
