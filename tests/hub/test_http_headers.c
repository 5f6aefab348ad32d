/* What an answer's header lines say, as hubs, storages and proxies write them, and as nobody should. */
#include "hub/http_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Feeds the lines of a header block one by one, as libcurl does. */
static struct http_answer read_block(const char *block)
{
    struct http_answer answer;
    http_answer_clear(&answer);
    while (*block) {
        const size_t length = strcspn(block, "\n") + (strchr(block, '\n') != NULL);
        http_answer_take(&answer, block, length);
        block += length;
    }
    return answer;
}

static void a_redirect_describes_the_file(void **state)
{
    (void)state;
    const struct http_answer answer = read_block("HTTP/1.1 302 Found\r\n"
                                                 "Content-Length: 1369\r\n"
                                                 "x-repo-commit: c2963a47\r\n"
                                                 "X-LINKED-SIZE: 620231856\r\n"
                                                 "X-Linked-ETag:\t\"e6f4\" \r\n"
                                                 "ETag: W/\"0f7c\"\r\n"
                                                 "Location: https://storage.example/a?b=c:d\r\n\r\n");
    assert_int_equal(answer.code, 302);
    assert_int_equal(answer.length, 1369);
    assert_int_equal(answer.linked_size, 620231856);
    assert_string_equal(answer.commit, "c2963a47");
    assert_string_equal(answer.linked_etag, "\"e6f4\"");
    assert_string_equal(answer.etag, "W/\"0f7c\"");
    assert_string_equal(answer.location, "https://storage.example/a?b=c:d");
}

static void parts_say_where_they_begin(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t start, total;
    } ranges[] = {
        {"bytes 1234567-2999999/3000000", 1234567, 3000000},
        {"Bytes 0-1/*", 0, -1},
        {"bytes */3000000", -1, 3000000},
        {"bytes 5-9/10, 11-12/20", 5, -1},
        {"bytes=5-9/10", -1, -1},
        {"bytes 18446744073709551616-1/5", -1, 5},
        {"bytes -1/5", -1, 5},
        {"lines 1-2/3", -1, -1},
        {"", -1, -1},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        char block[128];
        snprintf(block, sizeof(block), "HTTP/1.1 206 Partial Content\r\nContent-Range: %s\r\n", ranges[i].value);
        const struct http_answer answer = read_block(block);
        if (answer.range_start != ranges[i].start || answer.range_total != ranges[i].total)
            fail_msg("%s: %lld of %lld", ranges[i].value, (long long)answer.range_start, (long long)answer.range_total);
    }
}

/* Seconds that an answer with these lines asks to wait. */
static int64_t delay(const char *lines)
{
    char block[256];
    snprintf(block, sizeof(block), "HTTP/1.1 429 Too Many Requests\r\n%s\r\n", lines);
    return read_block(block).retry_after;
}

static void waits_are_seconds_or_a_time_of_day(void **state)
{
    (void)state;
    char line[128];
    const time_t until = time(NULL) + 100;
    struct tm parts;
    assert_int_equal(delay("Retry-After: 120\r\n"), 120);
    assert_int_equal(delay("Retry-After: 0\r\n"), 0);
    strftime(line, sizeof(line), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&until, &parts));
    assert_in_range(delay(line), 95, 100);
    strftime(line, sizeof(line), "Retry-After: %A, %d-%b-%y %H:%M:%S GMT\r\n", gmtime_r(&until, &parts));
    assert_in_range(delay(line), 95, 100);
    assert_int_equal(delay("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 0); /* over */
    assert_true(delay("Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n") > 1000000000);
    assert_int_equal(delay("Retry-After: soon\r\n"), -1);
    assert_int_equal(delay("Retry-After: -5\r\n"), -1);
    assert_int_equal(delay("Retry-After: 9999999999999999999\r\n"), -1);
    assert_int_equal(delay("RateLimit: \"api\";r=0;t=55\r\n"), 55);
    assert_int_equal(delay("RateLimit: \"api\";r=12;t=55\r\n"), -1); /* some are left */
    assert_int_equal(delay("Retry-After: 7\r\nRateLimit: \"api\";r=0;t=55\r\n"), 7);
}

static void what_is_not_right_counts_as_not_said(void **state)
{
    (void)state;
    char block[9000];
    struct http_answer answer = read_block("HTTP/1.1 200 OK\r\n"
                                           "ETag: \"a\"\r\n"
                                           " X-Repo-Commit: folded\r\n"
                                           "\tLocation: /folded\r\n"
                                           "Location : /blank before the colon\r\n"
                                           ": no name\r\n"
                                           "X-Linked-Size\r\n"
                                           "Content-Length: 5, 5\r\n");
    assert_string_equal(answer.etag, "\"a\"");
    assert_string_equal(answer.commit, "");
    assert_string_equal(answer.location, "");
    assert_int_equal(answer.linked_size, -1);
    assert_int_equal(answer.length, -1);
    /* Longer than its place: nothing rather than a part of it. */
    snprintf(block, sizeof(block), "HTTP/1.1 200 OK\r\nETag: \"%0253d\"\r\nX-Linked-Etag: \"%0254d\"\r\n", 1, 2);
    answer = read_block(block);
    assert_int_equal(strlen(answer.etag), 255);
    assert_string_equal(answer.linked_etag, "");
    snprintf(block, sizeof(block), "HTTP/1.1 302 Found\r\nLocation: /%08180d\r\n", 1);
    assert_string_equal(read_block(block).location, "");
    answer = read_block("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nETag: b\r\n");
    assert_string_equal(answer.etag, "b"); /* the last one */
}

static void every_status_line_begins_afresh(void **state)
{
    (void)state;
    const struct http_answer answer = read_block("HTTP/1.1 302 Found\r\nLocation: /x\r\nX-Linked-Size: 5\r\n\r\n"
                                                 "HTTP/2 200 \r\ncontent-length: 7\r\n\r\n");
    assert_int_equal(answer.code, 200);
    assert_int_equal(answer.length, 7);
    assert_int_equal(answer.linked_size, -1);
    assert_string_equal(answer.location, "");
    static const struct {
        const char *line;
        long code;
    } lines[] = {
        {"HTTP/1.1 404\r\n", 404},   {"HTTP/1.1 20000000000000000000 OK\r\n", 0},
        {"HTTP/1.1 -7 x\r\n", 0},    {"HTTP/1.1 99 x\r\n", 0},
        {"HTTP/1.1 1000 x\r\n", 0},  {"HTTP/1.1 2e2 x\r\n", 0},
        {"HTTP/1.1 200OK x\r\n", 0}, {"HTTP/\r\n", 0},
        {"http/1.1 206 x\r\n", 206},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (read_block(lines[i].line).code != lines[i].code)
            fail_msg("%s: %ld", lines[i].line, read_block(lines[i].line).code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redirect_describes_the_file),      cmocka_unit_test(parts_say_where_they_begin),
        cmocka_unit_test(waits_are_seconds_or_a_time_of_day), cmocka_unit_test(what_is_not_right_counts_as_not_said),
        cmocka_unit_test(every_status_line_begins_afresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
