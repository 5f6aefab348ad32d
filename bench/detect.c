/* One warm detector behind a pipe: bench/reference.py asks it for one timed pass at a time, so that it and
 * the reference take turns in one run. Stands on the public API alone.
 *
 *   bench_detect MODEL THREADS [CPU_LEVEL]      prints "ready SECONDS_TO_OPEN IMAGE_SIZE"
 * Commands, one a line, each answered by one line:
 *   image WIDTH HEIGHT FILE    reads raw RGB            "ok"
 *   prompts TEXT<tab>TEXT...   encodes whole texts      "SECONDS"
 *   detect THRESHOLD           one pass over the image  "SECONDS BOXES"
 *   memory                     peak resident, in kB     "KB"
 */
#include "sowlv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_PROMPTS = 64 };

struct state {
    sowlv2_detector *detector;
    sowlv2_detect_session *session;
    sowlv2_prompts *prompts;
    struct sowlv2_image image;
    uint8_t *pixels;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "bench_detect: %s: %s\n", what, sowlv2_error_message());
    return 1;
}

static int read_image(struct state *state, const char *arguments)
{
    int width, height, at = 0;

    if (sscanf(arguments, "%d %d %n", &width, &height, &at) < 2 || at == 0 || width < 1 || height < 1 ||
        width > 1 << 15 || height > 1 << 15)
        return fail("image");
    size_t bytes = 3 * (size_t)width * (size_t)height;
    FILE *file = fopen(arguments + at, "rb");
    if (!file) {
        perror(arguments + at);
        return 1;
    }
    free(state->pixels);
    state->pixels = malloc(bytes);
    size_t got = state->pixels ? fread(state->pixels, 1, bytes, file) : 0;
    fclose(file);
    if (got != bytes) {
        fprintf(stderr, "bench_detect: %s: too short\n", arguments + at);
        return 1;
    }
    state->image = (struct sowlv2_image){.pixels = state->pixels, .width = width, .height = height};
    puts("ok");
    return 0;
}

static int encode(struct state *state, char *texts)
{
    struct sowlv2_prompt_options options = sowlv2_prompt_options_default();
    const char *prompts[MAX_PROMPTS];
    size_t count = 0;

    options.prompt_template = "{}";
    for (char *rest = texts, *text; count < MAX_PROMPTS && (text = strsep(&rest, "\t"));)
        prompts[count++] = text;
    sowlv2_prompts_free(&state->prompts);
    double start = now();
    if (sowlv2_prompts_encode(state->detector, prompts, count, &options, &state->prompts) != 0)
        return fail("prompts");
    printf("%.6f\n", now() - start);
    return 0;
}

static int detect(struct state *state, const char *arguments)
{
    struct sowlv2_detect_options options = sowlv2_detect_options_default();
    struct sowlv2_detections found;

    if (!state->prompts || !state->pixels) {
        fprintf(stderr, "bench_detect: detect: prompts and an image must come first\n");
        return 1;
    }
    options.threshold = strtof(arguments, NULL);
    options.clip = false;
    double start = now();
    if (sowlv2_detect(state->session, state->prompts, &state->image, 1, &options, &found) != 0)
        return fail("detect");
    printf("%.6f %zu\n", now() - start, found.count);
    sowlv2_detections_free(&found);
    return 0;
}

static int answer(struct state *state, char *line)
{
    char *arguments = strchr(line, ' ');

    if (arguments)
        *arguments++ = '\0';
    else
        arguments = line + strlen(line);
    if (strcmp(line, "image") == 0)
        return read_image(state, arguments);
    if (strcmp(line, "prompts") == 0)
        return encode(state, arguments);
    if (strcmp(line, "detect") == 0)
        return detect(state, arguments);
    if (strcmp(line, "memory") == 0) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf("%ld\n", usage.ru_maxrss);
        return 0;
    }
    fprintf(stderr, "bench_detect: unknown command %s\n", line);
    return 1;
}

int main(int argc, char **argv)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    struct state state = {0};
    char *line = NULL;
    size_t room = 0;
    int status = 0;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: bench_detect MODEL THREADS [CPU_LEVEL]\n");
        return 2;
    }
    options.model = argv[1];
    struct sowlv2_device_options device = sowlv2_device_options_default();
    device.precision = "f32";
    device.threads = atoi(argv[2]);
    device.cpu_level = argc == 4 ? argv[3] : NULL;
    options.device_options = &device;
    double start = now();
    if (sowlv2_detector_open(&options, &state.detector) != 0 ||
        sowlv2_detect_session_create(state.detector, &state.session) != 0)
        return fail(argv[1]);
    printf("ready %.6f %d\n", now() - start, sowlv2_detector_image_size(state.detector));
    fflush(stdout);
    while (status == 0 && getline(&line, &room, stdin) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        status = answer(&state, line);
        fflush(stdout);
    }
    free(line);
    free(state.pixels);
    sowlv2_prompts_free(&state.prompts);
    sowlv2_detect_session_free(&state.session);
    sowlv2_detector_free(&state.detector);
    return status;
}
