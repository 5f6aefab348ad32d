/* Which model a folder is for, and what is said about one that is for none of the kind that is wanted. */
#include "engine/models.h"

#include "base/test_folder.h"
#include "engine/detector.h"
#include "engine/scorer.h"
#include "engine/segmenter.h"
#include "models/owlv2/owlv2.h"
#include "models/sam2/sam2.h"
#include "models/vjepa2/vjepa2.h"
#include "sowlv2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODELS TEST_DATA "/models/data/"

static struct device *device;

static int open_device(void **state)
{
    (void)state;
    return device_open(&(struct device_options){.device = "reference", .threads = 1}, &device);
}

static int close_device(void **state)
{
    (void)state;
    device_close(&device);
    return 0;
}

static void test_found(void **state)
{
    (void)state;
    const struct detector_model *detector;
    const struct segmenter_model *segmenter;
    const struct scorer_model *scorer;
    assert_int_equal(find_detector(MODELS "owlv2_tiny", &detector), 0);
    assert_string_equal(detector->kind, "owlv2");
    assert_int_equal(find_segmenter(MODELS "sam2_tiny", &segmenter), 0);
    assert_string_equal(segmenter->kind, "sam2");
    assert_int_equal(find_segmenter(MODELS "sam2_video_tiny", &segmenter), 0);
    assert_string_equal(segmenter->kind, "sam2");
    assert_int_equal(find_scorer(MODELS "vjepa2_tiny", &scorer), 0);
    assert_string_equal(scorer->kind, "vjepa2");
}

/* What opens a folder: through the engine, or the model itself. */
enum opener { DETECTOR, SEGMENTER, SCORER, OPENERS };

static int open_by_engine(enum opener opener, const char *folder)
{
    struct detector *detector = NULL;
    struct segmenter *segmenter = NULL;
    struct scorer *scorer = NULL;
    const int status = opener == DETECTOR    ? detector_open(folder, device, &detector)
                       : opener == SEGMENTER ? segmenter_open(folder, device, &segmenter)
                                             : scorer_open(folder, device, &scorer);
    assert_true(status != 0 || detector || segmenter || scorer);
    assert_true(status == 0 || (!detector && !segmenter && !scorer));
    detector_free(&detector);
    segmenter_free(&segmenter);
    scorer_free(&scorer);
    return status;
}

static int open_by_model(enum opener opener, const char *folder)
{
    struct owlv2 *owlv2 = NULL;
    struct sam2 *sam2 = NULL;
    struct vjepa2 *vjepa2 = NULL;
    const int status = opener == DETECTOR    ? owlv2_open(folder, device, &owlv2)
                       : opener == SEGMENTER ? sam2_open(folder, device, &sam2)
                                             : vjepa2_open(folder, device, &vjepa2);
    owlv2_free(&owlv2);
    sam2_free(&sam2);
    vjepa2_free(&vjepa2);
    return status;
}

static void expect_refused(enum opener opener, const char *folder, int status, const char *says)
{
    if (open_by_engine(opener, folder) != status || !strstr(sowlv2_error_message(), says))
        fail_msg("%s: expected \"%s\" in: %s", folder, says, sowlv2_error_message());
    char *const message = strdup(sowlv2_error_message());
    assert_non_null(message);
    /* The model itself says the same. */
    assert_int_equal(open_by_model(opener, folder), status);
    assert_string_equal(sowlv2_error_message(), message);
    free(message);
}

static const char *const needs[OPENERS] = {
    "but detection needs OWLv2: give for example google/owlv2-base-patch16-ensemble",
    "but segmentation needs SAM 2 or 2.1: give for example facebook/sam2.1-hiera-small",
    "but key frames needs V-JEPA 2: give for example facebook/vjepa2-vitl-fpc16-256-ssv2",
};

/* A folder of another kind: what it is, what it is good for, what is needed. */
static void test_other_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *says;
        enum opener right;
    } rows[] = {
        {MODELS "owlv2_tiny", "this is an OWLv2 model, good for detection", DETECTOR},
        {MODELS "sam2_tiny", "this is a SAM 2 model, good for segmentation", SEGMENTER},
        {MODELS "sam2_video_tiny", "this is a SAM 2 model, good for segmentation", SEGMENTER},
        {MODELS "vjepa2_tiny", "this is a V-JEPA 2 model, good for key frames", SCORER},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (enum opener opener = DETECTOR; opener < OPENERS; opener++) {
            if (opener == rows[i].right) {
                assert_int_equal(open_by_engine(opener, rows[i].folder), 0);
                continue;
            }
            expect_refused(opener, rows[i].folder, SOWLV2_ERROR_MODEL, rows[i].says);
            expect_refused(opener, rows[i].folder, SOWLV2_ERROR_MODEL, needs[opener]);
        }
    }
}

/* A folder whose config.json is this text; NULL: it has none. */
static void test_no_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        const char *says;
    } rows[] = {
        {NULL, SOWLV2_ERROR_MODEL, "config.json"},
        {"", SOWLV2_ERROR_FORMAT, "config.json"},
        {"{\"model_type\": ", SOWLV2_ERROR_FORMAT, "config.json"},
        {"{\"model_type\": 7}", SOWLV2_ERROR_FORMAT, "model_type"},
        {"{}", SOWLV2_ERROR_MODEL, "a model that does not say what it is"},
        {"{\"model_type\": \"bert\"}", SOWLV2_ERROR_MODEL, "model_type is \"bert\": this is another kind of model"},
        {"{\"model_type\": \"sam3_video\"}", SOWLV2_ERROR_MODEL, "this is a SAM 3 model"},
        {"{\"model_type\": \"owlvit\"}", SOWLV2_ERROR_MODEL, "an OWL-ViT model of version 1"},
        {"{\"model_type\": \"vjepa21\"}", SOWLV2_ERROR_MODEL, "a V-JEPA 2.1 model"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *const folder = test_folder_make();
        if (rows[i].text)
            test_write_text(folder, "config.json", rows[i].text);
        for (enum opener opener = DETECTOR; opener < OPENERS; opener++)
            expect_refused(opener, folder, rows[i].status, rows[i].says);
        test_folder_remove(folder);
    }
    for (enum opener opener = DETECTOR; opener < OPENERS; opener++)
        expect_refused(opener, "/nonexistent/model", SOWLV2_ERROR_MODEL, "/nonexistent/model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_no_kind),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
