/* Every function that can fail, with each of its pointers NULL in turn: ARGUMENT where the pointer is needed, success
 * where it may be NULL, and nothing left in what `out` names. tests/api/header.sh sees to it that all are here. */
#include "goldens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 8, ROOM = 256, DIRT = 0x51 };

static sowlv2_detector *detector;
static sowlv2_prompts *prompts;
static sowlv2_detect_session *session;
static sowlv2_segmenter *segmenter;
static sowlv2_segment_session *segment_session;
static sowlv2_track_session *track;
static sowlv2_tokenizer *tokenizer;
static sowlv2_device *device;
static sowlv2_merger *merger;

static uint8_t grey[30][40][3];
static struct sowlv2_image image = {&grey[0][0][0], 40, 30, 0};
static const char *words[] = {"cat", "dog"};
static struct sowlv2_model_options owlv2, sam2, tokens, nowhere;
static struct sowlv2_prompt_options prompt_options;
static struct sowlv2_detect_options detect_options;
static struct sowlv2_segment_options segment_options;
static struct sowlv2_find_options find_options;
static struct sowlv2_track_options track_options;
static struct sowlv2_track_run_options track_run_options;
static struct sowlv2_device_options device_options;
static struct sowlv2_memory_use memory_use = {.size = sizeof(memory_use)};
static struct sowlv2_image_options image_options;
static float box[4] = {3, 3, 20, 20};
static struct sowlv2_segment_prompt segment_prompt = {.box = box};
static struct sowlv2_track_prompt track_prompt = {.box = box};
static struct sowlv2_detection detection = {.box = {3, 3, 20, 20}, .score = 0.5F};
static struct sowlv2_detections detections = {.items = &detection, .count = 1};
static uint32_t runs[] = {0, 4};
static struct sowlv2_mask mask = {.width = 2, .height = 2, .runs = runs, .run_count = 2, .area = 4};
static bool taken[64];
static int32_t ids[256];
static uint8_t pixels[4];
static char cat[] = "cat", picture[] = TEST_DATA "/media/data/exif_1.jpg", no_picture[] = TEST_DATA "/nonexistent";
static struct sowlv2_image no_image;
static struct sowlv2_segment_prompt no_prompt;
static struct sowlv2_mask no_runs = {.width = 3, .height = 3};
static uint8_t out[ROOM], second[ROOM];

/* ---- the calls: what they made is gone afterwards ---- */

#define CALL(name, call, after)                                                                                        \
    static int call_##name(void *const *a)                                                                             \
    {                                                                                                                  \
        const int status = call;                                                                                       \
        if (status == 0)                                                                                               \
            after;                                                                                                     \
        return status;                                                                                                 \
    }

CALL(detector_open, sowlv2_detector_open(a[0], a[1]), sowlv2_detector_free(a[1]))
CALL(segmenter_open, sowlv2_segmenter_open(a[0], a[1]), sowlv2_segmenter_free(a[1]))
CALL(tokenizer_open, sowlv2_tokenizer_open(a[0], a[1]), sowlv2_tokenizer_free(a[1]))
CALL(pull, sowlv2_pull(a[0], a[1], a[2]), sowlv2_string_free(a[1]))
CALL(models_cached, sowlv2_models_cached("/nonexistent", a[0]), sowlv2_model_list_free(a[0]))
CALL(models_installed, sowlv2_models_installed(a[0]), sowlv2_model_list_free(a[0]))
CALL(tokenizer_encode, sowlv2_tokenizer_encode(a[0], a[1], a[2]), (void)a)
CALL(detector_tokenize, sowlv2_detector_tokenize(a[0], a[1], a[2]), (void)a)
CALL(device_open, sowlv2_device_open(a[0], a[1]), sowlv2_device_free(a[1]))
CALL(device_memory, sowlv2_device_memory(a[0], a[1], a[2]), (void)a)
CALL(device_memory_use, sowlv2_device_memory_use(a[0], a[1]), (void)a)
CALL(device_memory_release, sowlv2_device_memory_release(a[0]), (void)a)
CALL(devices_list, sowlv2_devices_list(a[0]), sowlv2_devices_free(a[0]))
CALL(image_decode, sowlv2_image_decode(a[0], NULL, 0, a[1], a[2]), sowlv2_decoded_image_free(a[2]))
CALL(prompts_encode, sowlv2_prompts_encode(a[0], (const char *const *)a[1], 2, a[2], a[3]), sowlv2_prompts_free(a[3]))
CALL(detect_session_create, sowlv2_detect_session_create(a[0], a[1]), sowlv2_detect_session_free(a[1]))
CALL(detect, sowlv2_detect(a[0], a[1], a[2], 1, a[3], a[4]), sowlv2_detections_free(a[4]))
CALL(detect_scores, sowlv2_detect_scores(a[0], 0, a[1], 0.5F, a[2], 2), (void)a)
CALL(segmenter_prepare_tracking, sowlv2_segmenter_prepare_tracking(a[0]), (void)a)
CALL(segment_session_create, sowlv2_segment_session_create(a[0], a[1]), sowlv2_segment_session_free(a[1]))
CALL(segment_set_image, sowlv2_segment_set_image(a[0], a[1], a[2]), (void)a)
CALL(segment, sowlv2_segment(a[0], a[1], 1, a[2], a[3]), sowlv2_masks_free(a[3], 1))
CALL(mask_to_pixels, sowlv2_mask_to_pixels(a[0], a[1]), (void)a)
CALL(mask_rle, sowlv2_mask_rle(a[0], a[1]), sowlv2_string_free(a[1]))
CALL(find, sowlv2_find(a[0], a[1], a[2], a[3], 1, a[4], a[5]), sowlv2_objects_free(a[5]))
CALL(segment_objects, sowlv2_segment_objects(a[0], a[1], a[2], 1, a[3], a[4]), sowlv2_objects_free(a[4]))
CALL(segment_detected, sowlv2_segment_objects(a[0], a[1], NULL, 1, a[2], a[3]), sowlv2_objects_free(a[3]))
CALL(track_session_create, sowlv2_track_session_create(a[0], a[1], a[2]), sowlv2_track_session_free(a[2]))
CALL(track_set_frame, sowlv2_track_set_frame(a[0], 1, a[1]), (void)a)
CALL(track_return, sowlv2_track_return(a[0], 0), (void)a)
CALL(track_prompt, sowlv2_track_prompt(a[0], 1, a[1]), (void)a)
CALL(track_remove, sowlv2_track_remove(a[0], 1), (void)a)
CALL(track_run, sowlv2_track_run(a[0], a[1], a[2]), sowlv2_tracks_free(a[2]))
CALL(merge_detections, sowlv2_merge_detections(a[0], 1, 0.7F, a[1]), sowlv2_merged_free(a[1]))
CALL(merger_create, sowlv2_merger_create(0.7F, a[0]), sowlv2_merger_free(a[0]))
CALL(merger_add, sowlv2_merger_add(a[0], -1, 0, 0, a[1], a[2]), (void)a)

/* Of its pointers: 'n' needed, 'o' may be NULL, 'w' needed and written to, 'c' needed and cleared by every error, 'd'
 * cleared too, and may be NULL. `clears` bytes of each 'c' or 'd' are cleared. */
static const struct entry {
    const char *name;
    int (*call)(void *const *arguments);
    const char *pointers;
    size_t clears;
    void *arguments[MOST];
} entries[] = {
#define ENTRY(name, pointers, clears, ...)                                                                             \
    {                                                                                                                  \
        "sowlv2_" #name, call_##name, pointers, clears,                                                                \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
    ENTRY(detector_open, "nc", sizeof(void *), &owlv2, out),
    ENTRY(segmenter_open, "nc", sizeof(void *), &sam2, out),
    ENTRY(tokenizer_open, "nc", sizeof(void *), &tokens, out),
    ENTRY(pull, "nc-", sizeof(void *), &nowhere, out, second),
    ENTRY(models_cached, "c", sizeof(struct sowlv2_model_list), out),
    ENTRY(models_installed, "c", sizeof(struct sowlv2_model_list), out),
    ENTRY(tokenizer_encode, "Tnw", 0, NULL, cat, ids),
    ENTRY(detector_tokenize, "Dnw", 0, NULL, cat, ids),
    ENTRY(device_open, "oc", sizeof(void *), &device_options, out),
    ENTRY(device_memory, "Vcc", sizeof(int64_t), NULL, out, second),
    ENTRY(device_memory_use, "Vw", 0, NULL, &memory_use),
    ENTRY(device_memory_release, "V", 0, NULL),
    ENTRY(devices_list, "c", sizeof(struct sowlv2_devices), out),
    ENTRY(image_decode, "noc", sizeof(struct sowlv2_decoded_image), picture, &image_options, out),
    ENTRY(prompts_encode, "Dnoc", sizeof(void *), NULL, words, &prompt_options, out),
    ENTRY(detect_session_create, "Dc", sizeof(void *), NULL, out),
    ENTRY(detect, "SPnoc", sizeof(struct sowlv2_detections), NULL, NULL, &image, &detect_options, out),
    ENTRY(detect_scores, "Snw", 0, NULL, box, out),
    ENTRY(segmenter_prepare_tracking, "G", 0, NULL),
    ENTRY(segment_session_create, "Gc", sizeof(void *), NULL, out),
    ENTRY(segment_set_image, "Eno", 0, NULL, &image, &segment_options),
    ENTRY(segment, "Enoc", sizeof(struct sowlv2_mask), NULL, &segment_prompt, &segment_options, out),
    ENTRY(mask_to_pixels, "nw", 0, &mask, pixels),
    ENTRY(mask_rle, "nc", sizeof(void *), &mask, out),
    ENTRY(find, "SPEnoc", sizeof(struct sowlv2_objects), NULL, NULL, NULL, &image, &find_options, out),
    ENTRY(segment_objects, "Eoooc", sizeof(struct sowlv2_objects), NULL, &detection, &segment_prompt, &find_options,
          out),
    ENTRY(segment_detected, "Enoc", sizeof(struct sowlv2_objects), NULL, &detection, &find_options, out),
    ENTRY(track_session_create, "Goc", sizeof(void *), NULL, &track_options, out),
    ENTRY(track_set_frame, "Kn", 0, NULL, &image),
    ENTRY(track_return, "K", 0, NULL),
    ENTRY(track_prompt, "Kn", 0, NULL, &track_prompt),
    ENTRY(track_run, "Koc", sizeof(struct sowlv2_tracks), NULL, &track_run_options, out),
    ENTRY(track_remove, "K", 0, NULL),
    ENTRY(merge_detections, "nc", sizeof(struct sowlv2_merged), &detections, out),
    ENTRY(merger_create, "c", sizeof(void *), out),
    ENTRY(merger_add, "Mnc", sizeof(size_t), NULL, &detection, out),
};

/* What is made at run time; needed everywhere. */
static void *made(char kind)
{
    switch (kind) {
    case 'D':
        return detector;
    case 'P':
        return prompts;
    case 'S':
        return session;
    case 'G':
        return segmenter;
    case 'E':
        return segment_session;
    case 'K':
        return track;
    case 'T':
        return tokenizer;
    case 'V':
        return device;
    case 'M':
        return merger;
    default:
        return NULL;
    }
}

static int set_up(void **state)
{
    (void)state;
    owlv2 = sam2 = tokens = nowhere = sowlv2_model_options_default();
    owlv2.model = tokens.model = MODELS "owlv2_tiny";
    sam2.model = MODELS "sam2_video_tiny";
    nowhere.model = "nobody/nothing";
    nowhere.offline = true;
    prompt_options = sowlv2_prompt_options_default();
    detect_options = sowlv2_detect_options_default();
    segment_options = sowlv2_segment_options_default();
    find_options = sowlv2_find_options_default();
    track_options = sowlv2_track_options_default();
    track_run_options = sowlv2_track_run_options_default();
    device_options = sowlv2_device_options_default();
    image_options = sowlv2_image_options_default();
    must(sowlv2_device_open(NULL, &device));
    must(sowlv2_detector_open(&owlv2, &detector));
    must(sowlv2_prompts_encode(detector, words, 2, NULL, &prompts));
    must(sowlv2_detect_session_create(detector, &session));
    must(sowlv2_tokenizer_open(&tokens, &tokenizer));
    assert_true(sowlv2_tokenizer_length(tokenizer) <= 256);
    segmenter = open_segmenter("sam2_video_tiny", 0);
    must(sowlv2_segment_session_create(segmenter, &segment_session));
    must(sowlv2_segment_set_image(segment_session, &image, NULL));
    struct sowlv2_track_options keeps = track_options;
    keeps.keep_frames = 4;
    must(sowlv2_track_session_create(segmenter, &keeps, &track));
    must(sowlv2_track_set_frame(track, 0, &image));
    must(sowlv2_merger_create(0.7F, &merger));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sowlv2_merger_free(&merger);
    sowlv2_track_session_free(&track);
    sowlv2_segment_session_free(&segment_session);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_tokenizer_free(&tokenizer);
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&prompts);
    sowlv2_detector_free(&detector);
    sowlv2_device_free(&device);
    return 0;
}

static bool is_clear(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Puts the arguments together, without number `missing`; what is cleared begins dirty. */
static void prepare(const struct entry *entry, int missing, void **arguments)
{
    memset(out, DIRT, sizeof(out));
    memset(second, DIRT, sizeof(second));
    for (int i = 0; entry->pointers[i] != '\0'; i++) {
        void *const there = made(entry->pointers[i]);
        arguments[i] = i == missing ? NULL : there ? there : entry->arguments[i];
    }
}

static void check_cleared(const struct entry *entry, int missing, void *const *arguments)
{
    for (int i = 0; entry->pointers[i] != '\0'; i++)
        if (entry->pointers[i] == 'c' && i != missing && !is_clear(arguments[i], entry->clears))
            fail_msg("%s without pointer %d: pointer %d names something still", entry->name, missing, i);
}

static void each_pointer_in_turn(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof(entries) / sizeof(entries[0]); k++) {
        const struct entry *const entry = &entries[k];
        for (int i = 0; entry->pointers[i] != '\0'; i++) {
            void *arguments[MOST] = {NULL};
            const char kind = entry->pointers[i];
            if (kind == '-')
                continue; /* may be NULL, and nothing here succeeds */
            prepare(entry, i, arguments);
            const int status = entry->call(arguments);
            const int wanted = kind == 'o' ? 0 : SOWLV2_ERROR_ARGUMENT;
            if (status != wanted)
                fail_msg("%s without pointer %d: %d, not %d: %s", entry->name, i, status, wanted,
                         sowlv2_error_message());
            if (status == 0)
                continue;
            check_cleared(entry, i, arguments);
            if (strncmp(entry->name, "sowlv2_segment_detected", 23) != 0 &&
                !strstr(sowlv2_error_message(), entry->name))
                fail_msg("%s without pointer %d does not say where: %s", entry->name, i, sowlv2_error_message());
        }
    }
}

/* An error of another kind clears too: models that are not there, images that nobody can read, a session of another
 * detector. */
static void other_errors_clear(void **state)
{
    (void)state;
    static const struct entry failing[] = {
        ENTRY(detector_open, "nc", sizeof(void *), &nowhere, out),
        ENTRY(segmenter_open, "nc", sizeof(void *), &owlv2, out), /* a detector is no segmenter */
        ENTRY(tokenizer_open, "nc", sizeof(void *), &sam2, out),
        ENTRY(pull, "nc", sizeof(void *), &nowhere, out),
        ENTRY(image_decode, "noc", sizeof(struct sowlv2_decoded_image), no_picture, &image_options, out),
        ENTRY(detect, "SPnoc", sizeof(struct sowlv2_detections), NULL, NULL, &no_image, NULL, out),
        ENTRY(find, "SPEnoc", sizeof(struct sowlv2_objects), NULL, NULL, NULL, &no_image, NULL, out),
        ENTRY(segment, "Enoc", sizeof(struct sowlv2_mask), NULL, &no_prompt, NULL, out),
        ENTRY(mask_rle, "nc", sizeof(void *), &no_runs, out),
    };
    must(sowlv2_segment_set_image(segment_session, &image, NULL));
    for (size_t k = 0; k < sizeof(failing) / sizeof(failing[0]); k++) {
        void *arguments[MOST] = {NULL};
        prepare(&failing[k], -1, arguments);
        if (failing[k].call(arguments) >= 0)
            fail_msg("%s (%zu) succeeded", failing[k].name, k);
        check_cleared(&failing[k], -1, arguments);
    }
}

/* Functions that give a value give 0 or NULL for NULL. */
static void values_of_nothing(void **state)
{
    (void)state;
    size_t count = 7;
    assert_null(sowlv2_cpu_level(-1));
    assert_null(sowlv2_detector_device(NULL));
    assert_null(sowlv2_device_name(NULL));
    assert_null(sowlv2_device_description(NULL));
    assert_null(sowlv2_device_cpu_level(NULL));
    assert_null(sowlv2_device_precision(NULL));
    assert_int_equal(sowlv2_device_threads(NULL), 0);
    assert_int_equal(sowlv2_tokenizer_length(NULL), 0);
    assert_int_equal(sowlv2_merger_find(NULL, &detection, taken), -1);
    assert_int_equal(sowlv2_merger_find(merger, NULL, taken), -1);
    assert_null(sowlv2_merger_objects(NULL, &count));
    assert_int_equal(count, 0);
    sowlv2_merger_objects(merger, NULL);
    sowlv2_devices_free(NULL);
    sowlv2_device_free(NULL);
    sowlv2_tokenizer_free(NULL);
    sowlv2_model_list_free(NULL);
    sowlv2_decoded_image_free(NULL);
    sowlv2_merger_free(NULL);
    sowlv2_string_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pointer_in_turn),
        cmocka_unit_test(other_errors_clear),
        cmocka_unit_test(values_of_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
