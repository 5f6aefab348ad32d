/* A detector without a model, behind the public API. */
#include "fake_detector.h"

#include "base/error.h"
#include "sowlv2.h"

#include <stdlib.h>
#include <unistd.h>

struct sowlv2_prompts {
    size_t count;
};

struct sowlv2_session {
    char unused;
};

struct fake_detector fake_detector;

void fake_detector_reset(void)
{
    fake_detector = (struct fake_detector){.bad_width = -1};
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
