/* Finding models: local folders, and the Hugging Face cache as its own library lays it out. */
#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/test_folder.h"
#include "weights/checkpoint.h"
#include "weights/hub.h"
#include "weights/hub_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COMMIT "c2963a47b1b8a0e6c3d15dc9a4ef7f1f0e6b1a55"
#define OTHER_COMMIT "0123456789abcdef0123456789abcdef01234567"
#define REPOSITORY "models--google--owlv2-base"

static const char *const variables[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",      "XDG_CACHE_HOME",
                                        "HOME",         "SOWLV2_TEST_A",         "SOWLV2_TEST_B"};

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    setenv("HOME", "/home/someone", 1);
    return 0;
}

static void expect_cache(const char *cache_dir, const char *expected)
{
    char *folder;
    assert_int_equal(hub_cache_directory(cache_dir, &folder), 0);
    assert_string_equal(folder, expected);
    free(folder);
}

static void environment_decides_the_cache(void **state)
{
    (void)state;
    expect_cache(NULL, "/home/someone/.cache/huggingface/hub");
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    expect_cache(NULL, "/xdg/huggingface/hub");
    setenv("HF_HOME", "~/hf", 1);
    expect_cache(NULL, "/home/someone/hf/hub");
    setenv("HUGGINGFACE_HUB_CACHE", "/old", 1);
    expect_cache(NULL, "/old");
    setenv("HF_HUB_CACHE", "/new", 1);
    expect_cache(NULL, "/new");
    expect_cache("~/given", "/home/someone/given");
    setenv("HF_HUB_CACHE", "", 1); /* empty counts as unset */
    expect_cache("", "/old");
}

static void expect_path(const char *path, const char *expected)
{
    struct string text = {0};
    hub_expand_path(path, &text);
    assert_false(text.failed);
    assert_string_equal(text.data, expected);
    string_free(&text);
}

static void paths_are_expanded(void **state)
{
    (void)state;
    setenv("SOWLV2_TEST_A", "aa", 1);
    setenv("SOWLV2_TEST_B", "b/$SOWLV2_TEST_A", 1);
    expect_path("~", "/home/someone");
    expect_path("~/x", "/home/someone/x");
    expect_path("/x/~", "/x/~");
    expect_path("~root/x", "/root/x");
    expect_path("~no-such-user-here/x", "~no-such-user-here/x");
    expect_path("$SOWLV2_TEST_A/x", "aa/x");
    expect_path("/${SOWLV2_TEST_A}x", "/aax");
    expect_path("$SOWLV2_TEST_B", "b/$SOWLV2_TEST_A"); /* once only */
    expect_path("$SOWLV2_TEST_NONE/${SOWLV2_TEST_NONE}", "$SOWLV2_TEST_NONE/${SOWLV2_TEST_NONE}");
    expect_path("$/${/${}/$", "$/${/${}/$");
    unsetenv("HOME");
    struct string text = {0};
    hub_expand_path("~/x", &text); /* from the user database */
    assert_true(text.data[0] == '/' || text.data[0] == '~');
    string_free(&text);
}

static void ids_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {"gpt2", "google/owlv2-base-patch16-ensemble", "a", "A_b/c.d-e", "_x/y_", "1/2"};
    static const char *const bad[] = {"",      "/",    "a/",      "/a",         "a/b/c", "../a", "a/..",  "..",
                                      ".",     "a/.b", "a--b/c",  "a..b",       "-a/b",  "a-/b", "a/b.",  "a b",
                                      "a/b\n", "a\\b", "a/b.git", "\xc3\xa9/b", "~/a",   "./a",  "$HOME", "a/b%2f.."};
    char long_id[200];
    memset(long_id, 'a', sizeof(long_id));
    long_id[97] = '\0';
    assert_false(hub_id_is_valid(long_id));
    long_id[96] = '\0';
    assert_true(hub_id_is_valid(long_id));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!hub_id_is_valid(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (hub_id_is_valid(bad[i]))
            fail_msg("%s", bad[i]);
    assert_true(hub_revision_is_valid("main"));
    assert_true(hub_revision_is_valid("refs/pr/1"));
    assert_true(hub_revision_is_valid("v1.0-rc..2"));
    static const char *const bad_revisions[] = {"",        "/",      "/main", "main/", "..",
                                                "../main", "a/../b", "a//b",  ".",     "a\nb"};
    for (size_t i = 0; i < sizeof(bad_revisions) / sizeof(bad_revisions[0]); i++)
        if (hub_revision_is_valid(bad_revisions[i]))
            fail_msg("%s", bad_revisions[i]);
}

/* A cache as huggingface_hub makes it: blobs, and a snapshot of relative links to them. */
static char *make_cache(void)
{
    char *cache = test_folder_make();
    test_write_text(cache, "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    test_write_text(cache, REPOSITORY "/refs/main", COMMIT);
    test_write_text(cache, REPOSITORY "/refs/refs/pr/1", OTHER_COMMIT "\n");
    test_write_text(cache, REPOSITORY "/.no_exist/" COMMIT "/adapter_config.json", "");
    test_write_text(cache, REPOSITORY "/blobs/1111", "{}");
    test_write(cache, REPOSITORY "/blobs/2222", "\2\0\0\0\0\0\0\0{}", 10);
    test_link("../../blobs/1111", cache, REPOSITORY "/snapshots/" COMMIT "/config.json");
    test_link("../../blobs/2222", cache, REPOSITORY "/snapshots/" COMMIT "/model.safetensors");
    test_link("../../blobs/1111", cache, REPOSITORY "/snapshots/" OTHER_COMMIT "/config.json");
    return cache;
}

static void expect_found(const char *model, const char *revision, const char *cache, const char *below)
{
    char *folder, *expected = test_path(cache, below);
    if (hub_locate(model, "owlv2", revision, cache, &folder) != 0)
        fail_msg("%s", error_message());
    assert_string_equal(folder, expected);
    free(folder);
    free(expected);
}

static void snapshots_are_found(void **state)
{
    (void)state;
    char *cache = make_cache(), *folder;
    expect_found("google/owlv2-base", NULL, cache, REPOSITORY "/snapshots/" COMMIT);
    expect_found("google/owlv2-base", "main", cache, REPOSITORY "/snapshots/" COMMIT);
    expect_found("google/owlv2-base@main", NULL, cache, REPOSITORY "/snapshots/" COMMIT);
    expect_found("google/owlv2-base", "refs/pr/1", cache, REPOSITORY "/snapshots/" OTHER_COMMIT);
    expect_found("google/owlv2-base@refs/pr/1", NULL, cache, REPOSITORY "/snapshots/" OTHER_COMMIT);
    expect_found("google/owlv2-base@main", "refs/pr/1", cache, REPOSITORY "/snapshots/" OTHER_COMMIT);
    expect_found("google/owlv2-base", OTHER_COMMIT, cache, REPOSITORY "/snapshots/" OTHER_COMMIT);
    setenv("HF_HUB_CACHE", cache, 1);
    assert_int_equal(hub_locate("google/owlv2-base", "owlv2", NULL, NULL, &folder), 0);
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(folder, &checkpoint), 0); /* through the links */
    checkpoint_close(&checkpoint);
    free(folder);
    test_write_text(cache, "models--gpt2/snapshots/abc/config.json", "{}");
    expect_found("gpt2", "abc", cache, "models--gpt2/snapshots/abc");
    test_folder_remove(cache);
}

static void expect_missing(const char *model, const char *revision, const char *cache, int expected, const char *why)
{
    char *folder = (char *)&folder;
    int status = hub_locate(model, "owlv2", revision, cache, &folder);
    if (status != expected || !strstr(error_message(), why))
        fail_msg("expected %d \"%s\", got %d: %s", expected, why, status, error_message());
    assert_null(folder);
}

static void missing_models_say_what_to_do(void **state)
{
    (void)state;
    char *cache = make_cache();
    expect_missing("google/none", NULL, cache, SOWLV2_ERROR_MODEL, cache);
    expect_missing("google/none", NULL, cache, SOWLV2_ERROR_MODEL,
                   "give a local folder, or download it into the cache with: sowlv2 pull google/none --cache-dir ");
    expect_missing("google/owlv2-base", "v2", cache, SOWLV2_ERROR_MODEL,
                   "sowlv2 pull google/owlv2-base@v2 --cache-dir ");
    expect_missing("google/owlv2-base", "abcdef", cache, SOWLV2_ERROR_MODEL, "not there at this revision");
    expect_missing("google/owlv2-base", "refs", cache, SOWLV2_ERROR_MODEL, "not there at this revision");
    setenv("HF_HUB_CACHE", "/no/such/cache", 1);
    expect_missing("google/owlv2-base", NULL, NULL, SOWLV2_ERROR_MODEL,
                   "google/owlv2-base: not a local folder, and not in the hub cache /no/such/cache: give a local "
                   "folder, or download it into the cache with: sowlv2 pull google/owlv2-base");
    assert_null(strstr(error_message(), "--"));
    expect_missing("google/owlv2-base", "../x", cache, SOWLV2_ERROR_ARGUMENT, "give a branch, tag or commit");
    expect_missing("google/owlv2-base@", NULL, cache, SOWLV2_ERROR_ARGUMENT, "give a branch, tag or commit");
    expect_missing("../" REPOSITORY, NULL, cache, SOWLV2_ERROR_MODEL, "no such folder, and not a hub id");
    expect_missing("no/such/folder", NULL, cache, SOWLV2_ERROR_MODEL, "no such folder, and not a hub id");
    expect_missing("", NULL, cache, SOWLV2_ERROR_ARGUMENT, "none given");
    expect_missing(NULL, NULL, cache, SOWLV2_ERROR_ARGUMENT, "none given");
    test_folder_remove(cache);
}

static void damaged_caches_are_refused(void **state)
{
    (void)state;
    char *cache = make_cache(), *text = malloc(5000);
    static const char *const commits[] = {"", "\n", "../../../etc", "a/b", "..", ".", "abc def", "abc\ndef"};
    for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
        test_write_text(cache, REPOSITORY "/refs/main", commits[i]);
        expect_missing("google/owlv2-base", NULL, cache, SOWLV2_ERROR_FORMAT, "refs/main: names no commit");
    }
    test_write(cache, REPOSITORY "/refs/main", COMMIT "\0x", 42);
    expect_missing("google/owlv2-base", NULL, cache, SOWLV2_ERROR_FORMAT, "names no commit");
    memset(text, 'a', 5000);
    test_write(cache, REPOSITORY "/refs/main", text, 5000);
    expect_missing("google/owlv2-base", NULL, cache, SOWLV2_ERROR_FORMAT, "refs/main");
    test_write_text(cache, REPOSITORY "/refs/main", "fedcba");
    expect_missing("google/owlv2-base", NULL, cache, SOWLV2_ERROR_MODEL, "not there at this revision");
    test_link("../../blobs/none", cache, REPOSITORY "/snapshots/fedcba/config.json");
    expect_missing("google/owlv2-base", NULL, cache, SOWLV2_ERROR_MODEL, "without its config.json");
    free(text);
    test_folder_remove(cache);
}

static void local_folders_are_themselves(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *found, *file = test_path(folder, "config.json");
    expect_missing(folder, NULL, NULL, SOWLV2_ERROR_MODEL, "holds no config.json");
    test_write_text(folder, "config.json", "{}");
    assert_int_equal(hub_locate(folder, "owlv2", NULL, NULL, &found), 0);
    assert_string_equal(found, folder);
    free(found);
    expect_missing(file, NULL, NULL, SOWLV2_ERROR_MODEL, "is a file: give the folder");
    free(file);
    test_folder_remove(folder);
}

static void demo_models_come_along(void **state)
{
    (void)state;
    char *folder = NULL;
    unsetenv("SOWLV2_DATA");
    assert_int_equal(hub_locate("demo", "owlv2", NULL, NULL, &folder), 0);
    char *config = path_join(folder, "config.json");
    assert_true(file_exists(config));
    free(config);
    free(folder);
    setenv("SOWLV2_DATA", "/no/such/place", 1); /* the user's word is final */
    assert_int_equal(hub_locate("demo", "owlv2", NULL, NULL, &folder), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "/no/such/place"));
    unsetenv("SOWLV2_DATA");
    assert_int_equal(hub_locate("demo", "no such kind", NULL, NULL, &folder), SOWLV2_ERROR_MODEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(environment_decides_the_cache, clear_environment),
        cmocka_unit_test_setup(paths_are_expanded, clear_environment),
        cmocka_unit_test_setup(ids_are_checked, clear_environment),
        cmocka_unit_test_setup(snapshots_are_found, clear_environment),
        cmocka_unit_test_setup(missing_models_say_what_to_do, clear_environment),
        cmocka_unit_test_setup(damaged_caches_are_refused, clear_environment),
        cmocka_unit_test_setup(local_folders_are_themselves, clear_environment),
        cmocka_unit_test_setup(demo_models_come_along, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
