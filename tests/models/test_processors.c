/* Model folders as people have them: which of their JSON files counts, what it may say, and that pixels, rotary bases
 * and class names are then the reference's (tests/reference/make_processors.py). */
#include "base/test_folder.h"
#include "models/owlv2/forward.h"
#include "models/sam2/forward.h"
#include "models/sam2/video_config.h"
#include "models/vjepa2/forward.h"
#include "sowlv2.h"
#include "weights/safetensors.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA TEST_DATA "/models/data/processors/"
enum { STEP = 4 }; /* of the rows that the golden has */

struct fixture {
    json_t *root;
    struct safetensors *expected;
    struct device *device;
    struct compute *compute;
    int failures;
    int values, refused, thetas, labels; /* cases of each sort */
};

static const char *text_of(const json_t *entry, const char *key)
{
    return json_string_value(json_object_get(entry, key));
}

static void write_json(const char *folder, const char *name, const json_t *value)
{
    char *text = json_dumps(value, 0);
    assert_non_null(text);
    test_write_text(folder, name, text);
    free(text);
}

/* The case's model folder, without weights. */
static char *make_folder(const struct fixture *fixture, const json_t *entry)
{
    char *folder = test_folder_make();
    const json_t *config = json_object_get(json_object_get(fixture->root, "configs"), text_of(entry, "config"));
    json_t *changed = json_deep_copy(config);
    const char *name;
    json_t *value;
    assert_non_null(changed);
    if (json_object_get(entry, "changes"))
        assert_int_equal(json_object_update(changed, json_object_get(entry, "changes")), 0);
    write_json(folder, "config.json", changed);
    json_object_foreach(json_object_get(entry, "files"), name, value)
    {
        write_json(folder, name, value);
    }
    json_decref(changed);
    return folder;
}

/* Whichever model it is: its configuration. */
struct any_config {
    struct owlv2_config owlv2;
    struct sam2_config sam2;
    struct sam2_video_config video;
    struct vjepa2_config vjepa2;
};

static int read_config(const char *model, const char *folder, int64_t labels, struct any_config *out)
{
    memset(out, 0, sizeof(*out));
    if (strcmp(model, "owlv2") == 0)
        return owlv2_config_read(folder, &out->owlv2);
    if (strcmp(model, "vjepa2") == 0)
        return vjepa2_config_read(folder, labels, &out->vjepa2);
    const int status = sam2_config_read(folder, &out->sam2);
    return status != 0 || strcmp(model, "sam2") == 0 ? status : sam2_video_config_read(folder, &out->sam2, &out->video);
}

/* What the model sees of the image, `side` x `side`; freed by the caller. */
static float *prepare(const struct fixture *fixture, const char *model, const struct any_config *config,
                      const struct host_tensor *image, int *side)
{
    const int width = (int)image->dim[1], height = (int)image->dim[0];
    const size_t row = 3 * (size_t)width;
    const uint8_t *pixels = image->data;
    struct compute *compute = fixture->compute;
    *side = strcmp(model, "owlv2") == 0    ? config->owlv2.image_size
            : strcmp(model, "vjepa2") == 0 ? config->vjepa2.crop_size
                                           : config->sam2.image_size;
    float *values = malloc((size_t)(*side * *side * 3) * sizeof(*values));
    assert_non_null(values);
    compute_begin(compute);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, 1, *side, *side, 3);
    if (strcmp(model, "owlv2") == 0) {
        const struct sowlv2_image view = {pixels, width, height, row};
        owlv2_preprocess(compute, &config->owlv2, &view, tensor_at(out, 0));
    } else if (strcmp(model, "vjepa2") == 0) {
        const struct sowlv2_image frame = {pixels, width, height, row};
        vjepa2_preprocess(compute, &config->vjepa2, &frame, 1, SCORER_CENTRE, out);
    } else {
        const struct pixel_scale *scale = strcmp(model, "sam2") == 0 ? &config->sam2.scale : &config->video.scale;
        const struct sowlv2_image view = {pixels, width, height, row};
        sam2_preprocess(compute, &view, scale, config->sam2.image_size, tensor_at(out, 0));
    }
    op_download(compute, out, values);
    assert_int_equal(compute_finish(compute), 0);
    return values;
}

static void report(struct fixture *fixture, const json_t *entry, const char *what)
{
    print_error("%s, %s: %s\n", text_of(entry, "model"), text_of(entry, "name"), what);
    fixture->failures++;
}

static void compare(struct fixture *fixture, const json_t *entry, const float *found, int side)
{
    const struct host_tensor *golden = safetensors_find(fixture->expected, text_of(entry, "values"));
    char text[200];
    assert_non_null(golden);
    assert_int_equal(golden->dim[0], (side + STEP - 1) / STEP);
    assert_int_equal(golden->dim[1], side);
    const int64_t row = 3 * (int64_t)side;
    for (int64_t i = 0; i < golden->dim[0] * row; i++) {
        const float value = found[i / row * STEP * row + i % row];
        float wanted;
        memcpy(&wanted, (const char *)golden->data + i * (int64_t)sizeof(wanted), sizeof(wanted));
        if (!(fabsf(value - wanted) <= 1e-5F + 1e-5F * fabsf(wanted))) {
            snprintf(text, sizeof(text), "value %lld is %g, expected %g", (long long)i, (double)value, (double)wanted);
            report(fixture, entry, text);
            return;
        }
    }
}

static void check_labels(struct fixture *fixture, const json_t *entry, const struct vjepa2_config *config)
{
    const json_t *labels = json_object_get(entry, "labels");
    for (size_t i = 0; i < json_array_size(labels); i++)
        if (strcmp(config->labels[i], json_string_value(json_array_get(labels, i))) != 0)
            report(fixture, entry, config->labels[i]);
}

/* What must not be read, and whether its message says what is wrong. */
static void check_refused(struct fixture *fixture, const json_t *entry, int status)
{
    fixture->refused++;
    if (status == 0)
        report(fixture, entry, "was read");
    else if (!strstr(sowlv2_error_message(), text_of(entry, "mentions")))
        report(fixture, entry, sowlv2_error_message());
}

static void check_read(struct fixture *fixture, const json_t *entry, const struct any_config *config)
{
    const json_t *theta = json_object_get(entry, "theta");
    if (theta) {
        fixture->thetas++;
        if (config->video.rope_theta != json_number_value(theta))
            report(fixture, entry, "another base");
    } else if (json_object_get(entry, "labels")) {
        fixture->labels++;
        check_labels(fixture, entry, &config->vjepa2);
    } else {
        const struct host_tensor *image = safetensors_find(fixture->expected, text_of(entry, "image"));
        int side;
        assert_non_null(image);
        float *values = prepare(fixture, text_of(entry, "model"), config, image, &side);
        fixture->values++;
        compare(fixture, entry, values, side);
        free(values);
    }
}

static void every_folder_is_read_as_the_reference_does(void **state)
{
    struct fixture *fixture = *state;
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(fixture->root, "cases"), index, entry)
    {
        char *folder = make_folder(fixture, entry);
        struct any_config config;
        const int64_t labels = (int64_t)json_array_size(json_object_get(entry, "labels"));
        const int status = read_config(text_of(entry, "model"), folder, labels, &config);
        if (text_of(entry, "mentions"))
            check_refused(fixture, entry, status);
        else if (status != 0)
            report(fixture, entry, sowlv2_error_message());
        else
            check_read(fixture, entry, &config);
        vjepa2_config_free(&config.vjepa2);
        test_folder_remove(folder);
    }
    assert_int_equal(fixture->failures, 0);
    assert_true(fixture->values > 50 && fixture->refused > 30 && fixture->thetas > 10 && fixture->labels == 3);
}

static void ignore(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)level, (void)message, (void)user_data;
}

static int open_fixture(void **state)
{
    static struct fixture fixture;
    sowlv2_set_log(ignore, NULL);
    fixture.root = json_load_file(DATA "cases.json", 0, NULL);
    assert_non_null(fixture.root);
    assert_int_equal(safetensors_open(DATA "expected.safetensors", &fixture.expected), 0);
    assert_int_equal(device_open(&(struct device_options){.threads = 1}, &fixture.device), 0);
    assert_int_equal(compute_create(fixture.device, &fixture.compute), 0);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    compute_free(&fixture->compute);
    device_close(&fixture->device);
    safetensors_close(&fixture->expected);
    json_decref(fixture->root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_folder_is_read_as_the_reference_does),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
