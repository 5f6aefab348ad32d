/* Everything that a tracked video leaves in its output folder: rows, pictures, videos.
 *
 * Frames come in time order and are final. A thread of the output's own draws and writes one frame after another,
 * its parts (each object's and the merged mask and overlay, as PNG and into their videos) shared among a small pool
 * of threads, so that the caller computes the next frame meanwhile. A frame's row is written once all its files are
 * there. Videos are encoded while running, and playable whenever the run ends. */
#ifndef PIPELINE_TRACK_OUTPUT_H
#define PIPELINE_TRACK_OUTPUT_H

#include "output/frame.h"
#include "output/output_options.h"

struct output_claim;

struct track_output_options {
    const char *folder;         /* made if missing */
    struct output_claim *claim; /* on it, the caller's; NULL: the folder is claimed for the call */
    const char *source;         /* what is tracked, for the journal; NULL: nothing tells */
    const char *name;           /* of the rows: "video" */
    int width, height;          /* of every frame */
    double frame_rate;          /* a hint; 0: unknown */

    struct output_options outputs;
    int threads; /* that draw and write, 1 to 64 */
};

struct track_output_report {
    int64_t frames, pictures, videos; /* rows; PNG files; finished video files */
    double write_seconds;             /* of the output's own thread: drawing, encoding, writing */
};

struct track_output;

/* Makes the folders and results.jsonl; where an earlier run has left results, only when the first frame comes, and then
 * these go. The options' strings must outlive the output.
 * Errors: IO, MEMORY, ARGUMENT. */
int track_output_open(const struct track_output_options *options, struct track_output **out);

/* Takes the frame over, whose number is at least 1 and whose name and stem need not be set (it is empty after the call,
 * also on error) and waits while a few are in hand. Gives the first error of any frame before, after which frames are
 * dropped. Errors: IO (disk full, ...), MEMORY. */
int track_output_add(struct track_output *output, struct output_frame *frame);

/* Says that an object's last frame was given: its videos are finished in their turn. */
void track_output_end_object(struct track_output *output, int64_t id);

/* Waits for all frames, finishes the videos, frees all, clears the pointer; rows stay. `report` may be NULL. Also
 * after an error: what can be finished is. Gives the first error of all. `whole`: the video came to its end, which the
 * journal notes, unless there was an error. NULL inside is fine. */
int track_output_close(struct track_output **output, bool whole, struct track_output_report *report);

#endif
