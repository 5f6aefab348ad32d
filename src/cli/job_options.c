/* See job_options.h. */
#include "cli/job_options.h"

#include "cli/job.h"
#include "cli/signals.h"

static void set_inputs(const struct settings *settings, struct sowlv2_run_options *run)
{
    run->inputs = (const char *const *)settings->inputs.items;
    run->input_count = settings->inputs.count;
    run->as_video = settings->as_video.all;
    run->videos = (const char *const *)settings->as_video.paths.items;
    run->video_count = settings->as_video.paths.count;
}

int job_options_make(const struct settings *settings, const struct mark_objects *given, struct job_report *report,
                     struct job_options *out)
{
    struct sowlv2_run_options *const run = &out->run;

    progress_begin(&report->progress);
    *out = (struct job_options){.run = settings->run};
    out->scorer = sowlv2_scorer_options_default();
    download_options(settings, settings->frames.model, NULL, &report->download, &out->scorer);
    out->scorer.device_options = &report->device;
    set_inputs(settings, run);
    run->detect = &settings->detect;
    run->segment = &settings->segment;
    run->track = &settings->track;
    run->scorer_model = settings->enable_vjepa2 && !given ? &out->scorer : NULL;
    if (given) {
        run->marks = given->items;
        run->mark_count = given->count;
    } else {
        run->prompts = (const char *const *)settings->prompts.items;
        run->prompt_count = settings->prompts.count;
    }
    run->pictures = settings->save_frames      ? SOWLV2_PICTURES_ALL
                    : settings->no_save_frames ? SOWLV2_PICTURES_NONE
                                               : SOWLV2_PICTURES_FEW;
    if (settings->disable_gpu_batching)
        run->batch_size = 1;
    run->io_threads = (int)(settings->thread_pool_size > 0 ? settings->thread_pool_size : settings->max_workers);
    run->stop = &signals_interrupted;
    run->progress = job_report_progress;
    run->part = job_report_part;
    run->user_data = report;
    const int status = job_describe(settings, given ? FOR_SEGMENT : FOR_DETECT, &out->job);

    run->job = (const char *const *)out->job.items;
    run->job_count = out->job.count;
    return status;
}

void job_options_free(struct job_options *options)
{
    string_list_free(&options->job);
}
