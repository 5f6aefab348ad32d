/* The disk's side: no space, no permission, what other tools left, other processes, links that lead out. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "hub/model_find.h"
#include "hub_case.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static long long little_space(const char *folder)
{
    (void)folder;
    return 2000000;
}

static void space_is_checked_before(void **state)
{
    struct hub_case *test = *state;
    test->settings.free_space = little_space;
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "needs 3.0 MB on the disk of", "which has 2.0 MB left",
                   "--cache-dir");
    assert_int_equal(server_count(test->server, "GET /storage"), 0);
    char name[160]; /* what an earlier run left needs no more room */
    snprintf(name, sizeof(name), "models--org--name/blobs/%s.incomplete",
             server_etag(test->server, "model.safetensors"));
    test_write(test->cache, name, test->weights, 1500000);
    hub_case_works(test);
}

static void a_disk_that_fills_up_keeps_what_came(void **state)
{
    struct hub_case *test = *state;
    struct rlimit limit, small;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1 << 20;
    sigaction(SIGXFSZ, &ignore, &before);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, ".incomplete: cannot be written", "continues where it stopped");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    sigaction(SIGXFSZ, &before, NULL);
    hub_case_works(test);
    assert_int_equal(server_count(test->server, "range=1048576-"), 2);
}

/* As root nothing is forbidden: then as nobody. */
static int pull_as_nobody(struct hub_case *test)
{
    const bool root = geteuid() == 0;
    assert_int_equal(chmod(test->cache, 0555), 0);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    const int status = hub_case_pull(test, "owlv2");
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(test->cache, 0755), 0);
    return status;
}

static void a_cache_that_cannot_be_written_is_named(void **state)
{
    struct hub_case *test = *state;
    assert_int_equal(pull_as_nobody(test), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "models--org--name: cannot be written: Permission denied"));
    assert_non_null(strstr(error_message(), "HF_HUB_CACHE"));
    test_write_text(test->cache, "models--org--name", "a file in the way");
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "models--org--name", "cannot be written");
}

static struct model_source source_of(const struct hub_case *test)
{
    setenv("HF_ENDPOINT", test->endpoint, 1);
    setenv("HF_TOKEN_PATH", "/nonexistent/token", 1);
    unsetenv("HF_HUB_OFFLINE");
    return (struct model_source){.model = SERVER_ID, .cache_dir = test->cache, .kind = "owlv2"};
}

static void expect_found(const struct model_source *source)
{
    char *folder;
    if (model_find(source, &folder) != 0)
        fail_msg("%s", error_message());
    assert_non_null(strstr(folder, "/models--org--name/snapshots/" SERVER_COMMIT));
    free(folder);
}

static void what_is_complete_is_not_asked_for(void **state)
{
    struct hub_case *test = *state;
    const struct model_source source = source_of(test);
    expect_found(&source);
    server_clear_log(test->server);
    expect_found(&source);
    assert_int_equal(server_count(test->server, ""), 0);
    char *blob = hub_case_path(test, "blobs/%s", server_etag(test->server, "preprocessor_config.json"));
    assert_int_equal(unlink(blob), 0); /* its link leads nowhere now */
    free(blob);
    expect_found(&source);
    assert_int_equal(server_count(test->server, "GET "), 1);
}

static void offline_opens_no_connection(void **state)
{
    struct hub_case *test = *state;
    struct model_source source = source_of(test);
    struct model_pulled pulled;
    char *folder;
    source.offline = true;
    assert_int_equal(model_find(&source, &folder), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "sowlv2 pull " SERVER_ID));
    assert_int_equal(model_pull(&source, &pulled), SOWLV2_ERROR_ARGUMENT);
    source.offline = false;
    setenv("HF_HUB_OFFLINE", "1", 1);
    assert_int_equal(model_find(&source, &folder), SOWLV2_ERROR_MODEL);
    assert_int_equal(server_count(test->server, ""), 0);
    hub_case_works(test);
    server_clear_log(test->server);
    expect_found(&source);
    assert_int_equal(server_count(test->server, ""), 0);
    unsetenv("HF_HUB_OFFLINE");
}

static void pull_asks_even_for_what_is_there(void **state)
{
    struct hub_case *test = *state;
    struct model_source source = source_of(test);
    struct model_pulled pulled;
    source.kind = NULL;
    assert_int_equal(model_pull(&source, &pulled), 0);
    assert_int_equal(pulled.bytes, CASE_WEIGHTS + CASE_SIDE_FILES);
    free(pulled.folder);
    server_clear_log(test->server);
    assert_int_equal(model_pull(&source, &pulled), 0);
    assert_int_equal(pulled.bytes, 0);
    free(pulled.folder);
    assert_true(server_count(test->server, "HEAD") > 0);
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1); /* nobody there: what is in the cache stays good */
    assert_int_equal(model_pull(&source, &pulled), 0);
    free(pulled.folder);
    assert_non_null(strstr(test->notices, "the version in the cache stays"));
    source.model = "org/other";
    assert_int_equal(model_pull(&source, &pulled), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "cannot be reached"));
}

static void what_other_tools_left_is_no_harm(void **state)
{
    struct hub_case *test = *state;
    const struct model_source source = source_of(test);
    char name[200];
    const char *etag = server_etag(test->server, "model.safetensors");
    /* A transformers run that was cut short: config.json, links to nowhere, its own unfinished files. */
    test_write_text(test->cache, "models--org--name/refs/main", SERVER_COMMIT);
    test_write_text(test->cache, "models--org--name/blobs/0123", "{\"model_type\": \"owlv2\"}");
    test_link("../../blobs/0123", test->cache, "models--org--name/snapshots/" SERVER_COMMIT "/config.json");
    snprintf(name, sizeof(name), "../../blobs/%s", etag);
    test_link(name, test->cache, "models--org--name/snapshots/" SERVER_COMMIT "/model.safetensors");
    snprintf(name, sizeof(name), "models--org--name/blobs/%s.0a1b2c3d.incomplete", etag);
    test_write_text(test->cache, name, "something");
    test_write_text(test->cache, "models--org--name/trees/" SERVER_COMMIT ".json", "{}");
    snprintf(name, sizeof(name), "models--org--name/blobs/%s", server_etag(test->server, "tokenizer.json"));
    test_write_text(test->cache, name, "{"); /* cut short by a full disk */
    expect_found(&source);
    hub_case_works(test);
    assert_int_equal(hub_case_size(path_join(test->folder, "tokenizer.json")), 13);
}

static void links_out_of_the_cache_are_refused(void **state)
{
    struct hub_case *test = *state;
    struct model_source source = source_of(test);
    char *folder, *shared = test_path(test->cache, "blobs/ab/shared"), *blob;
    hub_case_works(test);
    blob = hub_case_path(test, "blobs/%s", server_etag(test->server, "model.safetensors"));
    test_write_text(test->cache, "blobs/ab/shared", "x"); /* the store that newer releases share between models */
    assert_int_equal(unlink(blob), 0);
    assert_int_equal(symlink("../../blobs/ab/shared", blob), 0);
    expect_found(&source);
    assert_int_equal(unlink(blob), 0);
    assert_int_equal(symlink("/etc/passwd", blob), 0);
    source.offline = true;
    assert_int_equal(model_find(&source, &folder), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "model.safetensors: is a link out of the hub cache, to /etc/passwd"));
    source.offline = false;
    assert_int_equal(model_find(&source, &folder), SOWLV2_ERROR_MODEL);
    free(shared);
    free(blob);
}

/* Pulls in another process, this program run anew; gives its number. */
static pid_t pull_elsewhere(struct hub_case *test)
{
    const struct model_source source = source_of(test);
    char *const words[] = {(char[]){"test"}, (char[]){"pull"}, test->cache, NULL};
    const pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        execv("/proc/self/exe", words);
        _exit(127);
    }
    (void)source; /* the environment says where the hub is */
    return process;
}

/* What that process does. */
static int pull_here(const char *cache)
{
    const struct model_source source = {.model = SERVER_ID, .cache_dir = cache, .kind = "owlv2"};
    struct model_pulled pulled;
    const int status = model_pull(&source, &pulled);
    free(pulled.folder);
    return status == 0 ? 0 : 1;
}

static void two_processes_fetch_it_once(void **state)
{
    struct hub_case *test = *state;
    int status;
    server_fault(test->server, (struct fault){FAULT_LATE, "GET /storage", 1, 1000, 0, NULL});
    const pid_t process = pull_elsewhere(test);
    while (server_count(test->server, "GET /storage") == 0)
        usleep(1000);
    hub_case_works(test);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(server_count(test->server, "GET /storage"), 1);
    char part[64];
    snprintf(part, sizeof(part), "is being downloaded by process %ld (", (long)process);
    if (!strstr(test->notices, part) && !strstr(test->notices, "by another process"))
        fail_msg("%s", test->notices);
}

static void a_process_that_was_killed_holds_nothing_up(void **state)
{
    struct hub_case *test = *state;
    int status;
    server_fault(test->server, (struct fault){FAULT_STALL, "GET /storage", 1, 1500000, 0, NULL});
    const pid_t process = pull_elsewhere(test);
    char *partial = hub_case_path(test, "blobs/%s.incomplete", server_etag(test->server, "model.safetensors"));
    while (hub_case_size(strdup(partial)) < 1500000)
        usleep(1000);
    kill(process, SIGKILL);
    assert_int_equal(waitpid(process, &status, 0), process);
    free(partial);
    hub_case_works(test);
    assert_int_equal(server_count(test->server, "range=1500000-"), 2);
}

struct holder {
    struct hub_case *test;
    int descriptor;
};

/* Lets go once the wait was told of. */
static void *let_go(void *user_data)
{
    const struct holder *holder = user_data;
    for (int i = 0; i < 3000 && atomic_load(&holder->test->said) == 0; i++)
        usleep(10000);
    close(holder->descriptor);
    return NULL;
}

static void a_lock_can_be_waited_for_and_given_up(void **state)
{
    struct hub_case *test = *state;
    char name[160];
    pthread_t thread;
    snprintf(name, sizeof(name), ".locks/models--org--name/%s.lock", server_etag(test->server, "model.safetensors"));
    test_write_text(test->cache, name, "");
    char *path = test_path(test->cache, name);
    struct holder holder = {.test = test, .descriptor = open(path, O_RDWR | O_CLOEXEC)};
    assert_int_equal(flock(holder.descriptor, LOCK_EX), 0); /* as Python's filelock does */
    assert_int_equal(pthread_create(&thread, NULL, let_go, &holder), 0);
    hub_case_works(test);
    pthread_join(thread, NULL);
    assert_non_null(strstr(test->notices, SERVER_ID ": model.safetensors: is being downloaded by"));
    free(path);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, hub_case_make, hub_case_remove)

int main(int count, char **words)
{
    if (count == 3 && strcmp(words[1], "pull") == 0)
        return pull_here(words[2]);
    const struct CMUnitTest tests[] = {
        CASE(space_is_checked_before),
        CASE(a_disk_that_fills_up_keeps_what_came),
        CASE(a_cache_that_cannot_be_written_is_named),
        CASE(what_is_complete_is_not_asked_for),
        CASE(offline_opens_no_connection),
        CASE(pull_asks_even_for_what_is_there),
        CASE(what_other_tools_left_is_no_harm),
        CASE(links_out_of_the_cache_are_refused),
        CASE(two_processes_fetch_it_once),
        CASE(a_process_that_was_killed_holds_nothing_up),
        CASE(a_lock_can_be_waited_for_and_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
