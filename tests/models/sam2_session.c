/* See sam2_session.h. */
#include "sam2_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void receive(struct compute *compute, const char *name, struct tensor tensor, void *user_data)
{
    struct sam2_session *session = user_data;
    char last[64];
    snprintf(last, sizeof(last), "attention.%d", session->video->config.attention_layers - 1);
    if (strcmp(name, last) == 0 && !session->attended) {
        session->attended = true;
        op_download(compute, tensor_at(tensor, 0), session->attention);
        sam2_check(compute_finish(compute));
    }
}

void sam2_session_open(const char *model, const struct tracker_options *options, struct sam2_session *session)
{
    memset(session, 0, sizeof(*session));
    sam2_case_open(model, &session->test);
    sam2_check(sam2_video_open(session->test.folder, session->test.model, &session->video));
    sam2_check(sam2_tracker_create(session->video, options, &session->tracker));
    sam2_check(sam2_features_create(session->test.model, &session->features));
    session->attention =
        sam2_floats(session->test.config->grid * session->test.config->grid * session->test.config->width);
}

void sam2_session_close(struct sam2_session *session)
{
    free(session->attention);
    free(session->tracks);
    free(session->values);
    sam2_features_free(&session->features);
    sam2_tracker_free(&session->tracker);
    assert_null(session->tracker);
    sam2_video_free(&session->video);
    assert_null(session->video);
    sam2_case_close(&session->test);
}

void sam2_session_encode(struct sam2_session *session, int64_t frame)
{
    const struct host_tensor *frames = sam2_golden(&session->test, "frames");
    const size_t bytes = (size_t)(frames->dim[1] * frames->dim[2] * 3);
    assert_in_range(frame, 0, frames->dim[0] - 1);
    const struct sowlv2_image image = {.pixels = (const uint8_t *)frames->data + (size_t)frame * bytes,
                                       .width = (int)frames->dim[2],
                                       .height = (int)frames->dim[1],
                                       .stride = (size_t)frames->dim[2] * 3};
    sam2_check(sam2_encode(session->test.model, session->test.compute, &image, NULL, NULL, NULL, session->features));
}

static int by_place(const void *left, const void *right)
{
    const struct session_track *a = left, *b = right;
    return a->place < b->place ? -1 : a->place > b->place;
}

int sam2_session_try(struct sam2_session *session, const struct track_run *run, const struct session_track **tracks,
                     int64_t *count)
{
    struct compute *compute = session->test.compute;
    const int64_t area = session->test.config->mask_side * session->test.config->mask_side;
    const int64_t width = session->test.config->width;
    struct tracks found;
    *tracks = NULL;
    *count = 0;
    const int status = sam2_tracker_run(session->tracker, compute, session->features, run, &found);
    if (status != 0)
        return status;
    const int64_t n = found.count;
    free(session->tracks);
    free(session->values);
    session->tracks = calloc((size_t)n + 1, sizeof(*session->tracks));
    session->values = sam2_floats(n * (area + width + 2) + 1);
    assert_non_null(session->tracks);
    float *const iou = session->values, *const scores = iou + n, *const masks = scores + n;
    float *const pointers = masks + n * area;
    op_download(compute, found.iou, iou);
    op_download(compute, found.object_scores, scores);
    op_download(compute, found.masks, masks);
    op_download(compute, found.pointers, pointers);
    sam2_check(compute_finish(compute));
    for (int64_t i = 0; i < n; i++) {
        session->tracks[i] = (struct session_track){.object = found.items[i].object,
                                                    .place = found.items[i].place,
                                                    .conditioning = found.items[i].conditioning,
                                                    .iou = iou[i],
                                                    .object_score = scores[i],
                                                    .mask = masks + i * area,
                                                    .pointer = pointers + i * width};
    }
    sam2_tracker_keep(session->tracker, iou, scores);
    qsort(session->tracks, (size_t)n, sizeof(*session->tracks), by_place);
    *tracks = session->tracks;
    *count = n;
    return 0;
}

const struct session_track *sam2_session_run(struct sam2_session *session, int64_t frame, int64_t *count)
{
    const struct model_trace trace = {receive, session};
    const struct track_run run = {.frame = frame, .trace = &trace};
    const struct session_track *tracks;
    session->attended = false;
    sam2_check(sam2_session_try(session, &run, &tracks, count));
    return tracks;
}

void sam2_session_prompt(struct sam2_session *session, const char *run, int step, int only)
{
    const struct host_tensor *about;
    for (int k = 0; (about = sam2_find(&session->test, "%s.prompt.%d.about", run, k)); k++) {
        if (sam2_whole(about, 0) != step || (only >= 0 && sam2_whole(about, 1) != only))
            continue;
        const struct host_tensor *box = sam2_find(&session->test, "%s.prompt.%d.box", run, k);
        const struct host_tensor *points = sam2_find(&session->test, "%s.prompt.%d.points", run, k);
        const struct host_tensor *labels = sam2_find(&session->test, "%s.prompt.%d.labels", run, k);
        const struct host_tensor *mask = sam2_find(&session->test, "%s.prompt.%d.mask", run, k);
        float *box_values = box ? sam2_values(box) : NULL;
        float *point_values = points ? sam2_values(points) : NULL;
        int32_t label_values[16] = {0};
        for (int i = 0; points && i < points->dim[0]; i++)
            label_values[i] = sam2_whole(labels, i);
        const struct sowlv2_track_prompt prompt = {
            .box = box_values,
            .points = point_values,
            .labels = label_values,
            .point_count = points ? (size_t)points->dim[0] : 0,
            .mask = mask ? mask->data : NULL,
            .mask_height = mask ? (int)mask->dim[0] : 0,
            .mask_width = mask ? (int)mask->dim[1] : 0,
            .refine = sam2_whole(about, 3) != 0,
        };
        sam2_check(sam2_tracker_prompt(session->tracker, sam2_whole(about, 1), sam2_whole(about, 2), &prompt));
        free(box_values);
        free(point_values);
    }
}
