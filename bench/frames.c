/* Which frames each way of choosing takes, for bench/frames.py, which knows what happens in the videos.
 *
 *   bench_frames MODEL COUNT[,COUNT...] VIDEO...
 * Each video is shown to the model once for each kind of importance. Prints a JSON object a line: {"video", "method",
 * "count", "chosen": [frames of the video from 1]}, and {"video", "method", "seconds"} for what each kind took, reading
 * included. Methods: variance, change, surprise, each alone and "+motion" (mixed half and half with pixel motion),
 * "pixels" (pixel motion alone), "uniform". All but the last take the best frame of each scene first. */
#include "pipeline/frames.h"
#include "analysis/importance.h"
#include "sowlv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COUNTS = 16, SPACING = 10 };
static const double RATE = 6;

struct bench {
    struct scorer *model;
    const char *video;
    int64_t counts[MOST_COUNTS];
    int count_count;
};

static int fail(const char *what)
{
    fprintf(stderr, "bench_frames: %s: %s\n", what, sowlv2_error_message());
    return 1;
}

static void print_choice(const struct bench *bench, const struct frames_report *report, const char *kind, bool motion,
                         int64_t count, const int64_t *chosen, int64_t chosen_count)
{
    printf("{\"video\":\"%s\",\"method\":\"%s%s\",\"count\":%lld,\"chosen\":[", bench->video, kind,
           motion ? "+motion" : "", (long long)count);
    for (int64_t i = 0; i < chosen_count; i++)
        printf("%s%lld", i > 0 ? "," : "", (long long)report->items[chosen[i]].source_number);
    printf("]}\n");
}

/* The choices by these scores, for every count. */
static int choose(const struct bench *bench, const struct frames_report *report, const char *kind, bool motion,
                  const float *scores)
{
    int64_t *starts = malloc((size_t)report->count * sizeof(*starts));
    int64_t *chosen = malloc((size_t)report->count * sizeof(*chosen)), scene_count = 0, chosen_count;
    int status = starts && chosen ? 0 : 1;

    for (int64_t i = 0; !status && i < report->count; i++)
        if (report->items[i].scene_start)
            starts[scene_count++] = i;
    for (int i = 0; !status && i < bench->count_count; i++) {
        const struct importance_choice choice = {bench->counts[i], SPACING, starts, scene_count};

        if (scores)
            status = importance_select(scores, report->count, &choice, chosen, &chosen_count);
        else
            chosen_count = importance_uniform(report->count, bench->counts[i], chosen);
        if (!status)
            print_choice(bench, report, kind, motion, bench->counts[i], chosen, chosen_count);
    }
    free(starts);
    free(chosen);
    return status;
}

/* One kind of importance, alone and with motion; `last` adds what needs no model. */
static int measure(const struct bench *bench, enum frames_kind kind, bool last)
{
    const struct frames_options options = {
        .input = bench->video, .fps = RATE, .kind = kind, .spacing = SPACING, .reader = {.max_pixels = 100000000}};
    struct frames_report report = {0};
    int status = frames_run(bench->model, &options, &report);
    float *scores = malloc(((size_t)report.count + 1) * sizeof(*scores));
    float *motion = malloc(((size_t)report.count + 1) * sizeof(*motion));

    status = status ? status : !scores || !motion;
    for (int64_t i = 0; !status && i < report.count; i++) {
        scores[i] = report.items[i].raw;
        motion[i] = report.items[i].motion;
    }
    if (!status) {
        printf("{\"video\":\"%s\",\"method\":\"%s\",\"seconds\":%.4f}\n", bench->video, frames_kind_name(kind),
               report.total_seconds);
        importance_normalise(scores, report.count, scores);
        importance_normalise(motion, report.count, motion);
        status = choose(bench, &report, frames_kind_name(kind), false, scores);
    }
    if (!status) {
        importance_mix(scores, motion, 0.5F, report.count, scores);
        status = choose(bench, &report, frames_kind_name(kind), true, scores);
    }
    if (!status && last)
        status = choose(bench, &report, "pixels", false, motion);
    if (!status && last)
        status = choose(bench, &report, "uniform", false, NULL);
    free(scores);
    free(motion);
    frames_report_free(&report);
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
    struct device *device = NULL;
    int status = 0;

    if (argc < 4 || read_counts(argv[2], &bench)) {
        fprintf(stderr, "usage: bench_frames MODEL COUNT[,COUNT...] VIDEO...\n");
        return 2;
    }
    if (device_open(&(struct device_options){.threads = 0}, &device) || scorer_open(argv[1], device, &bench.model))
        return fail(argv[1]);
    for (int i = 3; i < argc && !status; i++) {
        bench.video = argv[i];
        status = measure(&bench, FRAMES_VARIANCE, false);
        if (!status)
            status = measure(&bench, FRAMES_CHANGE, false);
        if (!status && scorer_info(bench.model)->predictor)
            status = measure(&bench, FRAMES_SURPRISE, true);
    }
    if (status)
        fail(bench.video);
    scorer_free(&bench.model);
    device_close(&device);
    return status ? 1 : 0;
}
