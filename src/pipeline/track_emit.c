/* The end of the line: frames that were not tracked get their masks from those around them. */
#include "base/clock.h"
#include "base/error.h"
#include "pipeline/track_run.h"

#include <stdlib.h>
#include <string.h>

/* A frame that waits for the next tracked one. */
struct waiting {
    struct track_feed_frame frame;
    struct between_picture picture;
};

struct track_emitter {
    struct track_run *run;
    struct waiting *waiting; /* [count] */
    size_t count, capacity;
    int64_t *ended; /* objects whose last frame is among those that wait, or the one before them */
    size_t ended_count, ended_capacity;

    /* The last tracked frame. */
    struct between_picture picture;
    struct output_object *objects;
    size_t object_count;
    double time;
};

int track_emitter_create(struct track_run *run, struct track_emitter **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return error_memory("frames");
    (*out)->run = run;
    return 0;
}

static void free_waiting(struct waiting *waiting)
{
    image_free(&waiting->frame.image);
    between_picture_free(&waiting->picture);
    *waiting = (struct waiting){0};
}

void track_emitter_free(struct track_emitter **emitter)
{
    struct track_emitter *old = *emitter;

    if (!old)
        return;
    for (size_t i = 0; i < old->count; i++)
        free_waiting(&old->waiting[i]);
    output_objects_free(old->objects, old->object_count);
    between_picture_free(&old->picture);
    free(old->waiting);
    free(old->ended);
    free(old);
    *emitter = NULL;
}

/* Leaves out what is not likely enough right. Returns how many are left. */
static size_t filter(double least, struct output_object *objects, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (objects[i].mask.area > 0 && objects[i].confidence < least)
            output_object_free(&objects[i]);
        else
            objects[kept++] = objects[i];
    return kept;
}

/* Hands a frame to the output. All is taken over. */
static int give(struct track_emitter *emitter, struct track_feed_frame *frame, struct output_object *objects,
                size_t count)
{
    struct output_frame out = {.image = frame->image,
                               .number = frame->number,
                               .time = frame->time,
                               .duration = frame->duration,
                               .source_number = frame->source_number,
                               .objects = objects,
                               .count = filter(emitter->run->job->min_confidence, objects, count)};
    const double start = clock_seconds();
    int status;

    frame->image = (struct image){0};
    if (frame->source_name) {
        out.source_name = strdup(frame->source_name);
        if (!out.source_name) {
            output_frame_free(&out);
            return error_memory("frames");
        }
    }
    emitter->run->report->frames++;
    status = track_output_add(emitter->run->output, &out);
    emitter->run->report->wait_seconds += clock_seconds() - start;
    return status;
}

static int make_picture(const struct image *image, struct between_picture *out)
{
    return between_picture_make(image->pixels, image->width, image->height, (size_t)image->width * 3, out);
}

static const struct output_object *find(const struct output_object *objects, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (objects[i].id == id)
            return &objects[i];
    return NULL;
}

/* One object on a frame that was not tracked. `next` NULL: nothing is known of it later. */
static int fill_object(const struct between_frames *frames, const struct output_object *last,
                       const struct output_object *next, struct output_object *out)
{
    int status;

    *out = (struct output_object){.id = last->id,
                                  .prompt = last->prompt,
                                  .score = last->score,
                                  .objectness = last->objectness,
                                  .confirmed_frame = last->confirmed_frame,
                                  .confidence = last->confidence,
                                  .interpolated = true};
    status = masks_between(frames, &last->mask, next ? &next->mask : NULL, &out->mask);
    out->lost = out->mask.area == 0;
    return status;
}

/* Gives one waiting frame; `after` NULL: no tracked frame of its scene follows. */
static int fill(struct track_emitter *emitter, struct waiting *waiting, const struct between_picture *after,
                double after_time, const struct output_object *next, size_t next_count)
{
    const double span = after_time - emitter->time;
    const struct between_frames frames = {.before = &emitter->picture,
                                          .now = &waiting->picture,
                                          .after = after,
                                          .position = span > 0 ? (waiting->frame.time - emitter->time) / span : 0};
    struct output_object *objects = calloc(emitter->object_count + 1, sizeof(*objects));
    int status = objects ? 0 : error_memory("objects");
    size_t count = 0;

    for (size_t i = 0; !status && i < emitter->object_count; i++) {
        const struct output_object *last = &emitter->objects[i];

        if (last->merged_into > 0) /* that was its last row */
            continue;
        status = fill_object(&frames, last, after ? find(next, next_count, last->id) : NULL, &objects[count]);
        count++;
    }
    if (status) {
        output_objects_free(objects, count);
        return status;
    }
    emitter->run->report->interpolated++;
    return give(emitter, &waiting->frame, objects, count);
}

static int fill_all(struct track_emitter *emitter, const struct between_picture *after, double after_time,
                    const struct output_object *next, size_t next_count)
{
    int status = 0;

    for (size_t i = 0; i < emitter->count; i++) {
        if (!status)
            status = fill(emitter, &emitter->waiting[i], after, after_time, next, next_count);
        free_waiting(&emitter->waiting[i]);
    }
    emitter->count = 0;
    for (size_t i = 0; i < emitter->ended_count; i++)
        track_output_end_object(emitter->run->output, emitter->ended[i]);
    emitter->ended_count = 0;
    return status;
}

static int wait_for_next(struct track_emitter *emitter, struct track_feed_frame *frame)
{
    struct waiting *place;

    if (emitter->count == emitter->capacity) {
        const size_t capacity = emitter->capacity > 0 ? 2 * emitter->capacity : 8;
        struct waiting *grown = realloc(emitter->waiting, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("frames");
        emitter->waiting = grown;
        emitter->capacity = capacity;
    }
    place = &emitter->waiting[emitter->count++];
    *place = (struct waiting){.frame = *frame};
    frame->image = (struct image){0};
    return make_picture(&place->frame.image, &place->picture);
}

/* Keeps what later frames are filled from. */
static int keep(struct track_emitter *emitter, const struct track_feed_frame *frame,
                const struct output_object *objects, size_t count)
{
    struct output_object *copies = NULL;
    int status = make_picture(&frame->image, &emitter->picture);

    if (!status)
        status = output_objects_copy(objects, count, &copies);
    output_objects_free(emitter->objects, emitter->object_count);
    emitter->objects = copies;
    emitter->object_count = status ? 0 : count;
    emitter->time = frame->time;
    return status;
}

static int add_tracked(struct track_emitter *emitter, struct track_feed_frame *frame,
                       const struct output_object *objects, size_t count)
{
    const bool budget = emitter->run->job->frame_budget < 1;
    struct between_picture picture = {0};
    int status = 0;

    if (emitter->count > 0 && !frame->cut)
        status = make_picture(&frame->image, &picture);
    if (!status)
        status = fill_all(emitter, frame->cut || emitter->count == 0 ? NULL : &picture, frame->time, objects, count);
    between_picture_free(&picture);
    return status || !budget ? status : keep(emitter, frame, objects, count);
}

int track_emitter_add(struct track_emitter *emitter, struct track_feed_frame *frame, bool tracked,
                      struct output_object *objects, size_t count)
{
    int status = tracked ? add_tracked(emitter, frame, objects, count) : wait_for_next(emitter, frame);

    if (!status && tracked)
        return give(emitter, frame, objects, count);
    output_objects_free(objects, count);
    image_free(&frame->image);
    return status;
}

int track_emitter_end_object(struct track_emitter *emitter, int64_t id)
{
    if (emitter->ended_count == emitter->ended_capacity) {
        const size_t capacity = emitter->ended_capacity > 0 ? 2 * emitter->ended_capacity : 8;
        int64_t *grown = realloc(emitter->ended, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("objects");
        emitter->ended = grown;
        emitter->ended_capacity = capacity;
    }
    emitter->ended[emitter->ended_count++] = id;
    return 0;
}

int track_emitter_flush(struct track_emitter *emitter)
{
    return fill_all(emitter, NULL, emitter->time, NULL, 0);
}
