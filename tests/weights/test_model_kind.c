/* Models for the wrong job: the message says what they are and what is needed. And the list of what is in a cache. */
#include "base/error.h"
#include "base/test_folder.h"
#include "weights/hub_list.h"
#include "weights/model_kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COMMIT "c2963a47b1b8a0e6c3d15dc9a4ef7f1f0e6b1a55"
#define OTHER_COMMIT "0123456789abcdef0123456789abcdef01234567"

static void expect_refused(const char *type, const char *kind, const char *is, const char *needs)
{
    assert_int_equal(model_kind_check("x/config.json", type, kind), SOWLV2_ERROR_MODEL);
    if (!strstr(error_message(), is) || !strstr(error_message(), needs) ||
        strncmp(error_message(), "x/config.json: ", 15) != 0)
        fail_msg("%s", error_message());
}

static void the_right_models_serve(void **state)
{
    (void)state;
    assert_int_equal(model_kind_check("x", "owlv2", "owlv2"), 0);
    assert_int_equal(model_kind_check("x", "owlv2", "tokenizer"), 0);
    assert_int_equal(model_kind_check("x", "sam2", "sam2"), 0);
    assert_int_equal(model_kind_check("x", "sam2_video", "sam2"), 0);
    assert_int_equal(model_kind_check("x", "vjepa2", "vjepa2"), 0);
    assert_int_equal(model_kind_check("x", "vjepa2", NULL), 0);
    assert_string_equal(model_kind_of_type("sam2_video"), "sam2");
    assert_null(model_kind_of_type("sam3"));
    assert_null(model_kind_of_type(""));
}

static void the_wrong_ones_are_named(void **state)
{
    (void)state;
    expect_refused("sam2_video", "owlv2", "a SAM 2 model, good for segmentation",
                   "detection needs OWLv2: give for example google/owlv2-base-patch16-ensemble");
    expect_refused("vjepa2", "sam2", "a V-JEPA 2 model, good for key frames",
                   "segmentation needs SAM 2 or 2.1: give for example facebook/sam2.1-hiera-small");
    expect_refused("owlv2", "vjepa2", "an OWLv2 model, good for detection", "key frames needs V-JEPA 2");
    expect_refused("sam", "sam2", "this is a SAM 1 model", "SAM 2 or 2.1");
    expect_refused("sam3_video", "sam2", "this is a SAM 3 model", "SAM 2 or 2.1");
    expect_refused("owlvit", "owlv2", "OWL-ViT model of version 1, which pads images and scores otherwise",
                   "google/owlv2-base-patch16-ensemble");
    expect_refused("sam2_video", "tokenizer", "a SAM 2 model", "OWLv2");
    expect_refused("bert", "owlv2", "model_type is \"bert\": this is another kind of model", "OWLv2");
    expect_refused("", "owlv2", "does not say what it is", "OWLv2");
    expect_refused("sam3", NULL, "a SAM 3 model, which sowlv2 cannot run", "V-JEPA 2 for key frames");
    expect_refused("bert", NULL, "another kind of model", "OWLv2 for detection");
}

/* Checks a config.json of this text. */
static int check_config(const char *text, const char *kind)
{
    struct config *config;
    assert_int_equal(config_parse("c.json", text, strlen(text), &config), 0);
    const int status = model_kind_check_config(config, "x/config.json", kind);
    config_close(&config);
    return status;
}

static void expect_config_refused(const char *text, const char *kind, const char *says)
{
    if (check_config(text, kind) != SOWLV2_ERROR_MODEL || !strstr(error_message(), says))
        fail_msg("%s: %s", text, error_message());
}

static void parts_and_successors_are_named(void **state)
{
    (void)state;
    expect_refused("sam2_vision_model", "sam2", "the image encoder of a SAM 2 model alone",
                   "facebook/sam2.1-hiera-small");
    expect_refused("owlv2_text_model", "owlv2", "the text tower of an OWLv2 model alone", "google/owlv2-");
    expect_refused("vjepa21", "vjepa2", "a V-JEPA 2.1 model, built differently from V-JEPA 2", "facebook/vjepa2-vitl");
    /* As a fork of transformers saves it. */
    expect_config_refused("{\"model_type\": \"vjepa2\", \"use_rope_interleave\": true}", "vjepa2",
                          "x/config.json: use_rope_interleave is on: this is a V-JEPA 2.1 model");
    expect_config_refused("{\"model_type\": \"vjepa2\", \"use_modality_embeddings\": true}", NULL,
                          "a V-JEPA 2.1 model, built differently from V-JEPA 2, which sowlv2 cannot run");
    assert_int_equal(check_config("{\"model_type\": \"vjepa2\", \"use_rope_interleave\": false}", "vjepa2"), 0);
}

static void quantized_models_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *says;
    } rows[] = {
        {"\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true, \"load_in_8bit\": false",
         "x/config.json: quantization_config: the weights are quantized (bitsandbytes, 4 bits), but sowlv2 reads F32, "
         "F16 and BF16: give the model that it was made from, such as google/owlv2-base-patch16-ensemble"},
        {"\"load_in_8bit\": true", "(bitsandbytes, 8 bits)"},
        {"\"quant_method\": \"fp8\", \"bits\": null", "(fp8)"},
        {"\"quant_method\": \"gptq\", \"bits\": 4", "(gptq, 4 bits)"},
    };
    char text[300];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "{\"model_type\": \"owlv2\", \"quantization_config\": {%s}}", rows[i].fields);
        expect_config_refused(text, "owlv2", rows[i].says);
        expect_config_refused(text, NULL, "quantization_config");
        assert_int_equal(check_config(text, "tokenizer"), 0); /* needs no weights */
    }
    assert_int_equal(check_config("{\"model_type\": \"sam2\", \"quantization_config\": null}", "sam2"), 0);
    assert_int_equal(check_config("{\"model_type\": \"sam2\", \"quantization_config\": {}}", "sam2"), 0);
    assert_int_equal(check_config("{\"model_type\": \"sam2\", \"quantization_config\": {\"quant_method\": "
                                  "\"bitsandbytes\", \"load_in_4bit\": false}}",
                                  "sam2"),
                     0);
}

static void write_model(const char *cache, const char *folder, const char *commit, const char *type)
{
    char name[300], text[100];
    snprintf(text, sizeof(text), "{\"model_type\": \"%s\"}", type);
    snprintf(name, sizeof(name), "%s/blobs/%s", folder, commit);
    test_write_text(cache, name, text);
    snprintf(text, sizeof(text), "../../blobs/%s", commit);
    snprintf(name, sizeof(name), "%s/snapshots/%s/config.json", folder, commit);
    test_link(text, cache, name);
}

static void expect_listed(const struct hub_listed *item, const char *id, const char *revisions, const char *kind,
                          int64_t size, bool complete)
{
    assert_string_equal(item->id, id);
    assert_string_equal(item->revisions, revisions);
    if (kind)
        assert_string_equal(item->kind, kind);
    else
        assert_null(item->kind);
    assert_int_equal(item->size, size);
    assert_int_equal(item->complete, complete);
}

static void caches_are_listed(void **state)
{
    (void)state;
    char *cache = test_folder_make();
    struct hub_list list;
    assert_int_equal(hub_list_read(cache, &list), 0);
    assert_int_equal(list.count, 0);
    hub_list_free(&list);
    write_model(cache, "models--a--sam-x", COMMIT, "sam2_video");
    test_write_text(cache, "models--a--sam-x/snapshots/" COMMIT "/preprocessor_config.json", "{}");
    test_write_text(cache, "models--a--sam-x/snapshots/" COMMIT "/model.safetensors", "12345");
    test_write_text(cache, "models--a--sam-x/refs/main", COMMIT);
    write_model(cache, "models--a--sam-x", OTHER_COMMIT, "sam2_video");
    test_link("../../blobs/none", cache, "models--a--sam-x/snapshots/" OTHER_COMMIT "/model.safetensors");
    write_model(cache, "models--b", COMMIT, "bert");
    test_write_text(cache, "models--b/refs/pr/1", COMMIT);
    test_write_text(cache, "models--..--x/snapshots/" COMMIT "/config.json", "{}");
    test_write_text(cache, "datasets--a--b/snapshots/" COMMIT "/config.json", "{}");
    test_write_text(cache, "models--c--empty/refs/main", COMMIT);
    test_write_text(cache, "CACHEDIR.TAG", "");
    assert_int_equal(hub_list_read(cache, &list), 0);
    assert_int_equal(list.count, 3);
    expect_listed(&list.items[0], "a/sam-x", "", "sam2", 28, false);
    expect_listed(&list.items[1], "a/sam-x", "main", "sam2", 28 + 2 + 5, true);
    expect_listed(&list.items[2], "b", "pr/1", NULL, 22, false);
    hub_list_free(&list);
    /* Release 5 puts the image processor into another file; in older ones that file lacks it. */
    test_write_text(cache, "models--a--sam-x/snapshots/" OTHER_COMMIT "/processor_config.json",
                    "{\"image_processor\": {}}");
    test_write_text(cache, "models--a--sam-x/blobs/none", "12345");
    assert_int_equal(hub_list_read(cache, &list), 0);
    expect_listed(&list.items[0], "a/sam-x", "", "sam2", 28 + 23 + 5, true);
    hub_list_free(&list);
    test_write_text(cache, "models--a--sam-x/snapshots/" OTHER_COMMIT "/processor_config.json", "{}");
    assert_int_equal(hub_list_read(cache, &list), 0);
    expect_listed(&list.items[0], "a/sam-x", "", "sam2", 28 + 2 + 5, false);
    hub_list_free(&list);
    test_folder_remove(cache);
    assert_int_equal(hub_list_read("/no/such/folder", &list), 0);
    assert_int_equal(list.count, 0);
    hub_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_models_serve),
        cmocka_unit_test(the_wrong_ones_are_named),
        cmocka_unit_test(parts_and_successors_are_named),
        cmocka_unit_test(quantized_models_are_named),
        cmocka_unit_test(caches_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
