/* One V-JEPA 2 pass over raw frames, for comparisons with the reference (tools/parity_vjepa2.py drives it).
 *
 *   bench_vjepa2 MODEL THREADS FRAMES WIDTH HEIGHT FILE OUT [REPEATS [predict]]
 * FILE: raw RGB, FRAMES times HEIGHT times WIDTH times 3 bytes. OUT gets the features as raw f32, [tokens][width],
 * and, with "predict", what the predictor expects for all tokens behind them. Prints one JSON object: seconds to
 * open and peak resident kB by then, wall seconds and processor seconds of each pass, peak resident kB of all. */
#include "models/vjepa2/vjepa2.h"
#include "sowlv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "bench_vjepa2: %s: %s\n", what, sowlv2_error_message());
    return 1;
}

static uint8_t *read_frames(const char *path, size_t bytes)
{
    uint8_t *pixels = malloc(bytes);
    FILE *file = pixels ? fopen(path, "rb") : NULL;

    if (!file || fread(pixels, 1, bytes, file) != bytes) {
        fprintf(stderr, "bench_vjepa2: %s: too short, or it cannot be read\n", path);
        free(pixels);
        pixels = NULL;
    }
    if (file)
        fclose(file);
    return pixels;
}

static int write_values(const char *path, const float *values, size_t count)
{
    FILE *file = fopen(path, "wb");
    size_t written = file ? fwrite(values, sizeof(*values), count, file) : 0;

    if (file == NULL || fclose(file) != 0 || written != count) {
        perror(path);
        return 1;
    }
    return 0;
}

/* The passes and their report; `features` and `predicted` are [tokens][width]. */
static int run(const struct vjepa2 *model, struct compute *compute, const struct scorer_clips *clips, int repeats,
               bool predict, double opened, float *features, float *predicted)
{
    const struct vjepa2_config *config = vjepa2_get_config(model);
    struct device *const device = compute_device(compute);
    struct tensor kept;
    struct rusage usage;

    if (DEVICE_TENSOR_CREATE(device, DTYPE_F32, &kept, 1, vjepa2_tokens(config, clips->count), config->encoder.width))
        return fail("features");
    const struct scorer_output out = {.features = features, .kept = &kept};
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"open\": %.4f, \"open_kb\": %ld, \"passes\": [", opened, usage.ru_maxrss);
    for (int i = 0; i < repeats; i++) {
        double wall = seconds(CLOCK_MONOTONIC), processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
        int status = vjepa2_encode(model, compute, clips, NULL, NULL, &out);
        if (status == 0 && predict)
            status = vjepa2_predict(model, compute, kept, NULL, NULL, NULL, NULL, predicted);
        if (status != 0) {
            device_tensor_free(device, &kept);
            return fail("pass");
        }
        printf("%s{\"wall\": %.4f, \"cpu\": %.4f}", i > 0 ? ", " : "", seconds(CLOCK_MONOTONIC) - wall,
               seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);
    }
    device_tensor_free(device, &kept);
    getrusage(RUSAGE_SELF, &usage);
    printf("], \"scratch_kb\": %zu, \"peak_kb\": %ld}\n", compute_peak_scratch(compute) / 1024, usage.ru_maxrss);
    return 0;
}

int main(int argc, char **argv)
{
    struct device *device = NULL;
    struct compute *compute = NULL;
    struct vjepa2 *model = NULL;
    int status = 1;

    if (argc < 8 || argc > 10) {
        fprintf(stderr, "usage: bench_vjepa2 MODEL THREADS FRAMES WIDTH HEIGHT FILE OUT [REPEATS [predict]]\n");
        return 2;
    }
    int count = atoi(argv[3]), width = atoi(argv[4]), height = atoi(argv[5]);
    if (count < 1 || count > 4096 || width < 1 || width > 8192 || height < 1 || height > 8192) {
        fprintf(stderr, "bench_vjepa2: FRAMES, WIDTH or HEIGHT out of range\n");
        return 2;
    }
    size_t frame = (size_t)width * (size_t)height * 3;
    uint8_t *pixels = read_frames(argv[6], frame * (size_t)count);
    struct sowlv2_image *frames = calloc((size_t)count, sizeof(*frames));
    double start = seconds(CLOCK_MONOTONIC);
    if (!pixels || !frames || device_open(&(struct device_options){.threads = atoi(argv[2])}, &device) != 0 ||
        compute_create(device, &compute) != 0 || vjepa2_open(argv[1], device, &model) != 0) {
        fail(argv[1]);
    } else {
        for (int i = 0; i < count; i++)
            frames[i] = (struct sowlv2_image){pixels + frame * (size_t)i, width, height, 3 * (size_t)width};
        struct scorer_clips clips = {.frames = frames, .batch = 1, .count = count, .view = SCORER_CENTRE};
        const struct vjepa2_config *config = vjepa2_get_config(model);
        size_t values = (size_t)(vjepa2_tokens(config, count) * config->encoder.width);
        bool predict = argc > 9 && strcmp(argv[9], "predict") == 0;
        float *features = malloc(2 * values * sizeof(*features));
        if (features) {
            status = run(model, compute, &clips, argc > 8 ? atoi(argv[8]) : 1, predict,
                         seconds(CLOCK_MONOTONIC) - start, features, features + values);
            if (status == 0)
                status = write_values(argv[7], features, predict ? 2 * values : values);
        }
        free(features);
    }
    vjepa2_free(&model);
    compute_free(&compute);
    device_close(&device);
    free(frames);
    free(pixels);
    return status;
}
