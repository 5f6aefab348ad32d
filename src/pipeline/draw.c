/* What was detected, drawn onto the image. */
#include "pipeline/draw.h"

#include "base/error.h"
#include "base/strings.h"
#include "output/overlay.h"
#include "pipeline/detect_images.h"

#include <stdlib.h>
#include <string.h>

/* One label a detection, in order. Errors: MEMORY. */
static int make_labels(const struct sowlv2_detections *detections, const char *const *prompts,
                       struct string_list *labels)
{
    struct string label = {0};
    int status = 0;

    for (size_t i = 0; !status && i < detections->count; i++) {
        const struct sowlv2_detection *detection = &detections->items[i];

        string_clear(&label);
        string_append_format(&label, "%s %.2f", prompts[detection->prompt], (double)detection->score);
        status = label.failed ? error_memory("labels") : string_list_append(labels, label.data);
    }
    string_free(&label);
    return status;
}

int draw_detections(struct image *image, const struct sowlv2_detections *detections, const char *const *prompts,
                    unsigned draw)
{
    struct overlay_item *items = calloc(detections->count + 1, sizeof(*items));
    struct string_list labels = {0};
    unsigned parts = (draw & DRAW_BOXES ? OVERLAY_BOXES : 0U) | (draw & DRAW_LABELS ? OVERLAY_LABELS : 0U);
    int status = items ? make_labels(detections, prompts, &labels) : error_memory("overlay");

    for (size_t i = 0; !status && i < detections->count; i++) {
        memcpy(items[i].box, detections->items[i].box, sizeof(items[i].box));
        items[i].label = labels.items[i];
        items[i].color_index = (int)i;
    }
    if (!status)
        status = overlay_draw(image->pixels, image->width, image->height, items, detections->count, parts);
    string_list_free(&labels);
    free(items);
    return status;
}
