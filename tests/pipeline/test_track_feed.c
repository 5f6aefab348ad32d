/* Reading ahead: order, motion, scenes, realtime, ends and interruptions. */
#include "analysis/importance.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/test_folder.h"
#include "movie.h"
#include "pipeline/track_feed.h"
#include "video/support.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FRAMES = 60 };
static const struct movie movie = {
    .frames = FRAMES, .cuts = {17, 40}, .things = {{.look = 1, .first = 1, .last = 60, .x = 4, .speed = 1}}};

static char *folder, *source;

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    source = movie_write(&movie, folder, "clip.mkv");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(source);
    test_folder_remove(folder);
    return 0;
}

static struct track_feed *open_feed(const struct track_feed_options *options)
{
    struct track_feed *feed;

    if (track_feed_open(options, &feed) != 0)
        fail_msg("%s", error_message());
    return feed;
}

/* All frames once, in order, with the change from frame to frame, and where scenes begin as the whole video tells. */
static void test_frames(void **state)
{
    (void)state;
    for (int wait = 0; wait < 2; wait++) {
        struct track_feed *feed = open_feed(&(struct track_feed_options){.source = source, .cuts = true});
        struct track_feed_frame frame = {0};
        uint8_t grey[2][IMPORTANCE_GREY];
        float motion[FRAMES];
        bool cuts[FRAMES];
        int64_t starts[FRAMES], scenes, number = 0;
        int status;

        assert_int_equal(track_feed_info(feed)->width, MOVIE_WIDTH);
        while ((status = track_feed_next(feed, &frame)) == 0) {
            uint8_t *wanted = movie_picture(&movie, ++number);

            assert_int_equal(frame.number, number);
            assert_true(fabs(frame.time - (double)(number - 1) / MOVIE_RATE) < 1e-3);
            assert_memory_equal(frame.image.pixels, wanted, (size_t)MOVIE_WIDTH * MOVIE_HEIGHT * 3);
            importance_grey(wanted, MOVIE_WIDTH, MOVIE_HEIGHT, MOVIE_WIDTH * 3, grey[number % 2]);
            motion[number - 1] =
                number > 1 ? importance_motion(grey[(number + 1) % 2], grey[number % 2], IMPORTANCE_GREY) : 0;
            assert_true(fabsf(frame.motion - motion[number - 1]) < 1e-6f);
            cuts[number - 1] = frame.cut;
            free(wanted);
            image_free(&frame.image);
            if (wait && number % 10 == 0)
                usleep(3000);
        }
        assert_int_equal(status, VIDEO_END);
        assert_int_equal(track_feed_next(feed, &frame), VIDEO_END);
        assert_int_equal(number, FRAMES);
        assert_int_equal(track_feed_dropped(feed), 0);
        scenes = importance_scenes(motion, FRAMES, starts);
        assert_int_equal(scenes, 3);
        for (int i = 0, next = 1; i < FRAMES; i++) {
            assert_int_equal(cuts[i], next < scenes && starts[next] == i);
            next += cuts[i];
        }
        track_feed_close(&feed);
        assert_null(feed);
        track_feed_close(&feed);
    }
}

static void test_no_cuts(void **state)
{
    struct track_feed *feed = open_feed(&(struct track_feed_options){.source = source});
    struct track_feed_frame frame = {0};

    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(track_feed_next(feed, &frame), 0);
        assert_false(frame.cut);
        image_free(&frame.image);
    }
    track_feed_close(&feed);
}

/* Closing in the middle, after any number of frames, also none. */
static void test_closing(void **state)
{
    (void)state;
    for (int taken = 0; taken < 20; taken++) {
        struct track_feed *feed = open_feed(&(struct track_feed_options){.source = source, .cuts = taken % 2});
        struct track_feed_frame frame = {0};

        for (int i = 0; i < taken; i++) {
            assert_int_equal(track_feed_next(feed, &frame), 0);
            image_free(&frame.image);
        }
        if (taken % 3 == 0)
            usleep(2000); /* the ring is full then */
        track_feed_close(&feed);
    }
}

static void test_errors(void **state)
{
    struct track_feed *feed = NULL;
    char *missing = test_path(folder, "missing.mkv"), *text = test_path(folder, "text.mkv");

    (void)state;
    assert_int_equal(track_feed_open(&(struct track_feed_options){.source = missing}, &feed), SOWLV2_ERROR_IO);
    assert_null(feed);
    test_write_text(folder, "text.mkv", "no video at all, as one sees");
    assert_int_equal(track_feed_open(&(struct track_feed_options){.source = text}, &feed), SOWLV2_ERROR_FORMAT);
    assert_null(feed);
    free(missing);
    free(text);
}

/* An image of a folder that cannot be decoded is skipped, and counted at the end. */
static void test_damage(void **state)
{
    struct track_feed_frame frame = {0};
    struct track_feed *feed;
    char *frames = test_path(folder, "frames");
    int count = 0;

    (void)state;
    shell("mkdir '%s' && cp '" TEST_DATA "/media/data/exif_1.jpg' '%s/1.jpg' && cp '%s/1.jpg' '%s/2.jpg' && "
          "head -c 100 '%s/1.jpg' > '%s/3.jpg' && cp '%s/1.jpg' '%s/4.jpg'",
          frames, frames, frames, frames, frames, frames, frames, frames);
    notices_begin();
    feed = open_feed(&(struct track_feed_options){.source = frames, .cuts = true});
    while (track_feed_next(feed, &frame) == 0) {
        count++;
        image_free(&frame.image);
    }
    assert_int_equal(count, 3);
    assert_int_equal(track_feed_broken(feed), 0);
    track_feed_close(&feed);
    assert_non_null(strstr(notices(), "3.jpg"));
    notices_end();
    free(frames);
}

/* A film that is cut gives all its frames; that it is cut is said then. */
static void test_broken(void **state)
{
    struct track_feed_frame frame = {0};
    struct track_feed *feed;
    int count = 0;

    (void)state;
    shell("truncate -s $(( $(stat -c %%s '%s') / 2 )) '%s'", source, source);
    feed = open_feed(&(struct track_feed_options){.source = source});
    while (track_feed_next(feed, &frame) == 0) {
        count++;
        image_free(&frame.image);
    }
    assert_in_range(count, 10, FRAMES - 10);
    assert_int_equal(track_feed_broken(feed), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), source));
    assert_non_null(strstr(error_message(), "breaks off at"));
    track_feed_close(&feed);
}

/* When the frame after each one comes, also without a look for scenes; the name and number of an image. */
static void test_ahead(void **state)
{
    char *frames = test_path(folder, "frames");

    (void)state;
    shell("mkdir '%s' && for i in 1 2 4; do cp '" TEST_DATA "/media/data/exif_1.jpg' '%s/'$i.jpg; done && echo text > "
          "'%s/3.jpg'",
          frames, frames, frames);
    for (int cuts = 0; cuts < 2; cuts++) {
        static const char *const names[] = {"1.jpg", "2.jpg", "4.jpg"};
        static const int64_t numbers[] = {1, 2, 4};
        static const double until[] = {0.04, 0.12, INFINITY};
        struct track_feed *feed = open_feed(
            &(struct track_feed_options){.source = frames, .cuts = cuts, .ahead = true, .reader.quiet = true});

        for (size_t i = 0; i < 3; i++) {
            struct track_feed_frame frame = {0};

            assert_int_equal(track_feed_next(feed, &frame), 0);
            assert_string_equal(frame.source_name, names[i]);
            assert_int_equal(frame.source_number, numbers[i]);
            assert_true(fabs(frame.duration - 0.04) < 1e-9);
            assert_true(isinf(until[i]) ? isinf(frame.until) : fabs(frame.until - until[i]) < 1e-9);
            image_free(&frame.image);
        }
        track_feed_close(&feed);
    }
    free(frames);
}

static volatile sig_atomic_t interrupted;

static void test_interrupted(void **state)
{
    struct track_feed *feed;
    struct track_feed_frame frame = {0};

    (void)state;
    __atomic_store_n(&interrupted, 0, __ATOMIC_RELAXED);
    feed = open_feed(&(struct track_feed_options){.source = source, .cuts = true, .interrupted = &interrupted});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(track_feed_next(feed, &frame), 0);
        image_free(&frame.image);
    }
    __atomic_store_n(&interrupted, 1, __ATOMIC_RELAXED);
    assert_int_equal(track_feed_next(feed, &frame), VIDEO_END);
    track_feed_close(&feed);
}

/* A pipe that gives its whole video but the last bytes, and then nothing more. */
struct tap {
    char *path;
    const char *from;
    int done; /* closed by the test: the tap may end */
};

static void *run_tap(void *argument)
{
    struct tap *tap = argument;
    int in = open(tap->from, O_RDONLY | O_CLOEXEC), out = open(tap->path, O_WRONLY | O_CLOEXEC);
    char bytes[4096];
    ssize_t count;
    char last;

    while ((count = read(in, bytes, sizeof(bytes))) > 0)
        if (write(out, bytes, (size_t)count) != count)
            break;
    close(in);
    while (read(tap->done, &last, 1) < 0) /* until the test says so */
        continue;
    close(out);
    return NULL;
}

static void *interrupt_later(void *unused)
{
    (void)unused;
    usleep(300000);
    __atomic_store_n(&interrupted, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* An interruption reaches a reader that waits for a pipe. */
static void test_interrupted_while_waiting(void **state)
{
    struct track_feed *feed;
    struct track_feed_frame frame = {0};
    struct tap tap = {.path = test_path(folder, "tap"), .from = source};
    pthread_t thread, later;
    int done[2], status, count = 0;
    double start;

    (void)state;
    __atomic_store_n(&interrupted, 0, __ATOMIC_RELAXED);
    assert_int_equal(mkfifo(tap.path, 0600), 0);
    assert_int_equal(pipe(done), 0);
    tap.done = done[0];
    assert_int_equal(pthread_create(&thread, NULL, run_tap, &tap), 0);
    feed = open_feed(&(struct track_feed_options){.source = tap.path, .interrupted = &interrupted});
    assert_int_equal(pthread_create(&later, NULL, interrupt_later, NULL), 0);
    start = clock_seconds();
    while ((status = track_feed_next(feed, &frame)) == 0) {
        count++;
        image_free(&frame.image);
    }
    assert_int_equal(status, VIDEO_END);
    assert_in_range(count, 1, FRAMES);
    assert_true(clock_seconds() - start < 20);
    track_feed_close(&feed);
    pthread_join(later, NULL);
    assert_int_equal(write(done[1], "", 1), 1);
    pthread_join(thread, NULL);
    close(done[0]);
    close(done[1]);
    free(tap.path);
}

/* Of a pipe, what is not taken in time is dropped and counted. A file is never in a hurry. */
static void test_realtime(void **state)
{
    struct track_feed *feed;
    struct track_feed_frame frame = {0};
    char *pipe = test_path(folder, "pipe");
    int64_t number = 0, count = 0;

    (void)state;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    shell("cat '%s' > '%s' &", source, pipe);
    feed = open_feed(&(struct track_feed_options){.source = pipe, .cuts = true, .realtime = true});
    usleep(300000);
    while (track_feed_next(feed, &frame) == 0) {
        uint8_t *wanted = movie_picture(&movie, frame.number);

        assert_true(frame.number > number);
        number = frame.number;
        assert_memory_equal(frame.image.pixels, wanted, (size_t)MOVIE_WIDTH * MOVIE_HEIGHT * 3);
        free(wanted);
        count++;
        image_free(&frame.image);
    }
    assert_int_equal(number, FRAMES);
    assert_true(count < FRAMES / 2);
    assert_int_equal(count + track_feed_dropped(feed), FRAMES);
    track_feed_close(&feed);
    free(pipe);

    feed = open_feed(&(struct track_feed_options){.source = source, .cuts = true, .realtime = true});
    usleep(100000);
    for (count = 0; track_feed_next(feed, &frame) == 0; count++)
        image_free(&frame.image);
    assert_int_equal(count, FRAMES);
    assert_int_equal(track_feed_dropped(feed), 0);
    track_feed_close(&feed);
}

/* Dropped frames' change is in the next one. */
static void test_dropped_motion(void **state)
{
    struct track_feed *feed;
    struct track_feed_frame frame = {0};
    char *pipe = test_path(folder, "motion");

    (void)state;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    shell("cat '%s' > '%s' &", source, pipe);
    feed = open_feed(&(struct track_feed_options){.source = pipe, .cuts = true, .realtime = true});
    usleep(300000);
    assert_int_equal(track_feed_next(feed, &frame), 0);
    if (frame.number > 17)
        assert_true(frame.motion > 0.1f);
    image_free(&frame.image);
    track_feed_close(&feed);
    free(pipe);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_frames),   CASE(test_no_cuts),        CASE(test_closing),
        CASE(test_errors),   CASE(test_damage),         CASE(test_broken),
        CASE(test_ahead),    CASE(test_interrupted),    CASE(test_interrupted_while_waiting),
        CASE(test_realtime), CASE(test_dropped_motion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
