/* Small made-up videos, and runs of track_video() over them. */
#include "movie.h"

#include "base/error.h"
#include "base/test_folder.h"
#include "output/claim.h"
#include "track_case.h"
#include "video/video_out.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const prompts[] = {"cat", "dog"};

bool movie_box(const struct movie_thing *thing, int64_t frame, float box[4])
{
    const float x = (float)(thing->x + thing->speed * frame), y = (float)thing->y;
    const bool there = (frame >= thing->first && frame <= thing->last) || (thing->back > 0 && frame >= thing->back);

    box[0] = fmaxf(x, 0);
    box[1] = fmaxf(y, 0);
    box[2] = fminf(x + MOVIE_SIDE, MOVIE_WIDTH);
    box[3] = fminf(y + MOVIE_SIDE, MOVIE_HEIGHT);
    return thing->look > 0 && there && box[0] < box[2];
}

static int scene_of(const struct movie *movie, int64_t frame)
{
    int scene = 0;

    for (size_t i = 0; i < sizeof(movie->cuts) / sizeof(movie->cuts[0]); i++)
        scene += movie->cuts[i] > 0 && frame >= movie->cuts[i];
    return scene;
}

/* The step of a score, 0 to 9. */
static int step_of(const struct movie_thing *thing, int64_t frame)
{
    const int64_t away = llabs(frame - thing->best);

    return thing->best == 0 ? 5 : away > 9 ? 0 : 9 - (int)away;
}

uint8_t *movie_picture(const struct movie *movie, int64_t frame)
{
    uint8_t *pixels = malloc((size_t)MOVIE_WIDTH * MOVIE_HEIGHT * 3);
    const int scene = scene_of(movie, frame), shift = movie->still ? 0 : (int)(frame % 8);

    assert_non_null(pixels);
    for (int y = 0; y < MOVIE_HEIGHT; y++) {
        for (int x = 0; x < MOVIE_WIDTH; x++) {
            uint8_t *pixel = pixels + 3 * (y * MOVIE_WIDTH + x);

            memset(pixel, scene % 2 ? 180 - x / 2 - shift : 20 + y / 4 + shift, 3);
        }
    }
    for (size_t i = 0; i < MOVIE_THINGS; i++) {
        const struct movie_thing *thing = &movie->things[i];
        const struct fake_look look = {thing->look, thing->prompt, step_of(thing, frame)};
        float box[4];

        if (!movie_box(thing, frame, box))
            continue;
        for (int y = (int)box[1]; y < (int)box[3]; y++)
            for (int x = (int)box[0]; x < (int)box[2]; x++)
                fake_look_paint(look, pixels + 3 * (y * MOVIE_WIDTH + x));
    }
    return pixels;
}

char *movie_write(const struct movie *movie, const char *folder, const char *name)
{
    const struct video_writer_options options = {.width = MOVIE_WIDTH,
                                                 .height = MOVIE_HEIGHT,
                                                 .channels = 3,
                                                 .frame_rate = MOVIE_RATE,
                                                 .codec = VIDEO_CODEC_FFV1};
    char *path = test_path(folder, name);
    struct video_writer *writer;

    assert_int_equal(video_writer_open(path, &options, &writer), 0);
    for (int64_t frame = 1; frame <= movie->frames; frame++) {
        uint8_t *pixels = movie_picture(movie, frame);

        assert_int_equal(video_writer_add(writer, pixels, (size_t)MOVIE_WIDTH * 3, (double)(frame - 1) / MOVIE_RATE),
                         0);
        free(pixels);
    }
    assert_int_equal(video_writer_close(&writer), 0);
    return path;
}

struct movie_run *movie_open(const struct movie *movie)
{
    struct movie_run *run = calloc(1, sizeof(*run));

    assert_non_null(run);
    fake_tracker_reset();
    run->folder = test_folder_make();
    run->movie = *movie;
    run->source = movie_write(movie, run->folder, "clip.mkv");
    run->output = test_path(run->folder, "out");
    run->detect = (struct sowlv2_detect_options){.threshold = 0.1f, .clip = true};
    run->track = (struct sowlv2_track_options){.max_cond_frames = 4};
    run->job = (struct sowlv2_run_options){.output = run->output,
                                           .prompts = prompts,
                                           .prompt_count = 2,
                                           .detect = &run->detect,
                                           .segment = &run->segment,
                                           .track = &run->track,
                                           .cuts = true,
                                           .key_frames = true, /* where there is a plan */
                                           .merge_iou = 0.7,
                                           .match_iou = 0.5,
                                           .lost_after = 5,
                                           .max_objects = 8,
                                           .frame_budget = 1,
                                           .merged = true,
                                           .rle = true,
                                           .pictures = SOWLV2_PICTURES_NONE,
                                           .io_threads = 2,
                                           .stop = &fake_detector.interrupted};
    run->options = (struct track_options){.job = &run->job, .source = run->source, .name = "clip.mkv"};
    return run;
}

void movie_close(struct movie_run *run)
{
    json_decref(run->rows);
    test_folder_remove(run->folder);
    free(run->source);
    free(run->output);
    free(run);
}

int movie_track(struct movie_run *run)
{
    const struct output_claim_options folder = {.folder = run->job.output};
    struct output_claim *claim = NULL;
    int status = output_claim_open(&folder, &claim);

    run->report = (struct track_report){0};
    run->options.claim = claim;
    if (!status)
        status = track_video(NULL, fake_segmenter, &run->options, &run->report);
    output_claim_close(&claim);

    json_decref(run->rows);
    run->rows = NULL;
    if (status == 0 || run->report.broken)
        run->rows = track_case_rows(run->output);
    assert_int_equal(fake_tracker.sessions, 0);
    assert_int_equal(fake_tracker.unknown, 0);
    assert_false(fake_tracker.options.pixels);
    return status;
}

void movie_track_all(struct movie_run *run)
{
    if (movie_track(run) != 0)
        fail_msg("%s", sowlv2_error_message());
    assert_int_equal(json_array_size(run->rows), run->movie.frames);
    assert_int_equal(run->report.frames, run->movie.frames);
    for (int64_t frame = 1; frame <= run->movie.frames; frame++) {
        const json_t *row = json_array_get(run->rows, (size_t)frame - 1);

        assert_int_equal(json_integer_value(json_object_get(row, "frame")), frame);
        assert_string_equal(json_string_value(json_object_get(row, "video")), "clip.mkv");
        assert_int_equal(json_integer_value(json_object_get(row, "width")), MOVIE_WIDTH);
        assert_int_equal(json_integer_value(json_object_get(row, "height")), MOVIE_HEIGHT);
        assert_true(fabs(json_real_value(json_object_get(row, "time")) - (double)(frame - 1) / MOVIE_RATE) < 1e-3);
    }
}

static const json_t *objects_of(const struct movie_run *run, int64_t frame)
{
    for (size_t i = 0; i < json_array_size(run->rows); i++) {
        const json_t *row = json_array_get(run->rows, i);

        if (json_integer_value(json_object_get(row, "frame")) == frame)
            return json_object_get(row, "objects");
    }
    fail_msg("there is no row of frame %lld", (long long)frame);
    return NULL;
}

size_t movie_objects(const struct movie_run *run, int64_t frame)
{
    return json_array_size(objects_of(run, frame));
}

const json_t *movie_object(const struct movie_run *run, int64_t frame, int64_t id)
{
    const json_t *objects = objects_of(run, frame), *found = NULL;
    int64_t before = 0;

    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *object = json_array_get(objects, i);
        const int64_t mine = json_integer_value(json_object_get(object, "id"));

        assert_true(mine > before); /* rising, and so each once */
        before = mine;
        found = mine == id ? object : found;
    }
    return found;
}

bool movie_is_lost(const json_t *object)
{
    return json_is_true(json_object_get(object, "lost"));
}

bool movie_is_interpolated(const json_t *object)
{
    return json_is_true(json_object_get(object, "interpolated"));
}

void movie_expect(const struct movie_run *run, int64_t frame, int64_t id, const struct movie_thing *thing, double most)
{
    const json_t *object = movie_object(run, frame, id), *box = json_object_get(object, "box");
    float wanted[4];

    if (!object)
        fail_msg("frame %lld: object %lld is missing", (long long)frame, (long long)id);
    assert_string_equal(json_string_value(json_object_get(object, "prompt")), prompts[thing->prompt]);
    assert_non_null(json_object_get(object, "rle"));
    if (!movie_box(thing, frame, wanted)) {
        assert_true(json_is_null(box));
        assert_true(movie_is_lost(object));
        assert_int_equal(json_integer_value(json_object_get(object, "area")), 0);
        return;
    }
    assert_false(movie_is_lost(object));
    for (size_t i = 0; i < 4; i++)
        if (!(fabs(json_number_value(json_array_get(box, i)) - (double)wanted[i]) <= most))
            fail_msg("frame %lld: object %lld: side %zu at %g, not %g", (long long)frame, (long long)id, i,
                     json_number_value(json_array_get(box, i)), (double)wanted[i]);
    if (most <= 0)
        assert_true(fabs(json_number_value(json_object_get(object, "area")) -
                         (double)((wanted[2] - wanted[0]) * (wanted[3] - wanted[1]))) < 0.5);
}

void movie_expect_all(const struct movie_run *run, int64_t first, int64_t last, int64_t id,
                      const struct movie_thing *thing)
{
    for (int64_t frame = first; frame <= last; frame++)
        movie_expect(run, frame, id, thing, 0);
}

void movie_expect_none(const struct movie_run *run, int64_t first, int64_t last, int64_t id)
{
    for (int64_t frame = first; frame <= last; frame++)
        assert_null(movie_object(run, frame, id));
}
