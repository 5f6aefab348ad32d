/* The writing stage. The threads share the parts of an image, so that one image with many objects keeps all of
 * them busy; the last to let go of it writes its row: what results.jsonl lists is there. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "masks/masks.h"
#include "media/png.h"
#include "output/names.h"
#include "pipeline/draw.h"
#include "pipeline/run.h"

#include <stdlib.h>
#include <string.h>

/* The path below the output folder; NULL with an error set: out of memory. */
static char *name_file(const struct run *run, const struct job *job, enum names_kind kind, size_t object)
{
    const char *slug = NULL;
    char *below;

    if (object < job->detections.count && job->detections.items[object].prompt >= 0)
        slug = run->slugs.items[job->detections.items[object].prompt];
    below = names_path(kind, run->inputs.stems.items[job->index], object + 1, slug);
    if (!below)
        error_memory("file names");
    return below;
}

static int list_file(const struct run *run, const struct job *job, enum names_kind kind, size_t object,
                     struct string_list *files)
{
    char *below = name_file(run, job, kind, object);
    const int status = below ? string_list_append(files, below) : SOWLV2_ERROR_MEMORY;

    free(below);
    return status;
}

static int list_files(const struct run *run, const struct job *job, struct string_list *files)
{
    const struct detect_images_options *options = run->options;
    int status = 0;

    if (options->overlay && options->merged)
        status = list_file(run, job, NAMES_MERGED_OVERLAY, 0, files);
    if (!status && job->masks && options->binary && options->merged)
        status = list_file(run, job, NAMES_MERGED_MASK, 0, files);
    for (size_t i = 0; !status && job->masks && i < job->detections.count; i++) {
        if (options->binary)
            status = list_file(run, job, NAMES_OBJECT_MASK, i, files);
        if (!status && options->overlay)
            status = list_file(run, job, NAMES_OBJECT_OVERLAY, i, files);
        if (!status && options->crops)
            status = list_file(run, job, NAMES_OBJECT_CROP, i, files);
    }
    return status;
}

int write_announce(struct run *run, const struct job *job)
{
    struct string_list files = {0};
    int status = run_begin_output(run);

    if (!status)
        status = list_files(run, job, &files);
    if (!status)
        status =
            output_claim_add_image(run->claim, job->name, &job->identity, run->inputs.stems.items[job->index], &files);
    string_list_free(&files);
    return status;
}

static int write_png(const struct run *run, const char *below, const uint8_t *pixels, int width, int height,
                     int channels)
{
    char *path = path_join(run->options->output, below);
    int status = path ? png_write(path, pixels, width, height, channels, (size_t)width * (size_t)channels)
                      : error_memory("file names");

    free(path);
    return status;
}

/* The masks of `count` objects from `first` on, together. `*out`, where not NULL, receives the file's name. */
static int write_mask(const struct run *run, const struct job *job, enum names_kind kind, size_t first, size_t count,
                      char **out)
{
    int width = job->image.width, height = job->image.height;
    uint8_t *pixels = calloc((size_t)width, (size_t)height);
    char *below = name_file(run, job, kind, first);
    int status = pixels && below ? 0 : error_memory("mask");

    for (size_t i = first; !status && i < first + count; i++)
        mask_paint(&job->masks[i], 255, pixels);
    if (!status)
        status = write_png(run, below, pixels, width, height, 1);
    free(pixels);
    if (out && !status)
        *out = below;
    else
        free(below);
    return status;
}

/* Where no other part needs the image's pixels, they are drawn into. */
static int write_overlay(const struct run *run, struct job *job, enum names_kind kind, size_t first, size_t count)
{
    size_t bytes = (size_t)job->image.width * (size_t)job->image.height * 3;
    uint8_t *copy = job->masks ? malloc(bytes) : job->image.pixels;
    char *below = name_file(run, job, kind, first);
    int status = copy && below ? 0 : error_memory("overlay");

    if (!status && copy != job->image.pixels)
        memcpy(copy, job->image.pixels, bytes);
    if (!status)
        status = draw_objects(copy, job, first, count, run->options->prompts, run->options->draw);
    if (!status)
        status = write_png(run, below, copy, job->image.width, job->image.height, 3);
    if (copy != job->image.pixels)
        free(copy);
    free(below);
    return status;
}

/* An empty mask gives no file. */
static int write_crop(const struct run *run, const struct job *job, size_t object, char **out)
{
    uint8_t *pixels = NULL;
    char *below = NULL;
    int width, height, status = draw_crop(job, object, &pixels, &width, &height);

    if (!status && pixels) {
        below = name_file(run, job, NAMES_OBJECT_CROP, object);
        status = below ? write_png(run, below, pixels, width, height, 4) : SOWLV2_ERROR_MEMORY;
    }
    free(pixels);
    if (status)
        free(below);
    else
        *out = below;
    return status;
}

/* Everything of one object. */
static int write_object(const struct run *run, struct job *job, size_t object)
{
    const struct detect_images_options *options = run->options;
    struct results_files *files = &job->files[object];
    int status = options->binary ? write_mask(run, job, NAMES_OBJECT_MASK, object, 1, &files->mask)
                                 : sowlv2_mask_rle(&job->masks[object], &files->rle);

    if (!status && options->overlay)
        status = write_overlay(run, job, NAMES_OBJECT_OVERLAY, object, 1);
    if (!status && options->crops)
        status = write_crop(run, job, object, &files->crop);
    return status;
}

/* Part 0 is the merged overlay, 1 the merged mask, then come the objects. */
static size_t part_count(const struct job *job)
{
    return job->masks ? job->detections.count + 2 : 1;
}

static int write_part(const struct run *run, struct job *job, size_t part)
{
    const struct detect_images_options *options = run->options;

    if (part == 0)
        return options->overlay && options->merged
                   ? write_overlay(run, job, NAMES_MERGED_OVERLAY, 0, job->detections.count)
                   : 0;
    if (part == 1)
        return options->binary && options->merged
                   ? write_mask(run, job, NAMES_MERGED_MASK, 0, job->detections.count, NULL)
                   : 0;
    return write_object(run, job, part - 2);
}

/* Gives the next part, with false where there is none or one has failed. */
static bool take_part(struct run *run, struct job *job, size_t *part)
{
    bool taken;

    pthread_mutex_lock(&run->writing);
    taken = !job->failed && job->next_part < part_count(job);
    if (taken)
        *part = job->next_part++;
    pthread_mutex_unlock(&run->writing);
    return taken;
}

static void fail(struct run *run, struct job *job)
{
    pthread_mutex_lock(&run->writing);
    if (!job->failed)
        job_fail(job);
    pthread_mutex_unlock(&run->writing);
}

/* Whether this was the last writer. */
static bool let_go(struct run *run, struct job *job, double seconds)
{
    bool last;

    pthread_mutex_lock(&run->writing);
    job->write_seconds += seconds;
    last = --job->writers == 0;
    pthread_mutex_unlock(&run->writing);
    return last;
}

static void finish(struct run *run, struct job *job)
{
    struct results_image row = {.name = job->name,
                                .width = job->image.width,
                                .height = job->image.height,
                                .detections = &job->detections,
                                .masks = job->masks,
                                .files = job->files,
                                .prompts = run->options->prompts,
                                .objectness = run->options->detect.objectness && !run->options->given,
                                .job = output_claim_job(run->claim)};
    size_t bytes = job->bytes;

    if (!job->failed) {
        results_image_row(&row, &job->row);
        if (job->row.failed) {
            error_memory("results row");
            job_fail(job);
        }
    }
    job_free_image(job);
    ledger_remove_bytes(run->ledger, bytes);
    ledger_finish(run->ledger, job);
}

void write_all(struct run *run)
{
    void *item;

    while (queue_pop(run->computed, &item)) {
        struct job *job = item;
        double start = clock_seconds();
        size_t part;

        while (take_part(run, job, &part))
            if (write_part(run, job, part) != 0)
                fail(run, job);
        if (let_go(run, job, clock_seconds() - start))
            finish(run, job);
    }
}
