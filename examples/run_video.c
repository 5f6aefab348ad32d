/* A whole job with a sink of the caller's: follows the prompts through a video and prints what is where, frame by
 * frame, without any files: run_video OWLV2_MODEL SAM2_MODEL VIDEO PROMPT... Build: cc run_video.c $(pkg-config
 * --cflags --libs sowlv2) -o run_video */
#include <sowlv2_run.h>
#include <stdio.h>

static int print_frame(const struct sowlv2_run_frame *frame, void *user_data)
{
    (void)user_data;
    for (size_t i = 0; i < frame->count; i++) {
        const struct sowlv2_run_object *object = &frame->objects[i];
        if (object->box) /* else it is out of sight */
            printf("%7.2f s  %s %lld: %.0f,%.0f to %.0f,%.0f\n", frame->time, object->prompt, (long long)object->number,
                   (double)object->box[0], (double)object->box[1], (double)object->box[2], (double)object->box[3]);
    }
    return 0; /* a negative enum sowlv2_status would end the run */
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: %s OWLV2_MODEL SAM2_MODEL VIDEO PROMPT...\n", argv[0]);
        return 2;
    }
    struct sowlv2_model_options owl = sowlv2_model_options_default(), sam = sowlv2_segmenter_options_default();
    owl.model = argv[1];
    sam.model = argv[2];
    struct sowlv2_sink sink = sowlv2_sink_default();
    sink.frame = print_frame;
    const struct sowlv2_sink *const sinks[] = {&sink};
    struct sowlv2_run_options options = sowlv2_run_options_default();
    options.inputs = (const char *const *)argv + 3;
    options.input_count = 1;
    options.prompts = (const char *const *)argv + 4;
    options.prompt_count = (size_t)argc - 4;
    options.sinks = sinks;
    options.sink_count = 1;

    sowlv2_detector *detector = NULL;
    sowlv2_segmenter *segmenter = NULL;
    sowlv2_run *run = NULL;
    struct sowlv2_run_report report = {0};
    const int status = sowlv2_run_create(&options, &run) != 0 || sowlv2_detector_open(&owl, &detector) != 0 ||
                       sowlv2_segmenter_open(&sam, &segmenter) != 0 ||
                       sowlv2_run_start(run, detector, segmenter, &report) != 0;
    if (status)
        fprintf(stderr, "%s\n", sowlv2_error_message());
    sowlv2_run_free(&run);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detector_free(&detector);
    return status || report.failed > 0;
}
