/* Which frames each way of choosing takes, for bench/frames.py, which knows what happens in the videos.
 *
 *   bench_frames MODEL COUNT[,COUNT...] VIDEO...
 * Each video is shown to the model once for each kind of importance. Prints a JSON object a line: {"video", "method",
 * "count", "chosen": [frames of the video from 1]}, and {"video", "method", "seconds"} for what each kind took, reading
 * included. Methods: variance, change, surprise, each alone and "+motion" (mixed half and half with pixel motion),
 * "pixels" (pixel motion alone), "uniform". All but the last take the best frame of each scene first. */
#include "analysis/importance.h"
#include "sowlv2_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COUNTS = 16, SPACING = 10 };
static const double RATE = 6;

struct bench {
    sowlv2_scorer *scorer;
    const char *video;
    int64_t counts[MOST_COUNTS];
    int count_count;
};

static int fail(const char *what)
{
    fprintf(stderr, "bench_frames: %s: %s\n", what, sowlv2_error_message());
    return 1;
}

static void print_choice(const struct bench *bench, const struct sowlv2_frames *frames, const char *kind, bool motion,
                         int64_t count, const int64_t *chosen, int64_t chosen_count)
{
    printf("{\"video\":\"%s\",\"method\":\"%s%s\",\"count\":%lld,\"chosen\":[", bench->video, kind,
           motion ? "+motion" : "", (long long)count);
    for (int64_t i = 0; i < chosen_count; i++)
        printf("%s%lld", i > 0 ? "," : "", (long long)frames->items[chosen[i]].source_number);
    printf("]}\n");
}

/* The choices by these scores, for every count. */
static int choose(const struct bench *bench, const struct sowlv2_frames *frames, const char *kind, bool motion,
                  const float *scores)
{
    int64_t *starts = malloc((size_t)(int64_t)frames->count * sizeof(*starts));
    int64_t *chosen = malloc((size_t)(int64_t)frames->count * sizeof(*chosen)), scene_count = 0, chosen_count;
    int status = starts && chosen ? 0 : 1;

    for (int64_t i = 0; !status && i < (int64_t)frames->count; i++)
        if (frames->items[i].scene_start)
            starts[scene_count++] = i;
    for (int i = 0; !status && i < bench->count_count; i++) {
        const struct importance_choice choice = {bench->counts[i], SPACING, starts, scene_count};

        if (scores)
            status = importance_select(scores, (int64_t)frames->count, &choice, chosen, &chosen_count);
        else
            chosen_count = importance_uniform((int64_t)frames->count, bench->counts[i], chosen);
        if (!status)
            print_choice(bench, frames, kind, motion, bench->counts[i], chosen, chosen_count);
    }
    free(starts);
    free(chosen);
    return status;
}

/* One kind of importance, alone and with motion; `last` adds what needs no model. */
static int measure(const struct bench *bench, enum sowlv2_importance importance, bool last)
{
    const char *const kind = sowlv2_importance_name(importance);
    struct sowlv2_score_options score = sowlv2_score_options_default();
    struct sowlv2_key_frames_options options = sowlv2_key_frames_options_default();
    struct sowlv2_key_frames_report report;
    const struct sowlv2_frames *const frames = &report.frames;
    score.importance = importance;
    options.score = &score;
    options.fps = RATE;
    int status = sowlv2_key_frames_run(bench->scorer, bench->video, &options, &report);
    const int64_t count = (int64_t)frames->count;
    float *const scores = malloc(((size_t)count + 1) * sizeof(*scores));
    float *const motion = malloc(((size_t)count + 1) * sizeof(*motion));
    status = status ? status : !scores || !motion;
    for (int64_t i = 0; !status && i < count; i++) {
        scores[i] = frames->items[i].importance;
        motion[i] = frames->items[i].motion;
    }
    if (!status) {
        printf("{\"video\":\"%s\",\"method\":\"%s\",\"seconds\":%.4f}\n", bench->video, kind, report.total_seconds);
        importance_normalise(scores, count, scores);
        importance_normalise(motion, count, motion);
        status = choose(bench, frames, kind, false, scores);
    }
    if (!status) {
        importance_mix(scores, motion, 0.5F, count, scores);
        status = choose(bench, frames, kind, true, scores);
    }
    if (!status && last)
        status = choose(bench, frames, "pixels", false, motion);
    if (!status && last)
        status = choose(bench, frames, "uniform", false, NULL);
    free(scores);
    free(motion);
    sowlv2_key_frames_report_free(&report);
    return status;
}

static int read_counts(const char *text, struct bench *bench)
{
    while (*text && bench->count_count < MOST_COUNTS) {
        char *end;
        const long value = strtol(text, &end, 10);

        if (value < 1 || (*end && *end != ','))
            return 1;
        bench->counts[bench->count_count++] = value;
        text = *end ? end + 1 : end;
    }
    return bench->count_count == 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct sowlv2_model_options model = sowlv2_scorer_options_default();
    int status = 0;

    if (argc < 4 || read_counts(argv[2], &bench)) {
        fprintf(stderr, "usage: bench_frames MODEL COUNT[,COUNT...] VIDEO...\n");
        return 2;
    }
    model.model = argv[1];
    if (sowlv2_scorer_open(&model, &bench.scorer) != 0)
        return fail(argv[1]);
    for (int i = 3; i < argc && !status; i++) {
        bench.video = argv[i];
        status = measure(&bench, SOWLV2_IMPORTANCE_VARIANCE, false);
        if (!status)
            status = measure(&bench, SOWLV2_IMPORTANCE_CHANGE, false);
        if (!status && sowlv2_scorer_info(bench.scorer).predictor)
            status = measure(&bench, SOWLV2_IMPORTANCE_SURPRISE, true);
    }
    if (status)
        fail(bench.video);
    sowlv2_scorer_free(&bench.scorer);
    return status ? 1 : 0;
}
