/* The images of a job. */
#include "base/error.h"
#include "pipeline/detect_images.h"
#include "run/run.h"
#include "run/sink_callers.h"

#include <stdlib.h>
#include <string.h>

static void tell_progress(size_t done, size_t total, const char *name, void *user_data)
{
    run_tell_progress(user_data, name, NULL, done, total);
}

struct output_options run_output_options(struct sowlv2_run *run, const struct run_models *models, bool video)
{
    static const struct sink_kind *const callers[] = {&sink_callers};
    const struct sowlv2_run_options *const options = &run->options;

    return (struct output_options){
        .binary = options->masks,
        .overlay = options->overlays,
        .merged = options->merged,
        .crops = options->crops && !video, /* of images alone */
        .videos = options->films,
        .rle = options->rle && video, /* rows of images hold masks where no file does, and only there */
        .draw = options->draw ? options->draw
                              : SOWLV2_DRAW_LABELS | (models->segmenter ? SOWLV2_DRAW_MASKS : SOWLV2_DRAW_BOXES),
        .mask_codec = options->mask_codec == SOWLV2_MASK_FFV1 ? VIDEO_CODEC_FFV1 : VIDEO_CODEC_H264,
        .max_object_videos = (int)options->max_object_films,
        .more = callers,
        .more_count = 1,
        .more_data = run,
    };
}

static struct detect_images_options make_options(struct sowlv2_run *run, const struct run_models *models)
{
    const struct sowlv2_run_options *const options = &run->options;

    return (struct detect_images_options){
        .prompts = options->prompts,
        .prompt_count = options->prompt_count,
        .prompt_template = options->prompt_template,
        .given = options->mark_count > 0 ? options->marks : NULL,
        .given_count = options->mark_count,
        .inputs = (const char *const *)run->inputs.paths.items,
        .names = (const char *const *)run->inputs.names.items,
        .input_count = run->inputs.paths.count,
        .memory = options->images,
        .output = options->output,
        .claim = run->claim,
        .detect = run->detect,
        .segment = run->segment,
        .dedupe_iou = options->dedupe_iou,
        .outputs = run_output_options(run, models, false),
        .batch_size = options->batch_size,
        .io_threads = options->io_threads,
        .max_pixels = options->max_pixels,
        .allow_truncated = options->allow_truncated,
        .progress = tell_progress,
        .progress_user_data = run,
        .interrupted = options->stop,
    };
}

void run_images(struct sowlv2_run *run, const struct run_models *models, struct sowlv2_run_report *report)
{
    const struct detect_images_options options = make_options(run, models);
    struct detect_images_report done;
    const int status = detect_images(models->detector, models->segmenter, &options, &done);
    char *const why = status ? strdup(error_message()) : NULL;
    struct sowlv2_run_part part = {
        .folder = run->claim ? output_claim_folder(run->claim) : NULL,
        .status = status,
        .error = status ? (why ? why : "out of memory") : NULL,
        .interrupted = done.interrupted,
        .images = (int64_t)done.images,
        .failed = (int64_t)done.failed,
        .skipped = (int64_t)done.skipped,
        .objects = (int64_t)done.objects,
        .covered = (int64_t)done.covered,
        .prompt_seconds = done.prompt_seconds,
        .read_seconds = done.decode_seconds,
        .wait_read_seconds = done.wait_seconds,
        .detect_seconds = done.detect_seconds,
        .encode_seconds = done.encode_seconds,
        .mask_seconds = done.mask_seconds,
        .write_seconds = done.write_seconds,
        .total_seconds = done.total_seconds,
    };

    if (status == SOWLV2_ERROR_CANCELLED) {
        part.interrupted = true;
    } else if (status) { /* all that did not come out */
        part.failed = (int64_t)(run->inputs.paths.count - done.skipped - (done.images - done.failed));
        part.images = (int64_t)(run->inputs.paths.count - done.skipped);
    }
    run_end_part(run, &part, report);
    free(why);
}
