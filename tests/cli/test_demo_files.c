/* What the demo models leave of the sample images and of a part of a video: the names of all files, and rows that say
 * the same as those that are kept in data/demo_files.txt and data/demo_rows.jsonl. Numbers may differ a little, since
 * processors round in different ways; that files are the same byte for byte, test_same_outputs.c says.
 *
 * SOWLV2_TEST_WRITE=1 writes both anew. */
#include "base/test_folder.h"
#include "tool.h"

#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define SAMPLES TEST_DATA "/../examples/data"
#define FILES TEST_DATA "/cli/data/demo_files.txt"
#define ROWS TEST_DATA "/cli/data/demo_rows.jsonl"

enum { MOST_LINES = 1000 };

struct lines {
    char *items[MOST_LINES];
    size_t count;
};

static struct lines files;
static size_t root_length;

static void add_line(struct lines *lines, const char *text)
{
    assert_true(lines->count < MOST_LINES);
    lines->items[lines->count] = strdup(text);
    assert_non_null(lines->items[lines->count++]);
}

static void free_lines(struct lines *lines)
{
    while (lines->count > 0)
        free(lines->items[--lines->count]);
}

static void read_lines(const char *path, struct lines *lines)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;

    if (!file)
        fail_msg("%s cannot be opened", path);
    while (getline(&line, &size, file) > 0)
        add_line(lines, line);
    free(line);
    fclose(file);
}

static void write_lines(const char *path, const struct lines *lines)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < lines->count; i++)
        fputs(lines->items[i], file);
    assert_int_equal(fclose(file), 0);
}

static int take_file(const char *path, const struct stat *info, int type, struct FTW *place)
{
    char name[512];

    (void)info;
    (void)place;
    if (type != FTW_F || strstr(path, "/.sowlv2/"))
        return 0;
    snprintf(name, sizeof(name), "%s\n", path + root_length + 1);
    add_line(&files, name);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How much a number may differ. */
static double tolerance(const char *key, double kept)
{
    if (strcmp(key, "area") == 0)
        return 20 + 0.02 * kept;
    if (strcmp(key, "box") == 0)
        return 2; /* that of a mask ends at whole pixels */
    if (strcmp(key, "object_score") == 0)
        return 0.2;
    if (strcmp(key, "confidence") == 0)
        return 0.05;
    return strstr(key, "score") ? 0.02 : 0;
}

static void expect_same(const json_t *now, const json_t *kept, const char *key, const char *row)
{
    const char *name;
    const json_t *item;

    if (json_typeof(now) != json_typeof(kept))
        fail_msg("%s is not what it was in %s", key, row);
    if (json_is_object(kept)) {
        assert_int_equal(json_object_size(now), json_object_size(kept));
        json_object_foreach((json_t *)(uintptr_t)kept, name, item)
        {
            if (strcmp(name, "job") != 0)
                expect_same(json_object_get(now, name), item, name, row);
        }
    } else if (json_is_array(kept)) {
        assert_int_equal(json_array_size(now), json_array_size(kept));
        for (size_t i = 0; i < json_array_size(kept); i++)
            expect_same(json_array_get(now, i), json_array_get(kept, i), key, row);
    } else if (json_is_number(kept)) {
        const double wanted = json_number_value(kept);

        if (!(fabs(json_number_value(now) - wanted) <= tolerance(key, wanted)))
            fail_msg("%s is %g, not %g as in %s", key, json_number_value(now), wanted, row);
    } else if (!json_equal((json_t *)(uintptr_t)now, (json_t *)(uintptr_t)kept)) {
        fail_msg("%s is not what it was in %s", key, row);
    }
}

static void expect_rows(const struct lines *now, const struct lines *kept)
{
    assert_int_equal(now->count, kept->count);
    for (size_t i = 0; i < kept->count; i++) {
        json_t *row = json_loads(now->items[i], JSON_REJECT_DUPLICATES, NULL),
               *was = json_loads(kept->items[i], 0, NULL);

        assert_non_null(row);
        assert_non_null(was);
        expect_same(row, was, "", kept->items[i]);
        json_decref(row);
        json_decref(was);
    }
}

static void test_files(void **state)
{
    char *folder = test_folder_make(), *output = test_path(folder, "out");
    char *images = test_path(output, "results.jsonl"), *video = test_path(output, "clip_02/results.jsonl");
    struct lines rows = {0}, kept_files = {0}, kept_rows = {0};

    (void)state;
    tool_expect(0, NULL,
                ARGUMENTS("detect", "--quiet", "--owl-model", "demo", "--sam-model", "demo", "--threshold", "0.3",
                          "--input", SAMPLES "/scene_002.jpg", SAMPLES "/scene_003.jpg", SAMPLES "/scene_004.png",
                          SAMPLES "/clip_02.mp4", "--frames", "22:41", "--crops", "--max-object-videos", "3",
                          "--output", output, "--prompt", "panda", "cat", "watermelon", "mushroom", "pig"));
    root_length = strlen(output);
    assert_int_equal(nftw(output, take_file, 16, FTW_PHYS), 0);
    qsort(files.items, files.count, sizeof(files.items[0]), compare);
    read_lines(images, &rows);
    read_lines(video, &rows);
    if (getenv("SOWLV2_TEST_WRITE")) {
        write_lines(FILES, &files);
        write_lines(ROWS, &rows);
    }
    read_lines(FILES, &kept_files);
    read_lines(ROWS, &kept_rows);
    for (size_t i = 0; i < files.count || i < kept_files.count; i++) {
        const char *now = i < files.count ? files.items[i] : "nothing\n";
        const char *was = i < kept_files.count ? kept_files.items[i] : "nothing\n";

        if (strcmp(now, was) != 0)
            fail_msg("there is %snot %s", now, was);
    }
    expect_rows(&rows, &kept_rows);
    free_lines(&rows);
    free_lines(&kept_files);
    free_lines(&kept_rows);
    free_lines(&files);
    free(images);
    free(video);
    free(output);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
