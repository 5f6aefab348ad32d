/* Everything that flags and the configuration file can set. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/strings.h"
#include "cli/marks.h"

#include <stdbool.h>
#include <stdint.h>

/* What only the verb frames takes. */
struct frames_settings {
    const char *model, *importance;
    const char *scores, *features, *plot, *save; /* NULL: not wanted */
    int64_t frames_per_clip;                     /* 0: the model's */
    int64_t clip_overlap, spacing;
    int64_t window;            /* of the scores; 0: the whole video */
    int64_t target_frames;     /* 0: not given */
    double target_fraction;    /* 0: not given */
    double fps, motion_weight; /* motion_weight below 0: that of the importance */
    bool pooled, labels, whole;
};

/* Every N frames, or so many seconds; both 0: off. */
struct interval {
    int64_t frames;
    double seconds;
};

/* Frames A to B, from 1; 0: no limit. */
struct frame_range {
    int64_t first, last;
};

/* What is taken as a film whatever it looks like: all of --input, or these paths, which need not be in --input. */
struct films {
    bool all;
    struct string_list paths;
};

/* What detect takes for videos. */
struct video_settings {
    double start, end; /* seconds; end 0: the video's */
    struct frame_range frames;
    struct films as_video;
    bool realtime;
    bool save_frames, no_save_frames, no_video, rle, no_audio;
    const char *mask_codec;
    int64_t max_object_videos;
    struct interval detect_every;
    bool no_cuts, separate;
    double match_iou, frame_budget;
    int64_t lost_after, max_objects, max_cond_frames;
    bool require_vjepa2, allow_playlists;
};

/* Strings belong to the command line, to `owned`, or are static. */
struct settings {
    bool help, version;

    const char *config;
    struct string_list prompts;
    struct string_list prompt_files; /* read into `prompts` by prompts_read() */
    struct string_list texts;        /* positional arguments of tokenize and pull */
    struct marks marks;              /* boxes and points of segment */
    struct string_list inputs;       /* of detect and segment */
    const char *input, *output;      /* input: of frames */
    bool recursive, allow_truncated;

    const char *owl_model;
    const char *sam_model; /* "none": boxes only */
    const char *revision, *sam_revision, *cache_dir;
    bool offline;

    double threshold, nms;
    bool objectness;
    const char *prompt_template;

    bool no_merged, no_binary, no_overlay;
    bool crops, resume;
    unsigned draw; /* enum draw; 0: not given */

    bool multimask, refine;
    double mask_threshold, dedupe;
    int64_t fill_holes, remove_sprinkles;

    int64_t max_workers, thread_pool_size, batch_size; /* the first two: 0 is automatic */
    bool disable_gpu_batching;
    int64_t max_pixels;

    double fps; /* 0: the source's rate */
    bool enable_vjepa2, use_temporal_detection;
    int64_t vjepa2_frames_per_clip, temporal_detection_frames;
    double temporal_merge_threshold;

    struct video_settings video;
    struct frames_settings frames;

    const char *device, *precision, *cpu; /* cpu NULL: the best there is */
    int64_t threads;                      /* 0: automatic */
    bool quiet, verbose;

    struct string_list owned; /* values that came out of a configuration file, and paths that were expanded */
    struct string_list given; /* names of the options that were given; of flags, those that are on */
};

/* All defaults. */
struct settings settings_default(void);
void settings_free(struct settings *settings);

/* Checks what no single flag can check alone, for every verb. Errors: ARGUMENT, UNSUPPORTED. */
int settings_check_common(const struct settings *settings);

/* Whether masks are made. */
bool settings_want_masks(const struct settings *settings);

/* The same as settings_check_common, for detect and segment. */
int settings_check_detect(const struct settings *settings);
int settings_check_segment(const struct settings *settings);

#endif
