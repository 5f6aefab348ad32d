/* The detection of prompts in many images: decode -> detect -> write, overlapped through bounded
 * queues, one bad file never stopping the others. Stands on the public API. */
#ifndef PIPELINE_DETECT_IMAGES_H
#define PIPELINE_DETECT_IMAGES_H

#include "sowlv2.h"

#include <signal.h>

/* What was given to --draw; bits. */
enum draw { DRAW_BOXES = 1, DRAW_LABELS = 2, DRAW_MASKS = 4 };

enum { DETECT_IMAGES_MAX_BATCH = 256, DETECT_IMAGES_MAX_THREADS = 256 };

/* Where a run stands; called from the thread that runs the pipeline. */
typedef void (*pipeline_progress)(size_t done, size_t total, const char *name, void *user_data);

struct detect_images_options {
    const char *const *prompts; /* bare prompts as the user typed them; labels */
    size_t prompt_count;
    const char *prompt_template;
    const char *input;  /* an image or a folder of images */
    const char *output; /* folder, made if missing */
    struct sowlv2_detect_options detect;
    bool overlay;               /* write overlay pictures */
    unsigned draw;              /* enum draw */
    int batch_size;             /* images a forward pass, 1 to DETECT_IMAGES_MAX_BATCH */
    int io_threads;             /* threads that decode and write, 1 to DETECT_IMAGES_MAX_THREADS */
    int64_t max_pixels;         /* refuse larger images */
    pipeline_progress progress; /* may be NULL */
    void *progress_user_data;
    const volatile sig_atomic_t *interrupted; /* set to non-zero by a signal handler: finish what is in
                                                 hand and stop; may be NULL */
};

struct detect_images_report {
    size_t images, failed, objects; /* inputs tried, inputs that failed, objects written */
    bool interrupted;
    /* Seconds: prompts, decode and write summed over threads; preprocess and forward passes; all. */
    double prompt_seconds, decode_seconds, detect_seconds, write_seconds, total_seconds;
};

/* Runs it. Each failed input is reported through log_warning with its name and counted. Returns 0 also
 * when inputs failed (see the report). Errors: ARGUMENT (no image in the folder, an input that is
 * neither file nor folder, ...), UNSUPPORTED (a video), IO (no such input, output folder, results.jsonl), MEMORY,
 * and whatever encoding the prompts gives; the report then counts what came out before. */
int detect_images(const sowlv2_detector *detector, const struct detect_images_options *options,
                  struct detect_images_report *report);

#endif
