/* Model folders: one file, shards, and binding to a model's table. */
#include "base/error.h"
#include "base/test_folder.h"
#include "weights/build_file.h"
#include "weights/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INDEX "model.safetensors.index.json"
#define ONE_BYTE(name) "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"

static void single_file_is_opened(void **state)
{
    (void)state;
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(TEST_DATA "/weights/data/single", &checkpoint), 0);
    assert_int_equal(checkpoint_find(checkpoint, "model.f32")->bytes, 24);
    assert_null(checkpoint_find(checkpoint, "model.f3"));
    assert_int_equal(checkpoint_read(checkpoint, checkpoint_find(checkpoint, "model.f32"), false), 0);
    checkpoint_forget(checkpoint, checkpoint_find(checkpoint, "model.f32"));
    assert_int_equal(checkpoint_check(checkpoint), 0);
    checkpoint_close(&checkpoint);
    assert_null(checkpoint);
    checkpoint_close(&checkpoint);
}

static void python_shards_are_opened(void **state)
{
    (void)state;
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(TEST_DATA "/weights/data/sharded", &checkpoint), 0);
    for (int i = 0; i < 4; i++) {
        char name[32];
        float values[8];
        snprintf(name, sizeof(name), "layer.%d.weight", i);
        const struct host_tensor *tensor = checkpoint_find(checkpoint, name);
        assert_non_null(tensor);
        assert_int_equal(tensor->dim[0], 2 + i);
        assert_int_equal(checkpoint_read(checkpoint, tensor, false), 0);
        assert_int_equal(dtype_to_f32(tensor->dtype, tensor->data, 2 + i, values), 0);
        for (int k = 0; k < 2 + i; k++)
            assert_true(values[k] == (float)k);
    }
    checkpoint_close(&checkpoint);
}

/* Opening must fail with this status and a message that names the folder and says `why`. */
static void refuse(const char *folder, int expected, const char *why)
{
    struct checkpoint *checkpoint = (struct checkpoint *)&checkpoint;
    int status = checkpoint_open(folder, &checkpoint);
    if (status != expected || !strstr(error_message(), why) || strncmp(error_message(), folder, strlen(folder)) != 0)
        fail_msg("expected %d \"%s\", got %d: %s", expected, why, status, error_message());
    assert_null(checkpoint);
}

static void index_prefers_the_single_file(void **state)
{
    (void)state;
    struct checkpoint *checkpoint;
    char *folder = test_folder_make();
    build_on_disk(folder, "model.safetensors", ONE_BYTE("x"), 1);
    test_write_text(folder, INDEX, "{");
    assert_int_equal(checkpoint_open(folder, &checkpoint), 0);
    checkpoint_close(&checkpoint);
    test_folder_remove(folder);
}

static void missing_weights_say_what_is_there(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *none = test_path(folder, "none");
    refuse(none, SOWLV2_ERROR_MODEL, "no such folder");
    refuse(folder, SOWLV2_ERROR_MODEL, "no weights: needs model.safetensors");
    test_write_text(folder, "config.json", "{}");
    refuse(folder, SOWLV2_ERROR_MODEL, "no weights: needs model.safetensors");
    test_write_text(folder, "pytorch_model.bin", "x");
    refuse(folder, SOWLV2_ERROR_MODEL, "only pytorch_model.bin");
    test_link("../../blobs/0000", folder, "model.safetensors");
    refuse(folder, SOWLV2_ERROR_MODEL, "link to a file that is missing");
    free(none);
    test_folder_remove(folder);
}

static void bad_indexes_are_refused(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    build_on_disk(folder, "a.safetensors", ONE_BYTE("x"), 1);
    build_on_disk(folder, "b.safetensors", ONE_BYTE("x"), 1);
    build_on_disk(folder, "sub/c.safetensors", ONE_BYTE("y"), 1);
    test_write_text(folder, INDEX, "{");
    refuse(folder, SOWLV2_ERROR_FORMAT, "not valid JSON");
    static const char *const without_map[] = {"{}", "{\"weight_map\":[]}", "{\"weight_map\":{}}",
                                              "{\"weight_map\":\"a\"}"};
    for (size_t i = 0; i < sizeof(without_map) / sizeof(without_map[0]); i++) {
        test_write_text(folder, INDEX, without_map[i]);
        refuse(folder, SOWLV2_ERROR_FORMAT, "has no weight_map");
    }
    test_write_text(folder, INDEX, "{\"weight_map\":{\"x\":3}}");
    refuse(folder, SOWLV2_ERROR_FORMAT, "names no file");
    static const char *const outside[] = {"../a.safetensors",
                                          "/a.safetensors",
                                          "",
                                          "..",
                                          ".",
                                          "sub/../../a",
                                          "sub//c.safetensors",
                                          "sub/",
                                          "./a.safetensors",
                                          "a/.."};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"weight_map\":{\"x\":\"%s\"}}", outside[i]);
        test_write_text(folder, INDEX, text);
        refuse(folder, SOWLV2_ERROR_FORMAT, "not a file inside the model's folder");
    }
    test_write_text(folder, INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\",\"z\":\"none.safetensors\"}}");
    refuse(folder, SOWLV2_ERROR_MODEL, "none.safetensors: the index names this file, but it is missing");
    test_write_text(folder, INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\",\"z\":\"a.safetensors\"}}");
    refuse(folder, SOWLV2_ERROR_FORMAT, "a.safetensors: has no tensor \"z\"");
    test_write_text(folder, INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\",\"z\":\"b.safetensors\"}}");
    refuse(folder, SOWLV2_ERROR_FORMAT, "tensor \"x\" is in two");
    test_write_text(folder, INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\",\"x\":\"b.safetensors\"}}");
    refuse(folder, SOWLV2_ERROR_FORMAT, "duplicate");
    test_write_text(folder, "bad.safetensors", "{}");
    test_write_text(folder, INDEX, "{\"weight_map\":{\"x\":\"bad.safetensors\"}}");
    refuse(folder, SOWLV2_ERROR_FORMAT, "bad.safetensors: too short");
    test_write_text(folder, INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"sub/c.safetensors\"}}");
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(folder, &checkpoint), 0);
    assert_non_null(checkpoint_find(checkpoint, "y"));
    checkpoint_close(&checkpoint);
    test_folder_remove(folder);
}

enum { EMBEDDING, WEIGHT_0, WEIGHT_1, BIAS_0, BIAS_1, EXTRA };

static const struct weight_row rows[] = {
    [EMBEDDING] = {"embed.weight", 2, {2, 3}, false},  [WEIGHT_0] = {"layer.0.weight", 2, {1, 2}, false},
    [WEIGHT_1] = {"layer.1.weight", 2, {1, 2}, false}, [BIAS_0] = {"layer.0.bias", 1, {2}, false},
    [BIAS_1] = {"layer.1.bias", 1, {2}, false},        [EXTRA] = {"extra", 0, {0}, true},
};
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

#define EMBED "\"embed.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"
#define WEIGHT(i, begin, end)                                                                                          \
    "\"layer." #i ".weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[" #begin "," #end "]}"
#define BIAS(i, begin, end)                                                                                            \
    "\"layer." #i ".bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"
#define MODEL EMBED "," WEIGHT(0, 24, 32) "," WEIGHT(1, 32, 40) "," BIAS(0, 40, 44) "," BIAS(1, 44, 48)

static char heard[1024];

static void hear(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)user_data;
    assert_int_equal(level, SOWLV2_LOG_NOTICE);
    assert_int_equal(heard[0], '\0'); /* one notice only */
    snprintf(heard, sizeof(heard), "%s", message);
}

/* Binds a model folder of this header, which must not fit; the message must name the folder. */
static void bind_misfit(const char *header, size_t bytes)
{
    char *folder = test_folder_make();
    struct checkpoint *checkpoint;
    struct host_tensor tensors[ROW_COUNT];
    build_on_disk(folder, "model.safetensors", header, bytes);
    if (checkpoint_open(folder, &checkpoint) != 0)
        fail_msg("%s", error_message());
    assert_int_equal(checkpoint_bind(checkpoint, rows, ROW_COUNT, NULL, tensors), SOWLV2_ERROR_MODEL);
    assert_memory_equal(error_message(), folder, strlen(folder));
    checkpoint_close(&checkpoint);
    test_folder_remove(folder);
}

static void rows_are_bound(void **state)
{
    (void)state;
    struct host_tensor tensors[ROW_COUNT];
    char *folder = test_folder_make();
    struct checkpoint *checkpoint;
    build_on_disk(folder, "model.safetensors", "{" MODEL "}", 48);
    assert_int_equal(checkpoint_open(folder, &checkpoint), 0);
    heard[0] = '\0';
    sowlv2_set_log(hear, NULL);
    memset(tensors, 0x55, sizeof(tensors));
    assert_int_equal(checkpoint_bind(checkpoint, rows, ROW_COUNT, NULL, tensors), 0);
    sowlv2_set_log(NULL, NULL);
    assert_string_equal(heard, "");
    for (int i = 0; i < EXTRA; i++)
        assert_int_equal(checkpoint_read(checkpoint, &tensors[i], false), 0);
    assert_int_equal(*(const unsigned char *)tensors[EMBEDDING].data, 0);
    assert_int_equal(*(const unsigned char *)tensors[WEIGHT_0].data, 24);
    assert_int_equal(*(const unsigned char *)tensors[WEIGHT_1].data, 32);
    assert_int_equal(*(const unsigned char *)tensors[BIAS_0].data, 40);
    assert_int_equal(*(const unsigned char *)tensors[BIAS_1].data, 44);
    assert_int_equal(tensors[BIAS_1].dtype, DTYPE_F16);
    assert_int_equal(tensors[EMBEDDING].dim[1], 3);
    assert_null(tensors[EXTRA].data);
    checkpoint_close(&checkpoint);
    test_folder_remove(folder);
}

static void misfits_are_named(void **state)
{
    (void)state;
    bind_misfit("{" EMBED "," WEIGHT(0, 24, 32) "," BIAS(0, 32, 36) "," BIAS(1, 36, 40) "}", 40);
    assert_non_null(strstr(error_message(), "\"layer.1.weight\" is missing, expected [1, 2]: use"));
    bind_misfit("{}", 0);
    assert_non_null(strstr(error_message(), "\"embed.weight\" is missing, expected [2, 3]; \"layer.0.weight\""));
    assert_null(strstr(error_message(), "more"));
    bind_misfit("{" MODEL ",\"extra\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[48,52]}}", 52);
    assert_non_null(strstr(error_message(), "\"extra\" has shape [1], expected []"));
    bind_misfit("{" MODEL ",\"extra\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[48,56]}}", 56);
    assert_non_null(strstr(error_message(), "\"extra\" is of I64, expected F32, F16 or BF16"));
}

static void types_say_that_weights_are_quantized(void **state)
{
    (void)state;
    static const char header[] = "{" EMBED "," BIAS(0, 28, 32) "," BIAS(
        1, 32, 36) ","
                   "\"layer.0.weight\":{\"dtype\":\"U8\",\"shape\":[1,2],\"data_offsets\":[24,26]},"
                   "\"layer.1.weight\":{\"dtype\":\"I8\",\"shape\":[1,2],\"data_offsets\":[26,28]}}";
    bind_misfit(header, 36);
    assert_non_null(
        strstr(error_message(), "expected F32, F16 or BF16: give a model with weights that are not quantized"));
}

static void doubles_are_no_quantized_weights(void **state)
{
    (void)state;
    static const char header[] = "{" EMBED "," BIAS(0, 24, 28) "," BIAS(
        1, 28, 32) ","
                   "\"layer.0.weight\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[32,48]},"
                   "\"layer.1.weight\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[48,64]}}";
    bind_misfit(header, 64);
    assert_non_null(strstr(error_message(), "is of F64, expected F32, F16 or BF16: save the model in float32"));
}

/* A model of these names, "a b c", which are not the model's; the message says `why`. */
static void bind_names(const char *names, const char *why)
{
    char header[2000] = "{";
    char *copy = strdup(names), *rest = copy;
    for (char *name; (name = strsep(&rest, " "));) {
        const size_t length = strlen(header);
        snprintf(header + length, sizeof(header) - length,
                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", length > 1 ? "," : "", name);
    }
    strcat(header, "}");
    bind_misfit(header, 0);
    if (!strstr(error_message(), why))
        fail_msg("%s: expected \"%s\" in: %s", names, why, error_message());
    free(copy);
}

static void names_say_how_they_were_saved(void **state)
{
    (void)state;
    bind_names("module.embed.weight module.layer.0.weight",
               "the names begin with \"module.\", as torch's DataParallel saves them: save the model inside it "
               "(model.module.save_pretrained())");
    bind_names("_orig_mod.embed.weight", "the names begin with \"_orig_mod.\", as torch.compile saves them");
    bind_names("base_model.model.embed.weight", "as peft saves them: save what merge_and_unload() gives");
    bind_names("module.inner.embed.weight", "the names begin with \"module.\", as torch's DataParallel saves them");
    bind_names("trainer.net.embed.weight", "the names begin with \"trainer.net.\", the name that a program gave");
    bind_names("image_encoder.trunk.blocks.0.norm1.weight sam_mask_decoder.iou_token.weight",
               "the names are those of Meta's code: give a model as transformers saves it");
    bind_names("embed.weight layer.0.weight.lora_A.default", "adapter layers (LoRA) are among them");
    bind_names("layer.0.qweight layer.0.qzeros layer.0.scales", "the weights are quantized (GPTQ or AWQ)");
    bind_names("embeddings.w blocks.0.w blocks.1.w blocks.2.w",
               "in their place there are \"blocks.0.w\", \"blocks.1.w\", \"blocks.2.w\", ..., as another program or an "
               "unfinished release named them: save the model with a current transformers");
    bind_names("one", "use the files of one model");
}

static void many_misfits_are_counted(void **state)
{
    (void)state;
    struct weight_row many[12];
    char names[12][8];
    struct host_tensor tensors[12];
    for (int i = 0; i < 12; i++) {
        snprintf(names[i], sizeof(names[i]), "t.%d", i);
        many[i] = (struct weight_row){names[i], 1, {2}, false};
    }
    char *folder = test_folder_make();
    struct checkpoint *checkpoint;
    build_on_disk(folder, "model.safetensors", ONE_BYTE("t.0"), 1);
    assert_int_equal(checkpoint_open(folder, &checkpoint), 0);
    assert_int_equal(checkpoint_bind(checkpoint, many, 12, NULL, tensors), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "\"t.0\" has shape [1], expected [2]; \"t.1\" is missing"));
    assert_non_null(strstr(error_message(), "; and 7 more: "));
    assert_null(strstr(error_message(), "\"t.5\""));
    checkpoint_close(&checkpoint);
    test_folder_remove(folder);
}

static void unknown_tensors_give_one_notice(void **state)
{
    (void)state;
    static const char *const ignored[] = {"sam.", "vjepa.", NULL};
    struct host_tensor tensors[ROW_COUNT];
    char header[4096];
    snprintf(header, sizeof(header),
             "{%s,"
             "\"text.position_ids\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[48,48]},"
             "\"sam.x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[48,48]}}",
             MODEL);
    char *folder = test_folder_make();
    struct checkpoint *checkpoint;
    build_on_disk(folder, "model.safetensors", header, 48);
    assert_int_equal(checkpoint_open(folder, &checkpoint), 0);
    heard[0] = '\0';
    sowlv2_set_log(hear, NULL);
    assert_int_equal(checkpoint_bind(checkpoint, rows, ROW_COUNT, ignored, tensors), 0);
    assert_string_equal(heard, "");
    assert_int_equal(checkpoint_bind(checkpoint, rows, ROW_COUNT, NULL, tensors), 0);
    assert_non_null(strstr(heard, ": 1 tensor is not part of this model and left unused: sam.x"));
    heard[0] = '\0';
    assert_int_equal(checkpoint_bind(checkpoint, rows, 0, NULL, tensors), 0);
    assert_non_null(strstr(heard, ": 6 tensors are not part of this model and left unused: embed.weight, "));
    assert_non_null(strstr(heard, ", ..."));
    sowlv2_set_log(NULL, NULL);
    checkpoint_close(&checkpoint);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_file_is_opened),
        cmocka_unit_test(python_shards_are_opened),
        cmocka_unit_test(index_prefers_the_single_file),
        cmocka_unit_test(missing_weights_say_what_is_there),
        cmocka_unit_test(bad_indexes_are_refused),
        cmocka_unit_test(rows_are_bound),
        cmocka_unit_test(misfits_are_named),
        cmocka_unit_test(types_say_that_weights_are_quantized),
        cmocka_unit_test(doubles_are_no_quantized_weights),
        cmocka_unit_test(names_say_how_they_were_saved),
        cmocka_unit_test(many_misfits_are_counted),
        cmocka_unit_test(unknown_tensors_give_one_notice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
