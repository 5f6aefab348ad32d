/* Tracking through the public API: masks, scores and pointers against the reference's streaming session, frame by
 * frame, where its rules and ours are the same (see src/models/sam2/video.h); prompts, corrections, errors, threads. */
#include "goldens.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Logits of masks and pointers come from memories that are kept as bfloat16: where one of its values is rounded to
 * the other side, that is a step of 2^-8 in what is computed from it. The same bound as in test_sam2_video.c. */
static const float tolerance = 2e-3f;

struct test {
    struct safetensors *file;
    sowlv2_segmenter *segmenter;
    sowlv2_track_session *session;
    const char *run;
};

static struct test open_test(const char *model, const char *run, const struct sowlv2_track_options *options)
{
    struct test test = {.run = run};
    char path[4096];

    snprintf(path, sizeof(path), "%s%s/expected.safetensors", MODELS, model);
    test.file = goldens_open(path);
    test.segmenter = open_segmenter(model, 0);
    must(sowlv2_track_session_create(test.segmenter, options, &test.session));
    return test;
}

static void close_test(struct test *test)
{
    sowlv2_track_session_free(&test->session);
    assert_null(test->session);
    sowlv2_segmenter_free(&test->segmenter);
    safetensors_close(&test->file);
}

static struct sowlv2_image frame_image(struct safetensors *file, int64_t frame)
{
    const struct host_tensor *frames = golden(file, "frames");
    const size_t bytes = (size_t)(frames->dim[1] * frames->dim[2] * 3);

    assert_in_range(frame, 0, frames->dim[0] - 1);
    return (struct sowlv2_image){.pixels = (const uint8_t *)frames->data + (size_t)frame * bytes,
                                 .width = (int)frames->dim[2],
                                 .height = (int)frames->dim[1]};
}

static void set_frame(struct test *test, int64_t frame)
{
    const struct sowlv2_image image = frame_image(test->file, frame);

    must(sowlv2_track_set_frame(test->session, frame, &image));
}

static struct sowlv2_tracks run_frame(struct test *test, const struct sowlv2_track_run_options *options)
{
    struct sowlv2_tracks tracks;

    must(sowlv2_track_run(test->session, options, &tracks));
    for (size_t i = 0; i < tracks.count; i++) {
        check_mask(&tracks.items[i].mask);
        assert_null(tracks.items[i].mask.logits);
        assert_non_null(tracks.items[i].mask.runs);
    }
    return tracks;
}

static const struct sowlv2_track *find(const struct sowlv2_tracks *tracks, int64_t object)
{
    for (size_t i = 0; i < tracks->count; i++)
        if (tracks->items[i].object == object)
            return &tracks->items[i];
    return NULL;
}

/* Gives the session the golden's prompts that come before this step, all or one object's. */
static void prompt(struct test *test, int step, int only)
{
    const struct host_tensor *tensor;

    for (int k = 0; (tensor = goldens_find(test->file, "%s.prompt.%d.about", test->run, k)); k++) {
        int32_t *about = golden_integers(tensor);
        const struct host_tensor *box = goldens_find(test->file, "%s.prompt.%d.box", test->run, k);
        const struct host_tensor *points = goldens_find(test->file, "%s.prompt.%d.points", test->run, k);
        const struct host_tensor *labels = goldens_find(test->file, "%s.prompt.%d.labels", test->run, k);
        const struct host_tensor *mask = goldens_find(test->file, "%s.prompt.%d.mask", test->run, k);
        float *box_values = box ? golden_floats(box) : NULL, *point_values = points ? golden_floats(points) : NULL;
        int32_t *label_values = labels ? golden_integers(labels) : NULL;
        const struct sowlv2_track_prompt given = {.box = box_values,
                                                  .points = point_values,
                                                  .labels = label_values,
                                                  .point_count = points ? (size_t)points->dim[0] : 0,
                                                  .mask = mask ? mask->data : NULL,
                                                  .mask_width = mask ? (int)mask->dim[1] : 0,
                                                  .mask_height = mask ? (int)mask->dim[0] : 0,
                                                  .refine = about[3] != 0};

        if (about[0] == step && (only < 0 || about[1] == only))
            must(sowlv2_track_prompt(test->session, about[1], &given));
        free(box_values);
        free(point_values);
        free(label_values);
        free(about);
    }
}

/* A golden's low-resolution logit at pixel (x, y) of the frame: bilinear between pixels' centres, as the reference
 * brings masks to size. */
static float logit_at(const float *logits, int side, const struct sowlv2_mask *mask, int x, int y)
{
    const float u = fmaxf(((float)x + 0.5f) * (float)side / (float)mask->width - 0.5f, 0);
    const float v = fmaxf(((float)y + 0.5f) * (float)side / (float)mask->height - 0.5f, 0);
    const int left = (int)u, top = (int)v, right = left + (left < side - 1), bottom = top + (top < side - 1);
    const float across = u - (float)left, down = v - (float)top;
    const float *above = logits + (size_t)top * (size_t)side, *below = logits + (size_t)bottom * (size_t)side;

    return (above[left] * (1 - across) + above[right] * across) * (1 - down) +
           (below[left] * (1 - across) + below[right] * across) * down;
}

/* Every pixel whose logit is not next to the threshold; gives how many there are and are wanted. */
static void check_pixels(const struct sowlv2_mask *mask, const float *logits, int side, int64_t *both, int64_t *either)
{
    uint8_t *pixels = malloc((size_t)mask->width * (size_t)mask->height);

    assert_non_null(pixels);
    must(sowlv2_mask_to_pixels(mask, pixels));
    for (int y = 0; y < mask->height; y++) {
        for (int x = 0; x < mask->width; x++) {
            const float logit = logit_at(logits, side, mask, x, y);
            const uint8_t found = pixels[y * mask->width + x];

            if (fabsf(logit) > 3 * tolerance && found != (logit > 0))
                fail_msg("pixel %d,%d is %d, its logit %g", x, y, found, (double)logit);
            *both += found && logit > 0;
            *either += found || logit > 0;
        }
    }
    free(pixels);
}

static void check_near(const char *what, float found, float wanted)
{
    if (!(fabsf(found - wanted) <= tolerance * (1 + fabsf(wanted))))
        fail_msg("%s is %g, not %g", what, (double)found, (double)wanted);
}

/* The object on row `row` of the goldens of a step. */
static void check_track(const struct test *test, int step, int64_t row, const struct sowlv2_track *track, int64_t *both,
                        int64_t *either)
{
    const struct host_tensor *tensor = golden(test->file, "%s.%d.masks", test->run, step);
    const struct host_tensor *pointers = golden(test->file, "%s.%d.pointers", test->run, step);
    const int side = (int)tensor->dim[1];
    float *masks = golden_floats(tensor), *pointer = golden_floats(pointers);
    float *iou = golden_floats(golden(test->file, "%s.%d.iou", test->run, step));
    float *scores = golden_floats(golden(test->file, "%s.%d.scores", test->run, step));

    assert_non_null(track);
    assert_int_equal(side, sowlv2_segmenter_mask_side(test->segmenter));
    assert_int_equal(track->pointer_length, pointers->dim[1]);
    check_near("object score", track->mask.object_score, scores[row]);
    check_near("mask score", track->mask.mask_score, iou[row]);
    check_near("confidence", track->confidence, iou[row] / (1 + expf(-scores[row])));
    for (int i = 0; i < track->pointer_length; i++)
        check_near("pointer", track->pointer[i], pointer[row * track->pointer_length + i]);
    assert_int_equal(track->mask.area > 0, scores[row] > 0);
    check_pixels(&track->mask, masks + row * side * side, side, both, either);
    free(masks);
    free(pointer);
    free(iou);
    free(scores);
}

/* Runs the first `steps` steps of a run; of the objects of each only `only` is given and compared, -1: all. */
static void check_run(const char *model, const char *run, int steps, int only)
{
    struct test test = open_test(model, run, NULL);
    int32_t *frames = golden_integers(golden(test.file, "%s.steps", run));
    int64_t both = 0, either = 0, current = -1;

    for (int step = 0; step < steps; step++) {
        const struct host_tensor *tensor = golden(test.file, "%s.%d.objects", run, step);
        int32_t *objects = golden_integers(tensor);
        struct sowlv2_tracks tracks;

        if (frames[step] != current)
            set_frame(&test, frames[step]);
        current = frames[step];
        prompt(&test, step, only);
        tracks = run_frame(&test, NULL);
        assert_int_equal(tracks.count, only < 0 ? tensor->dim[0] : 1);
        for (int64_t row = 0; row < tensor->dim[0]; row++) {
            if (only >= 0 && objects[row] != only)
                continue;
            assert_true(only >= 0 || tracks.items[row].object == objects[row]);
            check_track(&test, step, row, find(&tracks, objects[row]), &both, &either);
        }
        sowlv2_tracks_free(&tracks);
        assert_null(tracks.items);
        free(objects);
    }
    print_message("%s %s, %d steps: masks' IoU %.5f\n", model, run, steps, (double)both / (double)either);
    assert_true(either > 0 && (double)both >= 0.99 * (double)either);
    free(frames);
    close_test(&test);
}

/* A box over 20 frames with one object that goes and comes back; several objects, of which one is refined on a frame
 * that comes once more; a click. Up to where the reference's rules differ. */
static void test_box(void **state)
{
    (void)state;
    check_run("sam2_video_tiny", "one", 20, -1);
}

static void test_objects_and_refining(void **state)
{
    (void)state;
    check_run("sam2_video_tiny", "three", 7, -1);
}

static void test_point(void **state)
{
    (void)state;
    check_run("sam2_video_fields", "point", 12, -1);
}

/* A box and a point in one prompt; a mask's own frame. */
static void test_box_and_point(void **state)
{
    (void)state;
    check_run("sam2_video_fields", "masks", 5, 1);
}

/* What a mask prompt gives on its frame is that mask: of the frame's size, and of another one. */
static void test_mask(void **state)
{
    static const struct {
        int number, object, frame;
    } rows[] = {{0, 0, 0}, {3, 3, 6}};

    (void)state;
    for (size_t r = 0; r < 2; r++) {
        struct test test = open_test("sam2_video_fields", "masks", NULL);
        const struct host_tensor *mask = golden(test.file, "masks.prompt.%d.mask", rows[r].number);
        const int width = (int)mask->dim[1], height = (int)mask->dim[0];
        const uint8_t *given = mask->data;
        const struct sowlv2_track_prompt masked = {.mask = given, .mask_width = width, .mask_height = height};
        struct sowlv2_tracks tracks;
        int64_t same = 0, total;
        uint8_t *pixels;

        set_frame(&test, rows[r].frame);
        must(sowlv2_track_prompt(test.session, rows[r].object, &masked));
        tracks = run_frame(&test, NULL);
        assert_int_equal(tracks.count, 1);
        assert_true(tracks.items[0].prompted);
        total = (int64_t)tracks.items[0].mask.width * tracks.items[0].mask.height;
        pixels = malloc((size_t)total);
        must(sowlv2_mask_to_pixels(&tracks.items[0].mask, pixels));
        for (int64_t i = 0; i < total; i++) {
            const int64_t x = i % tracks.items[0].mask.width, y = i / tracks.items[0].mask.width;
            const int64_t u = x * width / tracks.items[0].mask.width, v = y * height / tracks.items[0].mask.height;

            same += pixels[i] == given[v * width + u];
        }
        assert_true((double)same >= 0.9 * (double)total); /* it went through low-resolution logits */
        free(pixels);
        sowlv2_tracks_free(&tracks);
        close_test(&test);
    }
}

static const float box[] = {8, 9, 30, 25}, other_box[] = {25.9f, 14.6f, 49.3f, 29};
static const struct sowlv2_track_prompt boxed = {.box = box}, other_boxed = {.box = other_box};

/* Objects come and go while the others go on as if they were alone. */
static void test_add_and_remove(void **state)
{
    struct test alone = open_test("sam2_video_tiny", "one", NULL), test = open_test("sam2_video_tiny", "one", NULL);

    (void)state;
    for (int frame = 0; frame < 12; frame++) {
        struct sowlv2_tracks wanted, found;
        const struct sowlv2_track *mine;

        set_frame(&alone, frame);
        set_frame(&test, frame);
        if (frame == 0)
            must(sowlv2_track_prompt(alone.session, 7, &other_boxed));
        if (frame == 0)
            must(sowlv2_track_prompt(test.session, 7, &other_boxed));
        if (frame == 4)
            must(sowlv2_track_prompt(test.session, -3, &boxed));
        if (frame == 9)
            must(sowlv2_track_remove(test.session, -3));
        wanted = run_frame(&alone, NULL);
        found = run_frame(&test, NULL);
        assert_int_equal(wanted.count, 1);
        assert_int_equal(found.count, frame >= 4 && frame < 9 ? 2 : 1);
        assert_int_equal(found.items[0].object, 7); /* in the order in which they came */
        assert_int_equal(found.items[0].prompted, frame == 0);
        if (frame >= 4 && frame < 9)
            assert_int_equal(find(&found, -3)->prompted, frame == 4);
        mine = find(&found, 7);
        assert_true(fabsf(mine->mask.object_score - wanted.items[0].mask.object_score) <= 1e-3f);
        assert_int_equal(mine->mask.area > 0, wanted.items[0].mask.area > 0);
        assert_true(mine->mask.area == 0 || sowlv2_mask_iou(&mine->mask, &wanted.items[0].mask) >= 0.99);
        sowlv2_tracks_free(&wanted);
        sowlv2_tracks_free(&found);
    }
    assert_int_equal(sowlv2_track_remove(test.session, -3), SOWLV2_ERROR_ARGUMENT);
    close_test(&alone);
    close_test(&test);
}

/* A prompt on an earlier frame that is kept: it is as if it had been given there, and what follows goes by it. */
static void test_return(void **state)
{
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct sowlv2_track_run_options fresh = {.prompted_only = true};
    struct test test, plain;
    struct sowlv2_tracks tracks, before, after;

    (void)state;
    options.keep_frames = 4;
    test = open_test("sam2_video_tiny", "one", &options);
    plain = open_test("sam2_video_tiny", "one", &options);
    for (int frame = 0; frame < 8; frame++) {
        set_frame(&test, frame);
        set_frame(&plain, frame);
        if (frame == 0) {
            must(sowlv2_track_prompt(test.session, 7, &other_boxed));
            must(sowlv2_track_prompt(plain.session, 7, &other_boxed));
        }
        tracks = run_frame(&test, NULL);
        sowlv2_tracks_free(&tracks);
        tracks = run_frame(&plain, NULL);
        sowlv2_tracks_free(&tracks);
    }
    assert_int_equal(sowlv2_track_return(test.session, 3), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(sowlv2_error_message(), "keep_frames"));
    assert_int_equal(sowlv2_track_return(test.session, 8), SOWLV2_ERROR_ARGUMENT);
    must(sowlv2_track_return(test.session, 7)); /* the current one */
    must(sowlv2_track_return(test.session, 4));
    before = run_frame(&test, NULL);
    assert_false(before.items[0].prompted);
    must(sowlv2_track_prompt(test.session, 7, &boxed));
    after = run_frame(&test, &fresh);
    assert_int_equal(after.count, 1);
    assert_true(after.items[0].prompted);
    assert_true(memcmp(before.items[0].pointer, after.items[0].pointer, sizeof(float)) != 0);
    sowlv2_tracks_free(&after);
    sowlv2_tracks_free(&before);
    after = run_frame(&test, &fresh); /* nothing new */
    assert_int_equal(after.count, 0);
    sowlv2_tracks_free(&after);
    for (int64_t frame = 5; frame < 9; frame++) {
        if (frame < 8)
            must(sowlv2_track_return(test.session, frame));
        else
            set_frame(&test, frame);
        after = run_frame(&test, NULL);
        assert_int_equal(after.count, 1);
        sowlv2_tracks_free(&after);
    }
    set_frame(&plain, 8);
    before = run_frame(&plain, NULL);
    must(sowlv2_track_return(test.session, 8));
    after = run_frame(&test, NULL);
    assert_true(fabsf(before.items[0].mask.object_score - after.items[0].mask.object_score) > 1e-3f);
    sowlv2_tracks_free(&before);
    sowlv2_tracks_free(&after);
    close_test(&test);
    close_test(&plain);
}

/* Through the video backward is as through the frames in the other order. */
static void test_backward(void **state)
{
    const struct sowlv2_track_run_options reverse = {.reverse = true};
    struct test back = open_test("sam2_video_tiny", "one", NULL), forth = open_test("sam2_video_tiny", "one", NULL);

    (void)state;
    for (int i = 0; i < 10; i++) {
        const struct sowlv2_image image = frame_image(back.file, 19 - i);
        struct sowlv2_tracks one, two;

        must(sowlv2_track_set_frame(back.session, 19 - i, &image));
        must(sowlv2_track_set_frame(forth.session, i, &image));
        if (i == 0) {
            must(sowlv2_track_prompt(back.session, 1, &boxed));
            must(sowlv2_track_prompt(forth.session, 1, &boxed));
        }
        one = run_frame(&back, &reverse);
        two = run_frame(&forth, NULL);
        assert_int_equal(one.count, 1);
        check_near("object score", one.items[0].mask.object_score, two.items[0].mask.object_score);
        check_near("mask score", one.items[0].mask.mask_score, two.items[0].mask.mask_score);
        for (int k = 0; k < one.items[0].pointer_length; k++)
            check_near("pointer", one.items[0].pointer[k], two.items[0].pointer[k]);
        assert_int_equal(one.items[0].mask.area, two.items[0].mask.area);
        sowlv2_tracks_free(&one);
        sowlv2_tracks_free(&two);
    }
    close_test(&back);
    close_test(&forth);
}

/* One thread's video through a shared segmenter. */
struct job {
    struct test test;
    float scores[12];
};

static void *follow(void *argument)
{
    struct job *job = argument;

    for (int frame = 0; frame < 12; frame++) {
        const struct sowlv2_image image = frame_image(job->test.file, frame);
        struct sowlv2_tracks tracks = {0};

        job->scores[frame] = NAN;
        if (sowlv2_track_set_frame(job->test.session, frame, &image) == 0 &&
            (frame > 0 || sowlv2_track_prompt(job->test.session, 1, &other_boxed) == 0) &&
            sowlv2_track_run(job->test.session, NULL, &tracks) == 0 && tracks.count == 1)
            job->scores[frame] = tracks.items[0].mask.object_score;
        sowlv2_tracks_free(&tracks);
    }
    return NULL;
}

static void *create(void *argument)
{
    struct job *job = argument;

    if (sowlv2_track_session_create(job->test.segmenter, NULL, &job->test.session) != 0)
        return NULL;
    return follow(argument);
}

static void test_threads(void **state)
{
    struct test first = open_test("sam2_video_tiny", "one", NULL);
    struct job alone = {.test = first}, jobs[2];
    pthread_t threads[2];

    (void)state;
    follow(&alone);
    for (int i = 0; i < 2; i++) { /* also the video part is opened by whoever comes first */
        jobs[i] = (struct job){.test = {.file = first.file, .segmenter = first.segmenter}};
        assert_int_equal(pthread_create(&threads[i], NULL, create, &jobs[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int frame = 0; frame < 12; frame++)
            assert_true(fabsf(jobs[i].scores[frame] - alone.scores[frame]) <= 1e-4f);
        sowlv2_track_session_free(&jobs[i].test.session);
    }
    close_test(&first);
}

static void expect(int status, const char *part)
{
    assert_int_equal(status, SOWLV2_ERROR_ARGUMENT);
    if (!strstr(sowlv2_error_message(), part))
        fail_msg("%s: not about '%s'", sowlv2_error_message(), part);
}

static void test_bad_options(void **state)
{
    sowlv2_segmenter *segmenter = open_segmenter("sam2_video_tiny", 0), *image_only = open_segmenter("sam2_flat", 0);
    struct sowlv2_track_options wrong[6];
    sowlv2_track_session *session = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        wrong[i] = sowlv2_track_options_default();
    wrong[0].max_cond_frames = 0;
    wrong[1].max_cond_frames = -2;
    wrong[2].keep_frames = -1;
    wrong[3].mask_threshold = NAN;
    wrong[4].fill_holes = -1;
    wrong[5].remove_sprinkles = -1;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(sowlv2_track_session_create(segmenter, &wrong[i], &session), SOWLV2_ERROR_ARGUMENT);
        assert_null(session);
    }
    assert_int_equal(sowlv2_track_session_create(NULL, NULL, &session), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_session_create(segmenter, NULL, NULL), SOWLV2_ERROR_ARGUMENT);
    /* A model of images alone, and once more: the failure is no half-opened part. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sowlv2_track_session_create(image_only, NULL, &session), SOWLV2_ERROR_MODEL);
        assert_null(session);
    }
    sowlv2_track_session_free(&session);
    sowlv2_track_session_free(NULL);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_segmenter_free(&image_only);
}

static void test_no_frame(void **state)
{
    struct test test = open_test("sam2_video_tiny", "one", NULL);
    const struct sowlv2_image image = frame_image(test.file, 0);
    struct sowlv2_image wrong = image;
    struct sowlv2_tracks tracks;
    int width = 0, height = 0;

    (void)state;
    expect(sowlv2_track_run(test.session, NULL, &tracks), "no current frame");
    expect(sowlv2_track_prompt(test.session, 1, &boxed), "no current frame");
    expect(sowlv2_track_return(test.session, 0), "not kept");
    expect(sowlv2_track_remove(test.session, 1), "no object");
    expect(sowlv2_track_set_frame(test.session, 0, NULL), "needed");
    expect(sowlv2_track_set_frame(NULL, 0, &image), "needed");
    expect(sowlv2_track_set_frame(test.session, INT64_MAX, &image), "number");
    must(sowlv2_track_set_frame(test.session, 0, &image));
    tracks = run_frame(&test, NULL);
    assert_int_equal(tracks.count, 0); /* no objects yet */
    sowlv2_tracks_free(&tracks);
    expect(sowlv2_track_return(test.session, 1), "not kept");
    expect(sowlv2_track_run(test.session, NULL, NULL), "needed");
    expect(sowlv2_track_run(NULL, NULL, &tracks), "needed");
    must(sowlv2_track_prompt(test.session, 1, &boxed));

    /* After an error there is no current frame. */
    wrong.height--;
    expect(sowlv2_track_set_frame(test.session, 1, &wrong), "52 x 35");
    expect(sowlv2_track_run(test.session, NULL, &tracks), "no current frame");
    wrong = image;
    wrong.stride = 5;
    expect(sowlv2_track_set_frame(test.session, 1, &wrong), "stride");
    expect(sowlv2_track_prompt(test.session, 1, &boxed), "no current frame");
    must(sowlv2_track_set_frame(test.session, 0, &image));
    tracks = run_frame(&test, NULL);
    assert_int_equal(tracks.count, 1); /* the prompt counts still */
    sowlv2_tracks_free(&tracks);

    /* Files are frames too. */
    expect(sowlv2_track_set_file(test.session, 1, NULL, NULL, NULL), "needed");
    assert_int_equal(sowlv2_track_set_file(test.session, 1, TEST_DATA "/nonexistent.png", NULL, NULL), SOWLV2_ERROR_IO);
    expect(sowlv2_track_run(test.session, NULL, &tracks), "no current frame");
    expect(sowlv2_track_set_file(test.session, 1, TEST_DATA "/media/data/exif_1.jpg", &width, &height), "but those");
    assert_true(width > 0 && height > 0);
    sowlv2_track_session_free(&test.session);
    must(sowlv2_track_session_create(test.segmenter, NULL, &test.session));
    must(sowlv2_track_set_file(test.session, 1, TEST_DATA "/media/data/exif_1.jpg", NULL, NULL));
    must(sowlv2_track_prompt(test.session, 1, &(struct sowlv2_track_prompt){.box = (const float[]){1, 1, 6, 5}}));
    tracks = run_frame(&test, NULL);
    assert_int_equal(tracks.items[0].mask.width, width);
    assert_int_equal(tracks.items[0].mask.height, height);
    sowlv2_tracks_free(&tracks);
    close_test(&test);
}

static void test_bad_prompts(void **state)
{
    static const float nan_box[] = {8, NAN, 30, 25}, reversed[] = {30, 9, 8, 25}, outside[] = {60, 9, 70, 25};
    static const float inside[] = {3, 4}, nan_point[] = {3, NAN}, outside_point[] = {3, 40};
    static const int32_t label = 2;
    static const uint8_t mask[4] = {1};
    const struct sowlv2_track_prompt wrong[] = {
        {0},
        {.box = nan_box},
        {.box = reversed},
        {.box = outside},
        {.points = nan_point, .point_count = 1},
        {.points = outside_point, .point_count = 1},
        {.point_count = 1},
        {.points = inside, .point_count = 1, .labels = &label},
        {.points = inside, .point_count = SIZE_MAX},
        {.box = box, .mask = mask, .mask_width = 2, .mask_height = 2},
        {.mask = mask, .mask_width = 0, .mask_height = 2},
        {.mask = mask, .mask_width = 2, .mask_height = -2},
        {.box = box, .refine = true},
    };
    struct test test = open_test("sam2_video_tiny", "one", NULL);
    struct sowlv2_tracks tracks;

    (void)state;
    set_frame(&test, 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sowlv2_track_prompt(test.session, 1, &wrong[i]), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_prompt(test.session, 1, NULL), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_prompt(NULL, 1, &boxed), SOWLV2_ERROR_ARGUMENT);
    tracks = run_frame(&test, NULL);
    assert_int_equal(tracks.count, 0);
    sowlv2_tracks_free(&tracks);
    sowlv2_tracks_free(&tracks);
    sowlv2_tracks_free(NULL);
    close_test(&test);
}

/* The current frame as an image: masks on it cost the decoder only; another image there ends the frame. */
static void test_frame_as_image(void **state)
{
    struct test test = open_test("sam2_video_tiny", "one", NULL);
    const struct sowlv2_image image = frame_image(test.file, 0), other = frame_image(test.file, 5);
    const struct sowlv2_segment_prompt prompt = {.box = other_box};
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    struct sowlv2_mask mask;
    struct sowlv2_tracks tracks;

    (void)state;
    options.pixels = false;
    set_frame(&test, 0);
    must(sowlv2_track_prompt(test.session, 4, &other_boxed));
    must(sowlv2_segment(sowlv2_track_frame(test.session), &prompt, 1, &options, &mask));
    tracks = run_frame(&test, NULL);
    assert_null(tracks.items[0].mask.pixels);
    /* An object's first mask is that of the same box on the image. */
    assert_true(mask.object_score > 0 && tracks.items[0].mask.area > 0);
    assert_true(sowlv2_mask_iou(&mask, &tracks.items[0].mask) >= 0.999);
    sowlv2_tracks_free(&tracks);
    sowlv2_masks_free(&mask, 1);
    must(sowlv2_segment_set_image(sowlv2_track_frame(test.session), &other, NULL));
    expect(sowlv2_track_run(test.session, NULL, &tracks), "no current frame");
    expect(sowlv2_track_prompt(test.session, 4, &boxed), "no current frame");
    must(sowlv2_track_set_frame(test.session, 1, &image));
    tracks = run_frame(&test, NULL);
    assert_int_equal(tracks.count, 1);
    sowlv2_tracks_free(&tracks);
    close_test(&test);
}

/* `separate` and `pixels`; an object that is not seen is no hole to fill. */
static void test_options(void **state)
{
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct test test, plain = open_test("sam2_video_tiny", "one", NULL);
    struct sowlv2_tracks tracks, overlapping;
    size_t shared = 0, unseen = 0;

    (void)state;
    options.separate = options.pixels = true;
    options.fill_holes = options.remove_sprinkles = 1 << 20;
    test = open_test("sam2_video_tiny", "one", &options);
    for (int frame = 0; frame < 10; frame++) {
        set_frame(&test, frame);
        set_frame(&plain, frame);
        if (frame == 0) {
            must(sowlv2_track_prompt(test.session, 1, &other_boxed));
            must(sowlv2_track_prompt(test.session, 2, &other_boxed));
            must(sowlv2_track_prompt(plain.session, 1, &other_boxed));
            must(sowlv2_track_prompt(plain.session, 2, &other_boxed));
        }
        tracks = run_frame(&test, NULL);
        overlapping = run_frame(&plain, NULL);
        assert_int_equal(tracks.count, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_non_null(tracks.items[i].mask.pixels);
            unseen += !(tracks.items[i].mask.object_score > 0);
            if (!(tracks.items[i].mask.object_score > 0))
                assert_int_equal(tracks.items[i].mask.area, 0);
        }
        shared += sowlv2_mask_iou(&overlapping.items[0].mask, &overlapping.items[1].mask) > 0.5;
        sowlv2_tracks_free(&tracks);
        sowlv2_tracks_free(&overlapping);
    }
    assert_true(shared > 0 && unseen > 0);
    close_test(&test);
    options.fill_holes = options.remove_sprinkles = 0;
    test = open_test("sam2_video_tiny", "one", &options);
    set_frame(&test, 0);
    must(sowlv2_track_prompt(test.session, 1, &other_boxed));
    must(sowlv2_track_prompt(test.session, 2, &other_boxed));
    tracks = run_frame(&test, NULL);
    assert_true(tracks.items[0].mask.area > 0);
    assert_true(sowlv2_mask_iou(&tracks.items[0].mask, &tracks.items[1].mask) <= 0);
    sowlv2_tracks_free(&tracks);
    close_test(&test);
    close_test(&plain);
}

static bool stop_at_once(int done, int total, void *user_data)
{
    const bool *go_on = user_data;

    assert_true(done <= total);
    return *go_on;
}

static void test_cancelled(void **state)
{
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct sowlv2_image image;
    struct sowlv2_tracks tracks;
    struct test test;
    bool go_on = false;

    (void)state;
    options.progress = stop_at_once;
    options.progress_user_data = &go_on;
    test = open_test("sam2_video_tiny", "one", &options);
    image = frame_image(test.file, 0);
    assert_int_equal(sowlv2_track_set_frame(test.session, 0, &image), SOWLV2_ERROR_CANCELLED);
    expect(sowlv2_track_prompt(test.session, 1, &boxed), "no current frame");
    go_on = true;
    must(sowlv2_track_set_frame(test.session, 0, &image));
    must(sowlv2_track_prompt(test.session, 1, &other_boxed));
    go_on = false;
    assert_int_equal(sowlv2_track_run(test.session, NULL, &tracks), SOWLV2_ERROR_CANCELLED);
    assert_null(tracks.items);
    go_on = true;
    tracks = run_frame(&test, NULL);
    assert_true(tracks.count == 1 && tracks.items[0].prompted && tracks.items[0].mask.area > 0);
    sowlv2_tracks_free(&tracks);
    close_test(&test);
}

/* Sanitizers keep what was freed for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static long resident_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long all, resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &all, &resident), 2);
    fclose(file);
    return resident;
}

/* Frames without end, objects that come and go, prompts again and again: memory stays as it is. */
static void test_memory(void **state)
{
    enum { WARM = 60, MOST = 260, SLACK_PAGES = 512 };
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct test test;
    long warm = 0;

    (void)state;
    options.keep_frames = 3;
    test = open_test("sam2_video_fields", "point", &options);
    for (int frame = 0; frame < MOST; frame++) {
        const struct sowlv2_image image = frame_image(test.file, frame % 12);
        struct sowlv2_tracks tracks;

        must(sowlv2_track_set_frame(test.session, frame, &image));
        if (frame % 5 == 0)
            must(sowlv2_track_prompt(test.session, 1, &boxed));
        if (frame % 10 == 0)
            must(sowlv2_track_prompt(test.session, 100 + frame, &other_boxed));
        tracks = run_frame(&test, NULL);
        assert_in_range(tracks.count, 1, 2);
        sowlv2_tracks_free(&tracks);
        if (frame % 10 == 9)
            must(sowlv2_track_remove(test.session, 100 + frame - 9));
        if (frame == WARM)
            warm = resident_pages();
    }
    print_message("%ld pages after %d frames, %ld after %d\n", warm, WARM, resident_pages(), MOST);
#ifndef SANITIZED
    assert_true(resident_pages() <= warm + SLACK_PAGES);
#endif
    close_test(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_box),
        cmocka_unit_test(test_objects_and_refining),
        cmocka_unit_test(test_point),
        cmocka_unit_test(test_box_and_point),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_add_and_remove),
        cmocka_unit_test(test_return),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_no_frame),
        cmocka_unit_test(test_bad_prompts),
        cmocka_unit_test(test_frame_as_image),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
