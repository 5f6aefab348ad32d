/* One warm track session behind a pipe: bench/reference_track.py asks it for one timed frame at a time, so that it and
 * the reference take turns in one run. Stands on the public API alone.
 *
 *   bench_track MODEL THREADS WIDTH HEIGHT FRAMES.rgb COUNT     COUNT raw RGB frames; prints "ready"
 * Commands, one a line, each answered by one line:
 *   start X0,Y0,X1,Y1 ...   a new session with these objects; runs the first frame      "SECONDS"
 *   next                    the next frame, around and around                           "SECONDS OF_IT_ENCODER"
 *   memory                  peak resident, in kB                                        "KB"
 */
#include "sowlv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct state {
    sowlv2_segmenter *segmenter;
    sowlv2_track_session *session;
    uint8_t *frames;
    int width, height;
    long count, next;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "bench_track: %s: %s\n", what, sowlv2_error_message());
    return 1;
}

static int set_frame(struct state *state)
{
    const size_t bytes = 3 * (size_t)state->width * (size_t)state->height;
    const struct sowlv2_image image = {.pixels = state->frames + bytes * (size_t)(state->next % state->count),
                                       .width = state->width,
                                       .height = state->height};

    return sowlv2_track_set_frame(state->session, state->next++, &image);
}

static int run_frame(struct state *state)
{
    struct sowlv2_tracks tracks;

    if (sowlv2_track_run(state->session, NULL, &tracks) != 0)
        return fail("run");
    sowlv2_tracks_free(&tracks);
    return 0;
}

static int start(struct state *state, char *boxes)
{
    const double begin = now();
    int64_t object = 0;

    sowlv2_track_session_free(&state->session);
    state->next = 0;
    if (sowlv2_track_session_create(state->segmenter, NULL, &state->session) != 0 || set_frame(state) != 0)
        return fail("start");
    for (char *text; (text = strsep(&boxes, " "));) {
        float box[4];
        const struct sowlv2_track_prompt prompt = {.box = box};

        if (sscanf(text, "%f,%f,%f,%f", &box[0], &box[1], &box[2], &box[3]) != 4)
            return fail(text);
        if (sowlv2_track_prompt(state->session, ++object, &prompt) != 0)
            return fail("prompt");
    }
    if (run_frame(state) != 0)
        return 1;
    printf("%.6f\n", now() - begin);
    return 0;
}

static int step(struct state *state)
{
    const double begin = now();
    double encoded;

    if (state->session == NULL || set_frame(state) != 0)
        return fail("next");
    encoded = now();
    if (run_frame(state) != 0)
        return 1;
    printf("%.6f %.6f\n", now() - begin, encoded - begin);
    return 0;
}

static int answer(struct state *state, char *line)
{
    if (strncmp(line, "start ", 6) == 0)
        return start(state, line + 6);
    if (strcmp(line, "next") == 0)
        return step(state);
    if (strcmp(line, "memory") == 0) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf("%ld\n", usage.ru_maxrss);
        return 0;
    }
    fprintf(stderr, "bench_track: unknown command %s\n", line);
    return 1;
}

static int read_frames(struct state *state, const char *path)
{
    const size_t bytes = 3 * (size_t)state->width * (size_t)state->height * (size_t)state->count;
    FILE *file = fopen(path, "rb");
    size_t got = 0;

    state->frames = malloc(bytes);
    if (file && state->frames)
        got = fread(state->frames, 1, bytes, file);
    if (file)
        fclose(file);
    if (got != bytes)
        fprintf(stderr, "bench_track: %s: cannot be read\n", path);
    return got != bytes;
}

int main(int argc, char **argv)
{
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    struct state state = {0};
    char *line = NULL;
    size_t room = 0;
    int status = 0;

    if (argc != 7) {
        fprintf(stderr, "usage: bench_track MODEL THREADS WIDTH HEIGHT FRAMES.rgb COUNT\n");
        return 2;
    }
    options.model = argv[1];
    struct sowlv2_device_options device = sowlv2_device_options_default();
    device.precision = "f32";
    device.threads = atoi(argv[2]);
    options.device_options = &device;
    state.width = atoi(argv[3]);
    state.height = atoi(argv[4]);
    state.count = atol(argv[6]);
    if (state.width < 1 || state.height < 1 || state.count < 1 || read_frames(&state, argv[5]) != 0)
        return 1;
    if (sowlv2_segmenter_open(&options, &state.segmenter) != 0)
        return fail(argv[1]);
    puts("ready");
    fflush(stdout);
    while (status == 0 && getline(&line, &room, stdin) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        status = answer(&state, line);
        fflush(stdout);
    }
    free(line);
    free(state.frames);
    sowlv2_track_session_free(&state.session);
    sowlv2_segmenter_free(&state.segmenter);
    return status;
}
