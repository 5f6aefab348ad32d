/* What runs over made-up images and a made-up video leave, file by file, against hashes that are kept in
 * data/same_outputs.txt: a change of the code that changes a byte is seen. Labels are left out, since they depend on
 * the fonts of the machine; of videos that an encoder makes only the names count, of lossless ones the pictures.
 *
 * SOWLV2_TEST_WRITE=1 writes the list anew. */
#include "base/file.h"
#include "base/test_folder.h"
#include "fake_detector.h"
#include "media/png.h"
#include "output/hash.h"
#include "pipeline/track_case.h"
#include "run_case.h"
#include "video/support.h"

#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIST TEST_DATA "/pipeline/data/same_outputs.txt"

enum { MOST_FILES = 600, WIDTH = 76, HEIGHT = 58, FRAMES = 9, LATE_FIRST = 4, LATE_LAST = 7 };

static char *lines[MOST_FILES];
static size_t line_count, root_length;
static const char *run_name;

static bool ends_with(const char *name, const char *end)
{
    const size_t length = strlen(name), size = strlen(end);

    return length >= size && strcmp(name + length - size, end) == 0;
}

static uint64_t hash_pictures(const char *path)
{
    struct clip clip = clip_read(path, NULL);
    const size_t size = (size_t)clip.width * (size_t)clip.height * 3 * (size_t)clip.count;
    uint64_t hash = hash_bytes(HASH_START, clip.pixels, size);

    for (int i = 0; i < clip.count; i++) {
        const int64_t milliseconds = (int64_t)(clip.times[i] * 1000 + 0.5);

        hash = hash_bytes(hash, &milliseconds, sizeof(milliseconds));
    }
    clip_free(&clip);
    return hash;
}

static uint64_t hash_file(const char *path)
{
    char *bytes;
    size_t size;
    uint64_t hash;

    assert_int_equal(file_read(path, 1 << 26, &bytes, &size), 0);
    hash = hash_bytes(HASH_START, bytes, size);
    free(bytes);
    return hash;
}

static int take_file(const char *path, const struct stat *info, int type, struct FTW *place)
{
    const char *below = path + root_length + 1;

    (void)info;
    (void)place;
    if (type != FTW_F || strncmp(below, ".sowlv2/", 8) == 0)
        return 0;
    assert_true(line_count < MOST_FILES);
    if (ends_with(path, ".mp4"))
        assert_true(asprintf(&lines[line_count++], "%s/%s -\n", run_name, below) > 0);
    else
        assert_true(asprintf(&lines[line_count++], "%s/%s %016" PRIx64 "\n", run_name, below,
                             ends_with(path, ".mkv") ? hash_pictures(path) : hash_file(path)) > 0);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Takes the hashes of all files in the folder. */
static void take_folder(const char *folder, const char *name)
{
    const size_t before = line_count;

    run_name = name;
    root_length = strlen(folder);
    assert_int_equal(nftw(folder, take_file, 16, FTW_PHYS), 0);
    qsort(lines + before, line_count - before, sizeof(lines[0]), compare);
}

static void add_pattern(const struct run_case *run, const char *name, int width, int height)
{
    char *path = test_path(run->photos, name);
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);

    assert_non_null(pixels);
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++)
        pixels[i] = (uint8_t)(i * 7 + i * i % 31);
    assert_int_equal(png_write(path, pixels, width, height, 3, (size_t)width * 3), 0);
    free(pixels);
    free(path);
}

static void run_images(const char *name, bool masks, bool binary, bool merged)
{
    struct run_case *run = open_case();

    run->segmenter = masks ? fake_segmenter : NULL;
    run->job.masks = binary;
    run->job.overlays = true;
    run->job.crops = true;
    run->job.merged = merged;
    run->job.draw = SOWLV2_DRAW_BOXES | SOWLV2_DRAW_MASKS;
    add_pattern(run, "a.png", 40, 30);
    add_pattern(run, "b.png", 9, 12); /* nothing is found */
    add_pattern(run, "c.jpg.png", 64, 48);
    add_pattern(run, "deep.png", 25, 33);
    assert_int_equal(process(run), 0);
    take_folder(run->output, name);
    close_case(run);
}

static void run_video(const char *name, bool pictures, bool binary, bool merged, bool rle)
{
    char *folder = test_folder_make();
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
    struct track_output *output;

    options.outputs.pictures = pictures;
    track_case_job.masks = binary;
    track_case_job.merged = merged;
    track_case_job.rle = rle;
    track_case_job.draw = SOWLV2_DRAW_BOXES | SOWLV2_DRAW_MASKS;
    track_case_job.mask_codec = SOWLV2_MASK_FFV1;
    track_case_job.max_object_films = 2;
    options.threads = 3;
    assert_int_equal(track_output_open(&options, &output), 0);
    for (int64_t number = 1; number <= FRAMES; number++) {
        struct output_frame frame = track_case_frame(WIDTH, HEIGHT, number, 0.5 + 0.04 * (double)number);

        track_case_object(&frame, 1, 0, number == 4);
        if (number >= LATE_FIRST && number <= LATE_LAST)
            track_case_object(&frame, 2, 1, false);
        track_case_object(&frame, 3, -1, false);
        assert_int_equal(track_output_add(output, &frame), 0);
        if (number == LATE_LAST)
            track_output_end_object(output, 2);
    }
    assert_int_equal(track_output_close(&output, true, NULL), 0);
    take_folder(folder, name);
    test_folder_remove(folder);
}

static void write_list(void)
{
    FILE *file = fopen(LIST, "w");

    assert_non_null(file);
    for (size_t i = 0; i < line_count; i++)
        fputs(lines[i], file);
    assert_int_equal(fclose(file), 0);
}

static void test_same(void **state)
{
    FILE *file;
    char *line = NULL;
    size_t size = 0, at = 0;

    (void)state;
    run_images("images", true, true, true);
    run_images("rows", true, false, false);
    run_images("boxes", false, true, true);
    run_video("video", true, true, true, true);
    run_video("few", false, true, false, false);
    run_video("none", true, false, true, false);
    if (getenv("SOWLV2_TEST_WRITE"))
        write_list();
    file = fopen(LIST, "r");
    assert_non_null(file);
    for (; getline(&line, &size, file) > 0; at++)
        if (at >= line_count || strcmp(line, lines[at]) != 0)
            fail_msg("kept %snow  %s", line, at < line_count ? lines[at] : "nothing");
    if (at < line_count)
        fail_msg("new: %s", lines[at]);
    assert_true(at > 100);
    fclose(file);
    free(line);
    for (size_t i = 0; i < line_count; i++)
        free(lines[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
