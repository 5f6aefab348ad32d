/* Everything that flags and the configuration file can set. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/strings.h"
#include "cli/marks.h"
#include "sowlv2_run.h"

/* What --isolate starts: this program again, also where its file was replaced. */
#define DECODER_PROGRAM "/proc/self/exe"

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

/* What is taken as a video whatever it looks like: all of --input, or these paths, which need not be in --input. */
struct as_video {
    bool all;
    struct string_list paths;
};

/* What may be taken of a GPU's memory; 0 and 0: all. */
struct memory_limit {
    int64_t bytes;
    double fraction;
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
    struct as_video as_video;
    const char *input; /* of frames */

    /* What detect and segment are asked for, as their job takes it; what it points to is set by job_run(). */
    struct sowlv2_run_options run;
    struct sowlv2_detect_options detect;
    struct sowlv2_segment_options segment;
    struct sowlv2_track_options track;
    bool isolate; /* decoding */
    bool save_frames, no_save_frames, enable_vjepa2, disable_gpu_batching;
    int64_t max_workers, thread_pool_size; /* 0: automatic */

    const char *owl_model;
    const char *sam_model; /* "none": boxes only */
    const char *revision, *sam_revision, *cache_dir;
    bool offline;

    struct frames_settings frames;

    const char *device, *precision, *cpu; /* cpu NULL: the best there is */
    int64_t threads;                      /* 0: automatic */
    struct memory_limit memory_limit;
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
