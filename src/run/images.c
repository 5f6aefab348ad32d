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

struct output_options run_output_options(struct sowlv2_run *run)
{
    static const struct sink_kind *const callers[] = {&sink_callers};

    return (struct output_options){.more = callers, .more_count = 1, .more_data = run};
}

void run_images(struct sowlv2_run *run, const struct sowlv2_run_models *models, size_t count,
                struct sowlv2_run_report *report)
{
    const struct detect_images_options options = {.job = &run->options,
                                                  .inputs = &run->inputs,
                                                  .claim = run->claim,
                                                  .isolation = run->isolation,
                                                  .outputs = run_output_options(run),
                                                  .prompts_told = &run->prompts_told,
                                                  .progress = tell_progress,
                                                  .progress_user_data = run};
    struct detect_images_report done;
    const int status = detect_images(models, count, &options, &done);
    char *const why = status ? strdup(error_message()) : NULL;
    struct sowlv2_run_part part = {
        .folder = output_claim_folder(run->claim),
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
