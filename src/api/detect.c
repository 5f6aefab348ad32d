/* Detection in images. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "media/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Clips to the image; false where nothing is left. */
static bool clip_box(float box[4], int width, int height)
{
    box[0] = fminf(fmaxf(box[0], 0.0F), (float)width);
    box[1] = fminf(fmaxf(box[1], 0.0F), (float)height);
    box[2] = fminf(fmaxf(box[2], 0.0F), (float)width);
    box[3] = fminf(fmaxf(box[3], 0.0F), (float)height);
    return box[2] > box[0] && box[3] > box[1];
}

/* Clips all and moves those that are left to the front; returns how many. */
static int64_t clip_all(struct owlv2_detection *detections, int64_t count, int width, int height)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        if (clip_box(detections[i].box, width, height))
            detections[kept++] = detections[i];
    return kept;
}

/* Post-processing of image `index` of the batch: selection, clipping, suppression, in this order. */
static int collect(sowlv2_session *session, const struct sowlv2_image *image, size_t index, size_t query_count,
                   const struct sowlv2_detect_options *options, struct sowlv2_detections *out)
{
    const struct owlv2_config *config = owlv2_get_config(session->detector->model);
    const size_t patches = (size_t)(config->grid * config->grid);
    struct owlv2_detection *selected = session->selected;
    *out = (struct sowlv2_detections){0};

    int64_t found =
        owlv2_select(session->logits + index * patches * query_count, session->boxes + index * patches * 4,
                     (int64_t)patches, (int64_t)query_count, image->width, image->height, options->threshold, selected);
    if (options->clip) {
        const int64_t kept = clip_all(selected, found, image->width, image->height);
        out->dropped = (size_t)(found - kept);
        found = kept;
    }
    if (options->nms_iou > 0.0F)
        found = owlv2_suppress(selected, found, options->nms_iou);
    if (found <= 0)
        return (int)found;
    out->items = calloc((size_t)found, sizeof(*out->items));
    if (out->items == NULL)
        return error_memory("detections");
    out->count = (size_t)found;
    for (int64_t i = 0; i < found; i++) {
        struct sowlv2_detection *item = &out->items[i];
        *item = (struct sowlv2_detection){.score = selected[i].score, .objectness = -1.0F, .prompt = selected[i].query};
        memcpy(item->box, selected[i].box, sizeof(item->box));
        if (options->objectness) {
            const float logit = session->objectness[index * patches + (size_t)selected[i].patch];
            item->objectness = 1.0F / (1.0F + expf(-logit));
        }
    }
    return 0;
}

struct progress {
    const struct sowlv2_detect_options *options;
};

static bool report_progress(int done, int total, void *user_data)
{
    const struct progress *progress = user_data;
    return progress->options->progress(done, total, progress->options->progress_user_data);
}

static int compute_batch(sowlv2_session *session, const sowlv2_prompts *prompts, const struct sowlv2_image *images,
                         size_t count, const struct sowlv2_detect_options *options)
{
    const struct owlv2_config *config = owlv2_get_config(session->detector->model);
    const size_t rows = count * (size_t)(config->grid * config->grid);
    int status = reserve_floats(&session->logits, &session->logits_capacity, rows * (size_t)prompts->queries.count);
    if (status != 0 || (status = reserve_floats(&session->boxes, &session->boxes_capacity, rows * 4)) != 0 ||
        (options->objectness &&
         (status = reserve_floats(&session->objectness, &session->objectness_capacity, rows)) != 0))
        return status;
    struct owlv2_image *views = calloc(count, sizeof(*views));
    if (views == NULL)
        return error_memory("images");
    for (size_t i = 0; i < count; i++) {
        views[i] =
            (struct owlv2_image){images[i].pixels, images[i].width, images[i].height, image_row_bytes(&images[i])};
    }
    struct progress progress = {options};
    const struct model_control control = {options->progress != NULL ? report_progress : NULL, &progress};
    const struct owlv2_output output = {session->logits, session->boxes,
                                        options->objectness ? session->objectness : NULL};
    status = owlv2_detect(session->detector->model, session->compute, views, (int64_t)count, &prompts->queries, NULL,
                          &control, &output);
    free(views);
    return status;
}

int sowlv2_detect(sowlv2_session *session, const sowlv2_prompts *prompts, const struct sowlv2_image *images,
                  size_t count, const struct sowlv2_detect_options *options, struct sowlv2_detections *out)
{
    const struct sowlv2_detect_options defaults = sowlv2_detect_options_default();
    enum { MAX_BATCH = 4096 };
    if (session == NULL || prompts == NULL || out == NULL || (count > 0 && images == NULL) || count > MAX_BATCH) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_detect: a session, prompts, at most %d images and out are needed", MAX_BATCH);
    }
    if (prompts->detector != session->detector)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect: the prompts were encoded by another detector");
    options = options != NULL ? options : &defaults;
    if (isnan(options->threshold) || isnan(options->nms_iou))
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect: threshold and nms_iou must be numbers");
    int status = check_images(images, count);
    if (status == 0 && count > 0)
        status = compute_batch(session, prompts, images, count, options);
    for (size_t i = 0; i < count && status == 0; i++) {
        status = collect(session, &images[i], i, (size_t)prompts->queries.count, options, &out[i]);
        for (size_t j = 0; status != 0 && j < i; j++)
            sowlv2_detections_free(&out[j]);
    }
    return status;
}

int sowlv2_detect_file(sowlv2_session *session, const sowlv2_prompts *prompts, const char *path,
                       const struct sowlv2_detect_options *options, struct sowlv2_detections *out, int *width,
                       int *height)
{
    struct image image = {0};
    int status = image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image);
    if (status != 0)
        return status;
    const struct sowlv2_image view = {image.pixels, image.width, image.height, 0};
    status = sowlv2_detect(session, prompts, &view, 1, options, out);
    if (width != NULL)
        *width = image.width;
    if (height != NULL)
        *height = image.height;
    image_free(&image);
    return status;
}

void sowlv2_detections_free(struct sowlv2_detections *detections)
{
    if (detections != NULL) {
        free(detections->items);
        *detections = (struct sowlv2_detections){0};
    }
}
