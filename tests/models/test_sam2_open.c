/* Broken SAM 2 checkpoints and prompts: an error that says what is wrong, and nothing else; and one model in several
 * threads. */
#include "sam2_case.h"

#include "base/error.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A copy of the tiny model in a folder of its own; one text in config.json may be replaced. */
struct copy {
    char folder[64];
};

static char *read_text(const char *folder, const char *name, size_t *size)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = malloc(1 << 22);
    assert_non_null(text);
    *size = fread(text, 1, (1 << 22) - 1, file);
    text[*size] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static void write_text(const char *folder, const char *name, const char *text, size_t size)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void copy_file(const char *from, const char *to, const char *name)
{
    size_t size;
    char *text = read_text(from, name, &size);
    write_text(to, name, text, size);
    free(text);
}

static struct copy copy_model(const char *from, const char *what, const char *by)
{
    struct copy copy = {"/tmp/sam2_open_XXXXXX"};
    char folder[4096];
    size_t size;
    assert_non_null(mkdtemp(copy.folder));
    snprintf(folder, sizeof(folder), "%s/models/data/%s", TEST_DATA, from);
    copy_file(folder, copy.folder, "preprocessor_config.json");
    copy_file(folder, copy.folder, "model.safetensors");
    char *text = read_text(folder, "config.json", &size);
    char *place = strstr(text, what), *joined = malloc(size + strlen(by) + 1);
    assert_non_null(place);
    assert_non_null(joined);
    const int before = (int)(place - text);
    snprintf(joined, size + strlen(by) + 1, "%.*s%s%s", before, text, by, place + strlen(what));
    write_text(copy.folder, "config.json", joined, strlen(joined));
    free(joined);
    free(text);
    return copy;
}

static void remove_copy(const struct copy *copy)
{
    DIR *folder = opendir(copy->folder);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[4200];
        snprintf(path, sizeof(path), "%s/%s", copy->folder, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(copy->folder);
}

/* Opening fails with this status and a message that holds the text. */
static void expect_failure(const char *folder, int status, const char *message)
{
    struct device *device;
    struct sam2 *model;
    sam2_check(device_open(&(struct device_options){.threads = 1}, &device));
    assert_int_equal(sam2_open(folder, device, &model), status);
    assert_null(model);
    if (!strstr(error_message(), message))
        fail_msg("\"%s\" does not say \"%s\"", error_message(), message);
    device_close(&device);
}

static void test_config(void **state)
{
    (void)state;
    static const struct {
        const char *what, *by, *message;
        int status;
    } cases[] = {
        {"\"model_type\": \"sam2\"", "\"model_type\": \"owlv2\"", "segmentation needs SAM 2", SOWLV2_ERROR_MODEL},
        {"\"mlp_dim\": 40", "\"mlp_dim\": 41", "mlp.proj_in", SOWLV2_ERROR_MODEL},
        {"\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", "is missing", SOWLV2_ERROR_MODEL},
        {"\"num_attention_heads\": 3", "\"num_attention_heads\": 7", "num_attention_heads", SOWLV2_ERROR_FORMAT},
        {"\"image_size\": 64,\n    \"layer_norm", "\"image_size\": 72,\n    \"layer_norm", "patch",
         SOWLV2_ERROR_FORMAT},
        {"\"fpn_hidden_size\": 24", "\"fpn_hidden_size\": 32", "fpn_hidden_size", SOWLV2_ERROR_FORMAT},
        {"\"global_attention_blocks\": [\n        1,", "\"global_attention_blocks\": [\n        2,", "block 2",
         SOWLV2_ERROR_FORMAT},
        {"\"hidden_act\": \"relu\"", "\"hidden_act\": \"swish\"", "swish", SOWLV2_ERROR_FORMAT},
        {"\"mlp_ratio\": 2.5", "\"mlp_ratio\": -1", "mlp_ratio", SOWLV2_ERROR_FORMAT},
        {"\"patch_stride\": [\n        2,\n        2\n      ]", "\"patch_stride\": [2, 3]", "patch_stride",
         SOWLV2_ERROR_FORMAT},
        {"\"patch_stride\": [\n        2,\n        2\n      ]", "\"patch_stride\": 4", "grid", SOWLV2_ERROR_FORMAT},
        {"{", "[", "config.json", SOWLV2_ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct copy copy = copy_model("sam2_fields", cases[i].what, cases[i].by);
        expect_failure(copy.folder, cases[i].status, cases[i].message);
        remove_copy(&copy);
    }
}

static void test_files(void **state)
{
    (void)state;
    expect_failure("/nonexistent", SOWLV2_ERROR_MODEL, "config.json");
    struct copy copy = copy_model("sam2_tiny", "{", "{");
    write_text(copy.folder, "preprocessor_config.json", "{\"size\": [64, 32]}", 18);
    expect_failure(copy.folder, SOWLV2_ERROR_FORMAT, "size: 64x32 does not fit the model's image_size");
    write_text(copy.folder, "preprocessor_config.json", "{\"resample\": 3}", 15);
    expect_failure(copy.folder, SOWLV2_ERROR_FORMAT, "resample");
    write_text(copy.folder, "preprocessor_config.json", "{}", 2);
    expect_failure(copy.folder, SOWLV2_ERROR_FORMAT, "1024");
    copy_file(TEST_DATA "/models/data/sam2_tiny", copy.folder, "preprocessor_config.json");
    write_text(copy.folder, "model.safetensors", "nonsense", 8);
    expect_failure(copy.folder, SOWLV2_ERROR_FORMAT, "model.safetensors");
    remove_copy(&copy);
}

static void expect_decode_failure(struct sam2_case *test, const struct sam2_features *features,
                                  const struct sowlv2_segment_prompt *prompt, const char *message)
{
    const struct sam2_output none = {0};
    assert_int_equal(sam2_decode(test->model, test->compute, features, prompt, 1, false, 0, NULL, NULL, &none),
                     SOWLV2_ERROR_ARGUMENT);
    if (!strstr(error_message(), message))
        fail_msg("\"%s\" does not say \"%s\"", error_message(), message);
}

static void test_prompts(void **state)
{
    (void)state;
    struct sam2_case test;
    sam2_case_open("sam2_tiny", &test);
    struct sam2_features *features;
    const float nan_box[4] = {0.0F, 1.0F, NAN, 2.0F}, box[4] = {9.0F, 8.0F, 1.0F, 2.0F}, far[2] = {1e30F, INFINITY};
    const float point[2] = {3.0F, 4.0F};
    const int32_t inside = 1, unknown = 4, low = -2;
    sam2_check(sam2_features_create(test.model, &features));
    expect_decode_failure(&test, features, &(struct sowlv2_segment_prompt){.box = box}, "no image");
    struct sowlv2_image image = sam2_case_image(&test, 0);
    image.width = 0;
    assert_int_equal(sam2_encode(test.model, test.compute, &image, NULL, NULL, NULL, features), SOWLV2_ERROR_ARGUMENT);
    sam2_features_free(&features);
    features = sam2_case_features(&test, 0, NULL);
    expect_decode_failure(&test, features, &(struct sowlv2_segment_prompt){.box = nan_box}, "not finite");
    expect_decode_failure(&test, features,
                          &(struct sowlv2_segment_prompt){.points = far, .labels = &inside, .point_count = 1},
                          "not finite");
    expect_decode_failure(&test, features,
                          &(struct sowlv2_segment_prompt){.points = point, .labels = &unknown, .point_count = 1},
                          "label 4");
    expect_decode_failure(&test, features,
                          &(struct sowlv2_segment_prompt){.points = point, .labels = &low, .point_count = 1},
                          "label -2");
    /* Nothing asked, nothing written; and a box the wrong way round is still a question. */
    const struct sam2_output none = {0};
    sam2_check(sam2_decode(test.model, test.compute, features, NULL, 0, false, 0, NULL, NULL, &none));
    const int64_t area = test.config->mask_side * test.config->mask_side;
    const struct sam2_output out = {sam2_floats(area), sam2_floats(1), NULL, NULL};
    sam2_check(sam2_decode(test.model, test.compute, features, &(struct sowlv2_segment_prompt){.box = box}, 1, false, 0,
                           NULL, NULL, &out));
    assert_true(isfinite(out.iou[0]) && isfinite(out.masks[area - 1]));
    free(out.masks);
    free(out.iou);
    sam2_features_free(&features);
    sam2_case_close(&test);
}

static bool stop_at(int done, int total, void *user_data)
{
    assert_true(done < total);
    return done < *(const int *)user_data;
}

static void test_cancel(void **state)
{
    (void)state;
    struct sam2_case test;
    sam2_case_open("sam2_tiny", &test);
    struct sam2_features *features = sam2_case_features(&test, 0, NULL);
    const struct sowlv2_image image = sam2_case_image(&test, 0);
    int last = 2;
    const struct model_control control = {stop_at, &last};
    assert_int_equal(sam2_encode(test.model, test.compute, &image, NULL, NULL, &control, features),
                     SOWLV2_ERROR_CANCELLED);
    assert_int_equal(sam2_features_width(features), 0);
    sam2_features_free(&features);
    features = sam2_case_features(&test, 0, NULL);
    const float box[4] = {1.0F, 2.0F, 30.0F, 40.0F};
    const struct sam2_output none = {0};
    last = 0;
    assert_int_equal(sam2_decode(test.model, test.compute, features, &(struct sowlv2_segment_prompt){.box = box}, 1,
                                 false, 0, NULL, &control, &none),
                     SOWLV2_ERROR_CANCELLED);
    sam2_features_free(&features);
    sam2_case_close(&test);
}

/* A thread's own pass over shared features. */
struct worker {
    struct sam2_case *test;
    const struct sam2_features *features;
    const struct sam2_case_prompts *prompts;
    struct sam2_output out;
    int status;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct compute *compute = NULL;
    worker->status = compute_create(worker->test->device, &compute);
    for (int i = 0; i < 3 && worker->status == 0; i++) {
        worker->status = sam2_decode(worker->test->model, compute, worker->features, worker->prompts->prompts,
                                     worker->prompts->count, false, 0, NULL, NULL, &worker->out);
    }
    compute_free(&compute);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { WORKERS = 4 };
    struct sam2_case test;
    sam2_case_open("sam2_tiny", &test);
    struct sam2_features *features = sam2_case_features(&test, 0, NULL);
    struct sam2_case_prompts prompts;
    sam2_case_prompts(&test, "boxes.0", &prompts);
    const int64_t area = test.config->mask_side * test.config->mask_side;
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){
            &test, features, &prompts, {sam2_floats(prompts.count * area), sam2_floats(prompts.count), NULL, NULL}, -1};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, 0);
        sam2_compare(&test, "masks of a thread", workers[i].out.masks, sam2_golden(&test, "boxes.0.single.masks"));
        free(workers[i].out.masks);
        free(workers[i].out.iou);
    }
    sam2_case_prompts_free(&prompts);
    sam2_features_free(&features);
    sam2_case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config), cmocka_unit_test(test_files),   cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
