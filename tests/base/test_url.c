/* Addresses: what is one, what it is called, and what of it is never shown. */
#include "base/error.h"
#include "base/log.h"
#include "base/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void addresses_have_a_scheme(void **state)
{
    static const char *const yes[] = {"http://h/x", "RTSP://h", "file:///x", "a+b-c.1://x"};
    static const char *const no[] = {"", "http:/h", "://h", "1a://h", "a b://h", "photos/x://y", "/http://h", "C:\\x"};

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(url_is(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(url_is(no[i]));
    assert_true(url_has_scheme("HTTPS://h", "https"));
    assert_false(url_has_scheme("https://h", "http"));
}

static void secrets_are_hidden(void **state)
{
    static const char *const pairs[][2] = {
        {"rtsp://admin:secret@cam:554/1: cannot open", "rtsp://***@cam:554/1: cannot open"},
        {"http://u:p@h/x", "http://***@h/x"},
        {"http://u:se@cr/et@h/x", "http://***@h/x"},
        {"rtsp://u:se/cret@h/x: no", "rtsp://***@h/x: no"},
        {"rtsp://u:se?cr#et@h/x: no", "rtsp://***@h/x: no"},
        {"http://u:se cret@h/x", "http://***@h/x"},
        {"http://u@h/x", "http://*@h/x"},
        {"https://h/x.mp4?X-Amz-Signature=abc&sig=1: 403 Forbidden", "https://h/x.mp4?...: 403 Forbidden"},
        {"'https://h/x?a=1' and 'ftp://me:you@f/y?b=2.'", "'https://h/x?...' and 'ftp://***@f/y?....'"},
        {"rtsp://c/user=admin&password=secret&channel=1.sdp?", "rtsp://c/user=admin&password=***&channel=1.sdp?"},
        {"http://h:8080/@me/x.mp4", "http://h:8080/@me/x.mp4"},
        {"http://h: no answer from org/name@main", "http://h: no answer from org/name@main"},
        {"http://[::1]:80/x@y", "http://[::1]:80/x@y"},
        {"no address: a?b@c", "no address: a?b@c"},
        {"give them as http://USER:PASSWORD@HOST:PORT", "give them as http://USER:PASSWORD@HOST:PORT"},
        {"://", "://"},
        {"x://@", "x://@"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[128];

        snprintf(text, sizeof(text), "%s", pairs[i][0]);
        url_hide_secrets(text);
        assert_string_equal(text, pairs[i][1]);
    }
}

/* What follows '#' is for who asked; a password may hold one. */
static void what_is_asked_for_ends_before_the_fragment(void **state)
{
    static const char *const pairs[][2] = {
        {"http://h/a.png#top", "http://h/a.png"},
        {"HTTPS://h/a?b=c#t=10", "HTTPS://h/a?b=c"},
        {"http://h#x", "http://h"},
        {"http://me:a#b@h/a.png#c", "http://me:a#b@h/a.png"},
        {"http://h/a.png", "http://h/a.png"},
        {"rtsp://c/stream#1", "rtsp://c/stream#1"},
        {"photos/a#1.png", "photos/a#1.png"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[64];

        snprintf(text, sizeof(text), "%.*s", (int)url_asked_length(pairs[i][0]), pairs[i][0]);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void keep_line(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)level;
    snprintf(user_data, 128, "%s", message);
}

/* Whatever a message is made of. */
static void messages_hide_them(void **state)
{
    char line[128] = "";

    (void)state;
    error_set(SOWLV2_ERROR_IO, "%s: cannot be opened", "http://me:secret@h/x");
    assert_string_equal(error_message(), "http://***@h/x: cannot be opened");
    error_prefix(SOWLV2_ERROR_IO, "%s", "ftp://me:secret@f/");
    assert_string_equal(error_message(), "ftp://***@f/: http://***@h/x: cannot be opened");
    sowlv2_set_log(keep_line, line);
    log_notice("%s: slow", "http://me:secret@h/x?token=1");
    assert_string_equal(line, "http://***@h/x?...: slow");
    log_debug("FFmpeg: %s", "http://me:secret@h/x");
    assert_string_equal(line, "FFmpeg: http://***@h/x");
    sowlv2_set_log(NULL, NULL);
}

static void addresses_have_names(void **state)
{
    static const char *const names[][2] = {
        {"https://h/a/film.mp4", "film.mp4"},
        {"https://h/film.mp4?path=/x&sig=1", "film.mp4"},
        {"https://h/film.mp4#t=/1", "film.mp4"},
        {"https://u:p@h/a%20film.mp4", "a film.mp4"},
        {"https://h/%E7%8C%AB.jpg", "\xe7\x8c\xab.jpg"},
        {"https://h/a%2Fb.mp4", "a%2Fb.mp4"},
        {"https://h/a%00b%0a.mp4", "a%00b%0a.mp4"},
        {"https://h/100%.mp4", "100%.mp4"},
        {"https://h/clips/", "clips"},
        {"https://h/film.mp4;jsessionid=7", "film.mp4"},
        {"rtsp://u:p@cam:554/", "cam:554"},
        {"rtsp://u:p@cam", "cam"},
        {"https://h/?v=1", "h"},
        {"https://h/a/..", "h"},
        {"https://h/%2e%2e", "h"},
        {"rtsp://c/user=admin&password=secret&channel=1.sdp", "user=admin"},
        {"https://h/Tom&Jerry.mp4", "Tom&Jerry.mp4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *name = url_name(names[i][0]);

        assert_string_equal(name, names[i][1]);
        free(name);
    }
}

static void addresses_are_plain_in_rows(void **state)
{
    static const char *const pairs[][2] = {
        {"https://u:p@h:1/a/x.mp4?sig=1#t", "https://h:1/a/x.mp4"},
        {"rtsp://c/password=secret", "rtsp://c/password=***"},
        {"/not/one", "/not/one"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *plain = url_plain(pairs[i][0]);

        assert_string_equal(plain, pairs[i][1]);
        free(plain);
    }
}

static void files_have_paths(void **state)
{
    static const char *const pairs[][2] = {
        {"file:///a/b%20c.jpg", "/a/b c.jpg"},
        {"FILE:///a%2Fb/100%/x", "/a%2Fb/100%/x"},
        {"file://localhost/%C3%A9/", "/\xc3\xa9/"},
        {"file:///", "/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *path = url_to_path(pairs[i][0]);

        assert_string_equal(path, pairs[i][1]);
        free(path);
    }
    assert_null(url_to_path("file://server/x"));
    assert_null(url_to_path("http://h/x"));
    assert_null(url_to_path("/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_ends_before_the_fragment),
        cmocka_unit_test(addresses_have_a_scheme),
        cmocka_unit_test(secrets_are_hidden),
        cmocka_unit_test(messages_hide_them),
        cmocka_unit_test(addresses_have_names),
        cmocka_unit_test(addresses_are_plain_in_rows),
        cmocka_unit_test(files_have_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
