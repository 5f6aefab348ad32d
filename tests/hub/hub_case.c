/* See hub_case.h. */
#include "hub_case.h"

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cmocka.h>

static const char config[] = "{\"model_type\": \"owlv2\"}";
static const char processor[] = "{\"size\": {\"height\": 64, \"width\": 64}}";
static const char tokenizer[] = "{\"model\": {}}";

static void take_log(enum sowlv2_log_level level, const char *message, void *user_data)
{
    struct hub_case *test = user_data;
    const size_t length = strlen(test->notices);
    if (level == SOWLV2_LOG_DEBUG)
        return;
    snprintf(test->notices + length, sizeof(test->notices) - length, "%s\n", message);
    atomic_fetch_add(&test->said, 1);
}

static long long much_space(const char *folder)
{
    struct statvfs disk;
    assert_int_equal(statvfs(folder, &disk), 0); /* it is asked of a folder that is there */
    return 1LL << 40;
}

struct hub_case *hub_case_begin(struct server *server, const char *endpoint)
{
    struct hub_case *test = calloc(1, sizeof(*test));
    unsigned value = 12345;
    test->server = server;
    test->cache = test_folder_make();
    test->weights = malloc(CASE_WEIGHTS);
    for (size_t i = 0; i < CASE_WEIGHTS; i++)
        test->weights[i] = (char)((value = value * 1664525U + 1013904223U) >> 24);
    snprintf(test->endpoint, sizeof(test->endpoint), "%s:%d", endpoint, server_port(server));
    test->settings = (struct hub_settings){.endpoint = test->endpoint,
                                           .etag_timeout = 20, /* on a busy machine too */
                                           .download_timeout = 5,
                                           .retry_ms = 1,
                                           .lock_poll_ms = 5,
                                           .lock_say_ms = 20,
                                           .free_space = much_space};
    server_add(test->server, "config.json", config, sizeof(config) - 1, false);
    server_add(test->server, "preprocessor_config.json", processor, sizeof(processor) - 1, false);
    server_add(test->server, "tokenizer.json", tokenizer, sizeof(tokenizer) - 1, false);
    server_add(test->server, "model.safetensors", test->weights, CASE_WEIGHTS, true);
    server_add(test->server, "pytorch_model.bin", test->weights, CASE_WEIGHTS, true);
    server_add(test->server, "vocab.json", "{}", 2, false);
    server_add(test->server, "README.md", "hello", 5, false);
    sowlv2_set_log(take_log, test);
    return test;
}

int hub_case_make(void **state)
{
    *state = hub_case_begin(server_start(), "http://127.0.0.1");
    return 0;
}

void hub_case_end(struct hub_case *test)
{
    sowlv2_set_log(NULL, NULL);
    server_stop(test->server);
    test_folder_remove(test->cache);
    free(test->weights);
    free(test->folder);
    free(test);
}

int hub_case_remove(void **state)
{
    hub_case_end(*state);
    return 0;
}

static bool take_progress(const struct sowlv2_download *download, void *user_data)
{
    struct hub_case *test = user_data;
    assert_true(download->done >= 0 && download->resumed >= 0 && download->resumed <= download->done);
    if (download->total > 0)
        assert_true(download->done <= download->total);
    assert_int_equal(strncmp(download->model, "org/", 4), 0);
    assert_non_null(download->file);
    test->last = *download;
    return test->stop_at == 0 || download->done < test->stop_at || download->total == 0;
}

int hub_case_pull_as(struct hub_case *test, const char *model, const char *kind)
{
    struct hub_request request;
    struct hub_session session;
    free(test->folder);
    test->folder = NULL;
    assert_int_equal(hub_request_make(model, NULL, test->cache, &request), 0);
    assert_int_equal(hub_session_open(&test->settings, &request, take_progress, test, &session), 0);
    const int status = hub_pull(&session, kind, &test->folder, &test->fetched);
    hub_session_close(&session);
    hub_request_free(&request);
    assert_true((status == 0) == (test->folder != NULL));
    return status;
}

int hub_case_pull(struct hub_case *test, const char *kind)
{
    return hub_case_pull_as(test, SERVER_ID, kind);
}

void hub_case_fails(struct hub_case *test, const char *kind, int status, const char *const *texts)
{
    const int found = hub_case_pull(test, kind);
    if (found != status)
        fail_msg("expected %d, got %d: %s", status, found, error_message());
    for (; *texts; texts++)
        if (!strstr(error_message(), *texts))
            fail_msg("expected \"%s\" in: %s", *texts, error_message());
    char *ref = hub_case_path(test, "refs/main");
    assert_false(file_exists(ref)); /* nothing half-done has a name */
    free(ref);
}

void hub_case_works(struct hub_case *test)
{
    char *bytes;
    size_t size;
    if (hub_case_pull(test, "owlv2") != 0)
        fail_msg("%s", error_message());
    char *path = path_join(test->folder, "model.safetensors");
    assert_int_equal(file_read(path, CASE_WEIGHTS, &bytes, &size), 0);
    assert_int_equal(size, CASE_WEIGHTS);
    assert_memory_equal(bytes, test->weights, CASE_WEIGHTS);
    free(bytes);
    free(path);
    assert_int_equal(
        hub_case_size(hub_case_path(test, "blobs/%s.incomplete", server_etag(test->server, "model.safetensors"))), -1);
}

char *hub_case_path(struct hub_case *test, const char *format, ...)
{
    char name[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    char *repository = test_path(test->cache, "models--org--name");
    char *path = test_path(repository, name);
    free(repository);
    return path;
}

long hub_case_size(char *path)
{
    struct stat status;
    const long size = stat(path, &status) == 0 ? (long)status.st_size : -1;
    free(path);
    return size;
}
