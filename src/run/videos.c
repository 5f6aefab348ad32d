/* The videos of a job: on each device one after the other, since a forward pass uses all of it anyway. */
#include "base/error.h"
#include "base/file.h"
#include "base/first_error.h"
#include "base/log.h"
#include "pipeline/track.h"
#include "run/plan.h"
#include "run/run.h"
#include "run/sink_callers.h"

#include <stdlib.h>
#include <string.h>

static void tell_progress(size_t done, size_t total, const char *name, void *user_data)
{
    run_tell_progress(user_data, name, NULL, done, total);
}

static struct video_reader_options reader_options(const struct sowlv2_run *run, size_t video)
{
    const struct sowlv2_run_options *const options = &run->options;

    return (struct video_reader_options){.fps = options->fps,
                                         .start = options->start,
                                         .end = options->end,
                                         .frames = options->frames,
                                         .max_pixels = options->max_pixels,
                                         .allow_truncated = options->allow_truncated,
                                         .allow_playlists = options->allow_playlists,
                                         .isolation = run->isolation,
                                         .stream = run_is_stream(run, video) ? options->stream : NULL};
}

static void fill_part(const struct track_report *report, struct sowlv2_run_part *part)
{
    part->objects = report->objects;
    part->covered = report->covered;
    part->frames = report->frames;
    part->encoded = report->tracked;
    part->filled_in = report->interpolated;
    part->detected_on = report->detections;
    part->dropped = report->dropped;
    part->wait_read_seconds = report->read_seconds;
    part->detect_seconds = report->detect_seconds;
    part->encode_seconds = report->encode_seconds;
    part->mask_seconds = report->track_seconds;
    part->wait_write_seconds = report->wait_seconds;
    part->write_seconds = report->write_seconds;
    part->total_seconds = report->total_seconds;
    part->interrupted = report->interrupted;
    part->broken = report->broken;
}

/* Ends the part with this thread's error, where `status` is one. */
static void end_part(struct sowlv2_run *run, struct sowlv2_run_part *part, int status, struct sowlv2_run_report *report)
{
    char *const why = status ? strdup(error_message()) : NULL;

    part->status = status;
    part->error = status ? (why ? why : "out of memory") : NULL;
    part->interrupted |= status == SOWLV2_ERROR_CANCELLED || run_is_stopped(run);
    run_end_part(run, part, report);
    free(why);
}

/* Gives the first error; what was done before one counts. */
static int end_beside(struct output_claim *claim, struct output_claim **beside, const char *name, bool whole,
                      int status)
{
    struct first_error error;

    first_error_init(&error);
    first_error_keep(&error, status);
    first_error_keep(&error, output_claim_close_beside(claim, beside, name, whole && !status));
    return first_error_end(&error);
}

static void run_one(struct sowlv2_run *run, const struct sowlv2_run_models *models, size_t video,
                    struct output_claim *claim, struct sowlv2_run_report *report)
{
    struct sowlv2_run_part part = {
        .is_video = true, .name = run->inputs.video_names.items[video], .folder = output_claim_folder(claim)};
    struct output_claim *beside = NULL; /* where an earlier run's results stay until these are there */
    const bool again = claim && run->options.resume && output_claim_needs_beside(claim);
    int status = again ? output_claim_open_beside(claim, &beside) : 0;
    struct track_options options = {.job = &run->options,
                                    .source = run->inputs.video_paths.items[video],
                                    .name = run->inputs.video_names.items[video],
                                    .claim = beside ? beside : claim,
                                    .reader = reader_options(run, video),
                                    .outputs = run_output_options(run),
                                    .prompts_told = &run->prompts_told,
                                    .progress = tell_progress,
                                    .progress_user_data = run};
    struct track_report done = {0};
    struct run_plan plan = {0};

    if (!status && !run->options.marks)
        status = run_plan_make(run, models->scorer_model ? models->scorer_model : run->options.scorer_model, &options,
                               &plan);
    options.plan = plan.used ? &plan.plan : NULL;
    if (!status)
        status = track_video(models->detector, models->segmenter, &options, &done);
    if (!status || done.broken) {
        const int ended = run_end_input(run, options.name, !status && !done.interrupted);

        status = status ? status : ended;
    }
    if (beside)
        status = end_beside(claim, &beside, options.name, !done.interrupted && !done.broken, status);
    fill_part(&done, &part);
    part.no_model = plan.no_model;
    run_plan_free(&plan);
    end_part(run, &part, status, report);
}

/* Into a folder of its own, or into the output folder. */
static void run_in_place(struct sowlv2_run *run, const struct sowlv2_run_models *models, size_t video,
                         struct sowlv2_run_report *report)
{
    const char *const folder = run->places ? run->places[video].folder : NULL;
    struct output_claim *claim = NULL;

    if (!folder) {
        run_one(run, models, video, run->claim, report);
        return;
    }

    char *const path = path_join(run->options.output, folder);
    const struct output_claim_options wanted = {.folder = path, .job = &run->job, .below = true};
    const int status = path ? output_claim_open(&wanted, &claim) : error_memory("output folder");

    free(path);
    if (status) {
        struct sowlv2_run_part part = {.is_video = true, .name = run->inputs.video_names.items[video]};

        end_part(run, &part, status, report);
        return;
    }
    run_one(run, models, video, claim, report);
    output_claim_close(&claim);
}

static void pass_over(struct sowlv2_run *run, size_t video, struct sowlv2_run_report *report)
{
    const char *const folder = run->places[video].folder;
    char *const path = folder ? path_join(run->options.output, folder) : NULL;
    const struct sowlv2_run_part part = {.is_video = true,
                                         .name = run->inputs.video_names.items[video],
                                         .folder = path ? path : run->options.output,
                                         .done_before = true};

    run_end_part(run, &part, report);
    free(path);
}

/* What the threads of run_videos() share. */
struct videos {
    struct sowlv2_run *run;
    struct sowlv2_run_report *report;
    pthread_mutex_t taking; /* of: */
    size_t next;
};

/* A device's, and the thread that computes on it. */
struct video_computer {
    struct videos *videos;
    const struct sowlv2_run_models *models;
    pthread_t thread;
};

/* The next video that is to be looked at; false: there is none, or the run ends. */
static bool take_video(struct videos *videos, size_t *video)
{
    struct sowlv2_run *const run = videos->run;
    bool taken;

    pthread_mutex_lock(&run->telling);
    taken = !videos->report->interrupted;
    pthread_mutex_unlock(&run->telling);
    if (!taken || run_sink_status(run))
        return false;
    pthread_mutex_lock(&videos->taking);
    taken = videos->next < run->inputs.video_paths.count;
    *video = videos->next;
    videos->next += taken;
    pthread_mutex_unlock(&videos->taking);
    return taken;
}

static void *work(void *argument)
{
    const struct video_computer *const computer = argument;
    struct videos *const videos = computer->videos;
    struct sowlv2_run *const run = videos->run;

    for (size_t i; take_video(videos, &i);)
        if (run->places && run->places[i].done)
            pass_over(run, i, videos->report);
        else
            run_in_place(run, computer->models, i, videos->report);
    return NULL;
}

void run_videos(struct sowlv2_run *run, const struct sowlv2_run_models *models, size_t count,
                struct sowlv2_run_report *report)
{
    struct videos videos = {.run = run, .report = report};
    struct video_computer first = {.videos = &videos, .models = models};
    const size_t wanted = count < run->inputs.video_paths.count ? count : run->inputs.video_paths.count;
    struct video_computer *const computers = wanted > 1 ? calloc(wanted, sizeof(*computers)) : NULL;
    size_t started = 1;

    pthread_mutex_init(&videos.taking, NULL);
    for (; computers && started < wanted; started++) {
        computers[started] = (struct video_computer){.videos = &videos, .models = &models[started]};
        if (pthread_create(&computers[started].thread, NULL, work, &computers[started]) != 0)
            break;
    }
    if (started < wanted)
        log_notice("videos: no more than %zu of %zu devices are used: too little memory, or too few processes allowed "
                   "(ulimit -u)",
                   started, wanted);
    work(&first);
    for (size_t i = 1; i < started; i++)
        pthread_join(computers[i].thread, NULL);
    free(computers);
    pthread_mutex_destroy(&videos.taking);
}
