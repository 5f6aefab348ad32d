/* The detection and segmentation of prompts in many images: decode -> detect -> segment -> write,
 * overlapped through bounded queues, one bad file never stopping the others. Stands on the public API. */
#ifndef PIPELINE_DETECT_IMAGES_H
#define PIPELINE_DETECT_IMAGES_H

#include "output/output_options.h"

#include <stdatomic.h>

struct inputs;
struct isolation;
struct output_claim;

/* Where a run stands; called from the thread that runs the pipeline. */
typedef void (*pipeline_progress)(size_t done, size_t total, const char *name, void *user_data);

struct detect_images_options {
    const struct sowlv2_run_options *job; /* whole, as run_take_options() (run/run.h) leaves them */
    const struct inputs *inputs;          /* the images, listed */
    struct output_claim *claim;           /* loaded where it resumes; NULL: no files, the caller's sinks alone */
    struct isolation *isolation;          /* decodes the images; NULL: this process does */
    struct output_options outputs;        /* the caller's sinks; the rest is filled in */
    atomic_bool *prompts_told;            /* that something is wrong with the prompts; NULL: it is told each time */
    pipeline_progress progress;           /* may be NULL */
    void *progress_user_data;
};

struct detect_images_report {
    size_t images, failed, objects; /* inputs tried, inputs that failed, objects written */
    size_t covered;                 /* objects left out, since other masks cover them */
    size_t skipped;                 /* inputs that were done before */
    bool interrupted;
    /* Seconds: prompts; decode and write, summed over threads; what the computation waited for an image to be decoded
     * when it had begun; preprocess and forward passes of the detector, of the segmenter's encoder, and of its decoder
     * with masks scaled to size; all. */
    double prompt_seconds, decode_seconds, write_seconds, wait_seconds, detect_seconds, encode_seconds, mask_seconds;
    double total_seconds;
};

/* Runs it, on `count` devices with the models of each; all have a detector or none, and so a segmenter. Without a
 * segmenter (NULL) there are boxes only. Each failed input is reported through log_warning with
 * its name and counted. Returns 0 also when inputs failed (see the report). Errors: IO (results.jsonl), MEMORY, and
 * whatever encoding the prompts gives; the report then counts what came out before. */
int detect_images(const struct sowlv2_run_models *models, size_t count, const struct detect_images_options *options,
                  struct detect_images_report *report);

#endif
