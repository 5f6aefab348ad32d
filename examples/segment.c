/* Cuts one object out of an image by clicks on it: segment MODEL IMAGE X,Y...
 * The image is encoded once; each click after the first costs the decoder only.
 * Build: cc segment.c $(pkg-config --cflags --libs sowlv2) -o segment */
#include <sowlv2.h>
#include <stdio.h>

enum { MOST_CLICKS = 16 };

static int fail(void)
{
    fprintf(stderr, "%s\n", sowlv2_error_message());
    return 1;
}

/* The object so far: all clicks up to now, and the mask before. */
static int click(sowlv2_segment_session *session, const float *points, size_t count, struct sowlv2_mask *mask)
{
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    options.multimask = count == 1; /* one click may mean a part or the whole: keep the best */
    const struct sowlv2_segment_prompt prompt = {
        .points = points, .point_count = count, .logits = mask->logits, .logits_side = mask->logits_side};
    struct sowlv2_mask next = {0};
    if (sowlv2_segment(session, &prompt, 1, &options, &next) != 0)
        return -1;
    sowlv2_masks_free(mask, 1);
    *mask = next;
    printf("%zu clicks: %lld pixels, score %.3f, around %g,%g,%g,%g\n", count, (long long)mask->area,
           (double)mask->mask_score, (double)mask->box[0], (double)mask->box[1], (double)mask->box[2],
           (double)mask->box[3]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc - 3 > MOST_CLICKS) {
        fprintf(stderr, "usage: %s MODEL IMAGE X,Y...\n", argv[0]);
        return 2;
    }
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    options.model = argv[1];
    sowlv2_segmenter *segmenter = NULL;
    sowlv2_segment_session *session = NULL;
    struct sowlv2_decoded_image decoded = {0};
    struct sowlv2_mask mask = {0};
    float points[2 * MOST_CLICKS];
    int status = sowlv2_segmenter_open(&options, &segmenter) != 0 ||
                         sowlv2_segment_session_create(segmenter, &session) != 0 ||
                         sowlv2_image_decode(argv[2], NULL, 0, NULL, &decoded) != 0 ||
                         sowlv2_segment_set_image(session, &decoded.image, NULL) != 0
                     ? fail()
                     : 0;
    for (int i = 3; i < argc && status == 0; i++) {
        float *point = points + 2 * (i - 3);
        status = sscanf(argv[i], "%f,%f", &point[0], &point[1]) == 2 ? 0 : 2;
        if (status == 0 && click(session, points, (size_t)(i - 2), &mask) != 0)
            status = fail();
    }
    sowlv2_masks_free(&mask, 1);
    sowlv2_decoded_image_free(&decoded);
    sowlv2_segment_session_free(&session);
    sowlv2_segmenter_free(&segmenter);
    return status;
}
