/* A hub that speaks https: whose certificates are believed, what goes through a proxy, and who sees what. */
#include "authority.h"
#include "base/error.h"
#include "base/test_folder.h"
#include "connection.h"
#include "hub_case.h"
#include "listener.h"
#include "proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAMES "DNS:hub.test,DNS:storage.test,DNS:localhost,IP:127.0.0.1,IP:0.0.0.0"
#define WEIGHTS "GET /storage/model.safetensors"

enum { HOUR = 3600 };

struct https_case {
    struct hub_case *hub;
    struct authority *authority;
    struct proxy *proxy;
    char *folder, *bundle; /* the authority's certificate, a file in the folder */
};

static char token[] = "hf_secret";

static const char *const variables[] = {"https_proxy",        "HTTPS_PROXY",    "http_proxy",    "all_proxy",
                                        "ALL_PROXY",          "no_proxy",       "NO_PROXY",      "HF_ENDPOINT",
                                        "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"};

/* A hub at `endpoint` whose certificate is for `names` and good from `from` until `until`. */
static struct https_case *begin(const char *endpoint, const char *names, long from, long until)
{
    struct https_case *test = calloc(1, sizeof(*test));
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    setenv("HF_TOKEN_PATH", "/nonexistent/token", 1);
    test->authority = authority_make();
    test->folder = test_folder_make();
    test->bundle = test_path(test->folder, "authority.pem");
    authority_write(test->authority, test->folder, "authority.pem");
    test->hub = hub_case_begin(server_start_secure(authority_certify(test->authority, names, from, until)), endpoint);
    test->hub->settings.ca_file = test->bundle;
    return test;
}

static void end(struct https_case *test)
{
    if (test->proxy)
        proxy_stop(test->proxy);
    hub_case_end(test->hub);
    authority_free(test->authority);
    test_folder_remove(test->folder);
    free(test->bundle);
    free(test);
}

static int make(void **state)
{
    *state = begin("https://127.0.0.1", NAMES, -HOUR, HOUR);
    return 0;
}

/* A hub that is not this machine, as far as anyone can tell, with its storage at another host: only the proxy knows
 * how to get there. */
static int make_behind_proxy(void **state)
{
    struct https_case *test = begin("https://hub.test", NAMES, -HOUR, HOUR);
    char address[64];
    test->proxy = proxy_start(server_port(test->hub->server));
    snprintf(address, sizeof(address), "http://127.0.0.1:%d", proxy_port(test->proxy));
    setenv("https_proxy", address, 1);
    snprintf(address, sizeof(address), "https://storage.test:%d", server_port(test->hub->server));
    server_set_storage(test->hub->server, address);
    *state = test;
    return 0;
}

static int drop(void **state)
{
    end(*state);
    return 0;
}

static void a_hub_with_a_certificate_works(void **state)
{
    struct https_case *test = *state;
    test->hub->settings.token = token;
    server_require_token(test->hub->server, token);
    hub_case_works(test->hub);
    assert_int_equal(server_count(test->hub->server, "host=localhost"), 1); /* its storage, at its other name */
    char *log = server_log(test->hub->server);
    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(!strstr(line, "host=localhost") == !!strstr(line, "Bearer hf_secret"));
    free(log);
}

static void broken_lines_are_resumed(void **state)
{
    struct https_case *test = *state;
    server_fault(test->hub->server, (struct fault){FAULT_BREAK, WEIGHTS, 2, 1234567, 0, NULL});
    server_fault(test->hub->server, (struct fault){FAULT_STALL, WEIGHTS, 1, 100000, 0, NULL});
    test->hub->settings.download_timeout = 1;
    hub_case_works(test->hub);
    assert_int_equal(server_count(test->hub->server, WEIGHTS), 4);
    assert_int_equal(server_count(test->hub->server, "range=1234567-"), 2);
}

static void an_unknown_authority_is_refused(void **state)
{
    struct https_case *test = *state;
    struct authority *other = authority_make();
    authority_write(other, test->folder, "authority.pem");
    authority_free(other);
    test->hub->settings.token = token;
    test->hub->settings.ca_variable = "REQUESTS_CA_BUNDLE";
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO,
                   "127.0.0.1: its certificate is not trusted: ", "/authority.pem, which REQUESTS_CA_BUNDLE names");
    test->hub->settings.ca_file = NULL; /* the system's authorities do not know ours either */
    test->hub->settings.ca_variable = NULL;
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "127.0.0.1: its certificate is not trusted: ",
                   "SSL_CERT_FILE (or REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE)");
    assert_int_equal(server_count(test->hub->server, ""), 0); /* nothing was said to it, the token least of all */
}

/* Pulls with what the environment says. */
static void works_by_environment(struct https_case *test)
{
    const struct hub_settings before = test->hub->settings;
    struct hub_settings settings;
    setenv("HF_ENDPOINT", test->hub->endpoint, 1);
    assert_int_equal(hub_settings_read(&settings), 0);
    test->hub->settings.ca_file = settings.ca_file;
    test->hub->settings.ca_folder = settings.ca_folder;
    test->hub->settings.ca_variable = settings.ca_variable;
    hub_case_works(test->hub);
    test->hub->settings = before;
    hub_settings_free(&settings);
}

static void every_variable_names_the_certificates(void **state)
{
    struct https_case *test = *state;
    static const char *const names[] = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    char name[16];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setenv(names[i], test->bundle, 1);
        works_by_environment(test);
        unsetenv(names[i]);
    }
    authority_hashed_name(test->authority, name);
    authority_write(test->authority, test->folder, name);
    setenv("SSL_CERT_DIR", test->folder, 1);
    works_by_environment(test);
    unsetenv("SSL_CERT_DIR");
    setenv("CURL_CA_BUNDLE", test->folder, 1); /* a folder is good there too */
    works_by_environment(test);
}

static void certificates_that_cannot_be_read_are_named(void **state)
{
    struct https_case *test = *state;
    test->hub->settings.ca_variable = "SSL_CERT_FILE";
    test_write_text(test->folder, "authority.pem", "not a certificate\n");
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "/authority.pem: holds no certificates that can be used",
                   "give a file of certificates (PEM) in SSL_CERT_FILE");
    char missing[] = "/nonexistent/bundle.pem";
    test->hub->settings.ca_file = missing;
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "/nonexistent/bundle.pem: holds no certificates",
                   "SSL_CERT_FILE");
    assert_int_equal(server_count(test->hub->server, ""), 0);
}

/* Asserts that a hub with such a certificate is refused without a word said to it. */
static void expect_refused(const char *names, long from, long until, const char *why, const char *advice)
{
    struct https_case *test = begin("https://127.0.0.1", names, from, until);
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "127.0.0.1: ", why, advice);
    assert_int_equal(server_count(test->hub->server, ""), 0);
    end(test);
}

static void other_hosts_certificates_are_refused(void **state)
{
    (void)state;
    expect_refused("DNS:hub.test", -HOUR, HOUR, "shows the certificate of another host", "HF_ENDPOINT");
    expect_refused("DNS:127.0.0.1,IP:127.0.0.2", -HOUR, HOUR, "shows the certificate of another host", "HF_ENDPOINT");
}

static void certificates_are_good_for_a_time(void **state)
{
    (void)state;
    expect_refused(NAMES, -2 * HOUR, -HOUR, "its certificate has expired", "this machine's clock");
    expect_refused(NAMES, HOUR, 2 * HOUR, "its certificate is not valid yet", "this machine's clock");
}

static void https_does_not_lead_to_http(void **state)
{
    struct https_case *test = *state;
    struct server *plain = server_start();
    char headers[128];
    test->hub->settings.token = token;
    snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d/org/name/resolve/main/config.json\r\n",
             server_port(plain));
    server_fault(test->hub->server, (struct fault){FAULT_STATUS, "HEAD", 1, 0, 302, headers});
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "not https", "not safe");
    snprintf(headers, sizeof(headers), "http://localhost:%d", server_port(plain));
    server_set_storage(test->hub->server, headers);
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "not https", "not safe");
    assert_int_equal(server_count(plain, ""), 0);
    server_stop(plain);
}

static void answer_plainly(int socket, void *user_data)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct connection connection = {.socket = socket};
    (void)user_data;
    connection_send(&connection, answer, sizeof(answer) - 1);
    connection_end(&connection, false);
}

static void a_hub_without_https_is_told(void **state)
{
    struct https_case *test = *state;
    struct listener *plain = listener_start(answer_plainly, NULL);
    snprintf(test->hub->endpoint, sizeof(test->hub->endpoint), "https://127.0.0.1:%d", listener_port(plain));
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "127.0.0.1: does not speak https as it should", "HF_ENDPOINT");
    listener_stop(plain);
}

static void the_proxy_sees_hosts_and_nothing_else(void **state)
{
    struct https_case *test = *state;
    char part[64];
    test->hub->settings.token = token;
    server_require_token(test->hub->server, token);
    server_fault(test->hub->server, (struct fault){FAULT_BREAK, WEIGHTS, 1, 1234567, 0, NULL});
    hub_case_works(test->hub);
    snprintf(part, sizeof(part), "CONNECT hub.test:%d HTTP/1.", server_port(test->hub->server));
    assert_true(proxy_count(test->proxy, part) >= 8);
    snprintf(part, sizeof(part), "CONNECT storage.test:%d HTTP/1.", server_port(test->hub->server));
    assert_int_equal(proxy_count(test->proxy, part), 2);
    assert_int_equal(proxy_count(test->proxy, "secret"), 0);
    assert_int_equal(proxy_count(test->proxy, "\r\nAuthorization:"), 0);
    assert_int_equal(proxy_count(test->proxy, "org/name"), 0);
    char *log = server_log(test->hub->server);
    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(!strstr(line, "host=storage.test") == !!strstr(line, "Bearer hf_secret"));
    free(log);
}

static void the_proxys_password_stays_with_the_proxy(void **state)
{
    struct https_case *test = *state;
    char address[128];
    proxy_require(test->proxy, "user:pass word");
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "hub.test: the proxy asks for a user name and password (407)",
                   "https_proxy=http://USER:PASSWORD@HOST:PORT");
    assert_int_equal(proxy_count(test->proxy, ""), 1); /* no retry helps */
    snprintf(address, sizeof(address), "http://user:wrong@127.0.0.1:%d", proxy_port(test->proxy));
    setenv("https_proxy", address, 1);
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "the proxy asks for a user name and password (407)");
    assert_null(strstr(error_message(), "wrong"));
    snprintf(address, sizeof(address), "http://user:pass%%20word@127.0.0.1:%d", proxy_port(test->proxy));
    setenv("https_proxy", address, 1);
    hub_case_works(test->hub);
    assert_int_equal(server_count(test->hub->server, "proxy-auth=Basic"), 0);
}

static void a_proxy_that_refuses_is_told(void **state)
{
    struct https_case *test = *state;
    proxy_refuse(test->proxy, "403 Forbidden");
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "hub.test: the proxy refuses the connection (403)",
                   "https_proxy, and no_proxy");
    assert_int_equal(proxy_count(test->proxy, ""), 1);
    setenv("https_proxy", "http://127.0.0.1:1", 1); /* nobody there */
    HUB_CASE_FAILS(test->hub, "owlv2", SOWLV2_ERROR_IO, "hub.test: cannot be reached", "https_proxy");
    assert_int_equal(server_count(test->hub->server, ""), 0);
}

static void some_hosts_need_no_proxy(void **state)
{
    struct https_case *test = *state;
    /* Every machine's own address, but not one of its known names: as any host. */
    snprintf(test->hub->endpoint, sizeof(test->hub->endpoint), "https://0.0.0.0:%d", server_port(test->hub->server));
    setenv("no_proxy", "other.test, storage.test", 1);
    assert_int_equal(hub_case_pull(test->hub, "tokenizer"), 0);
    assert_true(proxy_count(test->proxy, "CONNECT 0.0.0.0:") > 0);
    const int before = proxy_count(test->proxy, "");
    setenv("no_proxy", "other.test,0.0.0.0", 1);
    assert_int_equal(hub_case_pull(test->hub, "tokenizer"), 0);
    assert_int_equal(proxy_count(test->proxy, ""), before);
}

static void this_machine_needs_no_proxy(void **state)
{
    struct https_case *test = *state;
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    hub_case_works(test->hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hub_with_a_certificate_works, make, drop),
        cmocka_unit_test_setup_teardown(broken_lines_are_resumed, make, drop),
        cmocka_unit_test_setup_teardown(an_unknown_authority_is_refused, make, drop),
        cmocka_unit_test_setup_teardown(every_variable_names_the_certificates, make, drop),
        cmocka_unit_test_setup_teardown(certificates_that_cannot_be_read_are_named, make, drop),
        cmocka_unit_test(other_hosts_certificates_are_refused),
        cmocka_unit_test(certificates_are_good_for_a_time),
        cmocka_unit_test_setup_teardown(https_does_not_lead_to_http, make, drop),
        cmocka_unit_test_setup_teardown(a_hub_without_https_is_told, make, drop),
        cmocka_unit_test_setup_teardown(the_proxy_sees_hosts_and_nothing_else, make_behind_proxy, drop),
        cmocka_unit_test_setup_teardown(the_proxys_password_stays_with_the_proxy, make_behind_proxy, drop),
        cmocka_unit_test_setup_teardown(a_proxy_that_refuses_is_told, make_behind_proxy, drop),
        cmocka_unit_test_setup_teardown(some_hosts_need_no_proxy, make_behind_proxy, drop),
        cmocka_unit_test_setup_teardown(this_machine_needs_no_proxy, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
