/* See job_report.h. */
#include "cli/job_report.h"

#include "base/clock.h"
#include "cli/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool job_report_progress(const struct sowlv2_run_progress *progress, void *user_data)
{
    enum { STAYS = 2 }; /* seconds: of inputs that are worked on at the same time, one is shown */
    struct job_report *const report = user_data;
    const double now = clock_seconds();

    if (strcmp(progress->input, report->shown) != 0 && report->several && now - report->shown_time < STAYS)
        return true;
    snprintf(report->shown, sizeof(report->shown), "%s", progress->input);
    report->shown_time = now;
    if (progress->done < report->done) /* another input, or another pass over it */
        progress_begin(&report->progress);
    report->done = progress->done;
    if (progress->activity)
        snprintf(report->input, sizeof(report->input), "%s: %s", progress->input, progress->activity);
    progress_update((size_t)progress->done, (size_t)progress->total,
                    progress->activity ? report->input : progress->input, &report->progress);
    return true;
}

struct row {
    const char *name;
    double seconds;
    const char *note;
};

static void print_rows(const struct row *rows, size_t count, int width, int64_t pieces, const char *piece)
{
    terminal_say("%-*s %10s %12s", width, "stage", "seconds", piece);
    for (size_t i = 0; i < count; i++)
        terminal_say("%-*s %10.3f %12.1f%s%s", width, rows[i].name, rows[i].seconds,
                     pieces > 0 ? 1e3 * rows[i].seconds / (double)pieces : 0.0, *rows[i].note ? "  " : "",
                     rows[i].note);
}

static void print_image_timing(const struct sowlv2_run_part *part, double model_seconds)
{
    const struct row rows[] = {
        {"open models", model_seconds, ""},
        {"prompts", part->prompt_seconds, ""},
        {"detect", part->detect_seconds, ""},
        {"encode", part->encode_seconds, "image encoder of the masks"},
        {"masks", part->mask_seconds, "mask decoder, masks scaled to size"},
        {"decode", part->read_seconds, "of files, alongside the above, summed over threads"},
        {"wait", part->wait_read_seconds, "by the computation for files after the first"},
        {"write", part->write_seconds, "alongside the above, summed over threads"},
        {"total", model_seconds + part->total_seconds, ""},
    };

    print_rows(rows, sizeof(rows) / sizeof(rows[0]), 12, part->images, "ms per image");
}

static void print_video_timing(const struct sowlv2_run_part *part)
{
    const struct row rows[] = {
        {"detect", part->detect_seconds, "detector"},
        {"encode", part->encode_seconds, "image encoder of the masks"},
        {"track", part->mask_seconds, "memory, mask decoder, masks scaled to size"},
        {"wait to read", part->wait_read_seconds, "frames are read alongside the above"},
        {"wait to write", part->wait_write_seconds, ""},
        {"write", part->write_seconds, "alongside the above"},
        {"total", part->total_seconds, ""},
    };

    print_rows(rows, sizeof(rows) / sizeof(rows[0]), 14, part->frames, "ms per frame");
    terminal_say("%" PRId64 " frames: %" PRId64 " encoded, %" PRId64 " filled in, %" PRId64
                 " looked at by the detector",
                 part->frames, part->encoded, part->filled_in, part->detected_on);
}

/* "3 objects (1 more left out by --dedupe)". */
static void format_objects(const struct sowlv2_run_part *part, char *text, size_t size)
{
    const int length = snprintf(text, size, "%" PRId64 " object%s", part->objects, part->objects == 1 ? "" : "s");

    if (part->covered > 0)
        snprintf(text + length, size - (size_t)length, " (%" PRId64 " more left out by --dedupe)", part->covered);
}

static void report_images(const struct job_report *report, const struct sowlv2_run_part *part)
{
    char failed[64] = "", skipped[64] = "", objects[128];

    if (report->settings->verbose)
        print_image_timing(part, report->model_seconds);
    if (part->status) {
        terminal_error(part->error);
        return;
    }
    if (part->failed > 0)
        snprintf(failed, sizeof(failed), " (%" PRId64 " failed)", part->failed);
    if (part->skipped > 0)
        snprintf(skipped, sizeof(skipped), " (%" PRId64 " more already done)", part->skipped);
    format_objects(part, objects, sizeof(objects));
    terminal_say("%" PRId64 " image%s%s%s, %s -> %s (%.1f s)%s", part->images, part->images == 1 ? "" : "s", failed,
                 skipped, objects, report->settings->run.output, report->model_seconds + part->total_seconds,
                 part->interrupted ? ", interrupted" : "");
}

static void report_video(const struct job_report *report, const struct sowlv2_run_part *part)
{
    char objects[128];

    if (part->done_before) {
        terminal_say("%s: already done -> %s", part->name, part->folder);
        return;
    }
    if (report->settings->verbose && !part->status)
        print_video_timing(part);
    if (part->status && part->status != SOWLV2_ERROR_CANCELLED)
        terminal_error(part->error);
    if (part->status && part->status != SOWLV2_ERROR_CANCELLED && !part->broken)
        return;
    format_objects(part, objects, sizeof(objects));
    terminal_say("%s: %" PRId64 " frame%s, %s -> %s (%.1f s)%s", part->name, part->frames, part->frames == 1 ? "" : "s",
                 objects, part->folder, part->total_seconds,
                 part->interrupted ? ", interrupted"
                 : part->broken    ? ", cut short"
                                   : "");
}

void job_report_part(const struct sowlv2_run_part *part, void *user_data)
{
    struct job_report *const report = user_data;

    terminal_progress_end();
    download_end(&report->download);
    if (part->is_video)
        report_video(report, part);
    else
        report_images(report, part);
    report->done = 0;
    progress_begin(&report->progress);
}
