/* A whole job with a sink of the caller's: follows the prompts through a video and prints what is where. */
#include <sowlv2_run.h>
#include <stdio.h>

static int print_frame(const struct sowlv2_run_frame *frame, void *user_data)
{
    (void)user_data;
    for (const struct sowlv2_run_object *o = frame->objects; o < frame->objects + frame->count; o++)
        if (o->box) /* else it is out of sight */
            printf("%7.2f s  %s %d at %.0f,%.0f\n", frame->time, o->prompt, (int)o->number, (double)o->box[0],
                   (double)o->box[1]);
    return 0; /* a negative enum sowlv2_status would end the run */
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return fprintf(stderr, "usage: %s OWLV2_MODEL SAM2_MODEL VIDEO PROMPT...\n", argv[0]), 2;
    struct sowlv2_model_options owl = sowlv2_model_options_default(), sam = sowlv2_segmenter_options_default();
    struct sowlv2_run_options options = sowlv2_run_options_default();
    struct sowlv2_sink sink = sowlv2_sink_default();
    owl.model = argv[1];
    sam.model = argv[2];
    sink.frame = print_frame;
    options.inputs = (const char *const *)argv + 3;
    options.input_count = 1;
    options.prompts = (const char *const *)argv + 4;
    options.prompt_count = (size_t)argc - 4;
    options.sinks = &(const struct sowlv2_sink *){&sink};
    options.sink_count = 1;
    sowlv2_detector *detector = NULL;
    sowlv2_segmenter *segmenter = NULL;
    sowlv2_run *run = NULL;
    struct sowlv2_run_report report = {0};
    const bool done = !sowlv2_run_create(&options, &run) && !sowlv2_detector_open(&owl, &detector) &&
                      !sowlv2_segmenter_open(&sam, &segmenter) && !sowlv2_run_start(run, detector, segmenter, &report);
    if (!done)
        fprintf(stderr, "%s\n", sowlv2_error_message());
    sowlv2_run_free(&run);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detector_free(&detector);
    return !done || report.failed > 0;
}
