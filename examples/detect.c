/* Finds the prompts in one image: detect MODEL IMAGE PROMPT...
 * Build: cc detect.c $(pkg-config --cflags --libs sowlv2) -o detect */
#include <sowlv2.h>
#include <stdio.h>

static int fail(void)
{
    fprintf(stderr, "%s\n", sowlv2_error_message());
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s MODEL IMAGE PROMPT...\n", argv[0]);
        return 2;
    }
    struct sowlv2_model_options options = sowlv2_model_options_default();
    options.model = argv[1];
    const char *const *prompts = (const char *const *)(argv + 3);

    sowlv2_detector *detector = NULL;
    sowlv2_prompts *encoded = NULL;
    sowlv2_detect_session *session = NULL;
    struct sowlv2_decoded_image decoded = {0};
    struct sowlv2_detections found = {0};
    const int status = sowlv2_detector_open(&options, &detector) != 0 ||
                               sowlv2_prompts_encode(detector, prompts, (size_t)argc - 3, NULL, &encoded) != 0 ||
                               sowlv2_detect_session_create(detector, &session) != 0 ||
                               sowlv2_image_decode(argv[2], NULL, 0, NULL, &decoded) != 0 ||
                               sowlv2_detect(session, encoded, &decoded.image, 1, NULL, &found) != 0
                           ? fail()
                           : 0;
    for (size_t i = 0; i < found.count; i++) {
        const struct sowlv2_detection *item = &found.items[i];
        printf("%s %.3f at %.1f %.1f %.1f %.1f\n", prompts[item->prompt], (double)item->score, (double)item->box[0],
               (double)item->box[1], (double)item->box[2], (double)item->box[3]);
    }
    sowlv2_detections_free(&found);
    sowlv2_decoded_image_free(&decoded);
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&encoded);
    sowlv2_detector_free(&detector);
    return status;
}
