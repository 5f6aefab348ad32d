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

enum { WIDTH = 48, HEIGHT = 36 };

static void score_frames(const char *folder, const struct sowlv2_image *image)
{
    enum { FRAMES = 12, CHOSEN = 3 };
    struct sowlv2_model_options model = sowlv2_scorer_options_default();
    struct sowlv2_score_options score = sowlv2_score_options_default();
    struct sowlv2_choice_options choice = sowlv2_choice_options_default();
    sowlv2_scorer *scorer = NULL;
    sowlv2_score_session *session = NULL;
    struct sowlv2_frames frames;
    model.model = folder;
    score.importance = SOWLV2_IMPORTANCE_VARIANCE;
    choice.target_frames = CHOSEN;
    choice.spacing = 1;
    must(sowlv2_scorer_open(&model, &scorer), "sowlv2_scorer_open");
    check(sowlv2_scorer_info(scorer).crop_size > 0, "sowlv2_scorer_info");
    must(sowlv2_score_session_create(scorer, &score, &session), "sowlv2_score_session_create");
    for (int i = 0; i < FRAMES; i++)
        must(sowlv2_score_push(session, image, 0.5 * i, i + 1), "sowlv2_score_push");
    must(sowlv2_score_finish(session), "sowlv2_score_finish");
    must(sowlv2_score_choose(session, &choice, &frames), "sowlv2_score_choose");
    check(frames.count == FRAMES && frames.chosen_count == CHOSEN && frames.clip_count > 0, "frames are chosen");
    for (size_t i = 0; i < frames.count; i++)
        check(frames.items[i].number == (int64_t)i + 1 && frames.items[i].source_number == (int64_t)i + 1 &&
                  frames.items[i].time == 0.5 * (double)i && frames.items[i].score >= 0 && frames.items[i].score <= 1,
              "a scored frame");
    sowlv2_frames_free(&frames);
    sowlv2_score_session_free(&session);

    struct sowlv2_key_frames_options key = sowlv2_key_frames_options_default();
    struct sowlv2_key_frames_report report;
    key.frames.first = 2;
    check(key.size == sizeof(key) && key.fps > 0, "defaults of key frames");
    check(sowlv2_key_frames_run(scorer, "/nonexistent.mp4", &key, &report) == SOWLV2_ERROR_IO,
          "a source that is missing");
    sowlv2_key_frames_report_free(&report);
    sowlv2_scorer_free(&scorer);
}

static int give_image(size_t index, struct sowlv2_image *out, void *user_data)
{
    (void)index;
    *out = *(const struct sowlv2_image *)user_data;
    return 0;
}

static int count_frame(const struct sowlv2_run_frame *frame, void *user_data)
{
    check(strcmp(frame->input, "one") == 0 || strcmp(frame->input, "two") == 0, "the name of an image");
    check(!frame->is_video && frame->picture.width == WIDTH && frame->picture.height == HEIGHT, "a picture of the job");
    for (size_t i = 0; i < frame->count; i++)
        check(frame->objects[i].number == (int64_t)i + 1 && frame->objects[i].box && frame->objects[i].mask &&
                  frame->objects[i].prompt_index >= 0 && frame->objects[i].prompt_index < 2,
              "an object of the job");
    *(size_t *)user_data += frame->count;
    return 0;
}

static void run_job(const sowlv2_detector *detector, const sowlv2_segmenter *segmenter, const char *const *words,
                    const struct sowlv2_image *image)
{
    const char *const names[] = {"one", "two"};
    struct sowlv2_image given = *image;
    const struct sowlv2_image_list list = {.names = names, .count = 2, .load = give_image, .user_data = &given};
    size_t objects = 0;
    struct sowlv2_sink sink = sowlv2_sink_default();
    const struct sowlv2_sink *const sinks[] = {&sink};
    struct sowlv2_detect_options detect = sowlv2_detect_options_default();
    struct sowlv2_run_options options = sowlv2_run_options_default();
    struct sowlv2_run_report report;
    sowlv2_run *run = NULL;
    check(options.size == sizeof(options) && options.cuts && options.masks && options.batch_size > 0,
          "defaults of a job");
    sink.frame = count_frame;
    sink.user_data = &objects;
    detect.threshold = 0;
    options.images = &list;
    options.prompts = words;
    options.prompt_count = 2;
    options.prompt_template = "{}";
    options.detect = &detect;
    options.sinks = sinks;
    options.sink_count = 1;
    must(sowlv2_run_create(&options, &run), "sowlv2_run_create");
    check(sowlv2_run_inputs(run).images == 2 && strcmp(sowlv2_run_input(run, false, 1), "two") == 0, "inputs of a job");
    must(sowlv2_run_start(run, detector, segmenter, &report), "sowlv2_run_start");
    check(report.done == 2 && report.failed == 0 && objects > 1, "what a job reports");
    sowlv2_run_free(&run);
}

int main(int argc, char **argv)
{
    static uint8_t pixels[3 * WIDTH * HEIGHT];
    const struct sowlv2_image image = {pixels, WIDTH, HEIGHT, 0};
    const char *const words[] = {"a cat", "a dog"};
    const float box[4] = {4, 5, 30, 25};
    char folder[3][1024];
    int calls = 0;
    if (argc != 2)
        return 2;
    snprintf(folder[0], sizeof(folder[0]), "%s/owlv2_tiny", argv[1]);
    snprintf(folder[1], sizeof(folder[1]), "%s/sam2_video_tiny", argv[1]);
    snprintf(folder[2], sizeof(folder[2]), "%s/vjepa2_tiny", argv[1]);
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

    score_frames(folder[2], &image);
    run_job(detector, segmenter, words, &image);

    sowlv2_device_free(&device);
    sowlv2_segment_session_free(&segment_session);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&prompts);
    sowlv2_detector_free(&detector);
    return failures > 0;
}
