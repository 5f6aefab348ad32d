/* What people give where a model's folder is wanted: the message says what it is and what to give instead. */
#include "base/error.h"
#include "base/test_folder.h"
#include "weights/build_file.h"
#include "weights/checkpoint.h"
#include "weights/foreign.h"
#include "weights/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PYTORCH TEST_DATA "/weights/data/pytorch/"
#define WEIGHTS(name) "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"

/* A model of that name is not found, with a message that begins with it and says all these texts. */
static void expect_refused(const char *model, const char *const *texts)
{
    char *folder = NULL;
    if (hub_locate(model, "sam2", NULL, "/nonexistent/cache", &folder) != SOWLV2_ERROR_MODEL)
        fail_msg("%s: was found", model);
    if (strncmp(error_message(), model, strlen(model)) != 0)
        fail_msg("%s: %s", model, error_message());
    for (; *texts; texts++)
        if (!strstr(error_message(), *texts))
            fail_msg("%s: expected \"%s\" in: %s", model, *texts, error_message());
}
#define REFUSED(model, ...) expect_refused(model, (const char *const[]){__VA_ARGS__, NULL})

/* The file torch wrote, under another name. */
static char *linked(const char *folder, const char *file, const char *name)
{
    char target[4200];
    snprintf(target, sizeof(target), PYTORCH "%s", file);
    test_link(target, folder, name);
    return test_path(folder, name);
}

static void metas_files_are_known_by_their_content(void **state)
{
    (void)state;
    REFUSED(PYTORCH "zip.pt", "is SAM 2.1 tiny as Meta's code saves it", "give facebook/sam2.1-hiera-tiny,",
            "convert weights that you trained");
    REFUSED(PYTORCH "pickle.pt", "is SAM 2 large as Meta's code saves it", "give facebook/sam2-hiera-large,");
    REFUSED(PYTORCH "other.pt", "is a file of PyTorch", "can run programs", "save_pretrained of transformers");
    char *folder = test_folder_make();
    build_on_disk(folder, "x.safetensors",
                  "{\"sam_mask_decoder.a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                  "\"image_encoder.trunk.blocks.23.a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                  1);
    char *path = test_path(folder, "x.safetensors");
    REFUSED(path, "is SAM 2 base-plus", "facebook/sam2-hiera-base-plus");
    free(path);
    test_folder_remove(folder);
}

static void published_files_are_known_by_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *model;
    } rows[] = {
        {"sam2.1_hiera_small.pt", "facebook/sam2.1-hiera-small,"},
        {"sam2.1_hiera_base_plus.pt", "facebook/sam2.1-hiera-base-plus,"},
        {"sam2_hiera_large.pt", "facebook/sam2-hiera-large,"},
        {"sam2.1_hiera_large-fp16.pth", "facebook/sam2.1-hiera-large,"},
        {"sam2.1_b.pt", "facebook/sam2.1-hiera-base-plus,"},
        {"vitg-384.pt", "facebook/vjepa2-vitg-fpc64-384,"},
        {"sam_vit_h_4b8939.pth", "is SAM 1, which sowlv2 cannot run"},
        {"sam3.pt", "is SAM 3, which"},
        {"vjepa2_1_vitl_dist_vitG_384.pt", "is V-JEPA 2.1, which"},
    };
    char *folder = test_folder_make();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *path = linked(folder, "other.pt", rows[i].name);
        REFUSED(path, rows[i].model);
        free(path);
    }
    test_folder_remove(folder);
}

static void names_of_files_are_no_ids(void **state)
{
    (void)state;
    REFUSED("sam2.1_hiera_small.pt", "what Meta calls SAM 2.1 small", "it is facebook/sam2.1-hiera-small");
    assert_null(strstr(error_message(), "sowlv2 pull"));
    REFUSED("checkpoints/sam2_hiera_tiny.pt", "it is facebook/sam2-hiera-tiny");
    REFUSED("sam2.1_hiera_large", "it is facebook/sam2.1-hiera-large");
    REFUSED("sam_vit_b_01ec64.pth", "is SAM 1");
    REFUSED("best.pt", "no such file", "google/owlv2-base-patch16-ensemble");
    REFUSED("../x/model.safetensors", "no such file", "give the folder of a model");
    /* Also where only an id will do, as for a download. */
    struct hub_request request;
    assert_int_equal(hub_request_make(PYTORCH "zip.pt", NULL, "/nonexistent/cache", &request), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "is SAM 2.1 tiny as Meta's code saves it"));
    assert_false(foreign_is_file_name("facebook/sam2.1-hiera-tiny"));
    assert_false(foreign_is_file_name("me/sam2_t"));
    assert_false(foreign_is_file_name("me/model.v2"));
    assert_false(foreign_is_file_name("sam3-finetuned"));
}

static void weights_alone_lead_to_their_folder(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "model.safetensors");
    build_on_disk(folder, "model.safetensors", WEIGHTS("x"), 1);
    REFUSED(path, "is only weights", "config.json");
    test_write_text(folder, "config.json", "{}");
    REFUSED(path, "is a file: give the folder it is in, ", folder);
    free(path);
    test_folder_remove(folder);
}

static void folders_of_files_are_explained(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    struct checkpoint *checkpoint;
    REFUSED(folder, "holds no config.json: give the folder of a complete model");
    free(linked(folder, "other.pt", "optimizer.pt"));
    REFUSED(folder, "holds no config.json");
    free(linked(folder, "other.pt", "sam2.1_hiera_tiny.pt"));
    REFUSED(folder, "/sam2.1_hiera_tiny.pt: is SAM 2.1 tiny as Meta's code saves it", "facebook/sam2.1-hiera-tiny");
    /* What a partial download of such a repository leaves. */
    test_write_text(folder, "config.json", "{}");
    assert_int_equal(checkpoint_open(folder, &checkpoint), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "give facebook/sam2.1-hiera-tiny, which has the published weights"));
    test_folder_remove(folder);
}

static char heard[1024];

static void hear(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)user_data;
    assert_int_equal(level, SOWLV2_LOG_NOTICE);
    snprintf(heard, sizeof(heard), "%s", message);
}

static void adapters_are_named(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    struct checkpoint *checkpoint;
    test_write_text(folder, "adapter_config.json",
                    "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"google/owlv2-large-patch14\"}");
    build_on_disk(folder, "adapter_model.safetensors", WEIGHTS("base_model.model.x.lora_A.weight"), 1);
    REFUSED(folder, "is an adapter (LORA), trained for google/owlv2-large-patch14, not a whole model",
            "merge_and_unload");
    test_write_text(folder, "config.json", "{\"model_type\": \"owlv2\"}");
    assert_int_equal(checkpoint_open(folder, &checkpoint), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "is an adapter (LORA), trained for google/owlv2-large-patch14"));
    /* Beside whole weights it is a notice. */
    build_on_disk(folder, "model.safetensors", WEIGHTS("x"), 1);
    heard[0] = '\0';
    sowlv2_set_log(hear, NULL);
    assert_int_equal(checkpoint_open(folder, &checkpoint), 0);
    sowlv2_set_log(NULL, NULL);
    assert_non_null(strstr(heard, "(adapter_config.json) is not applied"));
    checkpoint_close(&checkpoint);
    test_write_text(folder, "adapter_config.json", "nonsense");
    assert_int_equal(foreign_report_folder(folder), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "is an adapter, trained for another model"));
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metas_files_are_known_by_their_content),
        cmocka_unit_test(published_files_are_known_by_their_names),
        cmocka_unit_test(names_of_files_are_no_ids),
        cmocka_unit_test(weights_alone_lead_to_their_folder),
        cmocka_unit_test(folders_of_files_are_explained),
        cmocka_unit_test(adapters_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
