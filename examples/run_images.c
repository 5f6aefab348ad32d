/* A whole job: finds the prompts in images and folders of them, cuts each object out, writes all to out/:
 * run_images OWLV2_MODEL SAM2_MODEL INPUT PROMPT...
 * Build: cc run_images.c $(pkg-config --cflags --libs sowlv2) -o run_images */
#include <sowlv2_run.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: %s OWLV2_MODEL SAM2_MODEL INPUT PROMPT...\n", argv[0]);
        return 2;
    }
    struct sowlv2_model_options owl = sowlv2_model_options_default(), sam = sowlv2_segmenter_options_default();
    owl.model = argv[1];
    sam.model = argv[2];
    struct sowlv2_run_options options = sowlv2_run_options_default();
    options.inputs = (const char *const *)argv + 3;
    options.input_count = 1;
    options.prompts = (const char *const *)argv + 4;
    options.prompt_count = (size_t)argc - 4;
    options.output = "out";

    sowlv2_detector *detector = NULL;
    sowlv2_segmenter *segmenter = NULL;
    sowlv2_run *run = NULL;
    struct sowlv2_run_report report = {0};
    const int status = sowlv2_run_create(&options, &run) != 0 || sowlv2_detector_open(&owl, &detector) != 0 ||
                       sowlv2_segmenter_open(&sam, &segmenter) != 0 ||
                       sowlv2_run_start(run, detector, segmenter, &report) != 0;
    if (status)
        fprintf(stderr, "%s\n", sowlv2_error_message());
    printf("%lld done, %lld failed: see out/results.jsonl\n", (long long)report.done, (long long)report.failed);
    sowlv2_run_free(&run);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detector_free(&detector);
    return status || report.failed > 0;
}
