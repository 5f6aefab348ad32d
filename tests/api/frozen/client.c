/* A program as people have them, for any header from 0.1 on: client FOLDER, where the tests' models are. */
#include HEADER
#include <math.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void must(int status, const char *what)
{
    if (status == 0)
        return;
    fprintf(stderr, "client: %s: %d: %s\n", what, status, sowlv2_error_message());
    failures++;
}

static void check(bool fine, const char *what)
{
    if (!fine)
        fprintf(stderr, "client: %s\n", what);
    failures += !fine;
}

static bool never(int done, int total, void *user_data)
{
    (void)done;
    (void)total;
    ++*(int *)user_data;
    return false;
}

static void fill_picture(uint8_t *pixels, int width, int height)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                pixels[3 * (y * width + x) + c] = (uint8_t)((x * 7 + y * 11 + c * 31 + (x > 20 && y > 10) * 90) % 256);
}

int main(int argc, char **argv)
{
    enum { WIDTH = 48, HEIGHT = 36 };
    static uint8_t pixels[3 * WIDTH * HEIGHT];
    const struct sowlv2_image image = {pixels, WIDTH, HEIGHT, 0};
    const char *const words[] = {"a cat", "a dog"};
    const float box[4] = {4, 5, 30, 25};
    char folder[2][1024];
    int calls = 0;
    if (argc != 2)
        return 2;
    snprintf(folder[0], sizeof(folder[0]), "%s/owlv2_tiny", argv[1]);
    snprintf(folder[1], sizeof(folder[1]), "%s/sam2_video_tiny", argv[1]);
    fill_picture(pixels, WIDTH, HEIGHT);

    struct sowlv2_device_options device_options = sowlv2_device_options_default();
    sowlv2_device *device = NULL;
    check(device_options.size == sizeof(device_options) && strcmp(device_options.device, "auto") == 0, "defaults");
    device_options.threads = 1;
    must(sowlv2_device_open(&device_options, &device), "sowlv2_device_open");
    check(sowlv2_device_threads(device) == 1, "sowlv2_device_threads");

    struct sowlv2_model_options model = sowlv2_model_options_default();
    sowlv2_detector *detector = NULL;
    sowlv2_prompts *prompts = NULL;
    sowlv2_detect_session *session = NULL;
    struct sowlv2_prompt_options plain = sowlv2_prompt_options_default();
    struct sowlv2_detect_options detect = sowlv2_detect_options_default();
    struct sowlv2_detections all, some;
    model.model = folder[0];
    model.device = device;
    model.offline = true;
    plain.prompt_template = "{}";
    must(sowlv2_detector_open(&model, &detector), "sowlv2_detector_open");
    must(sowlv2_prompts_encode(detector, words, 2, &plain, &prompts), "sowlv2_prompts_encode");
    must(sowlv2_detect_session_create(detector, &session), "sowlv2_detect_session_create");
    detect.threshold = 0;
    detect.objectness = true;
    must(sowlv2_detect(session, prompts, &image, 1, &detect, &all), "sowlv2_detect");
    check(all.count > 1, "something is detected");
    for (size_t i = 0; i < all.count; i++)
        check(all.items[i].box[0] >= 0 && all.items[i].box[2] <= WIDTH && all.items[i].score > 0 &&
                  all.items[i].objectness >= 0 && all.items[i].prompt >= 0 && all.items[i].prompt < 2,
              "a detection");
    detect.threshold = all.count > 0 ? all.items[0].score : 0;
    must(sowlv2_detect(session, prompts, &image, 1, &detect, &some), "sowlv2_detect");
    check(some.count < all.count, "the threshold counts");
    sowlv2_detections_free(&some);
    detect.progress = never;
    detect.progress_user_data = &calls;
    check(sowlv2_detect(session, prompts, &image, 1, &detect, &some) == SOWLV2_ERROR_CANCELLED && calls == 1,
          "cancelling");

    sowlv2_segmenter *segmenter = NULL;
    sowlv2_segment_session *segment_session = NULL;
    struct sowlv2_segment_options segment = sowlv2_segment_options_default();
    const struct sowlv2_segment_prompt prompt = {.box = box};
    struct sowlv2_mask mask;
    model = sowlv2_segmenter_options_default();
    model.model = folder[1];
    model.device_options = &device_options;
    segment.logits = false;
    must(sowlv2_segmenter_open(&model, &segmenter), "sowlv2_segmenter_open");
    must(sowlv2_segment_session_create(segmenter, &segment_session), "sowlv2_segment_session_create");
    must(sowlv2_segment_set_image(segment_session, &image, NULL), "sowlv2_segment_set_image");
    must(sowlv2_segment(segment_session, &prompt, 1, &segment, &mask), "sowlv2_segment");
    check(mask.width == WIDTH && mask.height == HEIGHT && mask.pixels && !mask.logits && mask.run_count > 0, "a mask");
    sowlv2_masks_free(&mask, 1);

    struct sowlv2_find_options find = sowlv2_find_options_default();
    struct sowlv2_objects objects;
    detect.progress = NULL;
    detect.threshold = 0;
    find.detect = &detect;
    find.segment = &segment;
    must(sowlv2_find(session, prompts, segment_session, &image, 1, &find, &objects), "sowlv2_find");
    check(objects.count == all.count, "an object a detection");
    for (size_t i = 0; i < objects.count; i++)
        check(objects.items[i].index == i && objects.items[i].mask.width == WIDTH, "an object");
    sowlv2_objects_free(&objects);

    struct sowlv2_track_options track = sowlv2_track_options_default();
    struct sowlv2_track_run_options run = sowlv2_track_run_options_default();
    const struct sowlv2_track_prompt asked = {.box = box};
    sowlv2_track_session *tracker = NULL;
    struct sowlv2_tracks tracks;
    track.pixels = true;
    must(sowlv2_track_session_create(segmenter, &track, &tracker), "sowlv2_track_session_create");
    for (int frame = 0; frame < 2; frame++) {
        must(sowlv2_track_set_frame(tracker, frame, &image), "sowlv2_track_set_frame");
        if (frame == 0)
            must(sowlv2_track_prompt(tracker, 7, &asked), "sowlv2_track_prompt");
        must(sowlv2_track_run(tracker, &run, &tracks), "sowlv2_track_run");
        check(tracks.count == 1 && tracks.items[0].object == 7 && tracks.items[0].prompted == (frame == 0) &&
                  tracks.items[0].pointer_length > 0 && tracks.items[0].mask.pixels,
              "a track");
        sowlv2_tracks_free(&tracks);
    }
    sowlv2_track_session_free(&tracker);

    struct sowlv2_merged merged;
    const struct sowlv2_detections frames[2] = {all, all};
    must(sowlv2_merge_detections(frames, 2, 0.7F, &merged), "sowlv2_merge_detections");
    check(merged.detection_count == 2 * all.count && merged.count > 0 && merged.items[0].last_frame == 1, "merging");
    sowlv2_merged_free(&merged);
    sowlv2_detections_free(&all);

    sowlv2_device_free(&device);
    sowlv2_segment_session_free(&segment_session);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&prompts);
    sowlv2_detector_free(&detector);
    return failures > 0;
}
