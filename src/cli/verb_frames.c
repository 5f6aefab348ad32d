/* sowlv2 frames: from the settings to the chosen frames and the files that were asked for. */
#include "base/error.h"
#include "base/file.h"
#include "base/url.h"
#include "cli/device.h"
#include "cli/exit_status.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "cli/vjepa2_model.h"
#include "media/png.h"
#include "output/plot.h"
#include "pipeline/frames.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What becomes of the pictures of chosen frames. */
struct pictures {
    const struct settings *settings;
    struct plot_thumb *thumbs; /* [count] */
    int64_t count, capacity;
};

static int check_settings(const struct settings *settings)
{
    const struct frames_settings *own = &settings->frames;

    if (!settings->input)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--input: missing: give a video or a folder of images");
    if (own->target_frames > 0 && own->target_fraction > 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--target-frames, --target-fraction: both are given: give one");
    if (own->pooled && !own->features)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--pooled: says what --features writes: give --features FILE too");
    if (own->scores && !frames_is_scores_name(own->scores))
        return error_set(SOWLV2_ERROR_ARGUMENT, "--scores: '%s' does not end in .json or .csv", own->scores);
    return 0;
}

/* That a file cannot be written is better said before the video is looked at than after. */
static int check_writable(const char *path)
{
    struct file_writer file = {0};
    int status = path ? file_writer_open(path, &file) : 0;

    file_writer_abort(&file);
    return status;
}

static struct frames_options make_options(const struct settings *settings, struct progress *progress)
{
    const struct frames_settings *own = &settings->frames;
    struct frames_options options = {
        .input = settings->input,
        .fps = own->fps,
        .frames_per_clip = own->frames_per_clip,
        .clip_overlap = own->clip_overlap,
        .whole = own->whole,
        .kind = FRAMES_CHANGE,
        .target_frames = own->target_frames,
        .target_fraction = own->target_fraction,
        .spacing = own->spacing,
        .window = own->window,
        .features = own->features,
        .pooled = own->pooled,
        .labels = own->labels,
        .reader = {.fps = own->fps,
                   .max_pixels = settings->max_pixels,
                   .allow_truncated = settings->allow_truncated,
                   .allow_playlists = settings->video.allow_playlists},
        .progress = progress_update,
        .progress_user_data = progress,
        .interrupted = &signals_interrupted,
    };

    if (strcmp(own->importance, "variance") == 0)
        options.kind = FRAMES_VARIANCE;
    else if (strcmp(own->importance, "surprise") == 0)
        options.kind = FRAMES_SURPRISE;
    else if (strcmp(own->importance, "motion-aware") == 0)
        options.motion_weight = 0.5F;
    if (own->motion_weight >= 0)
        options.motion_weight = (float)own->motion_weight;
    return options;
}

/* An exit status; the device must outlive the model. */
static int open_model(const struct settings *settings, struct device **device, struct scorer **model)
{
    const int status = vjepa2_model_open(settings, settings->revision, device, model);

    if (!status)
        return EXIT_DONE;
    if (!*device)
        return verb_fail(status == SOWLV2_ERROR_MEMORY ? EXIT_NO_MODEL : EXIT_USAGE);
    if (status == SOWLV2_ERROR_CANCELLED && signals_interrupted)
        return EXIT_INTERRUPTED;
    return verb_fail(EXIT_NO_MODEL);
}

static int save_frame(const struct pictures *pictures, const struct image *image, const struct frames_item *item)
{
    char name[32], *path;
    int status;

    snprintf(name, sizeof(name), "%06" PRId64 ".png", item->number);
    path = path_join(pictures->settings->frames.save, name);
    status = path ? png_write(path, image->pixels, image->width, image->height, 3, (size_t)image->width * 3)
                  : error_memory(name);
    free(path);
    return status;
}

static int keep_thumb(struct pictures *pictures, const struct image *image, const struct frames_item *item)
{
    struct plot_thumb *thumb;
    int status;

    if (pictures->count == pictures->capacity) {
        const int64_t capacity = pictures->capacity > 0 ? 2 * pictures->capacity : 16;

        thumb = realloc(pictures->thumbs, (size_t)capacity * sizeof(*thumb));
        if (!thumb)
            return error_memory("thumbnails");
        pictures->thumbs = thumb;
        pictures->capacity = capacity;
    }
    thumb = &pictures->thumbs[pictures->count];
    *thumb = (struct plot_thumb){.number = item->number, .time = item->time};
    status = plot_shrink(image, &thumb->image);
    pictures->count += status == 0;
    return status;
}

static int take_picture(const struct image *image, const struct frames_item *item, void *user_data)
{
    struct pictures *pictures = user_data;
    int status = 0;

    if (pictures->settings->frames.save)
        status = save_frame(pictures, image, item);
    if (!status && pictures->settings->frames.plot)
        status = keep_thumb(pictures, image, item);
    return status;
}

static int write_plot(const struct pictures *pictures, const struct frames_options *options,
                      const struct frames_report *report)
{
    struct plot_point *points = calloc(report->count > 0 ? (size_t)report->count : 1, sizeof(*points));
    struct plot plot = {
        .points = points, .count = report->count, .thumbs = pictures->thumbs, .thumb_count = pictures->count};
    char title[256], *name;
    int status;

    if (!points)
        return error_memory("plot");
    name = url_is(options->input) ? url_name(options->input) : strdup(path_base(options->input));
    for (int64_t i = 0; i < report->count; i++)
        points[i] = (struct plot_point){report->items[i].time, report->items[i].score, report->items[i].chosen,
                                        report->items[i].scene_start};
    snprintf(title, sizeof(title), "importance (%s%s), %" PRId64 " of %" PRId64 " frames chosen: %.120s",
             frames_kind_name(options->kind), options->motion_weight > 0 ? " with motion" : "", report->chosen_count,
             report->count, name ? name : "");
    free(name);
    plot.title = title;
    status = plot_write(pictures->settings->frames.plot, &plot);
    free(points);
    return status;
}

static void print_results(const struct frames_report *report, char *const *labels)
{
    for (int64_t i = 0; i < report->count; i++)
        if (report->items[i].chosen)
            printf("%" PRId64 " %.3f %.4f %" PRId64 "\n", report->items[i].number, report->items[i].time,
                   (double)report->items[i].score, report->items[i].source_number);
    for (int64_t i = 0; i < report->clip_count; i++)
        for (int k = 0; k < report->classes; k++)
            printf("clip %.3f %.3f %.4f %s\n", report->clips[i].start, report->clips[i].end,
                   (double)report->clips[i].score[k], labels[report->clips[i].label[k]]);
}

static void print_summary(const struct settings *settings, const struct frames_options *options,
                          const struct frames_report *report)
{
    if (settings->verbose) {
        terminal_say("%-12s %10s", "stage", "seconds");
        terminal_say("%-12s %10.3f", "read", report->read_seconds);
        terminal_say("%-12s %10.3f", "V-JEPA 2", report->model_seconds);
        terminal_say("%-12s %10.3f", "total", report->total_seconds);
    }
    terminal_say("%" PRId64 " frame%s in %" PRId64 " clip%s, %" PRId64 " scene%s: %" PRId64
                 " chosen by V-JEPA 2's %s%s (%.1f s)",
                 report->count, report->count == 1 ? "" : "s", report->clip_count, report->clip_count == 1 ? "" : "s",
                 report->scene_count, report->scene_count == 1 ? "" : "s", report->chosen_count,
                 frames_kind_name(options->kind), options->motion_weight > 0 ? " and motion" : "",
                 report->total_seconds);
}

static int fail_status(int status)
{
    if (status == SOWLV2_ERROR_CANCELLED)
        return EXIT_INTERRUPTED;
    return verb_fail(EXIT_ALL_FAILED);
}

static int run(const struct settings *settings, const struct scorer *model, struct pictures *pictures)
{
    char *const *labels = scorer_info(model)->labels;
    struct frames_report report = {0};
    struct progress progress;
    int status, result = EXIT_DONE;

    progress_begin(&progress);
    struct frames_options options = make_options(settings, &progress);
    if (frames_check(model, &options))
        return verb_fail(EXIT_USAGE);
    if (settings->frames.save || settings->frames.plot) {
        options.picture = take_picture;
        options.picture_user_data = pictures;
    }
    status = settings->frames.save ? file_make_directories(settings->frames.save) : 0;
    if (!status)
        status = check_writable(settings->frames.scores);
    if (!status)
        status = check_writable(settings->frames.plot);
    if (!status)
        status = frames_run(model, &options, &report);
    terminal_progress_end();
    if (!status && settings->frames.scores)
        status = frames_write_scores(settings->frames.scores, &options, &report, labels);
    if (!status && settings->frames.plot)
        status = write_plot(pictures, &options, &report);
    if (!status) {
        print_results(&report, labels);
        print_summary(settings, &options, &report);
    }
    if (!status && report.broken) {
        terminal_error(report.failure ? report.failure : "out of memory");
        result = EXIT_SOME_FAILED;
    }
    frames_report_free(&report);
    return status ? fail_status(status) : result;
}

int verb_frames(struct settings *settings)
{
    struct pictures pictures = {.settings = settings};
    struct device *device = NULL;
    struct scorer *model = NULL;
    int result;

    if (check_settings(settings))
        return verb_fail(EXIT_USAGE);
    if (strcmp(settings->input, "-") != 0 && !url_is(settings->input) && access(settings->input, R_OK) != 0) {
        error_set(SOWLV2_ERROR_IO, "%s: cannot be read: give a video or a folder of images", settings->input);
        return verb_fail(EXIT_ALL_FAILED);
    }
    device_chosen(settings); /* what it has to say is said first */
    signals_catch_interrupts();
    terminal_progress("opening the model");
    result = open_model(settings, &device, &model);
    terminal_progress_end();
    if (result == EXIT_DONE)
        result = run(settings, model, &pictures);
    for (int64_t i = 0; i < pictures.count; i++)
        image_free(&pictures.thumbs[i].image);
    free(pictures.thumbs);
    vjepa2_model_close(&device, &model);
    return result;
}
