/* An output folder for the tests of claims on it. */
#include "claim_case.h"

#include "base/error.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

char *claim_root, *claim_output;
size_t claim_notices;

static void count_notice(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)message;
    (void)user_data;
    claim_notices += level == SOWLV2_LOG_NOTICE;
}

int claim_set_up(void **state)
{
    (void)state;
    claim_root = test_folder_make();
    claim_output = test_path(claim_root, "new/out");
    claim_notices = 0;
    sowlv2_set_log(count_notice, NULL);
    return 0;
}

int claim_tear_down(void **state)
{
    (void)state;
    sowlv2_set_log(NULL, NULL);
    free(claim_output);
    test_folder_remove(claim_root);
    return 0;
}

int claim_try(bool resume, const struct string_list *job, struct output_claim **claim)
{
    const struct output_claim_options options = {.folder = claim_output, .job = job, .resume = resume};

    return output_claim_open(&options, claim);
}

struct output_claim *claim_take(bool resume)
{
    struct output_claim *claim;

    if (claim_try(resume, NULL, &claim) != 0)
        fail_msg("%s", error_message());
    return claim;
}

void claim_expect_message(const char *part)
{
    if (!strstr(error_message(), part))
        fail_msg("\"%s\" does not contain \"%s\"", error_message(), part);
}

bool claim_has_file(const char *name)
{
    char *path = test_path(claim_output, name);
    const bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

void claim_expect_text(const char *path, const char *expected)
{
    char *text;
    size_t size;

    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    assert_string_equal(text, expected);
    free(text);
}

struct string_list claim_list(const char *const *items)
{
    struct string_list list = {0};

    for (; *items; items++)
        assert_int_equal(string_list_append(&list, *items), 0);
    return list;
}

void claim_write_image(struct output_claim *claim, const char *name, const char *const *files, const char *mask)
{
    struct output_identity identity = {.path = strdup(name), .size = 1};
    struct string_list list = claim_list(files);
    struct string row = {0};

    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(output_claim_add_image(claim, name, &identity, name, &list), 0);
    for (; *files; files++)
        test_write_text(claim_output, *files, "a picture");
    if (mask) {
        string_append_format(&row, "{\"image\":\"%s\",\"objects\":[{\"mask\":\"%s\"}]}\n", name, mask);
        assert_int_equal(output_claim_write_row(claim, row.data, row.length), 0);
    }
    string_free(&row);
    string_list_free(&list);
    output_identity_free(&identity);
}
