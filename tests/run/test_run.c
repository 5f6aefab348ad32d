/* Whole jobs behind sowlv2_run.h with the demo models: inputs from memory, sinks of the caller's, ends of all kinds. */
#include "base/test_folder.h"
#include "sowlv2_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOT TEST_DATA "/.."
enum { SCENES = 3, MOST_SEEN = 64 };

static const char *const prompts[] = {"cat", "turtle", "banana", "guitar", "panda", "frog"};
static const char *const names[SCENES] = {"one.jpg", "two.jpg", "three"};
static sowlv2_detector *detector;
static sowlv2_segmenter *segmenter;
static struct sowlv2_decoded_image scenes[SCENES];

static void must(int status)
{
    if (status)
        fail_msg("%s", sowlv2_error_message());
}

static int set_up(void **state)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    char path[512];

    (void)state;
    options.model = ROOT "/models/demo/owlv2";
    must(sowlv2_detector_open(&options, &detector));
    options.model = ROOT "/models/demo/sam2";
    must(sowlv2_segmenter_open(&options, &segmenter));
    for (int i = 0; i < SCENES; i++) {
        snprintf(path, sizeof(path), "%s/examples/data/scene_00%d.jpg", ROOT, i + 1);
        must(sowlv2_image_decode(path, NULL, 0, NULL, &scenes[i]));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < SCENES; i++)
        sowlv2_decoded_image_free(&scenes[i]);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detector_free(&detector);
    return 0;
}

/* What a sink saw, and what it is to do. */
struct seen {
    size_t count, objects;
    char names[MOST_SEEN][32];
    int64_t numbers[MOST_SEEN];
    double times[MOST_SEEN];
    float scores[MOST_SEEN]; /* the first objects' */
    size_t fail_at;          /* the frame, from 1, that ends the run; 0: none */
    size_t ends, whole;
    int loads, releases;
    struct sowlv2_run_part parts[8];
    size_t part_count;
    bool stop;
};

static int see_frame(const struct sowlv2_run_frame *frame, void *user_data)
{
    struct seen *const seen = user_data;

    assert_true(seen->count < MOST_SEEN);
    snprintf(seen->names[seen->count], sizeof(seen->names[0]), "%s", frame->input);
    seen->numbers[seen->count] = frame->number;
    seen->times[seen->count] = frame->time;
    assert_non_null(frame->picture.pixels);
    for (size_t i = 0; i < frame->count; i++) {
        const struct sowlv2_run_object *const object = &frame->objects[i];
        uint64_t pixels = 0;

        assert_string_equal(object->prompt, prompts[object->prompt_index]);
        assert_non_null(object->mask);
        for (size_t run = 0; run < object->mask->run_count; run++)
            pixels += object->mask->runs[run];
        if (!object->lost)
            assert_true(pixels == (uint64_t)frame->picture.width * (uint64_t)frame->picture.height);
        seen->objects++;
    }
    seen->scores[seen->count++] = frame->count > 0 ? frame->objects[0].score : -1;
    return seen->count == seen->fail_at ? SOWLV2_ERROR_IO : 0;
}

static int see_end(const char *input, bool whole, void *user_data)
{
    struct seen *const seen = user_data;

    assert_string_equal(input, "made");
    seen->ends++;
    seen->whole += whole;
    return 0;
}

static int load(size_t index, struct sowlv2_image *out, void *user_data)
{
    ((struct seen *)user_data)->loads++;
    if (index == 1 && ((struct seen *)user_data)->fail_at == SIZE_MAX)
        return SOWLV2_ERROR_IO;
    *out = scenes[index].image;
    return 0;
}

static void release(size_t index, struct sowlv2_image *image, void *user_data)
{
    assert_ptr_equal(image->pixels, scenes[index].pixels);
    ((struct seen *)user_data)->releases++;
}

static void see_part(const struct sowlv2_run_part *part, void *user_data)
{
    struct seen *const seen = user_data;

    seen->parts[seen->part_count++] = *part;
}

static bool see_progress(const struct sowlv2_run_progress *progress, void *user_data)
{
    assert_non_null(progress->input);
    return !((struct seen *)user_data)->stop;
}

/* A job with a sink alone. */
static struct sowlv2_run_options options_of(struct seen *seen, const struct sowlv2_sink *const *sinks)
{
    struct sowlv2_run_options options = sowlv2_run_options_default();

    options.prompts = prompts;
    options.prompt_count = sizeof(prompts) / sizeof(prompts[0]);
    options.sinks = sinks;
    options.sink_count = 1;
    options.progress = see_progress;
    options.part = see_part;
    options.user_data = seen;
    return options;
}

static int run_it(const struct sowlv2_run_options *options, struct sowlv2_run_report *report)
{
    sowlv2_run *run = NULL;

    must(sowlv2_run_create(options, &run));
    const int status = sowlv2_run_start(run, detector, segmenter, report);

    if (!status)
        assert_int_not_equal(sowlv2_run_start(run, detector, segmenter, NULL), 0); /* once */
    sowlv2_run_free(&run);
    assert_null(run);
    return status;
}

static void test_images_in_memory(void **state)
{
    struct seen seen = {0};
    struct sowlv2_sink sink = sowlv2_sink_default();
    const struct sowlv2_sink *const sinks[] = {&sink};
    struct sowlv2_run_options options = options_of(&seen, sinks);
    const struct sowlv2_image_list list = {names, SCENES, load, release, &seen};
    struct sowlv2_run_report report;
    sowlv2_detect_session *session = NULL;
    sowlv2_prompts *encoded = NULL;
    struct sowlv2_detections found[SCENES];

    (void)state;
    sink.frame = see_frame;
    sink.user_data = &seen;
    options.images = &list;
    options.batch_size = 2;
    must(run_it(&options, &report));
    assert_int_equal(report.done, SCENES);
    assert_int_equal(report.failed, 0);
    assert_int_equal(seen.count, SCENES);
    assert_int_equal(seen.loads, SCENES);
    assert_int_equal(seen.releases, SCENES);
    assert_int_equal(seen.part_count, 1);
    assert_int_equal(seen.parts[0].images, SCENES);
    assert_int_equal((size_t)seen.parts[0].objects, seen.objects);

    /* As the calls for single images find them. */
    must(sowlv2_prompts_encode(detector, prompts, options.prompt_count, NULL, &encoded));
    must(sowlv2_detect_session_create(detector, &session));
    for (int i = 0; i < SCENES; i++) {
        must(sowlv2_detect(session, encoded, &scenes[i].image, 1, NULL, &found[i]));
        assert_string_equal(seen.names[i], names[i]);
        assert_true(found[i].count > 0);
        assert_true(seen.scores[i] - found[i].items[0].score < 1e-4F &&
                    found[i].items[0].score - seen.scores[i] < 1e-4F);
        sowlv2_detections_free(&found[i]);
    }
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&encoded);
}

static void test_image_that_cannot_be_given(void **state)
{
    struct seen seen = {.fail_at = SIZE_MAX};
    struct sowlv2_sink sink = sowlv2_sink_default();
    const struct sowlv2_sink *const sinks[] = {&sink};
    struct sowlv2_run_options options = options_of(&seen, sinks);
    const struct sowlv2_image_list list = {names, SCENES, load, release, &seen};
    struct sowlv2_run_report report;

    (void)state;
    sink.frame = see_frame;
    sink.user_data = &seen;
    options.images = &list;
    must(run_it(&options, &report));
    assert_int_equal(report.done, SCENES - 1);
    assert_int_equal(report.failed, 1);
    assert_string_equal(seen.names[1], names[2]);
    assert_int_equal(seen.releases, SCENES - 1);
}

static void test_sink_that_fails(void **state)
{
    struct seen seen = {.fail_at = 1};
    struct sowlv2_sink sink = sowlv2_sink_default();
    const struct sowlv2_sink *const sinks[] = {&sink};
    struct sowlv2_run_options options = options_of(&seen, sinks);
    const struct sowlv2_image_list list = {names, SCENES, load, release, &seen};
    struct sowlv2_run_report report;

    (void)state;
    sink.frame = see_frame;
    sink.user_data = &seen;
    options.images = &list;
    options.batch_size = 1;
    assert_int_equal(run_it(&options, &report), SOWLV2_ERROR_IO);
    assert_non_null(strstr(sowlv2_error_message(), "sink"));
    assert_int_equal(seen.count, 1);
}

/* ---- a video, frame by frame ---- */

struct stream {
    int next, count, fail_at; /* the frame, from 1, that cannot be given */
    int side;                 /* of a frame that is smaller, from frame 3 on; 0: none */
};

/* A window that moves over the first scene. */
static int give_frame(struct sowlv2_image *out, double *time, void *user_data)
{
    struct stream *const stream = user_data;
    const struct sowlv2_image *const scene = &scenes[0].image;

    if (stream->next == stream->count)
        return 1;
    stream->next++;
    if (stream->next == stream->fail_at)
        return SOWLV2_ERROR_FORMAT;
    *out = (struct sowlv2_image){.pixels = scene->pixels + 3 * (size_t)stream->next,
                                 .width = scene->width - 16,
                                 .height = scene->height - (stream->next >= 3 ? stream->side : 0),
                                 .stride = 3 * (size_t)scene->width};
    *time = 5 + 0.1 * stream->next;
    return 0;
}

static struct sowlv2_run_report follow(struct stream *frames, struct seen *seen, int expected)
{
    struct sowlv2_sink sink = sowlv2_sink_default();
    const struct sowlv2_sink *const sinks[] = {&sink};
    struct sowlv2_run_options options = options_of(seen, sinks);
    const struct sowlv2_frame_stream stream = {"made", 10, frames->count, give_frame, frames};
    struct sowlv2_run_report report;

    sink.frame = see_frame;
    sink.input_end = see_end;
    sink.user_data = seen;
    options.stream = &stream;
    assert_int_equal(run_it(&options, &report), expected);
    return report;
}

static void test_stream(void **state)
{
    struct stream frames = {.count = 6};
    struct seen seen = {0};
    const struct sowlv2_run_report report = follow(&frames, &seen, 0);

    (void)state;
    assert_int_equal(report.done, 1);
    assert_int_equal(seen.count, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(seen.names[i], "made");
        assert_int_equal(seen.numbers[i], i + 1);
        assert_true(seen.times[i] > 5.09 + 0.1 * i && seen.times[i] < 5.11 + 0.1 * i);
    }
    assert_true(seen.objects >= 6);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.whole, 1);
    assert_int_equal(seen.parts[0].frames, 6);
}

/* What came before the end is given, and it is said. */
static void test_stream_that_breaks_off(void **state)
{
    struct stream broken = {.count = 6, .fail_at = 4}, smaller = {.count = 6, .side = 2}, none = {.count = 0};
    struct seen seen = {0}, other = {0}, nothing = {0};
    struct sowlv2_run_report report = follow(&broken, &seen, 0);

    (void)state;
    assert_int_equal(seen.count, 3);
    assert_int_equal(report.failed, 1);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.whole, 0);
    assert_true(seen.parts[0].broken);
    assert_int_equal(seen.parts[0].status, SOWLV2_ERROR_FORMAT);
    report = follow(&smaller, &other, 0);
    assert_int_equal(other.count, 2);
    assert_int_equal(report.failed, 1);
    report = follow(&none, &nothing, 0);
    assert_int_equal(nothing.count, 0);
    assert_int_equal(report.failed, 1);
}

static void test_stop(void **state)
{
    struct stream frames = {.count = 50};
    struct seen seen = {.stop = true};
    const struct sowlv2_run_report report = follow(&frames, &seen, 0);

    (void)state;
    assert_true(report.interrupted);
    assert_true(seen.count < 10);
}

/* ---- several devices ---- */

/* What came of each of two videos, and whether two calls were under way at once. */
struct pair {
    struct track {
        size_t count;
        int64_t numbers[8];
        size_t objects[8];
        float scores[8];
    } tracks[2];
    int inside;
    size_t mixed, parts, ends;
};

static int take_frame(const struct sowlv2_run_frame *frame, void *user_data)
{
    struct pair *const pair = user_data;
    struct track *const track = &pair->tracks[strcmp(frame->input, "second") == 0];

    pair->mixed += pair->inside++ > 0;
    if (track->count < sizeof(track->scores) / sizeof(track->scores[0])) {
        track->numbers[track->count] = frame->number;
        track->objects[track->count] = frame->count;
        track->scores[track->count++] = frame->count > 0 ? frame->objects[0].score : -1;
    }
    usleep(1000); /* long enough to be met by another one */
    pair->inside--;
    return 0;
}

static int take_end(const char *input, bool whole, void *user_data)
{
    (void)input;
    ((struct pair *)user_data)->ends += whole;
    return 0;
}

static void take_part(const struct sowlv2_run_part *part, void *user_data)
{
    ((struct pair *)user_data)->parts += part->is_video && part->status == 0;
}

/* Two videos, on so many devices: the processor each. */
static void follow_two(const char *const *folders, size_t devices, struct pair *pair)
{
    struct sowlv2_sink sink = sowlv2_sink_default();
    const struct sowlv2_sink *const sinks[] = {&sink};
    struct sowlv2_run_options options = options_of(NULL, sinks);
    const struct sowlv2_run_models one = {sizeof(one), detector, segmenter, NULL};
    const struct sowlv2_run_models other = {sizeof(other), NULL, segmenter, NULL};
    const struct sowlv2_run_models *const models[] = {&one, &one}, *const unlike[] = {&one, &other};
    struct sowlv2_run_report report;
    sowlv2_run *run = NULL;

    sink.frame = take_frame;
    sink.input_end = take_end;
    sink.user_data = pair;
    options.progress = NULL;
    options.part = take_part;
    options.user_data = pair;
    options.inputs = folders;
    options.input_count = 2;
    options.as_video = true;
    must(sowlv2_run_create(&options, &run));
    assert_int_equal(sowlv2_run_start_on(run, unlike, 2, NULL), SOWLV2_ERROR_ARGUMENT);
    must(sowlv2_run_start_on(run, models, devices, &report));
    assert_int_equal(report.done, 2);
    sowlv2_run_free(&run);
    assert_int_equal(pair->mixed, 0);
    assert_int_equal(pair->parts, 2);
    assert_int_equal(pair->ends, 2);
}

/* What comes of each is the same on one device and on two. */
static void test_devices(void **state)
{
    static const char *const folder_names[] = {"first", "second"};
    char *const root = test_folder_make(), *folders[2];
    static struct pair one, two;

    (void)state;
    for (int i = 0; i < 2; i++) {
        folders[i] = test_path(root, folder_names[i]);
        assert_int_equal(mkdir(folders[i], 0700), 0);
        for (int scene = 0; scene < 2 + i; scene++) {
            char name[32], from[512];

            snprintf(name, sizeof(name), "%d.jpg", scene);
            snprintf(from, sizeof(from), "%s/examples/data/scene_00%d.jpg", ROOT, 1 + (scene + i) % 3);
            char *const to = test_path(folders[i], name);

            assert_int_equal(symlink(from, to), 0);
            free(to);
        }
    }
    follow_two((const char *[]){folders[0], folders[1]}, 1, &one);
    follow_two((const char *[]){folders[0], folders[1]}, 2, &two);
    assert_int_equal(one.tracks[0].count, 2);
    assert_int_equal(one.tracks[1].count, 3);
    assert_true(one.tracks[0].objects[0] > 0);
    assert_memory_equal(one.tracks, two.tracks, sizeof(one.tracks));
    for (int i = 0; i < 2; i++)
        free(folders[i]);
    test_folder_remove(root);
}

/* ---- an output folder ---- */

static int run_folder(const char *folder, float threshold, bool resume, const char *decoder, struct seen *seen)
{
    static const char *const inputs[] = {ROOT "/examples/data/scene_001.jpg", ROOT "/examples/data/scene_002.jpg"};
    struct sowlv2_detect_options detect = sowlv2_detect_options_default();
    struct sowlv2_run_options options = options_of(seen, NULL);
    sowlv2_run *run = NULL;

    detect.threshold = threshold;
    options.detect = &detect;
    options.sink_count = 0;
    options.inputs = inputs;
    options.input_count = 2;
    options.output = folder;
    options.resume = resume;
    options.decoder_program = decoder;
    options.rle = true; /* of videos alone */
    must(sowlv2_run_create(&options, &run));
    assert_int_equal(sowlv2_run_inputs(run).images, 2);
    assert_string_equal(sowlv2_run_input(run, false, 1), "scene_002.jpg");
    assert_null(sowlv2_run_input(run, false, 2));
    assert_null(sowlv2_run_input(run, true, 0));
    int status = sowlv2_run_claim(run);
    if (!status)
        status = sowlv2_run_start(run, detector, segmenter, NULL);
    sowlv2_run_free(&run);
    return status;
}

/* Rows of images that name the masks' files hold none themselves. */
static void check_rows(const char *folder)
{
    char *const path = test_path(folder, "results.jsonl"), line[16384];
    FILE *const file = fopen(path, "r");
    size_t rows = 0;

    assert_non_null(file);
    for (; fgets(line, sizeof(line), file); rows++) {
        assert_non_null(strstr(line, "_mask.png"));
        assert_null(strstr(line, "\"rle\""));
    }
    assert_int_equal(rows, 2);
    fclose(file);
    free(path);
}

/* The options themselves say what the job is. */
static void test_resume(void **state)
{
    char *const folder = test_folder_make(), *const output = test_path(folder, "out");
    struct seen seen = {0};

    (void)state;
    must(run_folder(output, 0.1F, false, NULL, &seen));
    check_rows(output);
    must(run_folder(output, 0.1F, true, NULL, &seen));
    assert_int_equal(seen.part_count, 2);
    assert_int_equal(seen.parts[0].images, 2);
    assert_int_equal(seen.parts[1].images, 0);
    assert_int_equal(seen.parts[1].skipped, 2);
    assert_int_equal(run_folder(output, 0.2F, true, NULL, &seen), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(sowlv2_error_message(), "threshold"));
#ifdef __linux__
    must(run_folder(output, 0.1F, true, SOWLV2_TOOL, &seen)); /* whatever decodes: the same job */
    assert_int_equal(seen.parts[2].skipped, 2);
#endif
    free(output);
    test_folder_remove(folder);
}

static void test_options_that_cannot_be(void **state)
{
    struct seen seen = {0};
    struct sowlv2_sink sink = sowlv2_sink_default();
    const struct sowlv2_sink *const sinks[] = {&sink};
    const struct sowlv2_image_list list = {names, SCENES, load, release, &seen},
                                   loadless = {names, SCENES, NULL, NULL, NULL};
    const struct sowlv2_run_options good = options_of(&seen, sinks);
    struct sowlv2_run_options bad[12];
    const char *words[12];
    sowlv2_run *run = (void *)&seen;
    size_t count = 0;

    (void)state;
#define BAD(change, word)                                                                                              \
    do {                                                                                                               \
        bad[count] = good;                                                                                             \
        bad[count].images = &list;                                                                                     \
        bad[count].change;                                                                                             \
        words[count++] = word;                                                                                         \
    } while (0)
    BAD(images = NULL, "inputs");
    BAD(images = &loadless, "load");
    BAD(prompt_count = 0, "look for");
    BAD(mark_count = 1, "marks");
    BAD(frame_budget = 0, "frame_budget");
    BAD(frame_budget = NAN, "frame_budget");
    BAD(sink_count = 0, "output");
    BAD(resume = true, "resume");
    BAD(batch_size = 0, "batch_size");
    BAD(io_threads = -1, "io_threads");
    BAD(max_objects = 0, "max_objects");
    BAD(size = 3, "sowlv2_run_options_default");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sowlv2_run_create(&bad[i], &run), SOWLV2_ERROR_ARGUMENT);
        assert_null(run);
        if (!strstr(sowlv2_error_message(), words[i]))
            fail_msg("'%s' does not say '%s'", sowlv2_error_message(), words[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_in_memory),
        cmocka_unit_test(test_image_that_cannot_be_given),
        cmocka_unit_test(test_sink_that_fails),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_that_breaks_off),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_options_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
