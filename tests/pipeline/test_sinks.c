/* A sink of one's own beside those of the table, in a run over images and in a video's output: what it is asked, when,
 * and how often. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "fake_detector.h"
#include "output/outputs.h"
#include "pipeline/track_case.h"
#include "run_case.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_FRAMES = 64, MOST_PARTS = 32, WIDTH = 48, HEIGHT = 32 };

/* What happened to one frame. */
struct seen {
    size_t objects, listed, written[MOST_PARTS];
    bool completed, framed;
};

/* What the sink is told to do, and what it saw; a frame is known by its width or number. */
struct spy {
    pthread_mutex_t lock;
    bool pixels;                           /* look at them in order */
    int fail_list, fail_write, fail_frame; /* the frame at which to fail; 0: none */
    int opened, begun, closed, ended;      /* calls */
    atomic_int faults;
    int64_t last; /* frame that came last in order */
    struct seen seen[MOST_FRAMES];
};

static struct spy spy;

/* Threads cannot end the test: what is not as it should be is counted. */
#define expect(condition) expect_true(condition, __LINE__)

static void expect_true(bool condition, int line)
{
    if (!condition)
        printf("line %d: not as promised\n", line);
    spy.faults += !condition;
}

static int key_of(const struct output_frame *frame)
{
    const int key = frame->number > 0 ? (int)frame->number : frame->image.width;

    expect(key >= 1 && key < MOST_FRAMES);
    return key;
}

static int refuse(int key, int at, const char *what)
{
    return key == at ? error_set(SOWLV2_ERROR_IO, "spy: %s fails", what) : 0;
}

static bool is_wanted(const struct sink_context *context)
{
    expect(context->options.more_data == &spy);
    expect(context->folder);
    return true;
}

static int open_spy(struct sink_context *context, void **state)
{
    *state = context->options.more_data;
    spy.opened++;
    return 0;
}

static int refuse_open(struct sink_context *context, void **state)
{
    (void)context;
    (void)state;
    return error_set(SOWLV2_ERROR_IO, "spy: open fails");
}

static int begin(void *state)
{
    expect(state == &spy);
    spy.begun++;
    return 0;
}

/* One more than there are objects. */
static size_t count_parts(const void *state, const struct output_frame *frame)
{
    (void)state;
    return frame->count + 1;
}

static int list(void *state, const struct output_frame *frame, size_t part, struct string_list *files)
{
    struct seen *seen = &spy.seen[key_of(frame)];
    char name[64];

    (void)state;
    expect(spy.begun == 1);
    pthread_mutex_lock(&spy.lock);
    expect(part == seen->listed); /* in order, each once */
    seen->listed++;
    seen->objects = frame->count;
    pthread_mutex_unlock(&spy.lock);
    snprintf(name, sizeof(name), "spy/%s_%zu.txt", frame->stem, part);
    return refuse(key_of(frame), spy.fail_list, "list") ? SOWLV2_ERROR_IO : string_list_append(files, name);
}

static int write_part(void *state, struct output_frame *frame, size_t part, struct sink_scratch *scratch)
{
    struct seen *seen = &spy.seen[key_of(frame)];
    uint8_t *pixels = sink_scratch_get(scratch, 10);

    (void)state;
    expect(pixels);
    memset(pixels, 1, 10);
    expect(frame->image.pixels);
    expect(!frame->sole); /* more parts than one */
    pthread_mutex_lock(&spy.lock);
    expect(seen->listed == frame->count + 1);
    expect(!seen->completed);
    seen->written[part]++;
    pthread_mutex_unlock(&spy.lock);
    return refuse(key_of(frame), spy.fail_write, "write");
}

static void expect_parts(const struct seen *seen, const struct output_frame *frame)
{
    for (size_t part = 0; part < frame->count + 1; part++)
        expect(seen->written[part] == 1);
}

static int complete(void *state, struct output_frame *frame)
{
    struct seen *seen = &spy.seen[key_of(frame)];

    (void)state;
    expect_parts(seen, frame);
    expect(!seen->completed);
    for (size_t i = 0; i < frame->count; i++)
        expect(frame->objects[i].mask_file); /* the other sinks are done too */
    seen->completed = true;
    return 0;
}

static int take_frame(void *state, const struct output_frame *frame)
{
    struct seen *seen = &spy.seen[key_of(frame)];

    (void)state;
    expect(seen->completed);
    expect(!seen->framed);
    expect(key_of(frame) > spy.last); /* in order */
    expect(frame->number > 0 || (frame->image.pixels != NULL) == spy.pixels);
    expect(frame->image.width > 0);
    spy.last = key_of(frame);
    seen->framed = true;
    return refuse(key_of(frame), spy.fail_frame, "frame");
}

static int end_object(void *state, int64_t id)
{
    (void)state;
    expect(id == 1);
    expect(spy.last <= 3); /* the frames before have come, unless one failed */
    spy.ended++;
    return 0;
}

static int close_spy(void *state)
{
    expect(state == &spy);
    spy.closed++;
    return 0;
}

#define SPY                                                                                                            \
    .name = "spy", .wanted = is_wanted, .open = open_spy, .begin = begin, .parts = count_parts, .list = list,          \
    .write = write_part, .complete = complete, .frame = take_frame, .end_object = end_object, .close = close_spy

static const struct sink_kind spy_kind = {SPY}, pixel_kind = {SPY, .needs_pixels = true};
static const struct sink_kind *const spy_kinds[] = {&spy_kind}, *const pixel_kinds[] = {&pixel_kind};

static void hire(struct output_options *outputs, bool pixels)
{
    spy = (struct spy){.lock = PTHREAD_MUTEX_INITIALIZER, .pixels = pixels};
    outputs->more = pixels ? pixel_kinds : spy_kinds;
    outputs->more_count = 1;
    outputs->more_data = &spy;
}

static size_t count_framed(void)
{
    size_t count = 0;

    for (size_t i = 0; i < MOST_FRAMES; i++)
        count += spy.seen[i].framed;
    return count;
}

/* Whether the folder's journal names the file. */
static bool in_journal(const char *folder, const char *name)
{
    char *path = test_path(folder, ".sowlv2/journal"), *text;
    size_t size;
    bool there;

    assert_int_equal(file_read(path, 1 << 24, &text, &size), 0);
    there = strstr(text, name);
    free(text);
    free(path);
    return there;
}

/* ---- images ---- */

static struct run_case *open_images(bool pixels)
{
    struct run_case *run = open_case();

    run->segmenter = fake_segmenter;
    run->job.overlays = true;
    hire(&run->options.outputs, pixels);
    add_pictures(run, 40);
    return run;
}

static void expect_images(const struct run_case *run, size_t images)
{
    assert_int_equal(spy.faults, 0);
    assert_int_equal(spy.opened, 1);
    assert_int_equal(spy.begun, 1);
    assert_int_equal(spy.closed, 1);
    assert_int_equal(spy.ended, 0);
    assert_int_equal(run->report.images - run->report.failed, images);
    assert_int_equal(run->row_count, images);
    assert_int_equal(count_framed(), images);
}

static void test_images(void **state)
{
    (void)state;
    for (int pixels = 0; pixels < 2; pixels++) {
        struct run_case *run = open_images(pixels != 0);

        assert_int_equal(process(run), 0);
        expect_images(run, 40);
        assert_int_equal(spy.seen[35].objects, 3);
        assert_int_equal(spy.seen[35].listed, 4);
        assert_true(in_journal(run->output, "spy/25_3.txt"));
        close_case(run);
    }
}

/* One image of which a part fails has no row and no frame; the others have. */
static void test_images_write(void **state)
{
    struct run_case *run = open_images(true);

    (void)state;
    spy.fail_write = 20;
    assert_int_equal(process(run), 0);
    expect_images(run, 39);
    assert_false(spy.seen[20].completed);
    assert_non_null(strstr(messages.last_warning, "spy: write fails"));
    close_case(run);
}

/* What is in order ends the run: nothing comes after it, and all is closed. */
static void test_images_frame(void **state)
{
    struct run_case *run = open_images(false);

    (void)state;
    spy.fail_frame = 20;
    assert_int_equal(process(run), SOWLV2_ERROR_IO);
    assert_string_equal(sowlv2_error_message(), "spy: frame fails");
    assert_int_equal(spy.last, 20);
    assert_int_equal(spy.faults, 0);
    assert_int_equal(spy.closed, 1);
    assert_int_equal(run->row_count, 10); /* rows stand before it in the table */
    close_case(run);
}

static void test_images_list(void **state)
{
    struct run_case *run = open_images(false);

    (void)state;
    spy.fail_list = 20;
    assert_int_equal(process(run), SOWLV2_ERROR_IO);
    assert_string_equal(sowlv2_error_message(), "spy: list fails");
    assert_int_equal(spy.closed, 1);
    assert_int_equal(spy.faults, 0);
    assert_true(spy.last < 20);
    assert_int_equal(spy.seen[20].written[0], 0);
    close_case(run);
}

/* One that does not open is not closed, the one before it is. */
static void test_open(void **state)
{
    static const struct sink_kind bad = {.name = "bad", .open = refuse_open};
    static const struct sink_kind *const both[] = {&spy_kind, &bad};
    struct run_case *run = open_images(false);

    (void)state;
    run->options.outputs.more = both;
    run->options.outputs.more_count = 2;
    assert_int_equal(process(run), SOWLV2_ERROR_IO);
    assert_int_equal(spy.opened, 1);
    assert_int_equal(spy.closed, 1);
    assert_int_equal(spy.begun, 0);
    close_case(run);
}

/* ---- videos ---- */

static int run_video(struct track_output_options *options)
{
    struct track_output *output;
    int status = track_output_open(options, &output);

    if (status)
        return status;
    for (int64_t number = 1; number <= 6; number++) {
        struct output_frame frame = track_case_frame(WIDTH, HEIGHT, number, 0.04 * (double)number);

        if (number <= 3)
            track_case_object(&frame, 1, 0, false);
        track_case_object(&frame, 2, 1, false);
        if (track_output_add(output, &frame) != 0)
            break;
        if (number == 3)
            track_output_end_object(output, 1);
    }
    return track_output_close(&output, true, NULL);
}

static void test_video(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads += 3) {
        char *folder = test_folder_make();
        struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);

        options.threads = threads;
        hire(&options.outputs, true);
        assert_int_equal(run_video(&options), 0);
        assert_int_equal(spy.begun, 1);
        assert_int_equal(spy.ended, 1);
        assert_int_equal(spy.closed, 1);
        assert_int_equal(spy.faults, 0);
        assert_int_equal(count_framed(), 6);
        assert_int_equal(spy.seen[2].listed, 3);
        assert_int_equal(spy.seen[6].listed, 2);
        assert_true(in_journal(folder, "spy/000006_1.txt"));
        test_folder_remove(folder);
    }
}

static void test_video_errors(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        char *folder = test_folder_make();
        struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
        json_t *rows;

        options.threads = 1 + i;
        hire(&options.outputs, false);
        *(i == 0 ? &spy.fail_list : i == 1 ? &spy.fail_write : &spy.fail_frame) = 2;
        assert_int_equal(run_video(&options), SOWLV2_ERROR_IO);
        assert_non_null(strstr(sowlv2_error_message(), "spy: "));
        assert_int_equal(spy.closed, 1);
        assert_int_equal(spy.faults, 0);
        assert_int_equal(count_framed(), i < 2 ? 1 : 2);
        rows = track_case_rows(folder);
        assert_int_equal(json_array_size(rows), i < 2 ? 1 : 2);
        json_decref(rows);
        test_folder_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images),       cmocka_unit_test(test_images_write), cmocka_unit_test(test_images_frame),
        cmocka_unit_test(test_images_list),  cmocka_unit_test(test_open),         cmocka_unit_test(test_video),
        cmocka_unit_test(test_video_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
