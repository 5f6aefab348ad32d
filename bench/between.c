/* Masks of frames that are not tracked, from ideal masks of those that are, for bench/frames.py: what a frame budget
 * costs where the tracker makes no mistake.
 *
 *   bench_between VIDEO OWNERS OBJECTS BUDGET HOW OUT [MODEL]
 * OWNERS: raw bytes [frames][height][width], which object (from 0) each pixel shows, 255 none. HOW says what the budget
 * goes by: "even", "pixels" (their motion), or a kind of importance, for which MODEL is needed. OUT gets bytes
 * [frames][objects][height][width], 1 in the mask; masks of tracked frames are the ideal ones. Prints one JSON object:
 * {"tracked": [0 or 1 a frame], "seconds_filling", "masks_filled"}. */
#include "masks/between.h"
#include "analysis/budget.h"
#include "analysis/importance.h"
#include "masks/masks.h"
#include "sowlv2_run.h"
#include "video/video_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_FRAMES = 2000 };

struct bench {
    int width, height, frames, objects;
    struct between_picture pictures[MOST_FRAMES];
    float importance[MOST_FRAMES];
    double times[MOST_FRAMES];
    bool tracked[MOST_FRAMES], scene[MOST_FRAMES];
    uint8_t *owners; /* [frames][height][width] */
    double seconds;
    int64_t filled;
};

static double seconds_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "bench_between: %s: %s\n", what, sowlv2_error_message());
    return 1;
}

static int read_video(struct bench *bench, const char *path)
{
    const struct video_reader_options options = {0};
    struct video_reader *reader = NULL;
    struct video_frame frame = {0};
    static uint8_t grey[2][IMPORTANCE_GREY];
    static float motion[MOST_FRAMES];
    static int64_t starts[MOST_FRAMES];
    int status = video_reader_open(path, &options, &reader);

    while (!status && bench->frames < MOST_FRAMES && !(status = video_reader_next(reader, &frame))) {
        const int at = bench->frames++;

        bench->width = frame.image.width;
        bench->height = frame.image.height;
        bench->times[at] = frame.time;
        importance_grey(frame.image.pixels, bench->width, bench->height, (size_t)bench->width * 3, grey[at % 2]);
        if (at > 0)
            motion[at] = importance_motion(grey[0], grey[1], IMPORTANCE_GREY);
        status = between_picture_make(frame.image.pixels, bench->width, bench->height, 0, &bench->pictures[at]);
    }
    const int64_t scenes = importance_scenes(motion, bench->frames, starts);
    for (int64_t i = 0; i < scenes; i++)
        bench->scene[starts[i]] = true;
    importance_normalise(motion, bench->frames, bench->importance);
    video_frame_free(&frame);
    video_reader_close(&reader);
    return status < 0 ? status : 0;
}

static int read_owners(struct bench *bench, const char *path)
{
    const size_t bytes = (size_t)bench->frames * (size_t)bench->width * (size_t)bench->height;
    FILE *file = fopen(path, "rb");
    bool complete;

    bench->owners = malloc(bytes);
    complete = file && bench->owners && fread(bench->owners, 1, bytes, file) == bytes;
    if (file)
        fclose(file);
    return complete ? 0 : 1;
}

/* V-JEPA's scores in place of the pixels' motion. */
static int look(struct bench *bench, const char *video, const char *how, const char *folder)
{
    struct sowlv2_model_options model = sowlv2_scorer_options_default();
    struct sowlv2_score_options score = sowlv2_score_options_default();
    struct sowlv2_key_frames_options options = sowlv2_key_frames_options_default();
    struct sowlv2_key_frames_report report = {0};
    sowlv2_scorer *scorer = NULL;
    static double times[MOST_FRAMES];
    static float scores[MOST_FRAMES];
    model.model = folder;
    options.fps = 0;
    options.score = &score;
    for (score.importance = SOWLV2_IMPORTANCE_VARIANCE; score.importance < SOWLV2_IMPORTANCE_SURPRISE;
         score.importance++)
        if (strcmp(how, sowlv2_importance_name(score.importance)) == 0)
            break;
    int status = sowlv2_scorer_open(&model, &scorer);
    if (!status)
        status = sowlv2_key_frames_run(scorer, video, &options, &report);
    const int count = report.frames.count < MOST_FRAMES ? (int)report.frames.count : MOST_FRAMES;
    for (int i = 0; i < count; i++) {
        times[i] = report.frames.items[i].time;
        scores[i] = report.frames.items[i].score;
    }
    if (!status)
        budget_spread(times, scores, count, bench->times, bench->frames, true, bench->importance);
    sowlv2_key_frames_report_free(&report);
    sowlv2_scorer_free(&scorer);
    return status;
}

static int ideal_mask(const struct bench *bench, int frame, int object, uint8_t *pixels, struct sowlv2_mask *out)
{
    const size_t count = (size_t)bench->width * (size_t)bench->height;
    const uint8_t *owners = bench->owners + (size_t)frame * count;

    for (size_t i = 0; i < count; i++)
        pixels[i] = owners[i] == object;
    return mask_set_pixels(out, pixels, bench->width, bench->height);
}

/* One object on one frame, into `pixels`. */
static int make_mask(struct bench *bench, int frame, int object, uint8_t *pixels)
{
    int before = frame, after = frame;
    struct sowlv2_mask masks[3] = {0};
    int status;

    if (bench->tracked[frame]) {
        status = ideal_mask(bench, frame, object, pixels, &masks[0]);
        sowlv2_masks_free(masks, 1);
        return status;
    }
    while (!bench->tracked[before])
        before--;
    while (after < bench->frames && !bench->tracked[after])
        after++;
    bool has_after = after < bench->frames && !bench->scene[after];
    const struct between_frames frames = {&bench->pictures[before], &bench->pictures[frame],
                                          has_after ? &bench->pictures[after] : NULL,
                                          has_after ? (double)(frame - before) / (double)(after - before) : 0};
    status = ideal_mask(bench, before, object, pixels, &masks[0]);
    if (!status && has_after)
        status = ideal_mask(bench, after, object, pixels, &masks[1]);
    const double start = seconds_now();
    if (!status)
        status = masks_between(&frames, &masks[0], &masks[1], &masks[2]);
    bench->seconds += seconds_now() - start;
    bench->filled++;
    if (!status)
        status = sowlv2_mask_to_pixels(&masks[2], pixels);
    sowlv2_masks_free(masks, 3);
    return status;
}

static int write_masks(struct bench *bench, const char *path)
{
    const size_t count = (size_t)bench->width * (size_t)bench->height;
    uint8_t *pixels = malloc(count);
    FILE *file = fopen(path, "wb");
    int status = pixels && file ? 0 : 1;

    for (int i = 0; i < bench->frames; i++)
        for (int k = 0; k < bench->objects && !status; k++) {
            status = make_mask(bench, i, k, pixels);
            if (!status && fwrite(pixels, 1, count, file) != count)
                status = 1;
        }
    if (file && fclose(file) != 0)
        status = 1;
    free(pixels);
    return status;
}

int main(int argc, char **argv)
{
    static struct bench bench;

    if (argc < 7) {
        fprintf(stderr, "usage: bench_between VIDEO OWNERS OBJECTS BUDGET HOW OUT [MODEL]\n");
        return 2;
    }
    const struct budget budget = {atof(argv[4]), BUDGET_MOST_GAP};
    const bool even = strcmp(argv[5], "even") == 0, pixels = strcmp(argv[5], "pixels") == 0;
    bench.objects = atoi(argv[3]);
    if (read_video(&bench, argv[1]) || read_owners(&bench, argv[2]))
        return fail(argv[1]);
    if (!even && !pixels && (argc < 8 || look(&bench, argv[1], argv[5], argv[7])))
        return fail(argv[5]);
    const struct budget_frames frames = {
        .count = bench.frames, .importance = even ? NULL : bench.importance, .scene_start = bench.scene};
    if (budget_choose(&frames, &budget, bench.tracked, NULL) || write_masks(&bench, argv[6]))
        return fail(argv[6]);
    printf("{\"tracked\":[");
    for (int i = 0; i < bench.frames; i++)
        printf("%s%d", i > 0 ? "," : "", bench.tracked[i]);
    printf("],\"seconds_filling\":%.4f,\"masks_filled\":%lld}\n", bench.seconds, (long long)bench.filled);
    for (int i = 0; i < bench.frames; i++)
        between_picture_free(&bench.pictures[i]);
    free(bench.owners);
    return 0;
}
