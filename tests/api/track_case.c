/* Sessions over goldens, and the comparison of a frame's tracks with them. */
#include "track_case.h"

#include <math.h>
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

struct track_case case_open(const char *model, const char *run, const struct sowlv2_track_options *options)
{
    struct track_case test = {.run = run};
    char path[4096];

    snprintf(path, sizeof(path), "%s%s/expected.safetensors", MODELS, model);
    test.file = goldens_open(path);
    test.segmenter = open_segmenter(model, 0);
    must(sowlv2_track_session_create(test.segmenter, options, &test.session));
    return test;
}

void case_close(struct track_case *test)
{
    sowlv2_track_session_free(&test->session);
    assert_null(test->session);
    sowlv2_segmenter_free(&test->segmenter);
    safetensors_close(&test->file);
}

struct sowlv2_image case_image(struct safetensors *file, int64_t frame)
{
    const struct host_tensor *frames = golden(file, "frames");
    const size_t bytes = (size_t)(frames->dim[1] * frames->dim[2] * 3);

    assert_in_range(frame, 0, frames->dim[0] - 1);
    return (struct sowlv2_image){.pixels = (const uint8_t *)frames->data + (size_t)frame * bytes,
                                 .width = (int)frames->dim[2],
                                 .height = (int)frames->dim[1]};
}

void case_set_frame(struct track_case *test, int64_t frame)
{
    const struct sowlv2_image image = case_image(test->file, frame);

    must(sowlv2_track_set_frame(test->session, frame, &image));
}

struct sowlv2_tracks case_run(struct track_case *test, const struct sowlv2_track_run_options *options)
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

const struct sowlv2_track *find_track(const struct sowlv2_tracks *tracks, int64_t object)
{
    for (size_t i = 0; i < tracks->count; i++)
        if (tracks->items[i].object == object)
            return &tracks->items[i];
    return NULL;
}

void case_prompt(struct track_case *test, int step, int only)
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

void check_near(const char *what, float found, float wanted)
{
    if (!(fabsf(found - wanted) <= tolerance * (1 + fabsf(wanted))))
        fail_msg("%s is %g, not %g", what, (double)found, (double)wanted);
}

void check_track(const struct track_case *test, int step, int64_t row, const struct sowlv2_track *track, int64_t *both,
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

const float case_box[] = {8, 9, 30, 25}, case_other_box[] = {25.9f, 14.6f, 49.3f, 29};
const struct sowlv2_track_prompt case_boxed = {.box = case_box}, case_other_boxed = {.box = case_other_box};
