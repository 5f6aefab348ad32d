/* detect and segment as a user runs them, with tiny models: masks against the reference, files, kills, full disks. */
#include "base/file.h"
#include "base/test_folder.h"
#include "media/image.h"
#include "media/png.h"
#include "sowlv2.h"
#include "tool.h"
#include "weights/safetensors.h"

#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

enum { IMAGES = 6, MOST_ROWS = 1000 };

static char *folder, *photos, *output;
static struct safetensors *detector_goldens, *mask_goldens, *segmenter_goldens;
static json_t *rows[MOST_ROWS];
static size_t row_count;

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    photos = test_path(folder, "photos");
    output = test_path(folder, "out");
    row_count = 0;
    assert_int_equal(mkdir(photos, 0777), 0);
    assert_int_equal(safetensors_open(TINY_MODEL "/expected.safetensors", &detector_goldens), 0);
    assert_int_equal(safetensors_open(TINY_SEGMENTER "/expected.safetensors", &segmenter_goldens), 0);
    return safetensors_open(TEST_DATA "/pipeline/data/masks.safetensors", &mask_goldens);
}

static void forget_rows(void)
{
    while (row_count > 0)
        json_decref(rows[--row_count]);
}

static int tear_down(void **state)
{
    (void)state;
    forget_rows();
    safetensors_close(&detector_goldens);
    safetensors_close(&segmenter_goldens);
    safetensors_close(&mask_goldens);
    free(photos);
    free(output);
    test_folder_remove(folder);
    return 0;
}

static const struct host_tensor *find(struct safetensors *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const struct host_tensor *find(struct safetensors *file, const char *format, ...)
{
    const struct host_tensor *tensor;
    char name[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    tensor = safetensors_find(file, name);
    if (!tensor)
        fail_msg("there is no golden %s", name);
    return tensor;
}

static float float_at(const struct host_tensor *tensor, size_t index)
{
    float value;

    assert_true((index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

/* Writes pixels [h, w, 3] as photos/NAME. */
static void add_image(const struct host_tensor *pixels, const char *name)
{
    char *path = test_path(photos, name);
    int height = (int)pixels->dim[0], width = (int)pixels->dim[1];

    assert_int_equal(png_write(path, pixels->data, width, height, 3, (size_t)width * 3), 0);
    free(path);
}

/* photos/0.png ... photos/COUNT-1.png, all the same picture, which has 17 objects. */
static void add_images(size_t count)
{
    add_image(find(detector_goldens, "image.0.pixels"), "0.png");
    for (size_t i = 1; i < count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%zu.png", i);
        test_link("0.png", photos, name);
    }
}

/* The rows that are there; a last line that was cut is none. */
static void read_rows(void)
{
    char *path = test_path(output, "results.jsonl"), *text, *rest;
    size_t size;

    forget_rows();
    assert_int_equal(file_read(path, 1 << 26, &text, &size), 0);
    rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && rest;) {
        assert_true(row_count < MOST_ROWS);
        rows[row_count] = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(rows[row_count]);
        row_count++;
    }
    free(text);
    free(path);
}

static json_t *objects_of(size_t row)
{
    json_t *objects = json_object_get(rows[row], "objects");

    assert_true(json_is_array(objects));
    return objects;
}

/* A picture below the output folder, whole. */
static struct image read_picture(const char *below)
{
    char *path = test_path(output, below);
    struct image image;

    if (image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image) != 0)
        fail_msg("%s", sowlv2_error_message());
    free(path);
    return image;
}

/* The object's PNG against plane `index` of bits [n, h, w]: 1 in the mask, 2 where rounding may turn it. At most
 * `slack` other pixels differ. */
static void check_png(const json_t *object, const struct host_tensor *bits, size_t index, size_t slack)
{
    struct image image = read_picture(json_string_value(json_object_get(object, "mask")));
    size_t total = (size_t)image.width * (size_t)image.height, different = 0;
    const uint8_t *wanted = (const uint8_t *)bits->data + index * total;
    int64_t area = 0;

    assert_int_equal(bits->dim[1], image.height);
    assert_int_equal(bits->dim[2], image.width);
    for (size_t i = 0; i < total; i++) {
        uint8_t value = image.pixels[3 * i];

        assert_true(value == 0 || value == 255);
        area += value == 255;
        different += !(wanted[i] & 2) && value != (wanted[i] & 1 ? 255 : 0);
    }
    assert_true(different <= slack);
    assert_int_equal(json_integer_value(json_object_get(object, "area")), area);
    image_free(&image);
}

/* detect over all the reference's images, with one more flag (NULL: none). */
static void detect_all(const char *flag)
{
    const struct host_tensor *texts = find(detector_goldens, "prompts.many");
    char *text = strndup(texts->data, texts->bytes), threshold[32];
    const char *arguments[40] = {
        "detect",   "--owl-model", TINY_MODEL, "--sam-model",          TINY_SEGMENTER, "--input", photos,
        "--output", output,        "--quiet",  "--prompt-template={}", "--threshold",  threshold};
    size_t count = 13;

    snprintf(threshold, sizeof(threshold), "%.9g", (double)float_at(find(detector_goldens, "many.threshold"), 0));
    if (flag)
        arguments[count++] = flag;
    arguments[count++] = "--prompt";
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        arguments[count++] = *line ? line : EMPTY_PROMPT;
    }
    arguments[count] = NULL;
    tool_expect(0, NULL, arguments);
    read_rows();
    assert_int_equal(row_count, IMAGES);
    free(text);
}

static void check_masks(size_t image, const char *mode)
{
    const struct host_tensor *bits = find(mask_goldens, "%zu.%s.bits", image, mode);
    const struct host_tensor *iou = find(mask_goldens, "%zu.%s.iou", image, mode);

    assert_int_equal(json_array_size(objects_of(image)), bits->dim[0]);
    for (size_t i = 0; i < (size_t)bits->dim[0]; i++) {
        const json_t *object = json_array_get(objects_of(image), i);
        double difference = json_number_value(json_object_get(object, "mask_score")) - (double)float_at(iou, i);

        assert_true(difference <= 1e-3 && difference >= -1e-3);
        check_png(object, bits, i, 0);
    }
}

/* The whole way, files in and masks out, against the reference's masks of the same boxes. */
static void test_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < IMAGES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%zu.png", i);
        add_image(find(detector_goldens, "image.%zu.pixels", i), name);
    }
    detect_all(NULL);
    for (size_t i = 0; i < IMAGES; i++)
        check_masks(i, "single");
    detect_all("--multimask");
    check_masks(0, "multi");
    check_masks(3, "multi");
    detect_all("--refine");
    check_masks(0, "refined");
    check_masks(3, "refined");
}

#define SEGMENT "segment", "--sam-model", TINY_SEGMENTER, "--input", photos, "--output", output

/* The segmenter's own goldens: boxes in, masks out. */
static void test_segment(void **state)
{
    const struct host_tensor *boxes = find(segmenter_goldens, "boxes.0.prompts.boxes");
    const struct host_tensor *bits = find(segmenter_goldens, "boxes.0.single.bits");
    char text[3][128];

    (void)state;
    add_image(find(segmenter_goldens, "image.0.pixels"), "a.png");
    for (size_t i = 0; i < 3; i++)
        snprintf(text[i], sizeof(text[i]), "--box=%.9g,%.9g,%.9g,%.9g", (double)float_at(boxes, 4 * i),
                 (double)float_at(boxes, 4 * i + 1), (double)float_at(boxes, 4 * i + 2),
                 (double)float_at(boxes, 4 * i + 3));
    tool_expect(0, NULL, ARGUMENTS(SEGMENT, "--quiet", text[0], text[1], text[2], "--crops"));
    read_rows();
    assert_int_equal(row_count, 1);
    assert_int_equal(json_array_size(objects_of(0)), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *object = json_array_get(objects_of(0), i);

        check_png(object, bits, i, 0);
        assert_null(json_object_get(object, "prompt"));
        assert_null(json_object_get(object, "score"));
    }
    assert_string_equal(json_string_value(json_object_get(json_array_get(objects_of(0), 1), "mask")),
                        "binary/frames/a_obj2_mask.png");
}

/* Points belong to the box before them; without boxes they are one object, whose box is that of its mask. */
static void test_points(void **state)
{
    json_t *with, *without;

    (void)state;
    add_image(find(segmenter_goldens, "image.0.pixels"), "a.png");
    tool_expect(0, "1 image, 2 objects",
                ARGUMENTS(SEGMENT, "--box", "2,2,30,30", "--box", "20,20,60,60", "--point", "50,49,0"));
    read_rows();
    with = json_incref(json_object_get(json_array_get(objects_of(0), 1), "area"));
    tool_expect(0, "1 image, 2 objects", ARGUMENTS(SEGMENT, "--box", "2,2,30,30", "--box", "20,20,60,60"));
    read_rows();
    without = json_object_get(json_array_get(objects_of(0), 1), "area");
    assert_int_not_equal(json_integer_value(with), json_integer_value(without));
    json_decref(with);
    tool_expect(0, "1 image, 1 object", ARGUMENTS(SEGMENT, "--point", "10,10", "--point", "50,49,0"));
    read_rows();
    assert_int_equal(json_array_size(json_object_get(json_array_get(objects_of(0), 0), "box")), 4);
    test_write_text(folder, "marks.yaml", "box: [\"2,2,30,30\", \"20,20,60,60\"]\npoint: 50,49,0\n");
    char *config = test_path(folder, "marks.yaml");
    tool_expect(0, "1 image, 2 objects", ARGUMENTS(SEGMENT, "--config", config));
    tool_expect(0, "1 image, 1 object", ARGUMENTS(SEGMENT, "--config", config, "--point", "10,10"));
    free(config);
    tool_expect(4, "outside of the image", ARGUMENTS(SEGMENT, "--box", "2000,2000,3000,3000"));
    tool_expect(4, "outside of the image", ARGUMENTS(SEGMENT, "--point", "2000,2"));
    add_image(find(detector_goldens, "image.1.pixels"), "b.png"); /* 100 x 150: the box lies inside of it alone */
    tool_expect(1, "a.png", ARGUMENTS(SEGMENT, "--box", "70,100,90,140"));
}

#define DETECT                                                                                                         \
    "detect", "--owl-model", TINY_MODEL, "--sam-model", TINY_SEGMENTER, "--input", photos, "--output", output,         \
        "--prompt", "cat", "--prompt-template={}", "--threshold", "0.5"

static void test_outputs(void **state)
{
    struct tool_result result;

    (void)state;
    add_images(2);
    result = tool_run(ARGUMENTS(DETECT, "--verbose"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "encode"));
    assert_non_null(strstr(result.err, "masks"));
    tool_free(&result);
    read_rows();
    assert_int_equal(row_count, 2);
    assert_true(json_array_size(objects_of(0)) > 2);
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--no-binary"));
    read_rows();
    assert_null(json_object_get(json_array_get(objects_of(0), 0), "mask"));
    assert_true(json_is_string(json_object_get(json_object_get(json_array_get(objects_of(0), 0), "rle"), "counts")));
    tool_expect(0, "2 images, 2 objects (", ARGUMENTS(DETECT, "--dedupe", "0.01"));
    tool_expect(0, " more left out by --dedupe) -> ", ARGUMENTS(DETECT, "--dedupe", "0.01"));
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--draw", "boxes,labels,masks"));
}

/* Both models are named, with what to do. */
static void test_no_model(void **state)
{
    (void)state;
    add_images(1);
    tool_expect(3, "--sam-model: /nonexistent/sam", ARGUMENTS(DETECT, "--sam-model", "/nonexistent/sam"));
    tool_expect(3, "--sam-model none", ARGUMENTS(DETECT, "--sam-model", "/nonexistent/sam"));
    tool_expect(3, "facebook/sam2.1-hiera-small",
                ARGUMENTS("detect", "--owl-model", TINY_MODEL, "--input", photos, "--output", output, "--prompt", "a"));
    tool_expect(3, "--sam-model: " TINY_MODEL, ARGUMENTS(DETECT, "--sam-model", TINY_MODEL)); /* not of this kind */
    tool_expect(2, "precision", ARGUMENTS(DETECT, "--precision", "f16"));
}

/* bfloat16 on the CPU: of the reference always, of the CPU set where it has instructions for it. */
static void test_narrow(void **state)
{
    const bool can = __builtin_cpu_supports("avx512bf16");

    (void)state;
    add_images(1);
    tool_expect(0, "", ARGUMENTS(DETECT, "--precision", "bf16", "--cpu", "reference"));
    test_folder_remove(output);
    output = test_path(folder, "out");
    tool_expect(can ? 0 : 2, can ? "" : "precision bf16", ARGUMENTS(DETECT, "--precision", "bf16", "--device", "cpu"));
    if (can)
        tool_expect(2, "precision bf16: CPU level avx2", ARGUMENTS(DETECT, "--precision", "bf16", "--cpu", "avx2"));
}

/* int8 on the CPU: of the reference always, of the CPU set where it has products of 8-bit numbers; never on a GPU. */
static void test_int8(void **state)
{
    enum { AVX_VNNI = 1 << 4 }; /* CPUID leaf 7, part 1, EAX */
    unsigned eax, ebx, ecx, edx;
    const bool wide = __builtin_cpu_supports("avx512vnni");
    const bool can = wide || (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & AVX_VNNI) != 0);

    (void)state;
    add_images(1);
    tool_expect(0, "", ARGUMENTS(DETECT, "--precision", "int8", "--cpu", "reference"));
    test_folder_remove(output);
    output = test_path(folder, "out");
    tool_expect(can ? 0 : 2, can ? "" : "precision int8", ARGUMENTS(DETECT, "--precision", "int8", "--device", "cpu"));
    if (wide)
        tool_expect(2, "precision int8: CPU level avx512", ARGUMENTS(DETECT, "--precision", "int8", "--cpu", "avx512"));
    tool_expect(2, "--precision int8: only CPUs", ARGUMENTS(DETECT, "--precision", "int8", "--device", "cuda"));
    tool_expect(2, "--precision int8: only CPUs", ARGUMENTS(DETECT, "--precision", "int8", "--device", "cuda:0,1"));
}

/* What the rows name is there and whole; the pictures of all objects together too. */
static void check_listed_files(void)
{
    for (size_t i = 0; i < row_count; i++) {
        char stem[64], name[128];
        struct image image;

        snprintf(stem, sizeof(stem), "%s", json_string_value(json_object_get(rows[i], "image")));
        *strrchr(stem, '.') = '\0';
        snprintf(name, sizeof(name), "overlay/merged/%s_merged_overlay.png", stem);
        image = read_picture(name);
        image_free(&image);
        snprintf(name, sizeof(name), "binary/merged/%s_merged_mask.png", stem);
        image = read_picture(name);
        image_free(&image);
        for (size_t j = 0; j < json_array_size(objects_of(i)); j++) {
            const json_t *object = json_array_get(objects_of(i), j);

            image = read_picture(json_string_value(json_object_get(object, "mask")));
            image_free(&image);
            snprintf(name, sizeof(name), "overlay/frames/%s_obj%zu_cat_overlay.png", stem, j + 1);
            image = read_picture(name);
            image_free(&image);
        }
    }
}

/* A run that has written some of its rows. */
static pid_t start_run(size_t images)
{
    char *path = test_path(output, "results.jsonl");
    struct stat info;
    pid_t process;

    add_images(images);
    process = tool_start(ARGUMENTS(DETECT, "--batch-size", "1", "--max-workers", "3"));
    for (int i = 0; i < 6000 && (stat(path, &info) != 0 || info.st_size == 0); i++)
        usleep(10000);
    free(path);
    return process;
}

/* kill -9 in the middle: what is listed is complete, and --resume does the rest. */
static void test_killed(void **state)
{
    enum { MANY = 300 };
    size_t before;
    bool seen[MANY] = {false};
    pid_t process = start_run(MANY);

    (void)state;
    usleep(50000);
    assert_int_equal(kill(process, SIGKILL), 0);
    assert_int_equal(tool_wait(process), 128 + SIGKILL);
    read_rows();
    before = row_count;
    assert_in_range(before, 1, MANY - 1);
    check_listed_files();
    tool_expect(0, "more already done", ARGUMENTS(DETECT, "--resume"));
    read_rows();
    assert_int_equal(row_count, MANY);
    check_listed_files();
    for (size_t i = 0; i < row_count; i++) {
        int number = atoi(json_string_value(json_object_get(rows[i], "image")));

        assert_in_range(number, 0, MANY - 1);
        assert_false(seen[number]);
        seen[number] = true;
    }
}

static void test_interrupted(void **state)
{
    pid_t process = start_run(900);

    (void)state;
    assert_int_equal(kill(process, SIGINT), 0);
    assert_int_equal(tool_wait(process), 130);
    read_rows();
    assert_in_range(row_count, 1, 899);
    check_listed_files();
}

static void test_output_errors(void **state)
{
    (void)state;
    add_images(1);
    test_write_text(folder, "out", "a file where the folder should be");
    tool_expect(4, "a file of that name is in the way", ARGUMENTS(DETECT));
    assert_int_equal(unlink(output), 0);
    test_write_text(output, "binary/frames", "a file where a folder should be");
    tool_expect(4, "binary/frames", ARGUMENTS(DETECT));
    free(output);
    output = strdup("/proc/sowlv2"); /* read-only, also for root */
    tool_expect(4, "/proc/sowlv2: cannot make this folder", ARGUMENTS(DETECT));
}

/* ThreadSanitizer's own memory is a file, which a limit on files' sizes would cut. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER 1
#endif

/* A file that cannot grow, as on a full disk: each image fails and names it, nothing partial stays. */
static void test_full(void **state)
{
    struct rlimit limit = {0}, small;
    char *overlays = test_path(output, "overlay/frames");

    (void)state;
#ifdef HAS_THREAD_SANITIZER
    free(overlays);
    skip();
#endif
    add_image(find(detector_goldens, "image.1.pixels"), "a.png");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4000; /* less than an overlay */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct tool_result result = tool_run(ARGUMENTS(DETECT));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(result.status, 4);
    assert_non_null(strstr(result.err, "overlay"));
    assert_non_null(strstr(result.err, "File too large"));
    tool_free(&result);
    read_rows();
    assert_int_equal(row_count, 0);
    assert_int_equal(test_count_entries(overlays), 0);
    free(overlays);
    test_folder_remove(output);
    output = test_path(folder, "out");
    test_write_text(output, "keep", "");
    test_link("/dev/full", output, "results.jsonl");
    tool_expect(4, "results.jsonl: is a symbolic link", ARGUMENTS(DETECT));
}

/* The disk gets full between two rows: those before are there and whole, and the run ends with the name of the file. */
static void test_full_between_rows(void **state)
{
    enum { COUNT = 60 };
    struct rlimit limit = {0}, small;
    char name[16];

    (void)state;
#ifdef HAS_THREAD_SANITIZER
    skip();
#endif
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "%02d.png", i);
        add_image(find(detector_goldens, "image.1.pixels"), name);
    }
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4000; /* some images' rows and lines of the journal */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct tool_result result =
        tool_run(ARGUMENTS("detect", "--owl-model", "demo", "--sam-model", "none", "--no-overlay", "--input", photos,
                           "--output", output, "--prompt", "cat"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_DFL);
    if (result.status != 1 || !strstr(result.err, "File too large") || !strstr(result.err, output))
        fail_msg("%d: %s", result.status, result.err);
    tool_free(&result);
    read_rows(); /* each is whole */
    assert_true(row_count > 0 && row_count < COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_points, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outputs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_narrow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_int8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_output_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_between_rows, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
