/* Downloading a model as it should go: what is asked for, how the cache looks, what is not asked for again. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "hub_case.h"
#include "weights/hub_snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_link(char *path, const char *expected)
{
    char target[256];
    const ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        fail_msg("%s is no link", path);
    target[length] = '\0';
    assert_string_equal(target, expected);
    free(path);
}

static void expect_text(char *path, const char *expected)
{
    char *text;
    size_t size;
    if (file_read(path, 1000, &text, &size) != 0)
        fail_msg("%s", error_message());
    assert_string_equal(text, expected);
    free(text);
    free(path);
}

static void expect_blob_link(struct hub_case *test, const char *name)
{
    char target[128];
    snprintf(target, sizeof(target), "../../blobs/%s", server_etag(test->server, name));
    expect_link(hub_case_path(test, "snapshots/" SERVER_COMMIT "/%s", name), target);
}

static void cache_is_laid_out_as_the_hub_library_does(void **state)
{
    struct hub_case *test = *state;
    hub_case_works(test);
    assert_int_equal(test->fetched, CASE_WEIGHTS + CASE_SIDE_FILES);
    expect_blob_link(test, "config.json");
    expect_blob_link(test, "preprocessor_config.json");
    expect_blob_link(test, "tokenizer.json");
    expect_blob_link(test, "model.safetensors");
    expect_text(hub_case_path(test, "refs/main"), SERVER_COMMIT);
    assert_int_equal(hub_case_size(hub_case_path(test, ".no_exist/" SERVER_COMMIT "/tokenizer_config.json")), 0);
    assert_int_equal(hub_case_size(hub_case_path(test, ".no_exist/" SERVER_COMMIT "/special_tokens_map.json")), 0);
    char *locks = test_path(test->cache, ".locks/models--org--name");
    assert_int_equal(test_count_entries(locks), 4);
    free(locks);
    char *blobs = hub_case_path(test, "blobs");
    assert_int_equal(test_count_entries(blobs), 4);
    free(blobs);
    char *tag = test_path(test->cache, "CACHEDIR.TAG"), *text;
    size_t size;
    assert_int_equal(file_read(tag, 1000, &text, &size), 0);
    assert_int_equal(strncmp(text, "Signature: 8a477f597d28d172789f06886806bc55", 43), 0);
    free(text);
    free(tag);
}

static void only_what_is_needed_is_fetched(void **state)
{
    struct hub_case *test = *state;
    hub_case_works(test);
    assert_int_equal(server_count(test->server, ".bin"), 0);
    assert_int_equal(server_count(test->server, "README"), 0);
    assert_int_equal(server_count(test->server, "vocab.json"), 0); /* tokenizer.json has it */
    assert_int_equal(server_count(test->server, "GET /" SERVER_ID), 4);
    assert_int_equal(server_count(test->server, "GET /storage"), 1);
    assert_int_equal(server_count(test->server, "HEAD /storage"), 0);
}

static void nothing_is_fetched_twice(void **state)
{
    struct hub_case *test = *state;
    hub_case_works(test);
    server_clear_log(test->server);
    hub_case_works(test);
    assert_int_equal(server_count(test->server, "GET "), 0);
    assert_int_equal(test->fetched, 0);
}

static void what_changed_is_fetched(void **state)
{
    struct hub_case *test = *state;
    hub_case_works(test);
    server_clear_log(test->server);
    server_remove_files(test->server);
    server_add(test->server, "config.json", "{\"model_type\": \"owlv2\"}", 23, false);
    server_add(test->server, "preprocessor_config.json", "{ }", 3, false);
    server_add(test->server, "tokenizer.json", "{\"model\": {}}", 13, false);
    server_add(test->server, "model.safetensors", test->weights, CASE_WEIGHTS, true);
    hub_case_works(test);
    assert_int_equal(server_count(test->server, "GET "), 1);
    assert_int_equal(server_count(test->server, "GET /" SERVER_ID "/resolve/" SERVER_COMMIT "/preprocessor_config"), 1);
    expect_blob_link(test, "preprocessor_config.json"); /* the old link was replaced */
}

static void revisions_are_asked_for_by_name(void **state)
{
    struct hub_case *test = *state;
    assert_int_equal(hub_case_pull_as(test, SERVER_ID "@v/2", "owlv2"), 0);
    assert_int_equal(server_count(test->server, "HEAD /" SERVER_ID "/resolve/v%2F2/config.json"), 1);
    expect_text(hub_case_path(test, "refs/v/2"), SERVER_COMMIT);
    assert_int_equal(hub_case_pull_as(test, SERVER_ID "@" SERVER_COMMIT, "owlv2"), 0);
    char *ref = hub_case_path(test, "refs/" SERVER_COMMIT);
    assert_false(file_exists(ref));
    free(ref);
    assert_int_equal(hub_case_pull_as(test, SERVER_ID "@none", "owlv2"), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "has no revision 'none'"));
}

static void renamed_models_are_followed(void **state)
{
    struct hub_case *test = *state;
    assert_int_equal(hub_case_pull_as(test, "org/old-name", "owlv2"), 0);
    assert_int_equal(server_count(test->server, "GET /storage"), 1);
    assert_non_null(strstr(test->folder, "/models--org--old-name/snapshots/" SERVER_COMMIT));
}

static void a_tokenizer_comes_without_weights(void **state)
{
    struct hub_case *test = *state;
    assert_int_equal(hub_case_pull(test, "tokenizer"), 0);
    assert_int_equal(server_count(test->server, "safetensors"), 0);
    assert_int_equal(server_count(test->server, "tokenizer.json"), 2);
}

static void shards_are_fetched_with_their_index(void **state)
{
    struct hub_case *test = *state;
    static const char index[] = "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"sub/two \\u00e9.safetensors\", "
                                "\"c\": \"one.safetensors\"}}";
    server_remove_files(test->server);
    server_add(test->server, "config.json", "{\"model_type\": \"sam2_video\"}", 28, false);
    server_add(test->server, "processor_config.json", "{}", 2, false);
    server_add(test->server, "model.safetensors.index.json", index, sizeof(index) - 1, false);
    server_add(test->server, "one.safetensors", test->weights, 1000, true);
    server_add(test->server, "sub/two%20%C3%A9.safetensors", test->weights, 2000, false);
    assert_int_equal(hub_case_pull(test, NULL), 0);
    assert_int_equal(hub_case_size(path_join(test->folder, "one.safetensors")), 1000);
    assert_int_equal(hub_case_size(path_join(test->folder, "sub/two \xc3\xa9.safetensors")), 2000);
    char target[128];
    snprintf(target, sizeof(target), "../../../blobs/%s", server_etag(test->server, "sub/two%20%C3%A9.safetensors"));
    expect_link(path_join(test->folder, "sub/two \xc3\xa9.safetensors"), target);
    server_remove_files(test->server);
    server_add(test->server, "config.json", "{\"model_type\": \"sam2_video\"}", 28, false);
    server_add(test->server, "model.safetensors.index.json", "{\"weight_map\": {\"a\": \"../x\"}}", 29, false);
    assert_int_equal(hub_case_pull(test, NULL), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), "is not a file inside the model's folder"));
}

static void the_wrong_model_is_refused_before_its_weights(void **state)
{
    struct hub_case *test = *state;
    HUB_CASE_FAILS(test, "sam2", SOWLV2_ERROR_MODEL, SERVER_ID ": ", "this is an OWLv2 model, good for detection",
                   "segmentation needs SAM 2 or 2.1", "facebook/sam2.1-hiera-small");
    assert_int_equal(server_count(test->server, "safetensors"), 0);
    server_remove_files(test->server);
    server_add(test->server, "config.json", "{\"model_type\": \"sam3\"}", 22, false);
    HUB_CASE_FAILS(test, NULL, SOWLV2_ERROR_MODEL, "this is a SAM 3 model", "OWLv2 for detection");
    server_remove_files(test->server);
    HUB_CASE_FAILS(test, NULL, SOWLV2_ERROR_MODEL, "has no config.json", "made for transformers");
}

static void models_without_safetensors_say_what_they_have(void **state)
{
    static const char zeros[5 << 20];
    struct hub_case *test = *state;
    server_remove_files(test->server);
    server_add(test->server, "config.json", "{\"model_type\": \"owlv2\"}", 23, false);
    server_add(test->server, "pytorch_model.bin", "x", 1, true);
    server_add(test->server, "flax_model.msgpack", "y", 1, true);
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL,
                   "has no model.safetensors, only pytorch_model.bin, flax_model.msgpack", "save_pretrained");
    assert_int_equal(server_count(test->server, "GET /storage"), 0);
    /* As long as weights are, which only what is fetched may not be. */
    server_add(test->server, "tf_model.h5", test->weights, CASE_WEIGHTS, true);
    server_add(test->server, "model.onnx", zeros, sizeof(zeros), true);
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL,
                   "only pytorch_model.bin, flax_model.msgpack, tf_model.h5, model.onnx: take");
}

/* The server has this model: files and their texts, ended by NULL, and weights; the cache is empty. */
static void serve(struct hub_case *test, const char *const *files)
{
    test_folder_remove(test->cache);
    test->cache = test_folder_make();
    server_remove_files(test->server);
    for (; *files; files += 2)
        server_add(test->server, files[0], files[1], strlen(files[1]), false);
    server_add(test->server, "model.safetensors", test->weights, CASE_WEIGHTS, true);
}
#define SERVE(test, ...) serve(test, (const char *const[]){__VA_ARGS__, NULL})
#define OWLV2 "config.json", "{\"model_type\": \"owlv2\"}"
#define SAM2 "config.json", "{\"model_type\": \"sam2_video\"}"
#define VJEPA2 "config.json", "{\"model_type\": \"vjepa2\"}"
#define TOKENIZER "tokenizer.json", "{}"

/* It comes, and is then complete for who looks into the cache. */
static void expect_complete(struct hub_case *test, const char *kind)
{
    bool complete = false;
    if (hub_case_pull(test, kind) != 0)
        fail_msg("%s", error_message());
    assert_int_equal(hub_snapshot_is_complete(test->folder, kind, &complete), 0);
    assert_true(complete);
}

static void processors_of_every_release_come(void **state)
{
    struct hub_case *test = *state;
    SERVE(test, OWLV2, TOKENIZER, "processor_config.json", "{\"image_processor\": {\"size\": 64}}");
    expect_complete(test, "owlv2");
    assert_true(hub_case_size(path_join(test->folder, "processor_config.json")) > 0);
    assert_int_equal(server_count(test->server, "HEAD /" SERVER_ID "/resolve/" SERVER_COMMIT "/preprocessor_config"),
                     1);
    SERVE(test, SAM2, "preprocessor_config.json", "{}", "video_preprocessor_config.json", "{\"size\": 64}",
          "processor_config.json", "{\"processor_class\": \"Sam2VideoProcessor\"}");
    expect_complete(test, "sam2");
    assert_true(hub_case_size(path_join(test->folder, "video_preprocessor_config.json")) > 0);
    assert_true(hub_case_size(path_join(test->folder, "processor_config.json")) > 0);
    SERVE(test, VJEPA2, "processor_config.json", "{\"video_processor\": {\"crop_size\": 64}}");
    expect_complete(test, "vjepa2");
}

static void sam2_does_without_a_processor_that_nobody_has(void **state)
{
    struct hub_case *test = *state;
    SERVE(test, SAM2, "README.md", "hello");
    expect_complete(test, "sam2");
    char *mark = hub_case_path(test, ".no_exist/" SERVER_COMMIT "/preprocessor_config.json");
    bool complete = true;
    assert_int_equal(unlink(mark), 0); /* then it may be there: it was only not fetched */
    assert_int_equal(hub_snapshot_is_complete(test->folder, "sam2", &complete), 0);
    assert_false(complete);
    free(mark);
}

static void what_would_be_incomplete_is_not_downloaded(void **state)
{
    struct hub_case *test = *state;
    SERVE(test, OWLV2, TOKENIZER, "processor_config.json", "{\"processor_class\": \"Owlv2Processor\"}");
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL, SERVER_ID ": lacks preprocessor_config.json, without which");
    SERVE(test, OWLV2, TOKENIZER);
    HUB_CASE_FAILS(test, NULL, SOWLV2_ERROR_MODEL, "lacks preprocessor_config.json");
    SERVE(test, OWLV2, "preprocessor_config.json", "{}");
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL, "lacks tokenizer.json");
    SERVE(test, OWLV2, "preprocessor_config.json", "{}", "vocab.json", "{}");
    HUB_CASE_FAILS(test, "tokenizer", SOWLV2_ERROR_MODEL, "lacks merges.txt");
    SERVE(test, VJEPA2, "processor_config.json", "{\"image_processor\": {}}");
    HUB_CASE_FAILS(test, "vjepa2", SOWLV2_ERROR_MODEL, "lacks video_preprocessor_config.json");
    SERVE(test, SAM2, "processor_config.json", "{");
    HUB_CASE_FAILS(test, "sam2", SOWLV2_ERROR_FORMAT, "processor_config.json: not valid JSON");
    assert_int_equal(server_count(test->server, "GET /storage"), 0);
}

static void adapters_and_quantized_models_are_refused_before_their_weights(void **state)
{
    struct hub_case *test = *state;
    SERVE(test, "adapter_config.json", "{\"peft_type\": \"LORA\"}", "adapter_model.safetensors", "x");
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL, SERVER_ID ": is an adapter, not a whole model",
                   "merge_and_unload");
    SERVE(test, "config.json",
          "{\"model_type\": \"owlv2\", \"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": "
          "true}}");
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL, SERVER_ID ": quantization_config", "(bitsandbytes, 4 bits)");
    SERVE(test, "config.json", "{\"model_type\": \"vjepa21\"}");
    HUB_CASE_FAILS(test, NULL, SOWLV2_ERROR_MODEL, "a V-JEPA 2.1 model");
    assert_int_equal(server_count(test->server, "safetensors"), 0);
}

static void progress_counts_every_byte(void **state)
{
    struct hub_case *test = *state;
    hub_case_works(test);
    assert_int_equal(test->last.total, CASE_WEIGHTS + CASE_SIDE_FILES);
    assert_true(test->last.done > 0);
    assert_int_equal(test->last.resumed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cache_is_laid_out_as_the_hub_library_does, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(only_what_is_needed_is_fetched, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(nothing_is_fetched_twice, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(what_changed_is_fetched, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(revisions_are_asked_for_by_name, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(renamed_models_are_followed, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(a_tokenizer_comes_without_weights, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(shards_are_fetched_with_their_index, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(the_wrong_model_is_refused_before_its_weights, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(models_without_safetensors_say_what_they_have, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(processors_of_every_release_come, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(sam2_does_without_a_processor_that_nobody_has, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(what_would_be_incomplete_is_not_downloaded, hub_case_make, hub_case_remove),
        cmocka_unit_test_setup_teardown(adapters_and_quantized_models_are_refused_before_their_weights, hub_case_make,
                                        hub_case_remove),
        cmocka_unit_test_setup_teardown(progress_counts_every_byte, hub_case_make, hub_case_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
