/* Times whole models on a device, from pixels in memory to results in memory: `bench_gpu_models DEVICE PRECISION OWL
 * SAM VJEPA [ROUNDS [ONLY]]`, each of the three a checkpoint folder, or - to leave it out; ONLY: a part of the name of
 * what is timed. A line each: what, the median in milliseconds, and on a GPU how much of its memory was in use at most,
 * in MiB, the model's included. bench/reference_gpu.py reads them. */
#include "sowlv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_ROUNDS = 1000,
    MAX_PROMPTS = 256,
    MAX_BATCH = 8,
    WIDTH = 1280,
    HEIGHT = 720,
    CLIP = 16,
    FRAMES = 24,
    FILL = 8
};

static sowlv2_device *device;
static int rounds = 20;
static const char *only = "";
static struct sowlv2_image frames[FRAMES];

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "bench_gpu_models: %s\n", sowlv2_error_message());
    exit(1);
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of the rounds, after three that warm up. */
static void report(const char *what, double *times)
{
    struct sowlv2_memory_use use = {.size = sizeof(use)};
    qsort(times, (size_t)rounds, sizeof(*times), by_size);
    check(sowlv2_device_memory_use(device, &use));
    printf("%s %.3f", what, times[rounds / 2]);
    if (use.reserved > 0)
        printf(" %.1f", (double)use.peak / (1 << 20));
    printf("\n");
    fflush(stdout);
}

#define TIME(what, call)                                                                                               \
    do {                                                                                                               \
        double times[MAX_ROUNDS];                                                                                      \
        if (strstr(what, only))                                                                                        \
            check(sowlv2_device_memory_release(device)); /* what was in use at most begins anew */                     \
        for (int round = -3; round < rounds && strstr(what, only); round++) {                                          \
            const double began = milliseconds();                                                                       \
            call;                                                                                                      \
            if (round >= 0)                                                                                            \
                times[round] = milliseconds() - began;                                                                 \
        }                                                                                                              \
        if (strstr(what, only))                                                                                        \
            report(what, times);                                                                                       \
    } while (0)

/* Frames that change a little: waves that move, and noise. */
static void make_frames(void)
{
    uint32_t state = 7;
    for (int i = 0; i < FRAMES; i++) {
        uint8_t *const pixels = malloc((size_t)3 * WIDTH * HEIGHT);
        if (!pixels)
            exit(1);
        for (size_t at = 0; at < (size_t)3 * WIDTH * HEIGHT; at++) {
            const size_t x = at / 3 % WIDTH + 4 * (size_t)i, y = at / 3 / WIDTH;
            state = state * 1664525U + 1013904223U;
            pixels[at] = (uint8_t)(((x / 40 + y / 30 + at % 3) % 5) * 45 + (state >> 28));
        }
        frames[i] = (struct sowlv2_image){.pixels = pixels, .width = WIDTH, .height = HEIGHT};
    }
}

static struct sowlv2_model_options model_of(const char *folder)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    options.model = folder;
    options.device = device;
    return options;
}

static void detect(sowlv2_detect_session *session, const sowlv2_prompts *prompts, size_t images)
{
    struct sowlv2_detections found[MAX_BATCH];
    struct sowlv2_detect_options options = sowlv2_detect_options_default();
    options.threshold = 0.9F;
    check(sowlv2_detect(session, prompts, frames, images, &options, found));
    for (size_t i = 0; i < images; i++)
        sowlv2_detections_free(&found[i]);
}

static void time_detector(const char *folder)
{
    const struct sowlv2_model_options options = model_of(folder);
    sowlv2_detector *detector;
    sowlv2_detect_session *session;
    char texts[MAX_PROMPTS][32];
    const char *names[MAX_PROMPTS];
    for (int i = 0; i < MAX_PROMPTS; i++) {
        snprintf(texts[i], sizeof(texts[i]), "thing %d", i);
        names[i] = texts[i];
    }
    const double start = milliseconds();
    check(sowlv2_detector_open(&options, &detector));
    printf("owlv2_open %.3f\n", milliseconds() - start);
    check(sowlv2_detect_session_create(detector, &session));
    static const struct {
        const char *what;
        size_t prompts, images;
    } rows[] = {
        {"owlv2_1_prompt", 1, 1}, {"owlv2_4_prompts", 4, 1}, {"owlv2_256_prompts", 256, 1}, {"owlv2_batch_8", 1, 8}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sowlv2_prompts *prompts;
        check(sowlv2_prompts_encode(detector, names, rows[i].prompts, NULL, &prompts));
        TIME(rows[i].what, detect(session, prompts, rows[i].images));
        sowlv2_prompts_free(&prompts);
    }
    TIME("owlv2_text_4", {
        sowlv2_prompts *prompts;
        check(sowlv2_prompts_encode(detector, names, 4, NULL, &prompts));
        sowlv2_prompts_free(&prompts);
    });
    sowlv2_detect_session_free(&session);
    sowlv2_detector_free(&detector);
}

/* Boxes in rows of four. */
static void box_of(int i, float box[4])
{
    box[0] = 20.0F + 310.0F * (float)(i % 4);
    box[1] = 10.0F + 170.0F * (float)(i / 4 % 4);
    box[2] = box[0] + 240.0F;
    box[3] = box[1] + 150.0F;
}

static void time_tracking(sowlv2_segmenter *segmenter, int objects)
{
    char what[32];
    sowlv2_track_session *session;
    struct sowlv2_tracks tracks;
    int64_t at = 0;
    snprintf(what, sizeof(what), "sam2_track_%d", objects);
    if (!strstr(what, only))
        return;
    check(sowlv2_track_session_create(segmenter, NULL, &session));
    check(sowlv2_track_set_frame(session, at, &frames[0]));
    for (int i = 0; i < objects; i++) {
        float box[4];
        box_of(i, box);
        check(sowlv2_track_prompt(session, i + 1, &(struct sowlv2_track_prompt){.box = box}));
    }
    for (int i = 0; i < FILL; i++, at++) {
        if (at > 0)
            check(sowlv2_track_set_frame(session, at, &frames[at % FRAMES]));
        check(sowlv2_track_run(session, NULL, &tracks));
        sowlv2_tracks_free(&tracks);
    }
    TIME(what, {
        check(sowlv2_track_set_frame(session, at, &frames[at % FRAMES]));
        check(sowlv2_track_run(session, NULL, &tracks));
        sowlv2_tracks_free(&tracks);
        at++;
    });
    sowlv2_track_session_free(&session);
}

static void time_segmenter(const char *folder)
{
    const struct sowlv2_model_options options = model_of(folder);
    sowlv2_segmenter *segmenter;
    sowlv2_segment_session *session;
    struct sowlv2_segment_prompt prompts[64] = {0};
    struct sowlv2_mask masks[64];
    float boxes[64][4];
    for (int i = 0; i < 64; i++) {
        box_of(i, boxes[i]);
        prompts[i].box = boxes[i];
    }
    const double start = milliseconds();
    check(sowlv2_segmenter_open(&options, &segmenter));
    printf("sam2_open %.3f\n", milliseconds() - start);
    check(sowlv2_segment_session_create(segmenter, &session));
    struct sowlv2_segment_options decode = sowlv2_segment_options_default();
    decode.logits = decode.pixels = false;
    TIME("sam2_image_1", { /* encoding alone does not wait for the device */
                           check(sowlv2_segment_set_image(session, &frames[0], NULL));
                           check(sowlv2_segment(session, prompts, 1, &decode, masks));
                           sowlv2_masks_free(masks, 1);
    });
    check(sowlv2_segment_set_image(session, &frames[0], NULL));
    for (int count = 1; count <= 64; count *= 8) {
        char what[32];
        snprintf(what, sizeof(what), "sam2_decode_%d", count);
        TIME(what, {
            check(sowlv2_segment(session, prompts, (size_t)count, &decode, masks));
            sowlv2_masks_free(masks, (size_t)count);
        });
    }
    sowlv2_segment_session_free(&session);
    if (sowlv2_segmenter_prepare_tracking(segmenter) == 0)
        for (int objects = 1; objects <= 16; objects *= 4)
            time_tracking(segmenter, objects);
    sowlv2_segmenter_free(&segmenter);
}

static void time_scorer(const char *folder)
{
    const struct sowlv2_model_options options = model_of(folder);
    sowlv2_scorer *scorer;
    const double opened = milliseconds();
    check(sowlv2_scorer_open(&options, &scorer));
    printf("vjepa2_open %.3f\n", milliseconds() - opened);
    struct sowlv2_score_options score = sowlv2_score_options_default();
    score.frames_per_clip = CLIP;
    score.importance = SOWLV2_IMPORTANCE_VARIANCE;
    sowlv2_score_session *session;
    check(sowlv2_score_session_create(scorer, &score, &session));
    int64_t at = 0;
    TIME("vjepa2_16", { /* the last of 16 frames computes the clip */
                        for (int i = 0; i < CLIP; i++, at++)
                            check(sowlv2_score_push(session, &frames[at % FRAMES], (double)at / 8.0, at));
    });
    sowlv2_score_session_free(&session);
    sowlv2_scorer_free(&scorer);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: bench_gpu_models DEVICE PRECISION OWL SAM VJEPA [ROUNDS [ONLY]]\n");
        return 2;
    }
    struct sowlv2_device_options options = sowlv2_device_options_default();
    options.device = argv[1];
    options.precision = argv[2];
    if (argc > 6)
        rounds = atoi(argv[6]);
    if (argc > 7)
        only = argv[7];
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return 2;
    const double start = milliseconds();
    check(sowlv2_device_open(&options, &device));
    printf("device_open %.3f\n", milliseconds() - start);
    make_frames();
    if (strcmp(argv[3], "-") != 0)
        time_detector(argv[3]);
    if (strcmp(argv[4], "-") != 0)
        time_segmenter(argv[4]);
    if (strcmp(argv[5], "-") != 0)
        time_scorer(argv[5]);
    sowlv2_device_free(&device);
    return 0;
}
