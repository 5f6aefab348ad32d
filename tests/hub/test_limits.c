/* A hub that sends without end, and a disk that fills up meanwhile: little is written, and the reason is told. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "hub/limits.h"
#include "hub_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* `ENDLESS` is far more than what may be taken of the files below, and little enough for a test that fails. */
enum { MB = 1 << 20, ENDLESS = 256 * MB, TEXT_LIMIT = 4 * MB, TABLE_LIMIT = 64 * MB };

static long partial_size(struct hub_case *test, const char *name)
{
    return hub_case_size(hub_case_path(test, "blobs/%s.incomplete", server_etag(test->server, name)));
}

static long blob_size(struct hub_case *test, const char *name)
{
    return hub_case_size(hub_case_path(test, "blobs/%s", server_etag(test->server, name)));
}

static void every_kind_of_file_has_its_limit(void **state)
{
    (void)state;
    assert_int_equal(hub_size_limit("config.json"), TEXT_LIMIT);
    assert_int_equal(hub_size_limit("preprocessor_config.json"), TEXT_LIMIT);
    assert_int_equal(hub_size_limit("tokenizer_config.json"), TEXT_LIMIT);
    assert_int_equal(hub_size_limit("tokenizer.json"), TABLE_LIMIT);
    assert_int_equal(hub_size_limit("merges.txt"), TABLE_LIMIT);
    assert_int_equal(hub_size_limit("model.safetensors.index.json"), TABLE_LIMIT);
    assert_true(hub_size_limit("model.safetensors") == 65536LL * MB);
    assert_true(hub_size_limit("part/model-00001-of-00002.safetensors") == 65536LL * MB);
}

static void an_endless_config_is_cut_off(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_ENDLESS, "/config.json", 100, ENDLESS, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "org/name: config.json: is larger than 4 MB", "HF_ENDPOINT");
    assert_int_equal(partial_size(test, "config.json"), -1); /* the next run does not begin behind it */
    assert_int_equal(blob_size(test, "config.json"), -1);
    assert_int_equal(server_count(test->server, "GET /org/name/resolve"), 1); /* and this one does not ask again */
}

static void an_endless_tokenizer_is_cut_off(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_ENDLESS, "/tokenizer.json", 100, ENDLESS, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "org/name: tokenizer.json: is larger than 64 MB");
    assert_int_equal(partial_size(test, "tokenizer.json"), -1);
    assert_int_equal(server_count(test->server, "GET /storage"), 0);
}

/* One that the hub says beforehand is not even begun. */
static void too_long_a_length_is_refused(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_LENGTH, "HEAD", 1, TEXT_LIMIT, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "config.json: is larger than 4 MB");
    assert_int_equal(server_count(test->server, "GET "), 0);
}

/* What an earlier run left of a file without a length is no more than its kind may have. */
static void too_long_a_beginning_is_dropped(void **state)
{
    struct hub_case *test = *state;
    char name[160];
    snprintf(name, sizeof(name), "models--org--name/blobs/%s.incomplete", server_etag(test->server, "config.json"));
    test_write(test->cache, name, "", 0);
    char *path = test_path(test->cache, name);
    assert_int_equal(truncate(path, TEXT_LIMIT + 1), 0);
    free(path);
    server_fault(test->server,
                 (struct fault){FAULT_ENDLESS, "/config.json", 2, 0, 0, NULL}); /* no length, but an end */
    hub_case_works(test);
    assert_int_equal(partial_size(test, "config.json"), -1);
}

static void a_file_without_a_length_is_taken(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_ENDLESS, "/config.json", 2, 0, 0, NULL});
    hub_case_works(test);
}

static long long room;

/* A disk that somebody else fills: 1 MiB less each time that it is looked at. */
static long long shrinking_space(const char *folder)
{
    (void)folder;
    room -= MB;
    return room;
}

static void a_disk_that_fills_up_ends_what_has_no_length(void **state)
{
    struct hub_case *test = *state;
    test->settings.free_space = shrinking_space;
    room = 60LL * MB;
    server_fault(test->server, (struct fault){FAULT_ENDLESS, "/model.safetensors", 100, ENDLESS, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "org/name: model.safetensors: the hub does not say how large it is",
                   "33.6 MB must be free on the disk of", test->cache, "MB left: make room", "--cache-dir");
    assert_true(room > 30LL * MB);
    assert_in_range(partial_size(test, "model.safetensors"), 1, 60 * MB);
}

static void a_disk_that_fills_up_is_told_before_it_is_full(void **state)
{
    struct hub_case *test = *state;
    test->settings.free_space = shrinking_space;
    /* Looked at for config.json, for all that comes, for two small files, then for the weights each MiB. */
    room = 8LL * MB;
    hub_case_works(test);
    test_folder_remove(test->cache);
    test->cache = test_folder_make();
    room = 4 * MB + CASE_WEIGHTS;
    if (hub_case_pull(test, "owlv2") == 0)
        fail_msg("the weights came");
    if (!strstr(error_message(), "org/name: model.safetensors: needs 3.0 MB more on the disk of "))
        fail_msg("%s", error_message());
    assert_int_equal(server_count(test->server, "GET /storage"), 2);
    room = 100LL * MB; /* what was there before is not lost */
    hub_case_works(test);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, hub_case_make, hub_case_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_has_its_limit),
        CASE(an_endless_config_is_cut_off),
        CASE(an_endless_tokenizer_is_cut_off),
        CASE(too_long_a_length_is_refused),
        CASE(too_long_a_beginning_is_dropped),
        CASE(a_file_without_a_length_is_taken),
        CASE(a_disk_that_fills_up_ends_what_has_no_length),
        CASE(a_disk_that_fills_up_is_told_before_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
