/* What a run over the frames of a video writes but for its scores: features, pictures of the chosen frames, the plot.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/url.h"
#include "media/png.h"
#include "run/frames_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- features ---- */

/* The shape of a row is that of the first clip: a video shorter than a clip has fewer tokens. */
int frames_features_open(const char *path, bool pooled, struct frames_features *out)
{
    return safetensors_writer_open(path, pooled ? "pooled" : "features", 3, (const int64_t[]){0, 1, 1}, &out->writer);
}

bool frames_features_add(struct frames_features *features, const struct sowlv2_clip_features *clip)
{
    struct safetensors_writer *const writer = &features->writer;
    if (writer->dim[0] == 0) {
        writer->dim[1] = clip->rows;
        writer->dim[2] = clip->width;
    }
    features->status = safetensors_writer_append(writer, clip->values);
    if (features->status)
        features->failure = strdup(error_message());
    return !features->status;
}

int frames_features_status(const struct frames_features *features)
{
    return !features->status   ? 0
           : features->failure ? error_set(features->status, "%s", features->failure)
                               : error_memory("features");
}

/* What the file says of itself. */
int frames_features_commit(struct frames_features *features, const struct sowlv2_frames *frames, double fps)
{
    char text[256];
    snprintf(text, sizeof(text), "{\"frames\":\"%zu\",\"frames_per_clip\":\"%d\",\"step\":\"%d\",\"fps\":\"%g\"}",
             frames->count, frames->frames_per_clip, frames->clip_step, fps);
    return safetensors_writer_commit(&features->writer, text);
}

void frames_features_free(struct frames_features *features)
{
    safetensors_writer_abort(&features->writer);
    free(features->failure);
    *features = (struct frames_features){0};
}

/* ---- pictures and the plot ---- */

int frames_picture_save(const char *folder, const struct image *image, const struct sowlv2_frame *frame)
{
    char name[32];
    snprintf(name, sizeof(name), "%06" PRId64 ".png", frame->number);
    char *const path = path_join(folder, name);
    const int status = path ? png_write(path, image->pixels, image->width, image->height, 3, (size_t)image->width * 3)
                            : error_memory(name);
    free(path);
    return status;
}

int frames_thumbs_add(struct frames_thumbs *thumbs, const struct image *image, const struct sowlv2_frame *frame)
{
    if (thumbs->count == thumbs->capacity) {
        const int64_t capacity = thumbs->capacity > 0 ? 2 * thumbs->capacity : 16;
        struct plot_thumb *const items = realloc(thumbs->items, (size_t)capacity * sizeof(*items));
        if (!items)
            return error_memory("thumbnails");
        thumbs->items = items;
        thumbs->capacity = capacity;
    }
    struct plot_thumb *const thumb = &thumbs->items[thumbs->count];
    *thumb = (struct plot_thumb){.number = frame->number, .time = frame->time};
    const int status = plot_shrink(image, &thumb->image);
    thumbs->count += status == 0;
    return status;
}

int frames_plot_write(const char *path, const struct frames_thumbs *thumbs, const struct frames_how *how,
                      const struct sowlv2_frames *frames)
{
    struct plot_point *const points = calloc(frames->count + 1, sizeof(*points));
    if (!points)
        return error_memory("plot");
    for (size_t i = 0; i < frames->count; i++)
        points[i] = (struct plot_point){frames->items[i].time, frames->items[i].score, frames->items[i].chosen,
                                        frames->items[i].scene_start};
    char *const name = url_is(how->source) ? url_name(how->source) : strdup(path_base(how->source));
    char title[256];
    snprintf(title, sizeof(title), "importance (%s%s), %zu of %zu frames chosen: %.120s",
             sowlv2_importance_name(how->importance), how->motion_weight > 0 ? " with motion" : "",
             frames->chosen_count, frames->count, name ? name : "");
    free(name);
    const struct plot plot = {.title = title,
                              .points = points,
                              .count = (int64_t)frames->count,
                              .thumbs = thumbs->items,
                              .thumb_count = thumbs->count};
    const int status = plot_write(path, &plot);
    free(points);
    return status;
}

void frames_thumbs_free(struct frames_thumbs *thumbs)
{
    for (int64_t i = 0; i < thumbs->count; i++)
        image_free(&thumbs->items[i].image);
    free(thumbs->items);
    *thumbs = (struct frames_thumbs){0};
}
