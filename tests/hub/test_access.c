/* Who gets the token, what an address must be, and what the hub's refusals mean. */
#include "base/error.h"
#include "base/test_folder.h"
#include "hub/settings.h"
#include "hub/url.h"
#include "hub_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char token[] = "hf_secret";

static void the_token_stays_with_the_hub(void **state)
{
    struct hub_case *test = *state;
    char part[128];
    server_require_token(test->server, token);
    test->settings.token = token;
    hub_case_works(test);
    snprintf(part, sizeof(part), "host=127.0.0.1:%d auth=Bearer hf_secret", server_port(test->server));
    assert_true(server_count(test->server, part) >= 8);
    snprintf(part, sizeof(part), "GET /storage/model.safetensors host=localhost:%d auth= ", server_port(test->server));
    assert_int_equal(server_count(test->server, part), 1); /* the same machine by another name is another host */
    assert_int_equal(server_count(test->server, "host=localhost"), 1);
    server_fault(test->server, (struct fault){FAULT_BREAK, "GET /storage", 1, 1000, 0, NULL});
}

static void resuming_does_not_leak_the_token_either(void **state)
{
    struct hub_case *test = *state;
    test->settings.token = token;
    server_fault(test->server, (struct fault){FAULT_BREAK, "GET /storage", 3, 1000, 0, NULL});
    hub_case_works(test);
    assert_int_equal(server_count(test->server, "host=localhost"), 4);
    char *log = server_log(test->server);
    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(!strstr(line, "host=localhost") || !strstr(line, "secret"));
    free(log);
}

static void a_token_that_is_needed_is_asked_for(void **state)
{
    struct hub_case *test = *state;
    server_require_token(test->server, token);
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL, "there is no such model on", "or it needs a token (401)",
                   "HF_TOKEN");
    test->settings.token = token + 1;
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL, "refuses access (401) with the token that was given");
    assert_null(strstr(error_message(), token + 1));         /* never shown */
    assert_int_equal(server_count(test->server, "HEAD"), 2); /* no retry helps */
}

static void terms_that_must_be_agreed_to_are_named(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 1, 0, 403, "X-Error-Code: GatedRepo\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_MODEL, "agree at http://127.0.0.1:", "/" SERVER_ID);
}

static void models_that_are_not_there_are_named(void **state)
{
    struct hub_case *test = *state;
    assert_int_equal(hub_case_pull_as(test, "org/none", "owlv2"), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "org/none: there is no such model on http://127.0.0.1:"));
}

static void redirects_to_unsafe_places_are_refused(void **state)
{
    struct hub_case *test = *state;
    server_fault(test->server,
                 (struct fault){FAULT_STATUS, "GET /" SERVER_ID, 1, 0, 302, "Location: http://192.0.2.1/x\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "not https", "not safe");
    server_fault(test->server,
                 (struct fault){FAULT_STATUS, "GET /" SERVER_ID, 1, 0, 302, "Location: file:///etc/passwd\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "not https");
    server_fault(test->server, (struct fault){FAULT_STATUS, "HEAD", 100, 0, 302, "Location: /again\r\n"});
    HUB_CASE_FAILS(test, "owlv2", SOWLV2_ERROR_IO, "redirects too many times");
}

static void expect_origin(const char *url, const char *scheme, const char *host, unsigned port, bool local)
{
    struct url_origin origin;
    if (!url_read_origin(url, &origin))
        fail_msg("%s", url);
    assert_string_equal(origin.scheme, scheme);
    assert_string_equal(origin.host, host);
    assert_int_equal(origin.port, port);
    assert_int_equal(url_is_local(&origin), local);
}

static void addresses_are_read(void **state)
{
    (void)state;
    struct url_origin origin;
    expect_origin("https://huggingface.co", "https", "huggingface.co", 443, false);
    expect_origin("HTTPS://HuggingFace.CO:443/a?b#c", "https", "huggingface.co", 443, false);
    expect_origin("http://localhost:8080/x", "http", "localhost", 8080, true);
    expect_origin("http://127.0.0.1", "http", "127.0.0.1", 80, true);
    expect_origin("http://127.9.9.9:1", "http", "127.9.9.9", 1, true);
    expect_origin("http://[::1]:80/", "http", "[::1]", 80, true);
    expect_origin("https://127.0.0.1.example.org/", "https", "127.0.0.1.example.org", 443, false);
    expect_origin("https://localhost.example.org/", "https", "localhost.example.org", 443, false);
    static const char *const bad[] = {"",
                                      "huggingface.co",
                                      "ftp://a/b",
                                      "file:///x",
                                      "https://",
                                      "https://user@host/",
                                      "https://user:password@host/",
                                      "http://a b/",
                                      "javascript:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (url_read_origin(bad[i], &origin))
            fail_msg("%s", bad[i]);
}

static void expect_follow(const char *base, const char *target, const char *expected)
{
    char *found = url_follow(base, target);
    assert_non_null(found);
    assert_string_equal(found, expected);
    free(found);
}

static void redirects_are_joined(void **state)
{
    (void)state;
    expect_follow("https://a.b/c/d?x=1", "/e?y=2", "https://a.b/e?y=2");
    expect_follow("https://a.b/c/d", "e", "https://a.b/c/e");
    expect_follow("https://a.b/c/d", "//f.g/h", "https://f.g/h");
    expect_follow("https://a.b/c", "http://f.g:81/h", "http://f.g:81/h");
}

static const char *const variables[] = {"HF_ENDPOINT",
                                        "HF_TOKEN",
                                        "HF_TOKEN_PATH",
                                        "HUGGING_FACE_HUB_TOKEN",
                                        "HF_HOME",
                                        "XDG_CACHE_HOME",
                                        "HF_HUB_ETAG_TIMEOUT",
                                        "HF_HUB_DOWNLOAD_TIMEOUT",
                                        "HF_HUB_OFFLINE",
                                        "TRANSFORMERS_OFFLINE",
                                        "REQUESTS_CA_BUNDLE",
                                        "CURL_CA_BUNDLE",
                                        "SSL_CERT_FILE",
                                        "SSL_CERT_DIR",
                                        "HOME",
                                        "HF_HUB_DISABLE_IMPLICIT_TOKEN"};

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    setenv("HOME", "/nonexistent/home", 1);
    return 0;
}

static void expect_endpoint(const char *value, const char *expected, const char *why)
{
    struct hub_settings settings;
    setenv("HF_ENDPOINT", value, 1);
    const int status = hub_settings_read(&settings);
    if (!expected) {
        assert_int_equal(status, SOWLV2_ERROR_ARGUMENT);
        assert_non_null(strstr(error_message(), why));
        return;
    }
    assert_int_equal(status, 0);
    assert_string_equal(settings.endpoint, expected);
    hub_settings_free(&settings);
}

static void the_environment_names_the_hub(void **state)
{
    (void)state;
    expect_endpoint("", "https://huggingface.co", NULL);
    expect_endpoint("https://mirror.example.org//", "https://mirror.example.org", NULL);
    expect_endpoint("https://mirror.example.org/hf/", "https://mirror.example.org/hf", NULL);
    expect_endpoint("http://localhost:9/", "http://localhost:9", NULL);
    expect_endpoint("http://mirror.example.org", NULL, "only https is used");
    expect_endpoint("mirror.example.org", NULL, "is not an address");
    expect_endpoint("ftp://mirror.example.org", NULL, "is not an address");
}

static void expect_token(const char *expected)
{
    struct hub_settings settings;
    if (hub_settings_read(&settings) != 0)
        fail_msg("%s", error_message());
    if (expected)
        assert_string_equal(settings.token, expected);
    else
        assert_null(settings.token);
    hub_settings_free(&settings);
}

static void the_token_comes_from_environment_or_file(void **state)
{
    (void)state;
    struct hub_settings settings;
    char *folder = test_folder_make(), *path = test_path(folder, "other");
    expect_token(NULL);
    setenv("HF_HOME", folder, 1);
    expect_token(NULL);
    test_write_text(folder, "token", "  hf_of_file\n");
    expect_token("hf_of_file");
    test_write_text(folder, "other", "hf_other\r\n");
    setenv("HF_TOKEN_PATH", path, 1);
    expect_token("hf_other");
    test_write_text(folder, "other", "\n");
    expect_token(NULL);
    setenv("HUGGING_FACE_HUB_TOKEN", "hf_old_name", 1);
    expect_token("hf_old_name");
    setenv("HF_TOKEN", "hf_a", 1);
    expect_token("hf_a");
    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "true", 1);
    expect_token(NULL);
    unsetenv("HF_HUB_DISABLE_IMPLICIT_TOKEN");
    setenv("HF_TOKEN", "hf_a\r\nX-Evil: 1", 1);
    assert_int_equal(hub_settings_read(&settings), SOWLV2_ERROR_ARGUMENT);
    assert_null(strstr(error_message(), "Evil"));
    free(path);
    test_folder_remove(folder);
}

static void times_and_certificates_are_read(void **state)
{
    (void)state;
    struct hub_settings settings;
    assert_int_equal(hub_settings_read(&settings), 0);
    assert_int_equal(settings.etag_timeout, 10);
    assert_int_equal(settings.download_timeout, 10);
    assert_null(settings.ca_file);
    hub_settings_free(&settings);
    setenv("HF_HUB_ETAG_TIMEOUT", "3", 1);
    setenv("HF_HUB_DOWNLOAD_TIMEOUT", "77", 1);
    setenv("SSL_CERT_FILE", "/c", 1);
    setenv("CURL_CA_BUNDLE", "/b", 1);
    assert_int_equal(hub_settings_read(&settings), 0);
    assert_int_equal(settings.etag_timeout, 3);
    assert_int_equal(settings.download_timeout, 77);
    assert_string_equal(settings.ca_file, "/b");
    hub_settings_free(&settings);
    setenv("REQUESTS_CA_BUNDLE", "/", 1);
    assert_int_equal(hub_settings_read(&settings), 0);
    assert_string_equal(settings.ca_folder, "/");
    hub_settings_free(&settings);
    setenv("HF_HUB_ETAG_TIMEOUT", "soon", 1);
    assert_int_equal(hub_settings_read(&settings), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "HF_HUB_ETAG_TIMEOUT"));
}

static void offline_is_said_in_several_ways(void **state)
{
    (void)state;
    assert_false(hub_settings_offline());
    setenv("TRANSFORMERS_OFFLINE", "Yes", 1);
    assert_true(hub_settings_offline());
    setenv("HF_HUB_OFFLINE", "0", 1);
    assert_false(hub_settings_offline());
    setenv("HF_HUB_OFFLINE", "on", 1);
    assert_true(hub_settings_offline());
    setenv("HF_HUB_OFFLINE", "2", 1);
    assert_false(hub_settings_offline());
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, hub_case_make, hub_case_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_token_stays_with_the_hub),
        CASE(resuming_does_not_leak_the_token_either),
        CASE(a_token_that_is_needed_is_asked_for),
        CASE(terms_that_must_be_agreed_to_are_named),
        CASE(models_that_are_not_there_are_named),
        CASE(redirects_to_unsafe_places_are_refused),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(redirects_are_joined),
        cmocka_unit_test_setup(the_environment_names_the_hub, clear_environment),
        cmocka_unit_test_setup(the_token_comes_from_environment_or_file, clear_environment),
        cmocka_unit_test_setup(times_and_certificates_are_read, clear_environment),
        cmocka_unit_test_setup(offline_is_said_in_several_ways, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
