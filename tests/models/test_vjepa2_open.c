/* Opening V-JEPA 2 checkpoints: what the JSON files say and leave out, and what is refused and how. */
#include "base/test_folder.h"
#include "models/vjepa2/vjepa2.h"
#include "sowlv2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, sowlv2_error_message());
}

static void read_config(const char *name, int64_t labels, struct vjepa2_config *config)
{
    char folder[4200];

    snprintf(folder, sizeof(folder), "%s/models/data/%s", TEST_DATA, name);
    memset(config, 0xff, sizeof(*config));
    check(vjepa2_config_read(folder, labels, config));
}

static void test_fields(void **state)
{
    struct vjepa2_config c;

    (void)state;
    read_config("vjepa2_ratio_f16", 0, &c);
    assert_int_equal(c.encoder.width, 40);
    assert_int_equal(c.encoder.mlp_width, 174); /* 40 * 48 / 11, truncated */
    assert_int_equal(c.encoder.heads, 2);
    assert_int_equal(c.encoder.layers, 1);
    assert_int_equal(vjepa2_axis(&c.encoder), 6);
    assert_int_equal(c.predictor.width, 30);
    assert_int_equal(c.predictor.mlp_width, 75);
    assert_int_equal(vjepa2_axis(&c.predictor), 2);
    assert_int_equal(c.encoder.activation, ACTIVATION_GELU_TANH);
    assert_int_equal(c.tubelet_size, 3);
    assert_int_equal(c.grid, 4); /* 26 / 6: the rest of the crop is not looked at */
    assert_int_equal(c.short_side, 29);
    assert_int_equal(c.mask_tokens, 1);
    assert_false(c.qkv_bias);
    assert_true(c.predictor.eps == 1e-4F && c.rescale == 0.0078125F && c.mean[1] == 0.4F && c.std[2] == 0.125F);
    assert_int_equal(c.label_count, 0);
    vjepa2_config_free(&c);
    read_config("vjepa2_classifier", 5, &c);
    assert_string_equal(c.labels[2], "Caf\xc3\xa9");
    assert_string_equal(c.labels[4], "y");
    assert_int_equal(c.pooler.mlp_width, 256); /* 4 times the width, whatever mlp_ratio says */
    vjepa2_config_free(&c);
    read_config("vjepa2_classifier_bare", 3, &c);
    assert_string_equal(c.labels[2], "LABEL_2");
    assert_int_equal(c.encoder.activation, ACTIVATION_RELU);
    assert_int_equal(vjepa2_axis(&c.encoder), 0);
    vjepa2_config_free(&c);
}

/* The reference's class defaults: ViT-L at 256, and what is known of the sizes of others. */
static void test_defaults(void **state)
{
    char *folder = test_folder_make();
    struct vjepa2_config c;

    (void)state;
    test_write_text(folder, "config.json", "{\"model_type\": \"vjepa2\"}");
    test_write_text(folder, "video_preprocessor_config.json", "{}");
    check(vjepa2_config_read(folder, 0, &c));
    assert_int_equal(c.encoder.width, 1024);
    assert_int_equal(c.encoder.mlp_width, 4096);
    assert_int_equal(c.encoder.layers, 24);
    assert_int_equal(c.encoder.heads, 16);
    assert_int_equal(vjepa2_axis(&c.encoder), 20);
    assert_int_equal(c.predictor.width, 384);
    assert_int_equal(c.predictor.layers, 12);
    assert_int_equal(vjepa2_axis(&c.predictor), 10);
    assert_int_equal(c.mask_tokens, 10);
    assert_int_equal(c.frames_per_clip, 64);
    assert_int_equal(c.short_side, 292);
    assert_true(c.predictor.eps == 1e-6F && c.mean[0] == 0.485F && c.std[2] == 0.225F && c.qkv_bias);
    assert_int_equal(vjepa2_tokens(&c, 64), 8192);
    assert_int_equal(vjepa2_tokens(&c, 17), 2048);
    assert_int_equal(vjepa2_tokens(&c, 1), 256);
    vjepa2_config_free(&c);
    /* ViT-g at 384. */
    test_write_text(
        folder, "config.json",
        "{\"model_type\": \"vjepa2\", \"hidden_size\": 1408, \"num_attention_heads\": 22, \"crop_size\": 384, "
        "\"mlp_ratio\": 4.363636363636363, \"num_hidden_layers\": 40}");
    test_write_text(folder, "video_preprocessor_config.json", "{\"crop_size\": 384}");
    check(vjepa2_config_read(folder, 0, &c));
    assert_int_equal(c.short_side, 438);
    assert_int_equal(c.encoder.mlp_width, 6144);
    assert_int_equal(vjepa2_axis(&c.encoder), 20);
    vjepa2_config_free(&c);
    test_folder_remove(folder);
}

/* Reading these texts fails, with a message that holds `part`. */
static void refuse(const char *config, const char *processor, int64_t labels, int status, const char *part)
{
    char *folder = test_folder_make();
    struct vjepa2_config c;

    if (config)
        test_write_text(folder, "config.json", config);
    if (processor)
        test_write_text(folder, "preprocessor_config.json", processor);
    assert_int_equal(vjepa2_config_read(folder, labels, &c), status);
    if (!strstr(sowlv2_error_message(), part))
        fail_msg("the message is \"%s\", without \"%s\"", sowlv2_error_message(), part);
    vjepa2_config_free(&c);
    test_folder_remove(folder);
}

#define VJEPA2 "{\"model_type\": \"vjepa2\", "

static void test_refused(void **state)
{
    static const struct {
        const char *config, *processor;
        int status;
        const char *part;
    } cases[] = {
        {NULL, "{}", SOWLV2_ERROR_MODEL, "config.json"},
        {"{\"model_type\": \"owlv2\"}", "{}", SOWLV2_ERROR_MODEL, "\"owlv2\""},
        {"{}", "{}", SOWLV2_ERROR_MODEL, "vjepa2"},
        {VJEPA2 "\"hidden_size\": 1000}", "{}", SOWLV2_ERROR_FORMAT, "num_attention_heads"},
        {VJEPA2 "\"hidden_size\": \"x\"}", "{}", SOWLV2_ERROR_FORMAT, "hidden_size"},
        {VJEPA2 "\"mlp_ratio\": 0}", "{}", SOWLV2_ERROR_FORMAT, "mlp_ratio"},
        {VJEPA2 "\"in_chans\": 1}", "{}", SOWLV2_ERROR_FORMAT, "in_chans"},
        {VJEPA2 "\"crop_size\": 8}", "{}", SOWLV2_ERROR_FORMAT, "patch_size"},
        {VJEPA2 "\"hidden_act\": \"silu\"}", "{}", SOWLV2_ERROR_FORMAT, "silu"},
        {VJEPA2 "\"tubelet_size\": 0}", "{}", SOWLV2_ERROR_FORMAT, "tubelet_size"},
        {VJEPA2 "\"crop_size\": 256}", NULL, SOWLV2_ERROR_MODEL, "preprocessor_config.json"},
        {VJEPA2 "\"crop_size\": 256}", "{\"crop_size\": 384}", SOWLV2_ERROR_FORMAT, "384x384"},
        {VJEPA2 "\"crop_size\": 256}", "{\"crop_size\": {\"height\": 256, \"width\": 320}}", SOWLV2_ERROR_FORMAT,
         "256x320"},
        {VJEPA2 "\"crop_size\": 256}", "{\"crop_size\": \"x\"}", SOWLV2_ERROR_FORMAT, "crop_size"},
        {VJEPA2 "\"crop_size\": 256}", "{\"do_center_crop\": false}", SOWLV2_ERROR_FORMAT, "do_center_crop"},
        {VJEPA2 "\"crop_size\": 256}", "{\"resample\": 1}", SOWLV2_ERROR_FORMAT, "resample"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(cases[i].config, cases[i].processor, 0, cases[i].status, cases[i].part);
    refuse(VJEPA2 "\"id2label\": {\"0\": \"a\"}}", "{}", 2, SOWLV2_ERROR_FORMAT, "id2label");
    refuse(VJEPA2 "\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}}", "{}", 2, SOWLV2_ERROR_FORMAT,
           "id2label");
    refuse(VJEPA2 "\"id2label\": {\"0\": \"a\", \"1\": [3]}}", "{}", 2, SOWLV2_ERROR_FORMAT, "id2label.1: is a list");
}

/* A checkpoint whose tensors are not what its config.json says. */
static void test_weights_refused(void **state)
{
    static const char *const configs[] = {
        VJEPA2 "\"hidden_size\": 48, \"num_attention_heads\": 3, \"num_hidden_layers\": 3, \"patch_size\": 4, "
               "\"crop_size\": 16, \"mlp_ratio\": 2, \"pred_hidden_size\": 24, \"pred_num_attention_heads\": 1, "
               "\"pred_num_hidden_layers\": 2, \"pred_num_mask_tokens\": 3}", /* a layer more */
        VJEPA2 "\"hidden_size\": 48, \"num_attention_heads\": 3, \"num_hidden_layers\": 2, \"patch_size\": 4, "
               "\"crop_size\": 16, \"mlp_ratio\": 2, \"pred_hidden_size\": 24, \"pred_num_attention_heads\": 1, "
               "\"pred_num_hidden_layers\": 2, \"pred_num_mask_tokens\": 4}",
    };
    static const char *const parts[] = {"encoder.layer.2.", "mask_tokens"};
    struct device *device;
    struct vjepa2 *model = NULL;

    (void)state;
    check(device_open(&(struct device_options){.threads = 1}, &device));
    for (int i = 0; i < 2; i++) {
        char *folder = test_folder_make();
        test_write_text(folder, "config.json", configs[i]);
        test_write_text(folder, "preprocessor_config.json", "{\"crop_size\": 16}");
        test_link(TEST_DATA "/models/data/vjepa2_tiny/model.safetensors", folder, "model.safetensors");
        assert_int_equal(vjepa2_open(folder, device, &model), SOWLV2_ERROR_MODEL);
        assert_non_null(strstr(sowlv2_error_message(), parts[i]));
        assert_null(model);
        test_folder_remove(folder);
    }
    assert_int_equal(vjepa2_open(TEST_DATA "/models/data/owlv2_tiny", device, &model), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(sowlv2_error_message(), "\"owlv2\""));
    assert_int_equal(vjepa2_open(TEST_DATA "/models/data", device, &model), SOWLV2_ERROR_MODEL);
    device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_weights_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
