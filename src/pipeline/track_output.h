/* Everything that a tracked video leaves in its output folder: rows, pictures, videos.
 *
 * Frames come in time order and are final. A thread of the output's own draws and writes one frame after another,
 * its parts (each object's and the merged mask and overlay, as PNG and into their videos) shared among a small pool
 * of threads, so that the caller computes the next frame meanwhile. A frame's row is written once all its files are
 * there. Videos are encoded while running, and playable whenever the run ends. */
#ifndef PIPELINE_TRACK_OUTPUT_H
#define PIPELINE_TRACK_OUTPUT_H

#include "media/image.h"
#include "sowlv2.h"
#include "video/video_out.h"

/* One object on one frame. */
struct track_object {
    int64_t id;              /* from 1; never another object's */
    int prompt;              /* index; -1: none */
    float score;             /* the detector's */
    float objectness;        /* likewise; not over 0: not known */
    struct sowlv2_mask mask; /* runs, area, box, object_score, mask_score; owned */
    bool lost;               /* it is out of sight */
    bool interpolated;       /* its mask was filled in from neighbours */
};

/* A frame that is final. */
struct track_frame {
    struct image image;           /* owned */
    int64_t number;               /* from 1 */
    double time, duration;        /* seconds; how long it is shown */
    char *source_name;            /* of an image in a folder, owned; NULL: of a video's frame */
    int64_t source_number;        /* of it among the folder's images, from 1 */
    struct track_object *objects; /* [count], rising ids; owned */
    size_t count;
};

/* Frees what the frame holds and empties it. */
void track_frame_free(struct track_frame *frame);

struct output_claim;

struct track_output_options {
    const char *folder;         /* made if missing */
    struct output_claim *claim; /* on it, the caller's; NULL: the folder is claimed for the call */
    const char *source;         /* what is tracked, for the journal; NULL: nothing tells */
    const char *name;           /* of the rows: "video" */
    const char *const *prompts; /* bare prompts */
    size_t prompt_count;
    int width, height; /* of every frame */
    double frame_rate; /* a hint; 0: unknown */

    bool binary, overlay, merged; /* write masks; overlays; those of all objects together */
    bool videos;                  /* write DIR/video/... */
    bool pictures;                /* write a PNG a frame */
    bool rle;                     /* rows hold the masks too; they do anyway where no mask PNG is written */
    unsigned draw;                /* enum draw (detect_images.h), of overlays */
    enum video_codec mask_codec;  /* of mask videos */
    const char *audio_source;     /* whose sound overlays get; NULL: none */
    double audio_origin;
    bool audio_playlists;  /* as in struct video_writer_options */
    int max_object_videos; /* objects with videos of their own, the first ones; the others are in the merged ones
                              only, with one notice */
    int threads;           /* that draw and write, 1 to 64 */
};

struct track_output_report {
    int64_t frames, pictures, videos; /* rows; PNG files; finished video files */
    double write_seconds;             /* of the output's own thread: drawing, encoding, writing */
};

struct track_output;

/* Makes the folders and results.jsonl; where an earlier run has left results, only when the first frame comes, and then
 * these go. Videos are opened when their first picture comes. An object's
 * video begins with the whole video: until the object comes, it shows one black picture (so that all videos of a
 * folder run in step); it ends with the object's last frame. The options' strings must outlive the output.
 * Errors: IO, MEMORY, ARGUMENT. */
int track_output_open(const struct track_output_options *options, struct track_output **out);

/* Takes the frame over (it is empty after the call, also on error) and waits while a few are in hand. Gives the first
 * error of any frame before, after which frames are dropped. Errors: IO (disk full, ...), MEMORY. */
int track_output_add(struct track_output *output, struct track_frame *frame);

/* Says that an object's last frame was given: its videos are finished in their turn. */
void track_output_end_object(struct track_output *output, int64_t id);

/* Waits for all frames, finishes the videos, frees all, clears the pointer; rows stay. `report` may be NULL. Also
 * after an error: what can be finished is. Gives the first error of all. `whole`: the video came to its end, which the
 * journal notes, unless there was an error. NULL inside is fine. */
int track_output_close(struct track_output **output, bool whole, struct track_output_report *report);

#endif
