/* sowlv2_run: whole jobs. Images and videos go in, what was found in them comes out, as rows and files of an output
 * folder and through callbacks, whatever the number of images and however long a video is.
 *
 * A job has three steps. sowlv2_run_create() checks the options and lists the inputs, so that what is wrong there is
 * said before a model is opened; sowlv2_run_start() does it all; sowlv2_run_free() ends it.
 * Errors, threads, pointers and ownership are as sowlv2.h says. One input that fails does not stop the others: it is
 * named through the log (see sowlv2_set_log) and counted in the report.
 *
 * Structs of options begin with their size, which their *_default() function fills in: fields can be added to them
 * without breaking programs that are compiled already. */
#ifndef SOWLV2_RUN_H
#define SOWLV2_RUN_H

#include "sowlv2.h"

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- inputs from memory ------------------------------------------------------------------------ */

/* Images that the caller holds, or can get when their turn comes. */
struct sowlv2_image_list {
    const char *const *names; /* [count], UTF-8: what rows and files call them */
    size_t count;
    /* Gives the pixels of image `index`, good until they are released. 0, or a negative enum sowlv2_status: this image
     * fails, the others are done. Called from threads of the run, one call at a time. */
    int (*load)(size_t index, struct sowlv2_image *out, void *user_data);
    void (*release)(size_t index, struct sowlv2_image *image, void *user_data); /* NULL: nothing is to be done */
    void *user_data;
};

/* A video that the caller gives frame by frame. */
struct sowlv2_frame_stream {
    const char *name;  /* of rows, UTF-8 */
    double frame_rate; /* frames a second; 0: not known */
    int64_t frames;    /* how many there will be, for the progress; 0: not known */
    /* The next frame: pixels that are good until the next call, all of one size, and its time in seconds, rising from
     * frame to frame. 0; 1 at the end; or a negative enum sowlv2_status, which ends the video there. Called from one
     * thread of the run, which is not the caller's. */
    int (*next)(struct sowlv2_image *out, double *time, void *user_data);
    void *user_data;
};

/* ---- what comes out ---------------------------------------------------------------------------- */

/* An object on an image or a frame. */
struct sowlv2_run_object {
    int64_t number;                 /* from 1; in a video the same object's on every frame */
    const char *prompt;             /* bare; NULL: it was marked, and has no score of the detector's */
    int prompt_index;               /* -1 likewise */
    float score, objectness;        /* the detector's; objectness -1: not asked for */
    const float *box;               /* [4]: x0, y0, x1, y1 in pixels; NULL: nothing of it is seen */
    const struct sowlv2_mask *mask; /* with its runs; NULL: no masks were made */
    bool lost, interpolated;        /* of a video: out of sight; filled in from neighbours in time */
};

/* An image, or a frame of a video, with what is on it. */
struct sowlv2_run_frame {
    const char *input; /* the name of its row */
    bool is_video;
    int64_t number;              /* of a video's frame, from 1; else 0 */
    double time, duration;       /* seconds, likewise */
    struct sowlv2_image picture; /* as it was computed on */
    const struct sowlv2_run_object *objects;
    size_t count;
};

/* A receiver of results: any number of them beside the files of the output folder, or without any. All pointers given
 * are good during the call only. Calls come one at a time, images in input order, a video's frames in time order, from
 * threads of the run. Each returns 0, or a negative enum sowlv2_status that ends the run with that error; NULL: not
 * wanted. */
struct sowlv2_sink {
    size_t size;
    int (*frame)(const struct sowlv2_run_frame *frame, void *user_data);
    int (*object_end)(const char *input, int64_t number, void *user_data); /* it was given up: its last frame was given.
                                                                              Not called of those that are followed
                                                                              until their video ends */
    int (*input_end)(const char *input, bool whole, void *user_data);      /* of a video; `whole`: it came to its end */
    void *user_data;
};

SOWLV2_API void sowlv2_sink_init(struct sowlv2_sink *sink, size_t size);
static inline struct sowlv2_sink sowlv2_sink_default(void)
{
    struct sowlv2_sink sink;
    sowlv2_sink_init(&sink, sizeof(sink));
    return sink;
}

/* ---- the job ----------------------------------------------------------------------------------- */

/* What overlays show; bits. */
enum sowlv2_draw { SOWLV2_DRAW_BOXES = 1, SOWLV2_DRAW_LABELS = 2, SOWLV2_DRAW_MASKS = 4 };

enum sowlv2_mask_codec { SOWLV2_MASK_H264, SOWLV2_MASK_FFV1 };

/* Every so many frames, or seconds; both 0: never. */
struct sowlv2_interval {
    int64_t frames;
    double seconds;
};

/* From the first to the last, counted from 1; 0: no limit. */
struct sowlv2_frame_range {
    int64_t first, last;
};

/* Whether a video gets a PNG a frame. */
enum sowlv2_frame_pictures {
    SOWLV2_PICTURES_FEW,
    SOWLV2_PICTURES_ALL,
    SOWLV2_PICTURES_NONE
}; /* FEW: under 500 frames */

/* How far a job is. */
struct sowlv2_run_progress {
    const char *input;    /* in hand; "" between two */
    const char *activity; /* of several passes over a video; NULL: the only one */
    int64_t done, total;  /* images, or frames of the video; total 0: not known */
};

/* The images of a job, or one of its videos, when they are through. Seconds are those of the wall; reading and writing
 * go on beside the computation. */
struct sowlv2_run_part {
    bool is_video;
    const char *name;   /* of a video; NULL: the images */
    const char *folder; /* where its files are; NULL: nowhere */
    int status;         /* why it ended, an enum sowlv2_status; 0: it was done */
    const char *error;  /* its message; NULL: none */
    bool interrupted;
    bool done_before; /* by an earlier run that is gone on with: nothing was to be done */
    bool broken;      /* a video that ended before its end: what came before is there */
    bool no_model;    /* the scorer that was required could not be opened */

    int64_t images, failed, skipped; /* images tried, of them failed; more that were done before */
    int64_t covered;                 /* objects that dedupe_iou left out */
    int64_t objects;                 /* found in images; followed through a video */
    int64_t frames, encoded, filled_in, detected_on, dropped; /* of a video: written; of these computed by the
                                                                 segmenter, filled in between, looked at by the
                                                                 detector; lost to `realtime` */
    double prompt_seconds, read_seconds, wait_read_seconds, detect_seconds, encode_seconds, mask_seconds,
        wait_write_seconds, write_seconds, total_seconds;
};

/* Make one with sowlv2_run_options_default() and change fields. What it points to must outlive the run. */
struct sowlv2_run_options {
    size_t size;

    /* Where from. */
    const char *const *inputs; /* [input_count]: files, folders, patterns as of a shell, URLs, cameras, "-" */
    size_t input_count;
    bool recursive;            /* folders in folders too */
    bool as_video;             /* folders of images, GIFs and their like are videos, in all inputs; and */
    const char *const *videos; /* [video_count]: these are, whatever they look like; they need not be inputs */
    size_t video_count;
    const struct sowlv2_image_list *images;   /* NULL: none from memory */
    const struct sowlv2_frame_stream *stream; /* NULL: none from memory */
    int64_t max_pixels;                       /* larger pictures are refused */
    bool allow_truncated;                     /* take what is there of an image that was cut, with a notice */
    double fps, start, end;           /* of videos: frames a second, 0: all; this part of them in seconds, end 0: all */
    struct sowlv2_frame_range frames; /* only these of the frames at `fps` */
    bool allow_playlists;             /* videos may list other files and addresses */
    bool realtime;                    /* of live videos: drop frames instead of lagging */

    /* What for: prompts, which are detected, or marks, which are segmented in each image and followed from the first
     * frame of each video. */
    const char *const *prompts; /* [prompt_count], UTF-8, bare: they are labels too */
    size_t prompt_count;
    const char *prompt_template; /* NULL: the default of struct sowlv2_prompt_options */
    const struct sowlv2_segment_prompt *marks;
    size_t mark_count;
    const struct sowlv2_detect_options *detect;   /* NULL: its defaults, and so the next two; progress is not used */
    const struct sowlv2_segment_options *segment; /* of videos too; `pixels` and `logits` are not used */
    const struct sowlv2_track_options *track;     /* its mask options are those of `segment` */
    float dedupe_iou; /* drop an object whose mask overlaps a better one's, of whatever prompt, more than this; 0: off;
                         default -1: off, but 0.7 in videos with prompts */

    /* When the detector looks at a video. While nothing is followed: at every frame, later twice a second; and: */
    bool cuts;                           /* where a scene begins; default true */
    struct sowlv2_interval detect_every; /* default 2 seconds */
    bool key_frames; /* at key frames before anything is followed; objects are then followed both ways from where
                        they are seen best. Needs a source that can be read twice */
    int64_t key_frame_count;
    double merge_iou; /* detections of key frames whose masks overlap more are one object */
    const struct sowlv2_model_options *scorer_model; /* chooses key frames and says what matters; opened for each video;
                                                        NULL: equal steps */
    bool scorer_required;      /* a video fails without it; else a notice says so, and equal steps are taken */
    int64_t frames_per_clip;   /* of the scorer; 0: as it was trained */
    double scorer_fps;         /* frames a second that it sees; 0: all */
    int64_t key_frame_spacing; /* least distance of key frames, in frames that it sees */
    double match_iou;    /* a detection whose mask overlaps that of an object of its prompt so much is that object */
    int64_t lost_after;  /* frames out of sight after which an object is given up */
    int64_t max_objects; /* followed at once */
    double frame_budget; /* share of the frames that are computed, the others being filled in; 1: all */

    /* Where to. */
    const char *output;     /* folder, made if missing; NULL: no files, `sinks` alone */
    bool resume;            /* go on with what an earlier run of the same job left there */
    const char *const *job; /* [job_count], pairs of name and value: what results depend on, as an earlier run must have
                               had it to be gone on with; NULL: from these options */
    size_t job_count;
    bool masks, overlays; /* pictures of masks; of the input with what was found drawn in. Rows are always there */
    bool merged;          /* of all objects together too */
    bool crops;           /* each object cut out; of images alone */
    bool films;           /* the same as videos */
    enum sowlv2_frame_pictures pictures;
    bool rle;      /* rows of videos hold the masks too, also where pictures are written */
    unsigned draw; /* enum sowlv2_draw; 0: labels, and masks where there are any, else boxes */
    enum sowlv2_mask_codec mask_codec;
    bool audio;               /* films with overlays get the video's sound */
    int64_t max_object_films; /* objects with films of their own */
    const struct sowlv2_sink *const *sinks;
    size_t sink_count;

    /* How. */
    int batch_size;              /* images a forward pass, 1 to 256 */
    int io_threads;              /* threads that read and write, 1 to 256; 0: by the processors there are */
    volatile sig_atomic_t *stop; /* not 0, as set by a signal handler or another thread: finish what is in hand and
                                    stop; set by the run itself where `progress` says so; NULL: one of its own */
    bool (*progress)(const struct sowlv2_run_progress *progress, void *user_data); /* false: stop; NULL: none. Called by
                                                                                    the thread of sowlv2_run_start(); of
                                                                                    sowlv2_run_start_on(): see there */
    void (*part)(const struct sowlv2_run_part *part, void *user_data);             /* NULL: none; likewise */
    void *user_data;                                                               /* of both */

    /* A program that decodes images and films in processes of its own, without access to files, to the network and to
     * other processes: see sowlv2_decoder_serve(). What is wrong in a decoder then costs the one input. Linux only.
     * NULL: this process decodes. */
    const char *decoder_program;
    /* Of videos, with prompts: whenever the detector looks, and where a track's own signs worsen, what is followed is
     * confirmed, gets another prompt, is made lost or joined with another object; nothing goes through a cut that was
     * not found again after it; default true. false: what was found is followed and believed. */
    bool doubt;
    double min_confidence; /* rows and pictures leave out what is less likely right on a frame; 0: nothing */
};

SOWLV2_API void sowlv2_run_options_init(struct sowlv2_run_options *options, size_t size);
static inline struct sowlv2_run_options sowlv2_run_options_default(void)
{
    struct sowlv2_run_options options;
    sowlv2_run_options_init(&options, sizeof(options));
    return options;
}

typedef struct sowlv2_run sowlv2_run;

/* Checks the options and lists the inputs. The options are copied, not what they point to. Errors: ARGUMENT (options, a
 * folder without images and videos), IO (no such input), MEMORY. */
SOWLV2_API int sowlv2_run_create(const struct sowlv2_run_options *options, sowlv2_run **out);
SOWLV2_API void sowlv2_run_free(sowlv2_run **run);

/* Takes the output folder for the run and finds what an earlier one has done there; sowlv2_run_start() does it where it
 * was not done before. Errors: ARGUMENT (another run writes to it; results of another job), IO, FORMAT, MEMORY. */
SOWLV2_API int sowlv2_run_claim(sowlv2_run *run);

/* What there is to do. */
struct sowlv2_run_inputs {
    int64_t images, videos; /* what was done before included */
    int64_t videos_done; /* by an earlier run, as sowlv2_run_claim() finds; of images it is only known at their turn */
    bool work;           /* models are needed */
};
/* All 0 for NULL. */
SOWLV2_API struct sowlv2_run_inputs sowlv2_run_inputs(const sowlv2_run *run);

/* The name, as rows have it, of an image or a video; NULL where there is none of that index. Belongs to the run. */
SOWLV2_API const char *sowlv2_run_input(const sowlv2_run *run, bool video, int64_t index);

struct sowlv2_run_report {
    int64_t done, failed; /* images and videos; those done before included */
    bool interrupted;
    bool no_model; /* some failed for want of the scorer */
};

/* Does the job, once. `detector`: NULL with marks. `segmenter`: NULL: boxes without masks, of images alone. They must
 * outlive the call. Gives 0 also where inputs failed or the images as a whole did, which the part and the report say;
 * `report` may be NULL. Errors: as sowlv2_run_claim(); ARGUMENT (a model that is needed); those of a sink. */
SOWLV2_API int sowlv2_run_start(sowlv2_run *run, const sowlv2_detector *detector, const sowlv2_segmenter *segmenter,
                                struct sowlv2_run_report *report);

/* The models of a device. Set `size`; all else that is not set is NULL. */
struct sowlv2_run_models {
    size_t size;                                     /* of the struct, as the caller knows it */
    const sowlv2_detector *detector;                 /* as of sowlv2_run_start() */
    const sowlv2_segmenter *segmenter;               /* likewise */
    const struct sowlv2_model_options *scorer_model; /* as that of struct sowlv2_run_options, which NULL stands for */
};

/* The same on `count` devices, of the same checkpoints in the same precision, all with a detector or none, and so with
 * a segmenter. Images and videos go to whichever device is free; each video stays on one. Results are those of one
 * device: images in the order of the inputs; frames of several videos may come in between each other, and their parts
 * in any order. `part`, `progress` and sinks may be called by other threads than the caller's, one call at a time of
 * `part` and `progress`, one of sinks. Errors: as sowlv2_run_start(). */
SOWLV2_API int sowlv2_run_start_on(sowlv2_run *run, const struct sowlv2_run_models *const *models, size_t count,
                                   struct sowlv2_run_report *report);

/* ---- decoding in a process of its own ------------------------------------------------------------ */

/* A program that decodes for others is started with this as its only argument, and calls sowlv2_decoder_serve(), before
 * it opens anything. The tool, build/sowlv2, is one. */
#define SOWLV2_DECODER_ARGUMENT "--serve-as-decoder"

/* Gives up the rights to open files and connections, and decodes what comes through descriptor 3 until nothing comes
 * any more. Returns the exit status that the program ends with. */
SOWLV2_API int sowlv2_decoder_serve(void);

/* ---- key frames -------------------------------------------------------------------------------- */

/* Make one with sowlv2_key_frames_options_default() and change fields. What it points to must outlive the call. */
struct sowlv2_key_frames_options {
    size_t size; /* of the struct, as the caller knows it */

    /* Which part of the source. */
    double fps;        /* frames a second that the scorer sees, 0: all; of a folder every image is seen; default 6 */
    double start, end; /* seconds: only this part; end 0: to the end */
    struct sowlv2_frame_range frames; /* only these of the frames at `source_fps` */
    double source_fps;                /* frames a second that `frames` counts, 0: all; at which a folder's images follow
                                         each other, 0: `fps`, or 25 */
    int64_t max_pixels;               /* larger pictures are refused; 0: 178956970 */
    bool allow_truncated;             /* take what is there of an image that was cut, with a notice */
    bool allow_playlists;             /* the video may list other files and addresses */
    bool quiet;                       /* no notices about the source: it is read again, and they are given then */

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
    const char *decoder_program;       /* as in struct sowlv2_run_options */
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
    int broken; /* an enum sowlv2_status: why the source ended before it should, what came before is in here; 0: it did
                   not */
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

#ifdef __cplusplus
}
#endif
#endif
