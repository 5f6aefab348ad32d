/* Models by their hub ids, end to end: the real tool against a hub of the tests' own. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "hub/server.h"
#include "tool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PICTURE TEST_DATA "/media/data/exif_1.jpg"

static struct server *server;
static char *cache, *output;
static char *contents[8];
static size_t content_count;

/* Serves a file of a model folder under its name. */
static void serve(const char *folder, const char *name, bool large)
{
    char *path = path_join(folder, name);
    size_t size;
    assert_int_equal(file_read(path, 1 << 24, &contents[content_count], &size), 0);
    server_add(server, name, contents[content_count], size, large);
    content_count++;
    free(path);
}

static int start(void **state)
{
    char endpoint[64];
    (void)state;
    server = server_start();
    cache = test_folder_make();
    output = test_folder_make();
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", server_port(server));
    setenv("HF_ENDPOINT", endpoint, 1);
    setenv("HF_TOKEN_PATH", "/nonexistent/token", 1);
    unsetenv("HF_TOKEN");
    unsetenv("HUGGING_FACE_HUB_TOKEN");
    setenv("SOWLV2_TEST_ONLINE", "1", 1);
    setenv("SOWLV2_DATA", "/nonexistent/data", 1);
    serve(TINY_MODEL, "config.json", false);
    serve(TINY_MODEL, "preprocessor_config.json", false);
    serve(TINY_MODEL, "tokenizer_config.json", false);
    serve(TINY_MODEL, "special_tokens_map.json", false);
    serve(TINY_MODEL, "vocab.json", false);
    serve(TINY_MODEL, "merges.txt", false);
    serve(TINY_MODEL, "model.safetensors", true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(server);
    test_folder_remove(cache);
    test_folder_remove(output);
    while (content_count > 0)
        free(contents[--content_count]);
    return 0;
}

static void expect_result(struct tool_result result, int status, const char *out, const char *err)
{
    if (result.status != status || (out && !strstr(result.out, out)) || (err && !strstr(result.err, err)))
        fail_msg("%d\n%s\n%s", result.status, result.out, result.err);
    tool_free(&result);
}

#define DETECT                                                                                                         \
    "detect", "--owl-model", SERVER_ID, "--cache-dir", cache, "--sam-model", "none", "--prompt", "a cat", "--input",   \
        PICTURE, "--output", output

static void detect_downloads_once(void **state)
{
    (void)state;
    expect_result(tool_run(ARGUMENTS(DETECT)), 0, NULL, "downloading " SERVER_ID ": ");
    assert_int_equal(server_count(server, "GET /storage/model.safetensors"), 1);
    server_clear_log(server);
    expect_result(tool_run(ARGUMENTS(DETECT, "--quiet")), 0, NULL, NULL);
    assert_int_equal(server_count(server, ""), 0);
    expect_result(tool_run(ARGUMENTS(DETECT, "--offline")), 0, NULL, NULL);
    expect_result(tool_run(ARGUMENTS("tokenize", "--owl-model", SERVER_ID, "--cache-dir", cache, "cat")), 0, NULL,
                  NULL);
    assert_int_equal(server_count(server, ""), 0);
}

static void offline_says_what_to_do(void **state)
{
    (void)state;
    expect_result(tool_run(ARGUMENTS(DETECT, "--offline")), 3, NULL, "sowlv2 pull " SERVER_ID " --cache-dir ");
    unsetenv("SOWLV2_TEST_ONLINE"); /* that is HF_HUB_OFFLINE=1 */
    expect_result(tool_run(ARGUMENTS(DETECT)), 3, NULL, "not in the hub cache");
    expect_result(tool_run(ARGUMENTS("pull", SERVER_ID, "--cache-dir", cache)), 2, NULL, "HF_HUB_OFFLINE");
    assert_int_equal(server_count(server, ""), 0);
}

static void pull_fetches_and_models_lists(void **state)
{
    (void)state;
    expect_result(tool_run(ARGUMENTS("models", "--cache-dir", cache)), 0, NULL, "no models in");
    expect_result(tool_run(ARGUMENTS("pull", SERVER_ID, "--cache-dir", cache)), 0, "/snapshots/" SERVER_COMMIT "\n",
                  SERVER_ID ": 498 kB downloaded");
    expect_result(tool_run(ARGUMENTS("pull", SERVER_ID, "--cache-dir", cache)), 0, "/snapshots/" SERVER_COMMIT "\n",
                  "up to date");
    expect_result(tool_run(ARGUMENTS("models", "--cache-dir", cache)), 0,
                  SERVER_ID "  main    500 kB  detection     complete", NULL);
    expect_result(tool_run(ARGUMENTS("pull", SERVER_ID, "org/none", "--cache-dir", cache)), 1, SERVER_COMMIT,
                  "org/none: there is no such model");
    expect_result(tool_run(ARGUMENTS("pull", "org/none", "--cache-dir", cache)), 3, NULL, "org/none");
    expect_result(tool_run(ARGUMENTS("pull")), 2, NULL, "no model");
    expect_result(tool_run(ARGUMENTS("pull", "a b", "--cache-dir", cache)), 3, NULL, "not a hub id");
    expect_result(tool_run(ARGUMENTS("pull", "sam2.1_hiera_small.pt", "--cache-dir", cache)), 3, NULL,
                  "it is facebook/sam2.1-hiera-small");
}

static void models_lists_what_came_with_the_program(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt",
                                        "model.safetensors"};
    char *data = test_folder_make();
    struct tool_result result = tool_run(ARGUMENTS("models", "--cache-dir", cache));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, ""); /* nothing is installed */
    tool_free(&result);
    setenv("SOWLV2_DATA", data, 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *target = path_join(TINY_MODEL, names[i]), name[64];
        snprintf(name, sizeof(name), "demo/owlv2/%s", names[i]);
        test_link(target, data, name);
        free(target);
    }
    test_write_text(data, "demo/sam2/config.json", "{\"model_type\": \"sam2_video\"}");
    test_write_text(data, "demo/vjepa2/config.json", "{\"model_type\": \"unknown\"}"); /* nothing that can be used */
    expect_result(tool_run(ARGUMENTS("models", "--cache-dir", cache)), 0,
                  "demo  -    500 kB  detection     installed\n"
                  "demo  -      28 B  segmentation  incomplete\n",
                  "no models in");
    expect_result(tool_run(ARGUMENTS("pull", SERVER_ID, "--cache-dir", cache, "--quiet")), 0, NULL, NULL);
    expect_result(tool_run(ARGUMENTS("models", "--cache-dir", cache)), 0,
                  SERVER_ID "  main    500 kB  detection     complete\n"
                            "demo      -       500 kB  detection     installed\n",
                  NULL);
    test_folder_remove(data);
}

static void the_wrong_model_is_named(void **state)
{
    (void)state;
    expect_result(tool_run(ARGUMENTS("detect", "--sam-model", SERVER_ID, "--owl-model", TINY_MODEL, "--cache-dir",
                                     cache, "--prompt", "a", "--input", PICTURE, "--output", output)),
                  3, NULL,
                  SERVER_ID ": model_type is \"owlv2\": this is an OWLv2 model, good for detection, but segmentation");
    expect_result(tool_run(ARGUMENTS("frames", "--vjepa2-model", TINY_SEGMENTER, "--input", PICTURE)), 3, NULL,
                  "this is a SAM 2 model, good for segmentation, but key frames needs V-JEPA 2");
    expect_result(tool_run(ARGUMENTS("detect", "--owl-model", TINY_SEGMENTER, "--prompt", "a", "--input", PICTURE,
                                     "--output", output)),
                  3, NULL, "detection needs OWLv2");
    assert_int_equal(server_count(server, "safetensors"), 0);
}

static void interrupted_downloads_go_on(void **state)
{
    (void)state;
    char name[200];
    server_fault(server, (struct fault){FAULT_STALL, "GET /storage", 1, 300000, 0, NULL});
    const pid_t process = tool_start(ARGUMENTS(DETECT));
    snprintf(name, sizeof(name), "models--org--name/blobs/%s.incomplete", server_etag(server, "model.safetensors"));
    char *partial = test_path(cache, name), *bytes;
    for (size_t size = 0; size < 300000; usleep(10000))
        if (file_read(partial, 1 << 24, &bytes, &size) == 0)
            free(bytes);
    assert_int_equal(kill(process, SIGINT), 0);
    assert_int_equal(tool_wait(process), 130);
    server_clear_log(server);
    expect_result(tool_run(ARGUMENTS(DETECT)), 0, NULL, "of which 300 kB are there");
    assert_int_equal(server_count(server, "range=300000-"), 2);
    free(partial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(detect_downloads_once, start, stop),
        cmocka_unit_test_setup_teardown(offline_says_what_to_do, start, stop),
        cmocka_unit_test_setup_teardown(pull_fetches_and_models_lists, start, stop),
        cmocka_unit_test_setup_teardown(models_lists_what_came_with_the_program, start, stop),
        cmocka_unit_test_setup_teardown(the_wrong_model_is_named, start, stop),
        cmocka_unit_test_setup_teardown(interrupted_downloads_go_on, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
