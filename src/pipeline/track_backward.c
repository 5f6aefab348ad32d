/* The second of three passes: from the last seed's frame to the first frame, in chunks that are read again. */
#include "base/clock.h"
#include "base/error.h"
#include "output/claim.h"
#include "pipeline/track_both.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 128 << 20, LEAST_CHUNK = 4, MOST_CHUNK = 64 };

struct backward {
    struct track_both *both;
    struct image *chunk; /* [MOST_CHUNK]: frames chunk_first ... */
    int64_t chunk_first, chunk_count, chunk_most;
    int64_t scene; /* of the frame that was run last */
};

/* What is followed is in the run's own objects and session, as in the forward pass, but that the object of seed i has
 * the id i + 1. */
static size_t seed_of(const struct track_object *object)
{
    return (size_t)object->id - 1;
}

/* Whether the object's seed begins on the frame. */
static bool begins(const struct track_both *both, const struct track_object *object, int64_t frame)
{
    return both->seeds[seed_of(object)].frame == frame;
}

/* Reads the chunk that ends with `frame`. */
static int read_chunk(struct backward *backward, int64_t frame)
{
    struct track_both *both = backward->both;
    const int64_t first =
        frame - backward->chunk_most + 1 > both->first ? frame - backward->chunk_most + 1 : both->first;
    struct video_frame read = {0};
    int status = video_reader_seek(both->reader, first, track_both_known(both, first)->time);

    for (int64_t i = 0; i < backward->chunk_count; i++)
        image_free(&backward->chunk[i]);
    backward->chunk_first = first;
    backward->chunk_count = 0;
    while (!status && backward->chunk_count <= frame - first) {
        status = video_reader_next(both->reader, &read);
        if (!status) {
            backward->chunk[backward->chunk_count++] = read.image;
            read.image = (struct image){0};
        }
    }
    video_frame_free(&read);
    return status == VIDEO_END ? error_set(SOWLV2_ERROR_IO, "%s: it cannot be read a second time: has it changed?",
                                           both->run->options->source)
                               : status;
}

static int get_frame(struct backward *backward, int64_t frame, const struct image **out)
{
    int status = 0;

    if (backward->chunk_count == 0 || frame < backward->chunk_first ||
        frame >= backward->chunk_first + backward->chunk_count)
        status = read_chunk(backward, frame);
    *out = &backward->chunk[frame - backward->chunk_first];
    return status;
}

/* `other` was followed to where the seed of `mine` begins: they are one, or, where both were seen elsewhere at once, it
 * has strayed. */
static int join_two(struct track_both *both, const struct track_object *mine, size_t other)
{
    struct track_run *const run = both->run;
    struct track_object *const gone = &run->objects.items[other];

    if (track_seeds_are_apart(both, seed_of(mine), seed_of(gone)))
        return track_put_to_sleep(run, gone);
    track_seeds_join(both, seed_of(gone), seed_of(mine));
    return track_let_go(run, other);
}

/* Where a seed that begins here is what another one was followed to, they are one. */
static int join(struct track_both *both, int64_t frame)
{
    struct track_objects *const objects = &both->run->objects;
    int status = 0;

    for (size_t i = 0; !status && i < both->seed_count; i++)
        for (size_t j = objects->count; !status && both->seeds[i].frame == frame && j-- > 0;) {
            const struct track_object *const mine = track_objects_find(objects, (int64_t)i + 1);
            const struct track_object *const other = &objects->items[j];

            if (mine && other->visible && !begins(both, other, frame) &&
                track_is_same(both->run, both->seeds[seed_of(other)].prompt, both->seeds[i].prompt,
                              sowlv2_mask_iou(&mine->mask, &other->mask)))
                status = join_two(both, mine, j);
        }
    return status;
}

/* What was followed to one mask for some frames is one. */
static int join_doubles(struct track_both *both, const struct track_feed_frame *frame)
{
    struct track_run *const run = both->run;
    int status = track_join_doubles(run, frame);

    for (size_t i = run->objects.count; !status && i-- > 0;) {
        struct track_object *const object = &run->objects.items[i];
        const size_t into = object->merged_into > 0 ? (size_t)object->merged_into - 1 : seed_of(object);

        object->merged_into = 0;
        if (into == seed_of(object) || track_seeds_are_apart(both, seed_of(object), into))
            continue;
        track_seeds_join(both, seed_of(object), into);
        status = track_let_go(run, i);
    }
    return status;
}

/* Spools what is before its seed's frame, and lets go of what has not been seen for long. */
static int keep(struct track_both *both, int64_t frame)
{
    struct track_run *const run = both->run;
    struct track_objects *const objects = &run->objects;
    struct track_spooled *const spooled = calloc(objects->count + 1, sizeof(*spooled));
    size_t count = 0;
    int status = spooled ? 0 : error_memory("masks");

    for (size_t i = 0; !status && i < objects->count; i++) {
        const struct track_object *const object = &objects->items[i];

        if (object->visible)
            both->seeds[seed_of(object)].first = frame;
        if (!begins(both, object, frame))
            spooled[count++] = (struct track_spooled){seed_of(object), object->mask}; /* a view */
    }
    if (!status && count > 0)
        status = track_spool_put(both->spool, frame, spooled, count);
    free(spooled);
    for (size_t i = objects->count; !status && i-- > 0;)
        if (objects->items[i].last_seen - frame > run->job->lost_after)
            status = track_let_go(run, i);
    return status;
}

static int let_go_of_all(struct track_run *run)
{
    int status = 0;

    while (!status && run->objects.count > 0)
        status = track_let_go(run, run->objects.count - 1);
    return status;
}

/* Nothing is followed back through a cut. */
static int enter_scene(struct backward *backward, int64_t frame)
{
    const int64_t scene = track_both_known(backward->both, frame)->scene;
    const int status = scene != backward->scene ? let_go_of_all(backward->both->run) : 0;

    backward->scene = scene;
    return status;
}

/* Asks for the seeds that begin on the frame. */
static int begin_seeds(struct track_both *both, int64_t frame)
{
    struct track_run *const run = both->run;
    int status = 0;

    for (size_t i = 0; !status && i < both->seed_count; i++) {
        const struct track_seed *const seed = &both->seeds[i];
        const struct sowlv2_segment_prompt prompt = {.box = seed->box};
        struct track_object *object;

        if (seed->frame != frame || seed->same_as >= 0)
            continue;
        run->objects.next_id = (int64_t)i + 1;
        status = track_objects_add(&run->objects, seed->prompt, seed->score, frame, &object);
        if (!status)
            status = track_ask(run, run->tracker, object->id, &prompt, NULL);
    }
    return status;
}

/* Runs the session on what was asked for anew, or on all. */
static int run_session(struct track_run *run, int64_t frame, bool fresh)
{
    struct sowlv2_track_run_options options = fresh ? track_fresh_only(run) : sowlv2_track_run_options_default();
    struct sowlv2_tracks tracks = {0};
    int status;

    options.reverse = true;
    status = sowlv2_track_run(run->tracker, &options, &tracks);
    track_objects_take(&run->objects, &tracks, frame);
    sowlv2_tracks_free(&tracks);
    return status;
}

/* What is followed comes first, so that a look can say that a seed which begins here is it. */
static int follow(struct track_both *both, const struct track_feed_frame *frame)
{
    struct track_run *const run = both->run;
    const struct sowlv2_image view = image_view(&frame->image);
    double start = clock_seconds();
    int status = sowlv2_track_set_frame(run->tracker, frame->number, &view);

    run->report->tracked++;
    run->report->encode_seconds += clock_seconds() - start;
    start = clock_seconds();
    if (!status && track_objects_any(&run->objects))
        status = run_session(run, frame->number, false);
    run->report->track_seconds += clock_seconds() - start;
    if (!status)
        status = track_both_look(both, frame);
    start = clock_seconds();
    if (!status)
        status = begin_seeds(both, frame->number);
    if (!status)
        status = run_session(run, frame->number, true);
    run->report->track_seconds += clock_seconds() - start;
    return status;
}

static int run_frame(struct backward *backward, int64_t number)
{
    struct track_both *const both = backward->both;
    struct track_feed_frame frame = {.number = number, .time = track_both_known(both, number)->time};
    const struct image *image = NULL;
    const double start = clock_seconds();
    int status = enter_scene(backward, number);

    if (!status)
        status = get_frame(backward, number, &image);
    both->run->report->read_seconds += clock_seconds() - start;
    if (status)
        return status;
    frame.image = *image; /* a view */
    status = follow(both, &frame);
    if (!status)
        status = join(both, number);
    if (!status && both->run->job->doubt)
        status = join_doubles(both, &frame);
    return status ? status : keep(both, number);
}

/* The next frame to run before `frame`: with nothing followed, the next that shows a seed. Below the first frame: there
 * is none.
 */
static int64_t next_frame(const struct backward *backward, int64_t frame)
{
    const struct track_both *both = backward->both;
    const int64_t before = track_seeds_before(both, frame);
    const int64_t next = before > both->first - 1 ? before : both->first - 1;

    if (!track_objects_any(&both->run->objects))
        return next;
    for (frame--; frame > next; frame--)
        if (track_both_known(both, frame)->tracked)
            return frame;
    return next;
}

/* The forward pass begins with nothing followed, and remembers nothing of this one. */
static int begin_forward(struct track_run *run)
{
    track_objects_free(&run->objects);
    run->pair_count = 0;
    run->backward = false;
    sowlv2_track_session_free(&run->tracker);
    return sowlv2_track_session_create(run->segmenter, run->job->track, &run->tracker);
}

int track_both_backward(struct track_both *both)
{
    struct track_run *const run = both->run;
    const struct video_info *info = video_reader_info(both->reader);
    const int64_t fit = CHUNK_BYTES / ((int64_t)info->width * info->height * 3 + 1);
    struct backward backward = {.both = both,
                                .chunk_most = fit < LEAST_CHUNK  ? LEAST_CHUNK
                                              : fit > MOST_CHUNK ? MOST_CHUNK
                                                                 : fit,
                                .chunk = calloc(MOST_CHUNK, sizeof(*backward.chunk))};
    int status;

    run->backward = true;
    status = backward.chunk ? 0 : error_memory("frames");

    if (!status)
        status = track_spool_open(output_claim_folder(run->options->claim), both->last, &both->spool);
    for (int64_t frame = both->last; !status && frame >= both->first; frame = next_frame(&backward, frame)) {
        if (track_is_interrupted(run)) {
            status = error_set(SOWLV2_ERROR_CANCELLED, "%s: interrupted", run->options->source);
        } else {
            track_tell_pass(run, both->last - frame, both->last - both->first + 1, "backward");
            status = run_frame(&backward, frame);
        }
    }
    for (int64_t i = 0; backward.chunk && i < backward.chunk_count; i++)
        image_free(&backward.chunk[i]);
    free(backward.chunk);
    return status ? status : begin_forward(run);
}
