/* The detection and segmentation of prompts in many images: decode -> detect -> segment -> write,
 * overlapped through bounded queues, one bad file never stopping the others. Stands on the public API. */
#ifndef PIPELINE_DETECT_IMAGES_H
#define PIPELINE_DETECT_IMAGES_H

#include "output/output_options.h"
#include "sowlv2_run.h"

#include <signal.h>

struct output_claim;

enum { DETECT_IMAGES_MAX_BATCH = 256, DETECT_IMAGES_MAX_THREADS = 256 };

/* Where a run stands; called from the thread that runs the pipeline. */
typedef void (*pipeline_progress)(size_t done, size_t total, const char *name, void *user_data);

struct detect_images_options {
    const char *const *prompts; /* bare prompts as the user typed them; labels */
    size_t prompt_count;
    const char *prompt_template;
    const struct sowlv2_segment_prompt *given; /* what to segment in every image instead of detections; no
                                                  detector and no prompts are needed then; NULL: detect */
    size_t given_count;
    const char *const *inputs; /* as inputs_options.given in pipeline/inputs.h */
    size_t input_count;
    const char *const *names; /* [input_count] where the inputs are listed already: what rows call each, as
                                 inputs_list() gave them; NULL: they are to be listed */
    const struct sowlv2_image_list *memory; /* those of the inputs that inputs_is_memory(); may be NULL */
    bool recursive;                         /* take the folders in folders too */
    const char *output;                     /* folder, made if missing; NULL: no files, the caller's sinks alone */
    struct output_claim *claim; /* on that folder, the caller's; NULL: the folder is claimed for the call, and nothing
                                   is known of the job */
    struct sowlv2_detect_options detect;
    struct sowlv2_segment_options segment; /* its `pixels` and `logits` are off always */
    float dedupe_iou;                      /* as in struct sowlv2_find_options */
    struct output_options outputs;         /* `pictures` is on always */
    bool
        resume; /* without `claim`, whose word counts: skip images that are done already, and append to results.jsonl */
    int batch_size;             /* images a forward pass, 1 to DETECT_IMAGES_MAX_BATCH */
    int io_threads;             /* threads that decode and write, 1 to DETECT_IMAGES_MAX_THREADS */
    int64_t max_pixels;         /* refuse larger images */
    bool allow_truncated;       /* take what is there of an image that was cut, with a notice */
    pipeline_progress progress; /* may be NULL */
    void *progress_user_data;
    const volatile sig_atomic_t *interrupted; /* set to non-zero by a signal handler: finish what is in
                                                 hand and stop; may be NULL */
};

struct detect_images_report {
    size_t images, failed, objects; /* inputs tried, inputs that failed, objects written */
    size_t covered;                 /* objects left out, since other masks cover them */
    size_t skipped;                 /* inputs that were done before */
    bool interrupted;
    /* Seconds: prompts; decode and write, summed over threads; what the computation waited for an image to be decoded
     * when it had begun; preprocess and forward passes of the detector, of the segmenter's encoder, and of its decoder
     * with masks brought to size; all. */
    double prompt_seconds, decode_seconds, write_seconds, wait_seconds, detect_seconds, encode_seconds, mask_seconds;
    double total_seconds;
};

/* Runs it. Without a `segmenter` (NULL) there are boxes only. Each failed input is reported through log_warning with
 * its name and counted. Returns 0 also when inputs failed (see the report). Errors: ARGUMENT (no image in the folder,
 * an input that is neither file nor folder, ...), UNSUPPORTED (a video), IO (no such input, output folder,
 * results.jsonl), MEMORY, and whatever encoding the prompts gives; the report then counts what came out before. */
int detect_images(const sowlv2_detector *detector, const sowlv2_segmenter *segmenter,
                  const struct detect_images_options *options, struct detect_images_report *report);

#endif
