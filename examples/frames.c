/* Says which moments of a video matter: frames MODEL VIDEO [COUNT]
 * Build: cc frames.c $(pkg-config --cflags --libs sowlv2) -o frames */
#include <sowlv2.h>
#include <stdio.h>
#include <stdlib.h>

/* A line of 40 characters: how much happens. */
static void print_bar(const struct sowlv2_frame *frame)
{
    char bar[41];
    int i = 0;
    for (; i < 40 && (float)i < 40 * frame->score; i++)
        bar[i] = '#';
    bar[i] = '\0';
    printf("%c %8.2f s  %.3f  %s\n", frame->chosen ? '*' : ' ', frame->time, (double)frame->score, bar);
}

/* Features come clip by clip, however long the video is. */
static bool take_features(const struct sowlv2_clip_features *features, void *user_data)
{
    size_t *tubelets = user_data;
    *tubelets += (size_t)features->rows;
    return true; /* go on */
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL VIDEO [COUNT]\n", argv[0]);
        return 2;
    }
    struct sowlv2_model_options model_options = sowlv2_frames_model_options_default();
    struct sowlv2_frames_options options = sowlv2_frames_options_default();
    size_t tubelets = 0;
    model_options.model = argv[1];
    options.target_frames = argc > 3 ? atoi(argv[3]) : 8;
    options.pooled = true; /* one vector a tubelet */
    options.clip = take_features;
    options.clip_user_data = &tubelets;

    sowlv2_frames_model *model = NULL;
    struct sowlv2_frames frames = {0};
    int status = 0;
    if (sowlv2_frames_model_open(&model_options, &model) != 0 ||
        sowlv2_frames_run(model, argv[2], &options, &frames) != 0) {
        fprintf(stderr, "%s\n", sowlv2_error_message());
        status = 1;
    }
    for (size_t i = 0; i < frames.count; i++)
        print_bar(&frames.items[i]);
    printf("%zu frames, %zu scenes, %zu chosen, %zu feature vectors\n", frames.count, frames.scene_count,
           frames.chosen_count, tubelets);
    sowlv2_frames_free(&frames);
    sowlv2_frames_model_free(&model);
    return status;
}
