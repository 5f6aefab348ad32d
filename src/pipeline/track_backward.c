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
    sowlv2_track_session *session;
    struct active {
        bool followed;
        int64_t last_seen;
    } * active; /* [seed_count] */
    size_t active_count;
    struct image *chunk; /* [MOST_CHUNK]: frames chunk_first ... */
    int64_t chunk_first, chunk_count, chunk_most;
    int64_t scene; /* of the frame that was run last */
};

/* Whether a seed begins on the frame. */
static bool begins(const struct track_both *both, size_t seed, int64_t frame)
{
    return both->seeds[seed].frame == frame;
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

static struct sowlv2_track *find_track(const struct sowlv2_tracks *tracks, size_t seed)
{
    for (size_t i = 0; i < tracks->count; i++)
        if (tracks->items[i].object == (int64_t)seed)
            return &tracks->items[i];
    return NULL;
}

static int stop_following(struct backward *backward, size_t seed)
{
    backward->active[seed].followed = false;
    backward->active_count--;
    return sowlv2_track_remove(backward->session, (int64_t)seed);
}

/* Where a seed that begins here is what another one was followed to, they are one. */
static int join(struct backward *backward, const struct sowlv2_tracks *tracks, int64_t frame)
{
    struct track_both *both = backward->both;
    int status = 0;

    for (size_t i = 0; i < both->seed_count; i++) {
        const struct sowlv2_track *mine = begins(both, i, frame) ? find_track(tracks, i) : NULL;

        for (size_t j = 0; mine && !status && j < both->seed_count; j++) {
            const struct sowlv2_track *other =
                backward->active[j].followed && !begins(both, j, frame) ? find_track(tracks, j) : NULL;

            if (!other || !track_is_same(both->run, both->seeds[j].prompt, both->seeds[i].prompt,
                                         sowlv2_mask_iou(&mine->mask, &other->mask)))
                continue;
            both->seeds[j].same_as = (int64_t)i;
            if (both->seeds[j].score > both->seeds[i].score)
                both->seeds[i].prompt = both->seeds[j].prompt; /* another one where they are deduped */
            status = stop_following(backward, j);
        }
    }
    return status;
}

/* Spools what is before its seed's frame, and lets go of what has not been seen for long. */
static int keep(struct backward *backward, struct sowlv2_tracks *tracks, int64_t frame)
{
    struct track_both *both = backward->both;
    struct track_spooled *spooled = calloc(both->seed_count + 1, sizeof(*spooled));
    size_t count = 0;
    int status = spooled ? 0 : error_memory("masks");

    for (size_t i = 0; !status && i < both->seed_count; i++) {
        struct active *active = &backward->active[i];
        struct sowlv2_track *track = active->followed ? find_track(tracks, i) : NULL;

        if (!track)
            continue;
        if (track->mask.area > 0) {
            active->last_seen = frame;
            both->seeds[i].first = frame;
        }
        if (!begins(both, i, frame))
            spooled[count++] = (struct track_spooled){i, track->mask}; /* a view */
        if (active->last_seen - frame > both->run->job->lost_after)
            status = stop_following(backward, i);
    }
    if (!status && count > 0)
        status = track_spool_put(both->spool, frame, spooled, count);
    free(spooled);
    return status;
}

/* Nothing is followed back through a cut. */
static int enter_scene(struct backward *backward, int64_t frame)
{
    const int64_t scene = track_both_known(backward->both, frame)->scene;
    int status = 0;

    for (size_t i = 0; !status && scene != backward->scene && i < backward->both->seed_count; i++)
        if (backward->active[i].followed)
            status = stop_following(backward, i);
    backward->scene = scene;
    return status;
}

static int run_frame(struct backward *backward, int64_t frame)
{
    struct sowlv2_track_run_options options = sowlv2_track_run_options_default();
    struct track_both *both = backward->both;
    struct track_report *report = both->run->report;
    struct sowlv2_tracks tracks = {0};
    const struct image *image;
    double start = clock_seconds();
    int status = enter_scene(backward, frame);

    if (!status)
        status = get_frame(backward, frame, &image);

    options.reverse = true;
    report->read_seconds += clock_seconds() - start;
    start = clock_seconds();
    if (!status) {
        const struct sowlv2_image view = image_view(image);

        status = sowlv2_track_set_frame(backward->session, frame, &view);
    }
    report->tracked++;
    report->encode_seconds += clock_seconds() - start;
    start = clock_seconds();
    for (size_t i = 0; !status && i < both->seed_count; i++) {
        const struct sowlv2_segment_prompt prompt = {.box = both->seeds[i].box};

        if (!begins(both, i, frame))
            continue;
        status = track_ask(both->run, backward->session, (int64_t)i, &prompt, NULL);
        backward->active[i] = (struct active){true, frame};
        backward->active_count++;
    }
    if (!status)
        status = sowlv2_track_run(backward->session, &options, &tracks);
    if (!status)
        status = join(backward, &tracks, frame);
    if (!status)
        status = keep(backward, &tracks, frame);
    sowlv2_tracks_free(&tracks);
    report->track_seconds += clock_seconds() - start;
    return status;
}

/* The next frame to run before `frame`: with nothing followed, the next seed's. Below the first frame: there is none.
 */
static int64_t next_frame(const struct backward *backward, int64_t frame)
{
    const struct track_both *both = backward->both;
    int64_t next = both->first - 1;

    for (size_t i = 0; i < both->seed_count; i++)
        if (both->seeds[i].frame < frame && both->seeds[i].frame > next)
            next = both->seeds[i].frame;
    if (backward->active_count == 0)
        return next;
    for (frame--; frame > next; frame--)
        if (track_both_known(both, frame)->tracked)
            return frame;
    return next;
}

int track_both_backward(struct track_both *both)
{
    const struct track_run *run = both->run;
    const struct video_info *info = video_reader_info(both->reader);
    const int64_t fit = CHUNK_BYTES / ((int64_t)info->width * info->height * 3 + 1);
    struct backward backward = {.both = both,
                                .chunk_most = fit < LEAST_CHUNK  ? LEAST_CHUNK
                                              : fit > MOST_CHUNK ? MOST_CHUNK
                                                                 : fit,
                                .active = calloc(both->seed_count + 1, sizeof(*backward.active)),
                                .chunk = calloc(MOST_CHUNK, sizeof(*backward.chunk))};
    int status = backward.active && backward.chunk ? 0 : error_memory("frames");

    if (!status)
        status = track_spool_open(output_claim_folder(run->options->claim), both->last, &both->spool);
    if (!status)
        status = sowlv2_track_session_create(run->segmenter, run->job->track, &backward.session);
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
    sowlv2_track_session_free(&backward.session);
    free(backward.chunk);
    free(backward.active);
    return status;
}
