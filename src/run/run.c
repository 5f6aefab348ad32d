/* A job from its options to its report. */
#include "run/run.h"

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "media/isolation.h"

#include <stdlib.h>
#include <string.h>

bool run_is_stopped(const struct sowlv2_run *run)
{
    return __atomic_load_n(run->options.stop, __ATOMIC_RELAXED) != 0;
}

bool run_is_stream(const struct sowlv2_run *run, size_t video)
{
    return run->options.stream && video + 1 == run->inputs.video_paths.count;
}

void run_tell_progress(struct sowlv2_run *run, const char *input, const char *activity, size_t done, size_t total)
{
    const struct sowlv2_run_progress progress = {
        .input = input, .activity = activity, .done = (int64_t)done, .total = (int64_t)total};

    if (!run->options.progress)
        return;
    pthread_mutex_lock(&run->telling);
    if (!run->options.progress(&progress, run->options.user_data))
        __atomic_store_n(run->options.stop, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&run->telling);
}

void run_end_part(struct sowlv2_run *run, const struct sowlv2_run_part *part, struct sowlv2_run_report *report)
{
    pthread_mutex_lock(&run->telling);
    if (part->is_video) {
        report->done += part->done_before || part->broken || part->status == 0 ? 1 : 0;
        report->failed += part->status != 0 && part->status != SOWLV2_ERROR_CANCELLED;
    } else {
        report->done += part->images - part->failed + part->skipped;
        report->failed += part->failed;
    }
    report->interrupted |= part->interrupted;
    report->no_model |= part->no_model;
    if (run->options.part)
        run->options.part(part, run->options.user_data);
    pthread_mutex_unlock(&run->telling);
}

int run_sink_status(struct sowlv2_run *run)
{
    pthread_mutex_lock(&run->giving);
    const int status = run->sink_status;
    pthread_mutex_unlock(&run->giving);
    return status;
}

/* What the caller gives from memory, behind what he gives by name. */
static int add_memory(struct sowlv2_run *run)
{
    const struct sowlv2_image_list *const images = run->options.images;
    struct inputs *const inputs = &run->inputs;
    int status = 0;

    inputs->memory = images;
    for (size_t i = 0; !status && images && i < images->count; i++)
        status = inputs_add_memory(inputs, i);
    if (!status && run->options.stream) {
        status = string_list_append(&inputs->video_paths, run->options.stream->name);
        if (!status)
            status = string_list_append(&inputs->video_names, run->options.stream->name);
    }
    return status;
}

static int list(struct sowlv2_run *run)
{
    const struct sowlv2_run_options *const options = &run->options;
    const struct inputs_options wanted = {.given = options->inputs,
                                          .count = options->input_count,
                                          .recursive = options->recursive,
                                          .output = options->output,
                                          .videos = true,
                                          .as_video = options->as_video,
                                          .as_videos = options->videos,
                                          .as_video_count = options->video_count};
    int status = 0;

    if (options->input_count + options->video_count > 0)
        status = inputs_list(&wanted, &run->inputs);
    if (!status)
        status = add_memory(run);
    if (!status && run->inputs.paths.count + run->inputs.video_paths.count == 0)
        status =
            error_set(SOWLV2_ERROR_ARGUMENT, "--input: nothing but results of earlier runs, which are not taken as "
                                             "input: copy the ones you want to another folder");
    return status;
}

int sowlv2_run_create(const struct sowlv2_run_options *options, sowlv2_run **out)
{
    if (out)
        *out = NULL;
    if (!options || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_create: options and out are needed");

    struct sowlv2_run *run = calloc(1, sizeof(*run));
    if (!run)
        return error_memory("run");
    pthread_mutex_init(&run->telling, NULL);
    pthread_mutex_init(&run->giving, NULL);
    int status = run_take_options(options, run);

    if (!status)
        status = list(run);
    if (!status)
        status = run_describe_job(run, &run->job);
    if (!status && options->decoder_program && run->inputs.paths.count + run->inputs.video_paths.count > 0)
        status = isolation_create(run->options.decoder_program, &run->isolation);
    if (status) {
        sowlv2_run_free(&run);
        return status;
    }
    *out = run;
    return 0;
}

void sowlv2_run_free(sowlv2_run **run)
{
    if (!run || !*run)
        return;
    isolation_free(&(*run)->isolation);
    run_places_free((*run)->places, (*run)->inputs.video_paths.count);
    output_claim_close(&(*run)->claim);
    inputs_free(&(*run)->inputs);
    string_list_free(&(*run)->job);
    free((*run)->sinks);
    pthread_mutex_destroy(&(*run)->telling);
    pthread_mutex_destroy(&(*run)->giving);
    free(*run);
    *run = NULL;
}

int sowlv2_run_claim(sowlv2_run *run)
{
    if (!run)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_claim: run is needed");
    if (run->claim || !run->options.output)
        return 0;

    const struct output_claim_options wanted = {
        .folder = run->options.output, .job = &run->job, .resume = run->options.resume};
    int status = output_claim_open(&wanted, &run->claim);

    if (!status && run->options.resume && run->inputs.paths.count > 0)
        status = output_claim_load(run->claim);
    if (!status)
        status = run_places_find(&run->inputs, run->claim, &run->job,
                                 output_wants_sound(&run->options) && !run->isolation, &run->places);
    if (status)
        output_claim_close(&run->claim);
    return status;
}

struct sowlv2_run_inputs sowlv2_run_inputs(const sowlv2_run *run)
{
    struct sowlv2_run_inputs inputs = {0};

    if (!run)
        return inputs;
    inputs.images = (int64_t)run->inputs.paths.count;
    inputs.videos = (int64_t)run->inputs.video_paths.count;
    for (int64_t i = 0; run->places && i < inputs.videos; i++)
        inputs.videos_done += run->places[i].done;
    inputs.work = inputs.images + inputs.videos > inputs.videos_done;
    return inputs;
}

const char *sowlv2_run_input(const sowlv2_run *run, bool video, int64_t index)
{
    const struct string_list *const names = !run ? NULL : video ? &run->inputs.video_names : &run->inputs.names;

    return names && index >= 0 && (size_t)index < names->count ? names->items[index] : NULL;
}

/* The files of films are copied together by this process, which is not to look into what was given. */
static void tell_no_sound(const struct sowlv2_run *run)
{
    const struct sowlv2_run_options *const options = &run->options;

    if (run->isolation && run->inputs.video_paths.count > 0 && options->output && output_wants_sound(options))
        log_notice("--isolate: films are written without the sound of their videos");
}

/* Objects are followed by their masks. */
static int check_videos(struct sowlv2_run *run, const struct sowlv2_run_models *models)
{
    const size_t videos = run->inputs.video_paths.count;

    if (models->segmenter || videos == 0)
        return 0;
    if (run->inputs.paths.count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: is a video, where objects are followed by their masks: it needs a segmenter",
                         run->inputs.video_names.items[0]);
    log_notice("%zu video%s left out: objects are followed by their masks, and there is no segmenter", videos,
               videos == 1 ? " is" : "s are");
    return 0;
}

/* Each device has the models that the first has, and they are what the job needs. */
static int check_models(const struct sowlv2_run *run, const struct sowlv2_run_models *models, size_t count)
{
    if (run->options.prompt_count > 0 && !models->detector)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_start: prompts need a detector");
    if (run->options.mark_count > 0 && !models->segmenter)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_start: marks need a segmenter");
    for (size_t i = 1; i < count; i++)
        if (!models[i].detector != !models->detector || !models[i].segmenter != !models->segmenter)
            return error_set(SOWLV2_ERROR_ARGUMENT,
                             "sowlv2_run_start_on: models %zu and the first are not of the same kinds", i + 1);
    return 0;
}

/* As sowlv2_run_start_on(), with structs of this library. */
static int start_on(sowlv2_run *run, const struct sowlv2_run_models *models, size_t count,
                    struct sowlv2_run_report *report)
{
    struct sowlv2_run_report mine = {0};

    int status = sowlv2_run_claim(run);
    const bool work = sowlv2_run_inputs(run).work;

    if (!status && work)
        status = check_models(run, models, count);
    if (!status && work)
        status = check_videos(run, models);
    if (!status && work && run->isolation)
        status = isolation_check(run->isolation);
    if (status)
        return status;
    run->started = true;
    if (run->inputs.paths.count > 0)
        run_images(run, models, count, &mine);
    tell_no_sound(run);
    if (!run_sink_status(run) && !mine.interrupted && (models->segmenter || !work))
        run_videos(run, models, count, &mine);
    if (report)
        *report = mine;
    status = run_sink_status(run);
    return status ? error_set(status, "a sink of the calling program ended the run") : 0;
}

int sowlv2_run_start_on(sowlv2_run *run, const struct sowlv2_run_models *const *models, size_t count,
                        struct sowlv2_run_report *report)
{
    int status = 0;

    if (report)
        *report = (struct sowlv2_run_report){0};
    if (!run || run->started)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_start: %s",
                         run ? "a run can be started once only" : "run is needed");
    if (!models || count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_start_on: models are needed");

    struct sowlv2_run_models *const taken = calloc(count, sizeof(*taken));

    if (!taken)
        return error_memory("models");
    for (size_t i = 0; i < count && !status; i++)
        status = models[i] ? options_take("struct sowlv2_run_models", "zeros and its size", models[i], &taken[i],
                                          sizeof(taken[i]))
                           : error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_start_on: models %zu are NULL", i + 1);
    if (!status)
        status = start_on(run, taken, count, report);
    free(taken);
    return status;
}

int sowlv2_run_start(sowlv2_run *run, const sowlv2_detector *detector, const sowlv2_segmenter *segmenter,
                     struct sowlv2_run_report *report)
{
    const struct sowlv2_run_models models = {.size = sizeof(models), .detector = detector, .segmenter = segmenter};

    return sowlv2_run_start_on(run, &(const struct sowlv2_run_models *){&models}, 1, report);
}
