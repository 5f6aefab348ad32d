/* Whole models behind a pipe: bench/peers asks for one timed pass at a time, so that this program and its peers take
 * turns in one run. Passes stand on the public API alone, from 8-bit pixels to results in memory.
 *
 *   bench_models DEVICE PRECISION THREADS [CPU_LEVEL]     prints {"ready": DESCRIPTION}
 * Commands, one a line, each answered by one line of JSON; {"error": WHAT} where it failed, and it goes on:
 *   frames WIDTH HEIGHT COUNT FILE      raw RGB frames, which passes take around and around         {}
 *   texts NOUN<tab>NOUN...              what is looked for, "a photo of" it                         {}
 *   row KIND COUNT EXTRA FOLDER         makes ready what `run` does                                 {"open": SECONDS}
 *     detect PROMPTS IMAGES             the prompts encoded, and found in so many images as one batch
 *     encode 1 0                        an image encoded; on a GPU one box decoded too, which waits for it
 *     decode BOXES 0                    masks at the image's size
 *     track OBJECTS FRAMES              a frame through a video, after so many that fill the memory
 *     score FRAMES 0                    a clip of so many frames, pushed one by one
 *   run                                 one pass                       {"wall": SECONDS, "cpu": SECONDS, "found": N}
 *   peak                                the most memory since it was last asked          {"resident": B, "device": B}
 *   product ROWS INPUTS OUTPUTS         the rate of one linear layer in this precision              {"gflops": RATE}
 */
#include "base/error.h"
#include "output/json_text.h"
#include "product.h"
#include "sowlv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_FRAMES = 256, MOST_TEXTS = 256, MOST_BOXES = 64 };

enum kind { NOTHING, DETECT, ENCODE, DECODE, TRACK, SCORE };
static const char *const kinds[] = {"", "detect", "encode", "decode", "track", "score"};

struct bench {
    struct sowlv2_device_options options;
    sowlv2_device *device;
    struct sowlv2_image frames[MOST_FRAMES];
    uint8_t *pixels;
    size_t frame_count;
    char *text; /* of all texts */
    const char *texts[MOST_TEXTS];
    size_t text_count;

    enum kind kind;
    size_t count, extra;
    char *folder; /* of the model that is open */
    sowlv2_detector *detector;
    sowlv2_detect_session *detect;
    sowlv2_segmenter *segmenter;
    sowlv2_segment_session *segment;
    sowlv2_track_session *track;
    sowlv2_scorer *scorer;
    sowlv2_score_session *score;
    float boxes[MOST_BOXES][4];
    struct sowlv2_segment_prompt prompts[MOST_BOXES];
    int64_t at; /* the next frame of a track or a clip */
};

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void answer_text(const char *key, const char *text)
{
    struct string line = {0};
    json_append_string(&line, text);
    printf("{\"%s\": %s}\n", key, line.data ? line.data : "\"\"");
    string_free(&line);
}

static int refuse(const char *what)
{
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s", what);
}

static const struct sowlv2_image *frame_at(const struct bench *bench, int64_t at)
{
    return &bench->frames[(size_t)at % bench->frame_count];
}

static void close_row(struct bench *bench)
{
    sowlv2_track_session_free(&bench->track);
    sowlv2_score_session_free(&bench->score);
    bench->kind = NOTHING;
    bench->at = 0;
}

static void close_model(struct bench *bench)
{
    close_row(bench);
    sowlv2_detect_session_free(&bench->detect);
    sowlv2_detector_free(&bench->detector);
    sowlv2_segment_session_free(&bench->segment);
    sowlv2_segmenter_free(&bench->segmenter);
    sowlv2_scorer_free(&bench->scorer);
    free(bench->folder);
    bench->folder = NULL;
}

static int open_model(struct bench *bench, enum kind kind, const char *folder)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    const bool there = kind == DETECT  ? bench->detector != NULL
                       : kind == SCORE ? bench->scorer != NULL
                                       : bench->segmenter != NULL;
    if (there && strcmp(bench->folder, folder) == 0)
        return 0;
    close_model(bench);
    options.model = folder;
    options.device = bench->device;
    bench->folder = strdup(folder);
    if (!bench->folder)
        return error_memory("a path");
    if (kind == SCORE)
        return sowlv2_scorer_open(&options, &bench->scorer);
    const int status = kind == DETECT ? sowlv2_detector_open(&options, &bench->detector)
                                      : sowlv2_segmenter_open(&options, &bench->segmenter);
    if (status)
        return status;
    return kind == DETECT ? sowlv2_detect_session_create(bench->detector, &bench->detect)
                          : sowlv2_segment_session_create(bench->segmenter, &bench->segment);
}

static int track_frame(struct bench *bench)
{
    struct sowlv2_tracks tracks;
    int status = sowlv2_track_set_frame(bench->track, bench->at, frame_at(bench, bench->at));
    for (size_t i = 0; !status && bench->at == 0 && i < bench->count; i++)
        status =
            sowlv2_track_prompt(bench->track, (int64_t)i + 1, &(struct sowlv2_track_prompt){.box = bench->boxes[i]});
    bench->at++;
    if (!status)
        status = sowlv2_track_run(bench->track, NULL, &tracks);
    if (!status)
        sowlv2_tracks_free(&tracks);
    return status;
}

static int prepare(struct bench *bench)
{
    if (bench->kind == DECODE)
        return sowlv2_segment_set_image(bench->segment, &bench->frames[0], NULL);
    if (bench->kind == SCORE) {
        struct sowlv2_score_options options = sowlv2_score_options_default();
        options.frames_per_clip = (int)bench->count;
        options.importance = SOWLV2_IMPORTANCE_VARIANCE;
        return sowlv2_score_session_create(bench->scorer, &options, &bench->score);
    }
    if (bench->kind != TRACK)
        return 0;
    int status = sowlv2_track_session_create(bench->segmenter, NULL, &bench->track);
    for (size_t i = 0; !status && i < bench->extra; i++)
        status = track_frame(bench);
    return status;
}

/* Boxes in rows of four, at quarters of the frame. */
static void make_boxes(struct bench *bench)
{
    const float width = (float)bench->frames[0].width / 4, height = (float)bench->frames[0].height / 4;
    for (int i = 0; i < MOST_BOXES; i++) {
        float *const box = bench->boxes[i];
        box[0] = width * (0.06F + (float)(i % 4));
        box[1] = height * (0.06F + (float)(i / 4 % 4));
        box[2] = box[0] + 0.75F * width;
        box[3] = box[1] + 0.8F * height;
        bench->prompts[i] = (struct sowlv2_segment_prompt){.box = box};
    }
}

static int row(struct bench *bench, const char *arguments)
{
    char name[16];
    int at = 0;
    size_t count, extra;
    enum kind kind = SCORE;
    if (sscanf(arguments, "%15s %zu %zu %n", name, &count, &extra, &at) < 3 || at == 0 || count < 1)
        return refuse("row: KIND COUNT EXTRA FOLDER");
    while (kind > NOTHING && strcmp(name, kinds[kind]) != 0)
        kind--;
    if (kind == NOTHING)
        return refuse("row: no such kind");
    if (bench->frame_count == 0 || (kind == DETECT && (count > bench->text_count || extra > bench->frame_count)) ||
        ((kind == DECODE || kind == TRACK) && count > MOST_BOXES))
        return refuse("row: more than there are frames, texts or boxes");
    const double start = seconds(CLOCK_MONOTONIC);
    close_row(bench);
    const int status = open_model(bench, kind, arguments + at);
    if (status)
        return status;
    const double opened = seconds(CLOCK_MONOTONIC);
    bench->kind = kind;
    bench->count = count;
    bench->extra = extra;
    const int prepared = prepare(bench);
    if (!prepared)
        printf("{\"open\": %.6f}\n", opened - start);
    return prepared;
}

static int detect(struct bench *bench, size_t *found)
{
    struct sowlv2_detect_options detect_options = sowlv2_detect_options_default();
    struct sowlv2_detections *const out = calloc(bench->extra, sizeof(*out));
    sowlv2_prompts *prompts = NULL;
    if (!out)
        return error_memory("results");
    detect_options.threshold = 0.8F;
    int status = sowlv2_prompts_encode(bench->detector, bench->texts, bench->count, NULL, &prompts);
    if (!status)
        status = sowlv2_detect(bench->detect, prompts, bench->frames, bench->extra, &detect_options, out);
    for (size_t i = 0; !status && i < bench->extra; i++) {
        *found += out[i].count;
        sowlv2_detections_free(&out[i]);
    }
    sowlv2_prompts_free(&prompts);
    free(out);
    return status;
}

static int decode(struct bench *bench, size_t count)
{
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    struct sowlv2_mask masks[MOST_BOXES];
    options.logits = false;
    const int status = sowlv2_segment(bench->segment, bench->prompts, count, &options, masks);
    if (!status)
        sowlv2_masks_free(masks, count);
    return status;
}

static int pass(struct bench *bench, size_t *found)
{
    int status = 0;
    *found = bench->count;
    switch (bench->kind) {
    case DETECT:
        *found = 0;
        return detect(bench, found);
    case ENCODE:
        status = sowlv2_segment_set_image(bench->segment, frame_at(bench, bench->at++), NULL);
        return !status && strcmp(sowlv2_device_name(bench->device), "cpu") != 0 ? decode(bench, 1) : status;
    case DECODE:
        return decode(bench, bench->count);
    case TRACK:
        return track_frame(bench);
    case SCORE:
        for (size_t i = 0; !status && i < bench->count; i++, bench->at++)
            status =
                sowlv2_score_push(bench->score, frame_at(bench, bench->at), (double)bench->at / 8.0, bench->at + 1);
        return status;
    case NOTHING:
        break;
    }
    return refuse("run: there is no row");
}

static int run(struct bench *bench)
{
    size_t found = 0;
    const double wall = seconds(CLOCK_MONOTONIC), processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    const int status = pass(bench, &found);
    if (!status)
        printf("{\"wall\": %.6f, \"cpu\": %.6f, \"found\": %zu}\n", seconds(CLOCK_MONOTONIC) - wall,
               seconds(CLOCK_PROCESS_CPUTIME_ID) - processor, found);
    return status;
}

static int read_frames(struct bench *bench, const char *arguments)
{
    int width, height, at = 0;
    size_t count;
    if (sscanf(arguments, "%d %d %zu %n", &width, &height, &count, &at) < 3 || at == 0 || width < 1 || height < 1 ||
        width > 1 << 14 || height > 1 << 14 || count < 1 || count > MOST_FRAMES)
        return refuse("frames: WIDTH HEIGHT COUNT FILE");
    const size_t bytes = 3 * (size_t)width * (size_t)height;
    FILE *const file = fopen(arguments + at, "rb");
    if (!file)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot be opened", arguments + at);
    free(bench->pixels);
    bench->pixels = malloc(bytes * count);
    const bool whole = bench->pixels && fread(bench->pixels, bytes, count, file) == count;
    fclose(file);
    if (!whole)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot be read", arguments + at);
    for (size_t i = 0; i < count; i++)
        bench->frames[i] = (struct sowlv2_image){bench->pixels + bytes * i, width, height, 0};
    bench->frame_count = count;
    make_boxes(bench);
    puts("{}");
    return 0;
}

static int read_texts(struct bench *bench, const char *arguments)
{
    free(bench->text);
    bench->text = strdup(arguments);
    bench->text_count = 0;
    for (char *rest = bench->text, *text; bench->text_count < MOST_TEXTS && (text = strsep(&rest, "\t"));)
        bench->texts[bench->text_count++] = text;
    puts("{}");
    return 0;
}

/* What was resident at most, in bytes; the kernel then begins anew. */
static int peak(const struct bench *bench)
{
    struct sowlv2_memory_use use = {.size = sizeof(use)};
    char line[256];
    long kilobytes = 0;
    FILE *const file = fopen("/proc/self/status", "r");
    while (file && kilobytes == 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmHWM: %ld", &kilobytes) != 1)
            kilobytes = 0;
    if (file)
        fclose(file);
    FILE *const clear = fopen("/proc/self/clear_refs", "w");
    if (clear) {
        fputs("5\n", clear);
        fclose(clear);
    }
    int status = sowlv2_device_memory_use(bench->device, &use);
    if (!status)
        status = sowlv2_device_memory_release(bench->device);
    if (status)
        return status;
    printf("{\"resident\": %lld, \"device\": %lld}\n", 1024LL * kilobytes, (long long)use.peak);
    return 0;
}

static int product(const struct bench *bench, const char *arguments)
{
    const char *const precision = sowlv2_device_precision(bench->device);
    long long rows, inputs, outputs;
    double time = 0.0;
    if (sscanf(arguments, "%lld %lld %lld", &rows, &inputs, &outputs) != 3 || rows < 1 || inputs < 1 || outputs < 1)
        return refuse("product: ROWS INPUTS OUTPUTS");
    const struct device_options options = {.device = bench->options.device,
                                           .cpu_level = bench->options.cpu_level,
                                           .threads = bench->options.threads,
                                           .precision = strcmp(precision, "bf16") == 0 ? DTYPE_BF16 : DTYPE_F32};
    if (strcmp(precision, "bf16") != 0 && strcmp(precision, "f32") != 0)
        return refuse("product: this precision has none here");
    const int status = product_time(&options, rows, inputs, outputs, &time);
    if (!status)
        printf("{\"gflops\": %.3f}\n", 2e-9 * (double)rows * (double)inputs * (double)outputs / time);
    return status;
}

static void answer(struct bench *bench, char *line)
{
    char *arguments = line + strcspn(line, " ");
    if (*arguments)
        *arguments++ = '\0';
    int status;
    if (strcmp(line, "frames") == 0)
        status = read_frames(bench, arguments);
    else if (strcmp(line, "texts") == 0)
        status = read_texts(bench, arguments);
    else if (strcmp(line, "row") == 0)
        status = row(bench, arguments);
    else if (strcmp(line, "run") == 0)
        status = run(bench);
    else if (strcmp(line, "peak") == 0)
        status = peak(bench);
    else if (strcmp(line, "product") == 0)
        status = product(bench, arguments);
    else
        status = refuse("no such command");
    if (status)
        answer_text("error", sowlv2_error_message());
}

int main(int argc, char **argv)
{
    struct bench *const bench = calloc(1, sizeof(*bench));
    char *line = NULL;
    size_t room = 0;
    if (argc < 4 || argc > 5 || !bench) {
        fprintf(stderr, "usage: bench_models DEVICE PRECISION THREADS [CPU_LEVEL]\n");
        free(bench);
        return 2;
    }
    bench->options = sowlv2_device_options_default();
    bench->options.device = argv[1];
    bench->options.precision = argv[2];
    bench->options.threads = atoi(argv[3]);
    bench->options.cpu_level = argc == 5 ? argv[4] : NULL;
    const int status = sowlv2_device_open(&bench->options, &bench->device);
    answer_text(status ? "error" : "ready", status ? sowlv2_error_message() : sowlv2_device_description(bench->device));
    fflush(stdout);
    while (!status && getline(&line, &room, stdin) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        answer(bench, line);
        fflush(stdout);
    }
    close_model(bench);
    sowlv2_device_free(&bench->device);
    free(line);
    free(bench->text);
    free(bench->pixels);
    free(bench);
    return status ? 1 : 0;
}
