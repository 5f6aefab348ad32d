/* Options of callers that know fewer fields than the library, or more. */
#include "opened.h"
#include "sowlv2_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 1024 };

static int set_up(void **state)
{
    opened_set_up(state);
    must(sowlv2_score_push(score, &image, 0, 1));
    must(sowlv2_score_finish(score));
    return 0;
}

/* ---- a call that takes each struct ---- */

static int take_model(const void *options)
{
    sowlv2_detector *out = NULL;
    const int status = sowlv2_detector_open(options, &out);
    assert_true((status == 0) == (out != NULL));
    sowlv2_detector_free(&out);
    return status;
}

static int take_device(const void *options)
{
    struct sowlv2_model_options model = sowlv2_model_options_default();
    model.model = MODELS "owlv2_tiny";
    model.device_options = options;
    return take_model(&model);
}

static int take_prompt(const void *options)
{
    sowlv2_prompts *out = NULL;
    const int status = sowlv2_prompts_encode(detector, words, 2, options, &out);
    sowlv2_prompts_free(&out);
    return status;
}

static int take_detect(const void *options)
{
    struct sowlv2_detections out;
    const int status = sowlv2_detect(session, prompts, &image, 1, options, &out);
    sowlv2_detections_free(&out);
    return status;
}

static int take_segment(const void *options)
{
    const float box[4] = {3, 3, 20, 20};
    const struct sowlv2_segment_prompt prompt = {.box = box};
    struct sowlv2_mask mask;
    must(sowlv2_segment_set_image(segment_session, &image, NULL));
    const int status = sowlv2_segment(segment_session, &prompt, 1, options, &mask);
    sowlv2_masks_free(&mask, 1);
    assert_int_equal(sowlv2_segment_set_image(segment_session, &image, options), status);
    return status;
}

static int take_find(const void *options)
{
    struct sowlv2_objects out;
    const int status = sowlv2_find(session, prompts, segment_session, &image, 1, options, &out);
    sowlv2_objects_free(&out);
    return status;
}

static int take_found_detect(const void *options)
{
    struct sowlv2_find_options find = sowlv2_find_options_default();
    find.detect = options;
    return take_find(&find);
}

static int take_found_segment(const void *options)
{
    struct sowlv2_find_options find = sowlv2_find_options_default();
    struct sowlv2_detect_options all = sowlv2_detect_options_default();
    all.threshold = 0;
    find.detect = &all;
    find.segment = options;
    return take_find(&find);
}

static int take_track(const void *options)
{
    sowlv2_track_session *out = NULL;
    const int status = sowlv2_track_session_create(segmenter, options, &out);
    sowlv2_track_session_free(&out);
    return status;
}

static int take_track_run(const void *options)
{
    struct sowlv2_tracks out;
    const int status = sowlv2_track_run(track, options, &out);
    sowlv2_tracks_free(&out);
    return status;
}

static int take_score(const void *options)
{
    sowlv2_score_session *out = NULL;
    const int status = sowlv2_score_session_create(scorer, options, &out);
    sowlv2_score_session_free(&out);
    return status;
}

static int take_choice(const void *options)
{
    struct sowlv2_frames out;
    const int status = sowlv2_score_choose(score, options, &out);
    sowlv2_frames_free(&out);
    assert_int_equal(sowlv2_choice_check(options), status);
    return status;
}

static int take_key_frames(const void *options)
{
    struct sowlv2_key_frames_report report;
    const int status = sowlv2_key_frames_run(scorer, TEST_DATA "/media/data/apple.png", options, &report);
    sowlv2_key_frames_report_free(&report);
    return status;
}

static int take_key_frames_score(const void *options)
{
    struct sowlv2_key_frames_options run = sowlv2_key_frames_options_default();
    run.score = options;
    return take_key_frames(&run);
}

static int take_key_frames_choice(const void *options)
{
    struct sowlv2_key_frames_options run = sowlv2_key_frames_options_default();
    run.choice = options;
    return take_key_frames(&run);
}

/* The same of `type` without a name for each. */
#define INIT(name)                                                                                                     \
    static void init_##name(void *options, size_t size)                                                                \
    {                                                                                                                  \
        sowlv2_##name##_options_init(options, size);                                                                   \
    }
INIT(device)
INIT(prompt)
INIT(detect)
INIT(segment)
INIT(find)
INIT(track)
INIT(track_run)
INIT(score)
INIT(choice)
INIT(key_frames)

static void init_model(void *options, size_t size)
{
    struct sowlv2_model_options *const model = options;
    sowlv2_model_options_init(model, size);
    model->model = MODELS "owlv2_tiny";
}

static const struct kind {
    const char *name;
    size_t size;
    void (*init)(void *options, size_t size);
    int (*take)(const void *options);
} kinds[] = {
    {"device", sizeof(struct sowlv2_device_options), init_device, take_device},
    {"model", sizeof(struct sowlv2_model_options), init_model, take_model},
    {"prompt", sizeof(struct sowlv2_prompt_options), init_prompt, take_prompt},
    {"detect", sizeof(struct sowlv2_detect_options), init_detect, take_detect},
    {"detect", sizeof(struct sowlv2_detect_options), init_detect, take_found_detect},
    {"segment", sizeof(struct sowlv2_segment_options), init_segment, take_segment},
    {"segment", sizeof(struct sowlv2_segment_options), init_segment, take_found_segment},
    {"find", sizeof(struct sowlv2_find_options), init_find, take_find},
    {"track", sizeof(struct sowlv2_track_options), init_track, take_track},
    {"track_run", sizeof(struct sowlv2_track_run_options), init_track_run, take_track_run},
    {"score", sizeof(struct sowlv2_score_options), init_score, take_score},
    {"score", sizeof(struct sowlv2_score_options), init_score, take_key_frames_score},
    {"choice", sizeof(struct sowlv2_choice_options), init_choice, take_choice},
    {"choice", sizeof(struct sowlv2_choice_options), init_choice, take_key_frames_choice},
    {"key_frames", sizeof(struct sowlv2_key_frames_options), init_key_frames, take_key_frames},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* What a caller with a struct of `size` bytes has in hand; nothing after it is his. */
static void *make(const struct kind *kind, size_t size)
{
    static uint64_t room[ROOM / sizeof(uint64_t)];
    memset(room, 0xff, sizeof(room));
    kind->init(room, size);
    return room;
}

static void says(const struct kind *kind, const char *text)
{
    char name[64];
    snprintf(name, sizeof(name), "struct sowlv2_%s_options", kind->name);
    assert_non_null(strstr(sowlv2_error_message(), name));
    assert_non_null(strstr(sowlv2_error_message(), text));
}

static void takes_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        must(kinds[i].take(make(&kinds[i], kinds[i].size)));
}

/* Of an older header: all that is not the caller's is 0xff here, and must not be looked at. */
static void takes_shorter(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        for (size_t size = 16; size < kinds[i].size; size += 8)
            must(kinds[i].take(make(&kinds[i], size)));
}

static void takes_longer_without_a_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        must(kinds[i].take(make(&kinds[i], kinds[i].size + 24)));
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t at = 0; at < 24; at += 23) {
            uint8_t *const options = make(&kinds[i], kinds[i].size + 24);
            options[kinds[i].size + at] = 1;
            assert_int_equal(kinds[i].take(options), SOWLV2_ERROR_UNSUPPORTED);
            says(&kinds[i], "newer library");
        }
    }
}

static void refuses_sizes_that_nobody_set(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 8, 17, SIZE_MAX, (size_t)1 << 32};
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            uint8_t *const options = make(&kinds[i], kinds[i].size);
            memcpy(options, &sizes[j], sizeof(sizes[j]));
            assert_int_equal(kinds[i].take(options), SOWLV2_ERROR_ARGUMENT);
            says(&kinds[i], "_options_default()");
        }
    }
}

/* A field that the caller knows counts, whatever the size; one that it does not know is as by default. */
static void reads_what_is_covered(void **state)
{
    (void)state;
    struct sowlv2_detections all, some;
    struct sowlv2_detect_options options = sowlv2_detect_options_default();
    options.threshold = 0;
    must(sowlv2_detect(session, prompts, &image, 1, &options, &all));
    assert_true(all.count > 0);
    for (size_t i = 0; i < all.count; i++)
        for (int side = 0; side < 4; side++)
            assert_in_range(all.items[i].box[side], 0, side % 2 == 0 ? 40 : 30);
    sowlv2_detections_free(&all);

    options.clip = false;
    must(sowlv2_detect(session, prompts, &image, 1, &options, &all));
    options.size = offsetof(struct sowlv2_detect_options, objectness); /* the header ended before `clip` */
    must(sowlv2_detect(session, prompts, &image, 1, &options, &some));
    assert_true(some.count > 0);
    for (size_t i = 0; i < some.count; i++)
        assert_true(some.items[i].box[0] >= 0 && some.items[i].box[2] <= 40 && some.items[i].box[1] >= 0 &&
                    some.items[i].box[3] <= 30);
    sowlv2_detections_free(&some);
    options.threshold = 2;
    must(sowlv2_detect(session, prompts, &image, 1, &options, &some));
    assert_int_equal(some.count, 0);
    sowlv2_detections_free(&all);
}

static void fills_what_the_caller_has(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const size_t sizes[] = {8, 16, kinds[i].size, kinds[i].size + 40};
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            if (kinds[i].take == take_model && sizes[j] < 16)
                continue; /* no place for the model here */
            const uint8_t *const options = make(&kinds[i], sizes[j]);
            size_t size;
            memcpy(&size, options, sizeof(size));
            assert_int_equal(size, sizes[j]);
            for (size_t k = sizes[j]; k < ROOM; k++)
                assert_int_equal(options[k], 0xff);
            for (size_t k = kinds[i].size; k < sizes[j]; k++)
                assert_int_equal(options[k], 0);
        }
    }
    uint8_t few[8];
    memset(few, 0xff, sizeof(few));
    sowlv2_find_options_init((struct sowlv2_find_options *)(void *)few, 7);
    sowlv2_find_options_init(NULL, 64);
    assert_int_equal(few[0], 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_its_own),
        cmocka_unit_test(takes_shorter),
        cmocka_unit_test(takes_longer_without_a_word),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(refuses_sizes_that_nobody_set),
        cmocka_unit_test(reads_what_is_covered),
        cmocka_unit_test(fills_what_the_caller_has),
    };
    return cmocka_run_group_tests(tests, set_up, opened_tear_down);
}
