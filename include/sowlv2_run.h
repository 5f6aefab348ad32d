/* sowlv2_run: whole jobs, on top of sowlv2.h: they read the input and write the results. Errors, threads, pointers and
 * ownership are as sowlv2.h says. */
#ifndef SOWLV2_RUN_H
#define SOWLV2_RUN_H

#include "sowlv2.h"

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ======== key frames ============================================================================ */

/* Make one with sowlv2_key_frames_options_default() and change fields. What it points to must outlive the call. */
struct sowlv2_key_frames_options {
    size_t size; /* of the struct, as the caller knows it */

    /* Which part of the source. */
    double fps;        /* frames a second that the scorer sees, 0: all; of a folder every image is seen; default 6 */
    double start, end; /* seconds: only this part; end 0: to the end */
    int64_t first_frame, last_frame; /* only these, from 1, of the frames at `source_fps`; 0: no limit */
    double source_fps;    /* frames a second that first_frame and last_frame count, 0: all; at which a folder's
                             images follow each other, 0: `fps`, or 25 */
    int64_t max_pixels;   /* larger pictures are refused; 0: 178956970 */
    bool allow_truncated; /* take what is there of an image that was cut, with a notice */
    bool allow_playlists; /* the video may list other files and addresses */
    bool quiet;           /* no notices about the source: it is read again, and they are given then */

    const struct sowlv2_score_options *score;   /* NULL: its defaults. Its callback for features is called here too, its
                                                   progress is not used. */
    const struct sowlv2_choice_options *choice; /* NULL: its defaults */

    /* Files, each complete or not there; NULL: not wanted. */
    const char *scores;   /* .json or .csv: the numbers of every frame */
    const char *features; /* safetensors: those of every clip */
    const char *plot;     /* PNG: the scores over time, with the chosen frames */
    const char *pictures; /* folder, made if missing: the chosen frames as PNG files */

    /* Each is called by the calling thread, and returns false to end the call as cancelled; NULL: not wanted. */
    bool (*frame)(const struct sowlv2_frame *frame, void *user_data); /* as soon as its numbers are final: see
                                                                         sowlv2_score_final() */
    bool (*picture)(const struct sowlv2_frame *frame, const struct sowlv2_image *image,
                    void *user_data); /* of each chosen frame, in time order, at the end */
    bool (*progress)(int64_t done, int64_t total, void *user_data); /* frames; total 0: not known */
    void *user_data;                                                /* of these three */
    const volatile sig_atomic_t *stop; /* not 0, as set by a signal handler: ends the call as cancelled; NULL: never */
};

/* Fills the first `size` bytes of the options with their defaults. */
SOWLV2_API void sowlv2_key_frames_options_init(struct sowlv2_key_frames_options *options, size_t size);

static inline struct sowlv2_key_frames_options sowlv2_key_frames_options_default(void)
{
    struct sowlv2_key_frames_options options;
    sowlv2_key_frames_options_init(&options, sizeof(options));
    return options;
}

struct sowlv2_key_frames_report {
    struct sowlv2_frames frames;
    int broken;    /* the error that ended the source before it should, an enum sowlv2_status; 0: none did. What came
                      before    is in here. */
    char *failure; /* its message; NULL: none */
    double read_seconds, model_seconds, total_seconds;
};

/* Shows a video (a file, a URL, a camera, "-" for standard input) or a folder of images to the scorer, scores each
 * frame that it sees, chooses some and writes what is asked for. Memory holds one clip and a few numbers a frame; of a
 * source that cannot be read twice also pictures, at most 512 MB, where they are wanted. `options` may be NULL.
 * `report` is given to sowlv2_key_frames_report_free(); on error it is empty, and no file is there but pictures that
 * were finished, and what was complete before a later file could not be written. Errors: those of sowlv2_score_check(),
 * ARGUMENT (more than max_pixels, names of files), IO, FORMAT, MEMORY, CANCELLED. */
SOWLV2_API int sowlv2_key_frames_run(const sowlv2_scorer *scorer, const char *source,
                                     const struct sowlv2_key_frames_options *options,
                                     struct sowlv2_key_frames_report *report);
SOWLV2_API void sowlv2_key_frames_report_free(struct sowlv2_key_frames_report *report);

/* Whether sowlv2_key_frames_options.scores may have this name: whether its ending says how to write. */
SOWLV2_API bool sowlv2_key_frames_is_scores_name(const char *path);

/* ======== end of key frames ===================================================================== */

#ifdef __cplusplus
}
#endif
#endif
