/* A detector and a segmenter without models, behind the public API. */
#include "fake_detector.h"

#include "base/error.h"
#include "masks/masks.h"

#include <stdlib.h>
#include <unistd.h>

struct sowlv2_prompts {
    size_t count;
};

struct sowlv2_session {
    char unused;
};

struct sowlv2_segmenter {
    char unused;
};

struct sowlv2_segment_session {
    int width, height;
};

struct fake_detector fake_detector;

static const sowlv2_segmenter only_segmenter;
const sowlv2_segmenter *const fake_segmenter = &only_segmenter;

void fake_detector_reset(void)
{
    fake_detector = (struct fake_detector){.bad_width = -1, .bad_mask_width = -1};
}

struct sowlv2_prompt_options sowlv2_prompt_options_default(void)
{
    return (struct sowlv2_prompt_options){.prompt_template = "a photo of {}"};
}

int sowlv2_prompts_encode(const sowlv2_detector *detector, const char *const *prompts, size_t count,
                          const struct sowlv2_prompt_options *options, sowlv2_prompts **out)
{
    (void)detector;
    (void)prompts;
    (void)options;
    *out = calloc(1, sizeof(**out));
    (*out)->count = count;
    return 0;
}

void sowlv2_prompts_free(sowlv2_prompts **prompts)
{
    free(*prompts);
    *prompts = NULL;
}

int sowlv2_session_create(const sowlv2_detector *detector, sowlv2_session **out)
{
    (void)detector;
    *out = calloc(1, sizeof(**out));
    return 0;
}

void sowlv2_session_free(sowlv2_session **session)
{
    free(*session);
    *session = NULL;
}

/* One object a whole ten pixels of width, and one dropped where the width is odd. */
static void find(const struct sowlv2_image *image, size_t prompts, struct sowlv2_detections *out)
{
    out->count = (size_t)image->width / 10;
    out->dropped = (size_t)image->width % 2;
    out->items = calloc(out->count + 1, sizeof(*out->items));
    for (size_t i = 0; i < out->count; i++)
        out->items[i] = (struct sowlv2_detection){.box = {0, 0, (float)image->width, (float)(i + 1)},
                                                  .score = 0.5f,
                                                  .objectness = -1,
                                                  .prompt = (int)(i % prompts)};
}

int sowlv2_detect(sowlv2_session *session, const sowlv2_prompts *prompts, const struct sowlv2_image *images,
                  size_t count, const struct sowlv2_detect_options *options, struct sowlv2_detections *out)
{
    (void)session;
    fake_detector.calls++;
    if (count > fake_detector.largest_batch)
        fake_detector.largest_batch = count;
    usleep(fake_detector.wait);
    if (fake_detector.calls == fake_detector.cancel_at)
        return error_set(SOWLV2_ERROR_CANCELLED, "cancelled");
    if (fake_detector.calls == fake_detector.interrupt_at)
        fake_detector.interrupted = 1;
    for (size_t i = 0; i < count; i++) {
        if (fake_detector.images < sizeof(fake_detector.widths) / sizeof(fake_detector.widths[0]))
            fake_detector.widths[fake_detector.images] = images[i].width;
        fake_detector.images++;
        if (images[i].width == fake_detector.bad_width || !options->clip)
            return error_set(SOWLV2_ERROR_MEMORY, "this image cannot be detected in");
    }
    for (size_t i = 0; i < count; i++)
        find(&images[i], prompts->count, &out[i]);
    return 0;
}

void sowlv2_detections_free(struct sowlv2_detections *detections)
{
    free(detections->items);
    *detections = (struct sowlv2_detections){0};
}

int sowlv2_segment_session_create(const sowlv2_segmenter *segmenter, sowlv2_segment_session **out)
{
    (void)segmenter;
    *out = calloc(1, sizeof(**out));
    return 0;
}

void sowlv2_segment_session_free(sowlv2_segment_session **session)
{
    free(*session);
    *session = NULL;
}

int sowlv2_segment_set_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                             const struct sowlv2_segment_options *options)
{
    (void)options;
    fake_detector.encoded++;
    if (image->width == fake_detector.bad_mask_width)
        return error_set(SOWLV2_ERROR_MEMORY, "this image cannot be segmented");
    session->width = image->width;
    session->height = image->height;
    return 0;
}

static void make_mask(const sowlv2_segment_session *session, const float *box, struct sowlv2_mask *out)
{
    uint8_t *pixels = calloc((size_t)session->width, (size_t)session->height);

    for (int y = 0; box && y < session->height; y++)
        for (int x = 0; x < session->width; x++)
            pixels[y * session->width + x] = x >= (int)box[0] && x < (int)box[2] && y >= (int)box[1] && y < (int)box[3];
    *out = (struct sowlv2_mask){.mask_score = 0.75f, .object_score = 3};
    mask_set_pixels(out, pixels, session->width, session->height);
    free(pixels);
}

int sowlv2_segment(sowlv2_segment_session *session, const struct sowlv2_segment_prompt *prompts, size_t count,
                   const struct sowlv2_segment_options *options, struct sowlv2_mask *out)
{
    if (options->pixels || options->logits)
        return error_set(SOWLV2_ERROR_ARGUMENT, "pixels of all masks at once would not stay bounded");
    fake_detector.decoded += count;
    for (size_t i = 0; i < count; i++)
        make_mask(session, prompts[i].box, &out[i]);
    return 0;
}
