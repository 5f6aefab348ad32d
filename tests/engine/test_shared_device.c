/* Devices that models share: the same options give the same one, others do not. */
#include "engine/shared_device.h"

#include "api/frames_types.h"
#include "api/types.h"
#include "cli/vjepa2_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODELS TEST_DATA "/models/data/"

static void check(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, sowlv2_error_message());
}

static struct device *open_device(struct device_options options)
{
    struct device *device;
    check(shared_device_open(&options, &device));
    assert_non_null(device);
    return device;
}

static void test_options(void **state)
{
    (void)state;
    struct device *first = open_device((struct device_options){.threads = 1});
    static const struct device_options same[] = {
        {.threads = 1},
        {.device = "auto", .threads = 1},
        {.cpu_level = "auto", .threads = 1},
    };
    static const struct device_options other[] = {
        {.threads = 2},
        {.device = "reference", .threads = 1},
        {.cpu_level = "reference", .threads = 1},
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct device *device = open_device(same[i]);
        assert_ptr_equal(device, first);
        shared_device_close(&device);
        assert_null(device);
    }
    struct device *others[3];
    for (int i = 0; i < 3; i++) {
        others[i] = open_device(other[i]);
        assert_ptr_not_equal(others[i], first);
        assert_int_equal(device_threads(others[i]), i == 0 ? 2 : 1);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(others[i], others[j]);
    }
    for (int i = 0; i < 3; i++)
        shared_device_close(&others[i]);
    shared_device_close(&first);
    shared_device_close(&first); /* of none: nothing */
}

/* It stays as long as somebody uses it, whoever came first. */
static void test_users(void **state)
{
    (void)state;
    const float values[] = {1.0F, -2.0F};
    float found[2];
    struct device *first = open_device((struct device_options){.threads = 1});
    struct device *second = open_device((struct device_options){.threads = 1});
    struct compute *compute;
    check(compute_create(second, &compute));
    shared_device_close(&first);
    compute_begin(compute);
    const struct tensor x = op_upload(compute, DTYPE_F32, 1, (int64_t[]){2}, values);
    op_activation(compute, x, ACTIVATION_RELU, x);
    op_download(compute, x, found);
    check(compute_finish(compute));
    assert_true(found[0] == 1.0F && found[1] == 0.0F);
    compute_free(&compute);
    shared_device_close(&second);
}

/* What cannot be opened leaves nothing behind. */
static void test_refused(void **state)
{
    (void)state;
    struct device *device;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(shared_device_open(&(struct device_options){.device = "abacus"}, &device),
                         SOWLV2_ERROR_UNSUPPORTED);
        assert_null(device);
        assert_non_null(strstr(sowlv2_error_message(), "abacus"));
    }
}

static struct sowlv2_model_options model_options(const char *folder, int threads)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    options.model = folder;
    options.device.threads = threads;
    return options;
}

static void test_models(void **state)
{
    (void)state;
    struct sowlv2_model_options options = model_options(MODELS "owlv2_tiny", 1);
    sowlv2_detector *detector, *apart;
    sowlv2_segmenter *segmenter;
    sowlv2_frames_model *frames;
    check(sowlv2_detector_open(&options, &detector));
    options = model_options(MODELS "owlv2_tiny", 2);
    check(sowlv2_detector_open(&options, &apart));
    options = model_options(MODELS "sam2_tiny", 1);
    check(sowlv2_segmenter_open(&options, &segmenter));
    options = model_options(MODELS "vjepa2_tiny", 1);
    check(sowlv2_frames_model_open(&options, &frames));
    assert_ptr_equal(detector->device, segmenter->device);
    assert_ptr_equal(detector->device, frames->device);
    assert_ptr_not_equal(detector->device, apart->device);
    sowlv2_detector_free(&detector);
    sowlv2_detector_free(&apart);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_frames_model_free(&frames);
}

/* The tool's V-JEPA 2 computes on the device of its other models, which it opens through sowlv2.h. */
static void test_tool(void **state)
{
    (void)state;
    const struct settings settings = {
        .frames = {.model = MODELS "vjepa2_tiny"}, .device = "auto", .precision = "auto", .threads = 2};
    struct sowlv2_model_options options = model_options(MODELS "owlv2_tiny", 2);
    struct device *device = NULL;
    struct scorer *scorer = NULL;
    sowlv2_detector *detector;
    options.device.device = "cpu";
    check(sowlv2_detector_open(&options, &detector));
    check(vjepa2_model_open(&settings, NULL, &device, &scorer));
    assert_ptr_equal(device, detector->device);
    vjepa2_model_close(&device, &scorer);
    assert_null(device);
    assert_null(scorer);
    sowlv2_detector_free(&detector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_users), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_models),  cmocka_unit_test(test_tool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
