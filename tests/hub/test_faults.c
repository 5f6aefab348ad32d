/* A network and a hub that misbehave: what is retried, what is resumed, what is refused. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "hub_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WEIGHTS "GET /storage/model.safetensors"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Size of what is there of the weights; -1: nothing. */
static long partial_size(struct hub_case *test)
{
    return hub_case_size(hub_case_path(test, "blobs/%s.incomplete", server_etag(test->server, "model.safetensors")));
}

static void a_broken_download_goes_on_where_it_was(void **state)
{
    struct hub_case *test = *state;
    char part[64];
    server_fault(test->server, (struct fault){FAULT_BREAK, WEIGHTS, 1, 1234567, 0, NULL});
    hub_case_works(test);
    snprintf(part, sizeof(part), "range=%d-", 1234567);    /* every byte that was sent is kept */
    assert_int_equal(server_count(test->server, part), 2); /* of the hub, then of its storage */
    assert_int_equal(server_count(test->server, WEIGHTS), 2);
}

static void progress_starts_the_count_of_tries_again(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_BREAK, WEIGHTS, 12, 200000, 0, NULL});
    hub_case_works(test);
    assert_int_equal(server_count(test->server, WEIGHTS), 13);
}

static void the_next_run_goes_on_too(void **state)
{
    struct hub_case *test = *state;
    test->stop_at = 1000000;
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_CANCELLED, "the next run continues");
    const long size = partial_size(test);
    assert_true(size >= 1000000 && size < CASE_WEIGHTS);
    server_clear_log(test->server);
    test->stop_at = 0;
    hub_case_works(test);
    char part[64];
    snprintf(part, sizeof(part), WEIGHTS " host=localhost:%d auth= range=%ld-", server_port(test->server), size);
    assert_int_equal(server_count(test->server, part), 1);
    assert_int_equal(test->last.resumed, size);
    assert_int_equal(test->fetched, CASE_WEIGHTS - size);
}

static void give_up_after_five_tries_without_a_byte(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_BREAK, WEIGHTS, 100, 0, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "the connection broke", "try again");
    assert_int_equal(server_count(test->server, WEIGHTS), 5);
}

static void wrong_bytes_are_thrown_away(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_WRONG_BYTE, WEIGHTS, 1, 2999999, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "model.safetensors", "is not what the hub described");
    assert_int_equal(partial_size(test), -1);
    hub_case_works(test);
    server_fault(test->server, (struct fault){FAULT_WRONG_BYTE, "preprocessor_config.json", 0, 1, 0, NULL});
}

static void small_files_are_checked_too(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_WRONG_BYTE,
                                              "GET /" SERVER_ID "/resolve/" SERVER_COMMIT "/tokenizer", 1, 1, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "tokenizer.json", "is not what the hub described");
    hub_case_works(test);
}

static void a_damaged_beginning_is_fetched_again(void **state)
{
    struct hub_case *test = *state;
    char name[160];
    snprintf(name, sizeof(name), "models--org--name/blobs/%s.incomplete",
             server_etag(test->server, "model.safetensors"));
    test_write(test->cache, name, test->weights + 1, 100000); /* shifted by one */
    hub_case_works(test);
    assert_non_null(strstr(test->notices, "what an earlier run left was damaged"));
    assert_int_equal(server_count(test->server, WEIGHTS), 2);
    assert_int_equal(server_count(test->server, "range=100000-"), 2);
}

static void what_is_whole_is_not_fetched_again(void **state)
{
    struct hub_case *test = *state;
    char name[160];
    snprintf(name, sizeof(name), "models--org--name/blobs/%s.incomplete",
             server_etag(test->server, "model.safetensors"));
    test_write(test->cache, name, test->weights, CASE_WEIGHTS);
    hub_case_works(test);
    assert_int_equal(server_count(test->server, WEIGHTS), 0);
}

static void too_long_a_beginning_is_dropped(void **state)
{
    struct hub_case *test = *state;
    char name[160], *bytes = calloc(1, CASE_WEIGHTS + 5);
    snprintf(name, sizeof(name), "models--org--name/blobs/%s.incomplete",
             server_etag(test->server, "model.safetensors"));
    test_write(test->cache, name, bytes, CASE_WEIGHTS + 5);
    free(bytes);
    hub_case_works(test);
    assert_int_equal(server_count(test->server, WEIGHTS), 1);
}

static void ranges_that_are_not_known_start_over(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_BREAK, WEIGHTS, 1, 500000, 0, NULL});
    server_fault(test->server, (struct fault){FAULT_NO_RANGE, WEIGHTS, 100, 0, 0, NULL});
    hub_case_works(test);
    assert_int_equal(server_count(test->server, WEIGHTS), 2);
}

static void a_range_that_is_refused_starts_over(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_BREAK, WEIGHTS, 1, 500000, 0, NULL});
    server_fault(test->server, (struct fault){FAULT_STATUS, WEIGHTS, 1, 0, 416, NULL});
    hub_case_works(test);
    assert_int_equal(server_count(test->server, WEIGHTS), 3);
}

static void another_range_is_refused(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_BREAK, WEIGHTS, 1, 500000, 0, NULL});
    server_fault(test->server, (struct fault){FAULT_WRONG_RANGE, WEIGHTS, 100, 0, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "a different part than the one requested");
    assert_int_equal(partial_size(test), 500000);
}

static void wrong_sizes_are_refused(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_LENGTH, WEIGHTS, 1, 10, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "sends 3000010 bytes, but announced 3000000");
    server_fault(test->server, (struct fault){FAULT_LENGTH, WEIGHTS, 1, -10, 0, NULL});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "sends 2999990 bytes, but announced 3000000");
    hub_case_works(test);
}

static void silence_is_timed_out_and_resumed(void **state)
{
    struct hub_case *test = *state;
    test->settings.download_timeout = 1;
    server_fault(test->server, (struct fault){FAULT_STALL, WEIGHTS, 1, 700000, 0, NULL});
    const double start = now();
    hub_case_works(test);
    assert_true(now() - start >= 0.9);
    assert_int_equal(server_count(test->server, "range=700000-"), 2);
}

static void a_byte_now_and_then_counts_as_silence(void **state)
{
    struct hub_case *test = *state;
    test->settings.download_timeout = 1;
    server_fault(test->server, (struct fault){FAULT_DRIBBLE, WEIGHTS, 1, 700000, 0, NULL});
    hub_case_works(test);
    assert_int_equal(server_count(test->server, WEIGHTS), 2);
}

static void a_hub_that_does_not_answer_is_timed_out(void **state)
{
    struct hub_case *test = *state;
    test->settings.etag_timeout = 1;
    server_fault(test->server, (struct fault){FAULT_LATE, "HEAD", 100, 10000, 0, NULL});
    const double start = now();
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "does not answer in time", "HF_HUB_ETAG_TIMEOUT");
    assert_true(now() - start < 9); /* five tries of a second each */
}

static void errors_that_pass_are_waited_for(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 2, 0, 500, NULL});
    server_fault(test->server, (struct fault){FAULT_HANG_UP, "HEAD", 1, 0, 0, NULL});
    server_fault(test->server, (struct fault){FAULT_STATUS, WEIGHTS, 2, 0, 503, NULL});
    hub_case_works(test);
}

static void errors_that_stay_are_reported(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 100, 0, 502, "X-Error-Message: out to lunch\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, SERVER_ID, "answers 502, out to lunch", "try again later");
    assert_int_equal(server_count(test->server, "HEAD"), 5);
}

static void too_many_requests_wait_as_long_as_told(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 1, 0, 429, "Retry-After: 1\r\n"});
    const double start = now();
    hub_case_works(test);
    assert_true(now() - start >= 1);
}

static void the_hubs_own_limit_is_waited_for(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 1, 0, 429, "RateLimit: \"api\";r=0;t=1\r\n"});
    const double start = now();
    hub_case_works(test);
    assert_true(now() - start >= 1);
}

static void too_long_a_wait_is_told(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 1, 0, 429, "Retry-After: 3600\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "asks to wait 3600 s");
    assert_int_equal(server_count(test->server, "HEAD"), 1);
}

static void nobody_there_is_told_at_once(void **state)
{
    struct hub_case *test = *state;
    struct server *other = server_start();
    snprintf(test->endpoint, sizeof(test->endpoint), "http://127.0.0.1:%d", server_port(other));
    server_stop(other); /* its port is free now */
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "127.0.0.1: cannot be reached", "HF_ENDPOINT");
}

static void a_web_page_is_no_hub(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 1, 0, 200, "ETag: \"abc\"\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "does not answer as a model hub does");
    server_fault(test->server,
                 (struct fault){FAULT_STATUS, "HEAD", 1, 0, 200, "X-Repo-Commit: abc\r\nETag: \"../../x\"\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "does not answer as a model hub does");
    server_fault(test->server,
                 (struct fault){FAULT_STATUS, "HEAD", 1, 0, 200, "X-Repo-Commit: ../abc\r\nETag: \"abc\"\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "does not answer as a model hub does");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, hub_case_make, hub_case_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_broken_download_goes_on_where_it_was),
        CASE(progress_starts_the_count_of_tries_again),
        CASE(the_next_run_goes_on_too),
        CASE(give_up_after_five_tries_without_a_byte),
        CASE(wrong_bytes_are_thrown_away),
        CASE(small_files_are_checked_too),
        CASE(a_damaged_beginning_is_fetched_again),
        CASE(what_is_whole_is_not_fetched_again),
        CASE(too_long_a_beginning_is_dropped),
        CASE(ranges_that_are_not_known_start_over),
        CASE(a_range_that_is_refused_starts_over),
        CASE(another_range_is_refused),
        CASE(wrong_sizes_are_refused),
        CASE(silence_is_timed_out_and_resumed),
        CASE(a_byte_now_and_then_counts_as_silence),
        CASE(a_hub_that_does_not_answer_is_timed_out),
        CASE(errors_that_pass_are_waited_for),
        CASE(errors_that_stay_are_reported),
        CASE(too_many_requests_wait_as_long_as_told),
        CASE(the_hubs_own_limit_is_waited_for),
        CASE(too_long_a_wait_is_told),
        CASE(nobody_there_is_told_at_once),
        CASE(a_web_page_is_no_hub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
