/* Out of memory is an error: every allocation of our own code fails once, and nothing breaks or leaks.
 * The linker sends our calls to the functions below (--wrap); those inside libraries stay as they are. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "weights/checkpoint.h"
#include "weights/config.h"
#include "weights/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static long fail_at; /* counts down to the call that fails; 0: none */

static bool fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return fails() ? NULL : __real_strndup(text, size);
}

/* Runs `work` with each of its allocations failing in turn until it meets none; it must then give
 * `expected`, and MEMORY before. */
static void fail_each(int (*work)(void), int expected)
{
    long number = 1;
    for (;; number++) {
        fail_at = number;
        int status = work();
        bool failed = fail_at == 0;
        fail_at = 0;
        if (!failed) {
            assert_int_equal(status, expected);
            break;
        }
        if (status != SOWLV2_ERROR_MEMORY)
            fail_msg("allocation %ld: %d: %s", number, status, error_message());
        assert_non_null(strstr(error_message(), "out of memory"));
    }
    assert_true(number > 1);
}

static int open_shards(void)
{
    struct checkpoint *checkpoint;
    int status = checkpoint_open(TEST_DATA "/weights/data/sharded", &checkpoint);
    checkpoint_close(&checkpoint);
    return status;
}

static int bind_misfit(void)
{
    static const struct weight_row rows[] = {{"layer.0.weight", 1, {9}, false}, {"layer.1.weight", 1, {9}, false}};
    struct host_tensor tensors[2];
    struct checkpoint *checkpoint;
    int status = checkpoint_open(TEST_DATA "/weights/data/single", &checkpoint);
    if (!status)
        status = checkpoint_bind(checkpoint, rows, 2, NULL, tensors);
    checkpoint_close(&checkpoint);
    return status;
}

static int parse_config(void)
{
    static const char text[] = "{\"a\": {\"b\": [1, 2]}}";
    struct config *config;
    const struct config_node *object;
    int64_t value;
    int status = config_parse("config.json", text, sizeof(text) - 1, &config);
    if (!status)
        status = config_object(config, config_root(config), "a", &object);
    if (!status)
        status = config_int(config, object, "b", 1, 2, 3, &value);
    config_close(&config);
    return status;
}

static int locate_model(void)
{
    char *folder;
    int status = hub_locate("org/name@v2", "owlv2", NULL, "/no/such/~/$HOME", &folder);
    free(folder);
    return status;
}

static int write_file(void)
{
    struct file_writer writer;
    char *folder = getenv("SOWLV2_TEST_FOLDER"), path[256];
    snprintf(path, sizeof(path), "%s/file", folder);
    int status = file_writer_open(path, &writer);
    if (!status)
        status = file_writer_commit(&writer);
    return status;
}

static void models_are_opened(void **state)
{
    (void)state;
    fail_each(open_shards, 0);
    fail_each(bind_misfit, SOWLV2_ERROR_MODEL);
}

static void configs_are_read(void **state)
{
    (void)state;
    fail_each(parse_config, SOWLV2_ERROR_FORMAT);
}

static void models_are_located(void **state)
{
    (void)state;
    fail_each(locate_model, SOWLV2_ERROR_MODEL);
}

static void files_are_written(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    setenv("SOWLV2_TEST_FOLDER", folder, 1);
    fail_each(write_file, 0);
    assert_int_equal(test_count_entries(folder), 1);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_opened),
        cmocka_unit_test(configs_are_read),
        cmocka_unit_test(models_are_located),
        cmocka_unit_test(files_are_written),
    };
    sowlv2_set_log(NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
