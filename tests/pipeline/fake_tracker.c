/* Track sessions without a model, behind the public API. */
#include "fake_tracker.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 64 };

struct object {
    int64_t id, last_seen, prompted; /* frames; prompted: the last of them */
    bool fresh;
    struct fake_look look;
};

struct sowlv2_track_session {
    sowlv2_segment_session *frame;
    bool has_frame;
    int64_t number;
    int width, height;
    struct object objects[MOST];
    size_t count;
};

struct fake_tracker fake_tracker;

void fake_tracker_reset(void)
{
    fake_detector_reset();
    fake_detector.by_colour = true;
    fake_tracker = (struct fake_tracker){.memory = 12};
}

int sowlv2_track_session_create(const sowlv2_segmenter *segmenter, const struct sowlv2_track_options *options,
                                sowlv2_track_session **out)
{
    *out = calloc(1, sizeof(**out));
    fake_tracker.sessions++;
    fake_tracker.options = *options;
    return sowlv2_segment_session_create(segmenter, &(*out)->frame);
}

void sowlv2_track_session_free(sowlv2_track_session **session)
{
    if (!*session)
        return;
    fake_tracker.sessions--;
    sowlv2_segment_session_free(&(*session)->frame);
    free(*session);
    *session = NULL;
}

int sowlv2_track_set_frame(sowlv2_track_session *session, int64_t frame, const struct sowlv2_image *image)
{
    const size_t count = ++fake_tracker.frames;

    if (count <= sizeof(fake_tracker.numbers) / sizeof(fake_tracker.numbers[0]))
        fake_tracker.numbers[count - 1] = frame;
    usleep(fake_tracker.wait);
    if (count == fake_tracker.interrupt_at)
        __atomic_store_n(&fake_detector.interrupted, 1, __ATOMIC_RELAXED);
    if (count == fake_tracker.fail_at)
        return error_set(SOWLV2_ERROR_MEMORY, "this frame cannot be encoded");
    if (session->width > 0 && (session->width != image->width || session->height != image->height))
        return error_set(SOWLV2_ERROR_ARGUMENT, "another size");
    session->width = image->width;
    session->height = image->height;
    session->number = frame;
    session->has_frame = true;
    return sowlv2_segment_set_image(session->frame, image, NULL);
}

sowlv2_segment_session *sowlv2_track_frame(sowlv2_track_session *session)
{
    return session->frame;
}

static struct object *find(sowlv2_track_session *session, int64_t id)
{
    for (size_t i = 0; i < session->count; i++)
        if (session->objects[i].id == id)
            return &session->objects[i];
    return NULL;
}

/* The box around a mask. */
static void surround(const struct sowlv2_track_prompt *prompt, float box[4])
{
    box[0] = (float)prompt->mask_width;
    box[1] = (float)prompt->mask_height;
    box[2] = box[3] = 0;
    for (int y = 0; y < prompt->mask_height; y++)
        for (int x = 0; x < prompt->mask_width; x++) {
            if (!prompt->mask[y * prompt->mask_width + x])
                continue;
            box[0] = (float)x < box[0] ? (float)x : box[0];
            box[1] = (float)y < box[1] ? (float)y : box[1];
            box[2] = (float)(x + 1) > box[2] ? (float)(x + 1) : box[2];
            box[3] = (float)(y + 1) > box[3] ? (float)(y + 1) : box[3];
        }
}

int sowlv2_track_prompt(sowlv2_track_session *session, int64_t object, const struct sowlv2_track_prompt *prompt)
{
    struct object *found = find(session, object);
    float around[4];

    if (!session->has_frame || !prompt->box == !prompt->mask || (!found && session->count == MOST))
        return error_set(SOWLV2_ERROR_ARGUMENT, "no frame, no box, or too many objects");
    if (!found) {
        found = &session->objects[session->count++];
        *found = (struct object){.id = object};
    }
    if (session->count > fake_tracker.most)
        fake_tracker.most = session->count;
    if (prompt->mask) {
        fake_tracker.masks++;
        surround(prompt, around);
    }
    found->look = fake_look_in(session->frame, prompt->mask ? around : prompt->box);
    found->fresh = true;
    found->prompted = found->last_seen = session->number;
    return 0;
}

int sowlv2_track_remove(sowlv2_track_session *session, int64_t object)
{
    struct object *found = find(session, object);

    if (!found) {
        fake_tracker.unknown++;
        return error_set(SOWLV2_ERROR_ARGUMENT, "there is no such object");
    }
    session->count--;
    memmove(found, found + 1, (session->count - (size_t)(found - session->objects)) * sizeof(*found));
    return 0;
}

static void run_object(const sowlv2_track_session *session, struct object *object, struct sowlv2_track *out)
{
    const int64_t away = llabs(session->number - object->last_seen);

    *out = (struct sowlv2_track){.object = object->id,
                                 .confidence = 0.5f,
                                 .prompted = object->prompted == session->number,
                                 .pointer_length = FAKE_LOOKS};
    object->fresh = false;
    fake_look_mask(session->frame, away <= fake_tracker.memory ? object->look : (struct fake_look){0}, &out->mask);
    if (out->mask.area > 0)
        object->last_seen = session->number;
    out->pointer = calloc(FAKE_LOOKS, sizeof(*out->pointer));
    out->pointer[object->look.look] = 2;
}

int sowlv2_track_run(sowlv2_track_session *session, const struct sowlv2_track_run_options *options,
                     struct sowlv2_tracks *out)
{
    *out = (struct sowlv2_tracks){.items = calloc(MOST, sizeof(*out->items))};
    if (!session->has_frame) {
        sowlv2_tracks_free(out);
        return error_set(SOWLV2_ERROR_ARGUMENT, "no frame");
    }
    fake_tracker.reversed += options && options->reverse;
    for (size_t i = 0; i < session->count; i++)
        if (session->objects[i].fresh || !options || !options->prompted_only)
            run_object(session, &session->objects[i], &out->items[out->count++]);
    return 0;
}

void sowlv2_tracks_free(struct sowlv2_tracks *tracks)
{
    for (size_t i = 0; i < tracks->count; i++) {
        sowlv2_masks_free(&tracks->items[i].mask, 1);
        free(tracks->items[i].pointer);
    }
    free(tracks->items);
    *tracks = (struct sowlv2_tracks){0};
}
