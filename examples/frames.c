/* Says which moments of a video matter: frames MODEL VIDEO [COUNT]
 * Build: cc frames.c $(pkg-config --cflags --libs sowlv2) -o frames */
#include <sowlv2_run.h>
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
    struct sowlv2_model_options model_options = sowlv2_scorer_options_default();
    struct sowlv2_score_options score = sowlv2_score_options_default();
    struct sowlv2_choice_options choice = sowlv2_choice_options_default();
    struct sowlv2_key_frames_options options = sowlv2_key_frames_options_default();
    size_t tubelets = 0;
    model_options.model = argv[1];
    choice.target_frames = argc > 3 ? atoi(argv[3]) : 8;
    score.pooled = true; /* one vector a tubelet */
    score.features = take_features;
    score.features_user_data = &tubelets;
    options.score = &score;
    options.choice = &choice;

    sowlv2_scorer *scorer = NULL;
    struct sowlv2_key_frames_report report = {0};
    int status = 0;
    if (sowlv2_scorer_open(&model_options, &scorer) != 0 ||
        sowlv2_key_frames_run(scorer, argv[2], &options, &report) != 0) {
        fprintf(stderr, "%s\n", sowlv2_error_message());
        status = 1;
    }
    if (report.broken)
        fprintf(stderr, "%s\n", report.failure ? report.failure : "the video breaks off");
    for (size_t i = 0; i < report.frames.count; i++)
        print_bar(&report.frames.items[i]);
    printf("%zu frames, %zu scenes, %zu chosen, %zu feature vectors\n", report.frames.count, report.frames.scene_count,
           report.frames.chosen_count, tubelets);
    sowlv2_key_frames_report_free(&report);
    sowlv2_scorer_free(&scorer);
    return status;
}
