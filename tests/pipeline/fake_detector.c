/* A detector and a segmenter without models, behind the public API. */
#include "fake_detector.h"

#include "base/box.h"
#include "base/error.h"
#include "masks/masks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sowlv2_prompts {
    size_t count;
};

struct sowlv2_detect_session {
    struct sowlv2_detection found[2 * FAKE_LOOKS]; /* on the last image, by colour */
    size_t count;
};

struct sowlv2_segmenter {
    char unused;
};

struct sowlv2_segment_session {
    int width, height;
    uint8_t *pixels; /* by colour only */
};

struct fake_detector fake_detector;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER; /* several devices may compute at once */

static const sowlv2_segmenter only_segmenter;
const sowlv2_segmenter *const fake_segmenter = &only_segmenter;

void fake_detector_reset(void)
{
    fake_detector = (struct fake_detector){.bad_width = -1, .bad_mask_width = -1};
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

int sowlv2_detect_session_create(const sowlv2_detector *detector, sowlv2_detect_session **out)
{
    (void)detector;
    *out = calloc(1, sizeof(**out));
    return 0;
}

void sowlv2_detect_session_free(sowlv2_detect_session **session)
{
    free(*session);
    *session = NULL;
}

struct fake_look fake_look_of(const uint8_t *pixel)
{
    if (pixel[0] != 250)
        return (struct fake_look){0};
    return (struct fake_look){.look = pixel[1] / 10, .prompt = pixel[2] / 100, .step = pixel[2] % 100 / 10};
}

void fake_look_paint(struct fake_look look, uint8_t *pixel)
{
    pixel[0] = 250;
    pixel[1] = (uint8_t)(10 * look.look);
    pixel[2] = (uint8_t)(100 * look.prompt + 10 * look.step);
}

float fake_look_score(int step)
{
    return 0.3f + 0.06f * (float)step;
}

/* One object a look, boxes around all its pixels. */
static void find_colours(const struct sowlv2_image *image, const struct sowlv2_detect_options *options,
                         struct sowlv2_detections *out)
{
    struct sowlv2_detection found[FAKE_LOOKS] = {0};

    for (int y = 0; y < image->height; y++) {
        for (int x = 0; x < image->width; x++) {
            struct fake_look look = fake_look_of(image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)x));
            struct sowlv2_detection *item = &found[look.look];
            const float box[4] = {(float)x, (float)y, (float)(x + 1), (float)(y + 1)};

            if (item->score <= 0)
                memcpy(item->box, box, sizeof(box));
            for (int i = 0; i < 2; i++) {
                item->box[i] = box[i] < item->box[i] ? box[i] : item->box[i];
                item->box[i + 2] = box[i + 2] > item->box[i + 2] ? box[i + 2] : item->box[i + 2];
            }
            item->score = fake_look_score(look.step);
            item->prompt = look.prompt;
        }
    }
    out->items = calloc((size_t)2 * FAKE_LOOKS, sizeof(*out->items));
    for (int i = 1; i < FAKE_LOOKS; i++) {
        if (found[i].score <= options->threshold)
            continue;
        found[i].objectness = options->objectness ? found[i].score / 2 : -1;
        out->items[out->count++] = found[i];
        if (fake_detector.doubles) {
            found[i].prompt = 1 - found[i].prompt;
            found[i].score = 1.1f - found[i].score;
            out->items[out->count++] = found[i];
        }
    }
    if (fake_detector.ghosts)
        out->items[out->count++] = (struct sowlv2_detection){.box = {50, 50, 60, 60}, .score = 0.9f};
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

/* What the call of that number does to these images. */
static int look_at(const struct sowlv2_image *images, size_t count, const struct sowlv2_detect_options *options,
                   size_t call)
{
    if (call == fake_detector.cancel_at)
        return error_set(SOWLV2_ERROR_CANCELLED, "cancelled");
    if (call == fake_detector.interrupt_at)
        fake_detector.interrupted = 1;
    for (size_t i = 0; i < count; i++) {
        if (fake_detector.images < sizeof(fake_detector.widths) / sizeof(fake_detector.widths[0]))
            fake_detector.widths[fake_detector.images] = images[i].width;
        fake_detector.images++;
        if (images[i].width == fake_detector.bad_width || !options->clip)
            return error_set(SOWLV2_ERROR_MEMORY, "this image cannot be detected in");
    }
    return 0;
}

int sowlv2_detect(sowlv2_detect_session *session, const sowlv2_prompts *prompts, const struct sowlv2_image *images,
                  size_t count, const struct sowlv2_detect_options *options, struct sowlv2_detections *out)
{
    pthread_mutex_lock(&counting);
    const size_t call = ++fake_detector.calls;
    if (++fake_detector.busy > fake_detector.busiest)
        fake_detector.busiest = fake_detector.busy;
    if (count > fake_detector.largest_batch)
        fake_detector.largest_batch = count;
    pthread_mutex_unlock(&counting);
    usleep(fake_detector.wait);
    pthread_mutex_lock(&counting);
    fake_detector.busy--;
    const int status = look_at(images, count, options, call);
    pthread_mutex_unlock(&counting);
    if (status != 0)
        return status;
    for (size_t i = 0; i < count; i++)
        if (fake_detector.by_colour) {
            find_colours(&images[i], options, &out[i]);
            session->count = out[i].count;
            memcpy(session->found, out[i].items, out[i].count * sizeof(*session->found));
        } else {
            find(&images[i], prompts->count, &out[i]);
        }
    return 0;
}

/* Of finds that are at the place, and 0.01 of other prompts. */
int sowlv2_detect_scores(sowlv2_detect_session *session, size_t image, const float *box, float iou, float *scores,
                         size_t count)
{
    (void)image;
    for (size_t i = 0; i < count; i++)
        scores[i] = 0.01f;
    for (size_t i = 0; i < session->count; i++) {
        const struct sowlv2_detection *const one = &session->found[i];

        if (box_iou(one->box, box) >= iou && one->score > scores[one->prompt])
            scores[one->prompt] = one->score;
    }
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
    if (*session)
        free((*session)->pixels);
    free(*session);
    *session = NULL;
}

int sowlv2_segment_set_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                             const struct sowlv2_segment_options *options)
{
    (void)options;
    pthread_mutex_lock(&counting);
    fake_detector.encoded++;
    pthread_mutex_unlock(&counting);
    if (image->width == fake_detector.bad_mask_width)
        return error_set(SOWLV2_ERROR_MEMORY, "this image cannot be segmented");
    session->width = image->width;
    session->height = image->height;
    free(session->pixels);
    session->pixels = NULL;
    if (fake_detector.by_colour) {
        const size_t bytes = (size_t)image->width * (size_t)image->height * 3;

        session->pixels = malloc(bytes);
        memcpy(session->pixels, image->pixels, bytes);
    }
    return 0;
}

struct fake_look fake_look_in(const sowlv2_segment_session *session, const float *box)
{
    size_t counts[FAKE_LOOKS] = {0};
    struct fake_look looks[FAKE_LOOKS], best = {0};

    for (int y = (int)box[1]; y < (int)box[3]; y++) {
        for (int x = (int)box[0]; x < (int)box[2]; x++) {
            struct fake_look look =
                fake_look_of(session->pixels + 3 * ((size_t)y * (size_t)session->width + (size_t)x));

            looks[look.look] = look;
            if (look.look > 0 && ++counts[look.look] > counts[best.look])
                best = look;
        }
    }
    return best.look > 0 ? looks[best.look] : best;
}

void fake_look_mask(const sowlv2_segment_session *session, struct fake_look look, struct sowlv2_mask *out)
{
    const size_t count = (size_t)session->width * (size_t)session->height;
    uint8_t *pixels = calloc(count, 1);

    for (size_t i = 0; i < count && look.look > 0; i++) {
        struct fake_look one = fake_look_of(session->pixels + 3 * i);

        pixels[i] = one.look == look.look && (fake_detector.nameless || one.prompt == look.prompt);
    }
    *out = (struct sowlv2_mask){.mask_score = 0.75f};
    mask_set_pixels(out, pixels, session->width, session->height);
    out->object_score = out->area > 0 ? 3 : -3;
    free(pixels);
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
    pthread_mutex_lock(&counting);
    fake_detector.decoded += count;
    fake_detector.multimask += options->multimask ? count : 0;
    fake_detector.refined += options->refine ? count : 0;
    pthread_mutex_unlock(&counting);
    for (size_t i = 0; i < count; i++)
        if (fake_detector.by_colour)
            fake_look_mask(session, fake_look_in(session, prompts[i].box), &out[i]);
        else
            make_mask(session, prompts[i].box, &out[i]);
    return 0;
}

const char *sowlv2_detector_device(const sowlv2_detector *detector)
{
    (void)detector;
    return "cpu";
}
