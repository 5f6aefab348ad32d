/* Devices that models share: the same options give the same one, others do not. */
#include "engine/shared_device.h"

#include "api/types.h"
#include "ops/cpu/level.h"

#include <math.h>
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

static struct sowlv2_device_options device_options;

static struct sowlv2_model_options model_options(const char *folder, int threads)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    device_options = sowlv2_device_options_default();
    device_options.threads = threads;
    options.model = folder;
    options.device_options = &device_options;
    return options;
}

static void test_models(void **state)
{
    (void)state;
    struct sowlv2_model_options options = model_options(MODELS "owlv2_tiny", 1);
    sowlv2_detector *detector, *apart;
    sowlv2_segmenter *segmenter;
    sowlv2_scorer *scorer;
    check(sowlv2_detector_open(&options, &detector));
    options = model_options(MODELS "owlv2_tiny", 2);
    check(sowlv2_detector_open(&options, &apart));
    options = model_options(MODELS "sam2_tiny", 1);
    check(sowlv2_segmenter_open(&options, &segmenter));
    options = model_options(MODELS "vjepa2_tiny", 1);
    check(sowlv2_scorer_open(&options, &scorer));
    assert_ptr_equal(detector->device, segmenter->device);
    assert_ptr_equal(detector->device, scorer->device);
    assert_ptr_not_equal(detector->device, apart->device);
    sowlv2_detector_free(&detector);
    sowlv2_detector_free(&apart);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_scorer_free(&scorer);
}

/* A handle of the public header is one user of what its options name. */
static void test_handle(void **state)
{
    (void)state;
    struct sowlv2_device_options wanted = sowlv2_device_options_default();
    struct sowlv2_model_options options = sowlv2_model_options_default();
    const float box[4] = {3, 3, 20, 20};
    const struct sowlv2_segment_prompt prompt = {.box = box};
    static uint8_t pixels[30][40][3];
    const struct sowlv2_image image = {&pixels[0][0][0], 40, 30, 0};
    sowlv2_device *device = NULL, *twin = NULL;
    sowlv2_detector *detector;
    sowlv2_segmenter *segmenter;
    sowlv2_segment_session *session;
    struct sowlv2_mask mask;
    wanted.threads = 2;
    check(sowlv2_device_open(&wanted, &device));
    check(sowlv2_device_open(&wanted, &twin));
    assert_ptr_not_equal(device, twin);
    assert_ptr_equal(device->device, twin->device);
    sowlv2_device_free(&twin);
    assert_null(twin);

    options.model = MODELS "owlv2_tiny";
    options.device = device;
    wanted.threads = 1;
    options.device_options = &wanted; /* does not count beside a device */
    check(sowlv2_detector_open(&options, &detector));
    assert_ptr_equal(detector->device, device->device);
    options.model = MODELS "sam2_tiny";
    check(sowlv2_segmenter_open(&options, &segmenter));
    assert_ptr_equal(segmenter->device, device->device);

    sowlv2_device_free(&device); /* the models go on */
    sowlv2_detector_free(&detector);
    check(sowlv2_segment_session_create(segmenter, &session));
    check(sowlv2_segment_set_image(session, &image, NULL));
    check(sowlv2_segment(session, &prompt, 1, NULL, &mask));
    sowlv2_masks_free(&mask, 1);
    sowlv2_segment_session_free(&session);
    sowlv2_segmenter_free(&segmenter);
}

static void test_queries(void **state)
{
    (void)state;
    struct sowlv2_device_options wanted = sowlv2_device_options_default();
    struct sowlv2_devices list;
    sowlv2_device *device;
    int64_t total = -1, available = -1;
    check(sowlv2_devices_list(&list));
    assert_in_range(list.count, 1, 8);
    for (size_t i = 0; i < list.count; i++) {
        wanted.device = list.items[i].name;
        wanted.threads = 1 + (int)i;
        check(sowlv2_device_open(&wanted, &device)); /* each one that is listed */
        assert_string_equal(sowlv2_device_name(device), list.items[i].name);
        assert_string_equal(sowlv2_device_description(device), list.items[i].description);
        assert_true(strlen(list.items[i].description) > 5);
        assert_string_equal(list.items[i].kind, "cpu");
        assert_string_equal(sowlv2_device_precision(device), "f32");
        assert_int_equal(sowlv2_device_threads(device), 1 + (int)i);
        assert_string_equal(device_name(device->device) +
                                (strcmp(sowlv2_device_name(device), "cpu") == 0 ? strlen("cpu ") : 0),
                            sowlv2_device_cpu_level(device));
        check(sowlv2_device_memory(device, &total, &available));
        assert_in_range(total, (int64_t)64 << 20, (int64_t)1 << 50);
        assert_in_range(available, 1, total);
        sowlv2_device_free(&device);
    }
    assert_string_equal(list.items[list.count - 1].name, "reference");
    sowlv2_devices_free(&list);
    assert_null(list.items);

    wanted = sowlv2_device_options_default();
    check(sowlv2_device_open(&wanted, &device));
    int level = 0;
    bool found = false;
    for (const char *name; (name = sowlv2_cpu_level(level)); level++)
        found = found || strcmp(name, sowlv2_device_cpu_level(device)) == 0;
    assert_true(found);
    assert_int_equal(level, (int)cpu_level_best() + 1);
    assert_string_equal(sowlv2_cpu_level(0), "reference");
    assert_null(sowlv2_cpu_level(-1));
    sowlv2_device_free(&device);

    static const char *const narrow[] = {"cpu", "auto", "reference"};
    for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
        wanted = sowlv2_device_options_default();
        wanted.device = narrow[i];
        wanted.precision = "bf16";
        if (cpu_level_best() < CPU_AVX512_BF16 && strcmp(narrow[i], "reference") != 0) {
            assert_int_equal(sowlv2_device_open(&wanted, &device), SOWLV2_ERROR_UNSUPPORTED);
            continue;
        }
        check(sowlv2_device_open(&wanted, &device));
        assert_string_equal(sowlv2_device_precision(device), "bf16");
        sowlv2_device_free(&device);
    }
    for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
        wanted = sowlv2_device_options_default();
        wanted.device = narrow[i];
        wanted.precision = "int8";
        if (!cpu_level_has_int8(cpu_level_best()) && strcmp(narrow[i], "reference") != 0) {
            assert_int_equal(sowlv2_device_open(&wanted, &device), SOWLV2_ERROR_UNSUPPORTED);
            assert_non_null(strstr(sowlv2_error_message(), "VNNI"));
            continue;
        }
        check(sowlv2_device_open(&wanted, &device));
        assert_string_equal(sowlv2_device_precision(device), "int8");
        assert_null(strstr(sowlv2_device_name(device), "cuda"));
        sowlv2_device_free(&device);
    }
    wanted = sowlv2_device_options_default();
    wanted.device = "cuda";
    wanted.precision = "int8";
    assert_int_equal(sowlv2_device_open(&wanted, &device), SOWLV2_ERROR_UNSUPPORTED);
    assert_non_null(strstr(sowlv2_error_message(), "precision int8"));

    static const struct {
        const char *device, *precision, *level;
        int threads, status;
    } bad[] = {
        {"abacus", "f32", NULL, 0, SOWLV2_ERROR_UNSUPPORTED},
        {"cpu", "f7", NULL, 0, SOWLV2_ERROR_UNSUPPORTED},
        {"cpu", "f32", "mmx", 0, SOWLV2_ERROR_ARGUMENT},
        {"cpu", "f32", NULL, -1, SOWLV2_ERROR_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wanted.device = bad[i].device;
        wanted.precision = bad[i].precision;
        wanted.cpu_level = bad[i].level;
        wanted.threads = bad[i].threads;
        device = (sowlv2_device *)&wanted;
        assert_int_equal(sowlv2_device_open(&wanted, &device), bad[i].status);
        assert_null(device);
    }
}

/* What may be said of a GPU's memory, and of which device; what a caller of an older or newer header is told. */
static void test_memory(void **state)
{
    (void)state;
    static const struct {
        const char *device;
        int64_t limit;
        double fraction;
        bool at_once;
        int status;
        const char *message;
    } cases[] = {
        {"cpu", 1 << 30, 0, false, SOWLV2_ERROR_ARGUMENT, "of a GPU only, not of device cpu"},
        {"reference", 0, 0.5, false, SOWLV2_ERROR_ARGUMENT, "of a GPU only, not of device reference"},
        {"cuda", -1, 0, false, SOWLV2_ERROR_ARGUMENT, "memory_limit: -1 is not"},
        {"cuda", 0, 1.5, false, SOWLV2_ERROR_ARGUMENT, "memory_fraction: 1.5 is not"},
        {"cuda", 0, (double)NAN, false, SOWLV2_ERROR_ARGUMENT, "memory_fraction: "},
        {"cuda", 0, 0, true, SOWLV2_ERROR_ARGUMENT, "memory_at_once: set memory_limit"},
        {"cpu", 0, 0, false, 0, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sowlv2_device_options wanted = sowlv2_device_options_default();
        sowlv2_device *device;
        wanted.device = cases[i].device;
        wanted.memory_limit = cases[i].limit;
        wanted.memory_fraction = cases[i].fraction;
        wanted.memory_at_once = cases[i].at_once;
        const int status = sowlv2_device_open(&wanted, &device);
        if (status != cases[i].status || (status != 0 && !strstr(sowlv2_error_message(), cases[i].message)))
            fail_msg("case %zu: status %d: %s", i, status, sowlv2_error_message());
        sowlv2_device_free(&device);
    }
    struct sowlv2_device_options wanted = sowlv2_device_options_default();
    sowlv2_device *device;
    struct {
        struct sowlv2_memory_use known;
        int64_t later;
    } use = {.later = 7};
    wanted.device = "cpu";
    check(sowlv2_device_open(&wanted, &device));
    use.known.size = sizeof(use);
    check(sowlv2_device_memory_use(device, &use.known));
    assert_in_range(use.known.total, (int64_t)64 << 20, (int64_t)1 << 50);
    assert_in_range(use.known.available, 1, use.known.total);
    assert_int_equal(use.known.reserved + use.known.used + use.known.peak + use.later, 0);
    use.known = (struct sowlv2_memory_use){.size = offsetof(struct sowlv2_memory_use, used), .used = 7, .peak = 7};
    check(sowlv2_device_memory_use(device, &use.known));
    assert_true(use.known.total > 0 && use.known.used == 7 && use.known.peak == 7);
    for (size_t size = 0; size < 16; size += 5) {
        use.known.size = size;
        assert_int_equal(sowlv2_device_memory_use(device, &use.known), SOWLV2_ERROR_ARGUMENT);
    }
    check(sowlv2_device_memory_release(device));
    sowlv2_device_free(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_users),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_models),  cmocka_unit_test(test_handle), cmocka_unit_test(test_queries),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
