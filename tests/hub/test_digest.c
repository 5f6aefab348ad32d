/* The hash beside the download: in any pieces, after a beginning that is there, and given up halfway. */
#include "base/error.h"
#include "base/test_folder.h"
#include "hub/digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* More than all the buffers between writer and hash hold together, and no whole number of any. */
enum { SIZE = 5000011 };

struct digest_case {
    char *folder, *path;
    unsigned char *bytes; /* [SIZE], also the file's */
    int descriptor;
    char etag[65];
};

static int make(void **state)
{
    struct digest_case *test = calloc(1, sizeof(*test));
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned value = 99, length;
    test->folder = test_folder_make();
    test->bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        test->bytes[i] = (unsigned char)((value = value * 1664525U + 1013904223U) >> 24);
    assert_int_equal(EVP_Digest(test->bytes, SIZE, hash, &length, EVP_sha256(), NULL), 1);
    for (unsigned i = 0; i < length; i++)
        snprintf(test->etag + 2 * i, 3, "%02x", hash[i]);
    test_write(test->folder, "file", test->bytes, SIZE);
    test->path = test_path(test->folder, "file");
    test->descriptor = open(test->path, O_RDWR | O_CLOEXEC);
    assert_true(test->descriptor >= 0);
    *state = test;
    return 0;
}

static int drop(void **state)
{
    struct digest_case *test = *state;
    close(test->descriptor);
    test_folder_remove(test->folder);
    free(test->path);
    free(test->bytes);
    free(test);
    return 0;
}

/* Hashes with the first `there` bytes read from the file and the rest fed in pieces. */
static bool is_same(const struct digest_case *test, size_t there, size_t piece)
{
    struct digest *digest;
    bool same = false;
    assert_int_equal(digest_start(test->etag, test->descriptor, SIZE, (int64_t)there, &digest), 0);
    for (size_t at = there; at < SIZE; at += piece)
        digest_feed(digest, test->bytes + at, SIZE - at < piece ? SIZE - at : piece);
    if (digest_finish(&digest, &same) != 0)
        fail_msg("%s", error_message());
    assert_null(digest);
    return same;
}

static void pieces_and_beginnings_of_any_size(void **state)
{
    struct digest_case *test = *state;
    static const size_t beginnings[] = {0, 1, 262144, 262145, 1048576, 4999999, SIZE};
    static const size_t pieces[] = {4093, 16384, 262144, 262145, 3000000, SIZE};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++)
            if (!is_same(test, beginnings[i], pieces[j]))
                fail_msg("%zu there, pieces of %zu", beginnings[i], pieces[j]);
}

static void every_byte_counts(void **state)
{
    struct digest_case *test = *state;
    static const size_t places[] = {0, 262143, 262144, 1048576, SIZE - 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        test->bytes[places[i]] ^= 1;
        assert_false(is_same(test, 0, 16384));
        test->bytes[places[i]] ^= 1;
        const char digit = test->etag[i * 13];
        test->etag[i * 13] = digit == '0' ? '1' : '0';
        assert_false(is_same(test, SIZE, 1));
        test->etag[i * 13] = digit;
        assert_true(is_same(test, SIZE, 1));
    }
}

/* What is left of a file that lost its end while it was read, and one that cannot be read at all. */
static void a_file_that_cannot_be_read_back_is_an_error(void **state)
{
    struct digest_case *test = *state;
    struct digest *digest;
    bool same = true;
    assert_int_equal(ftruncate(test->descriptor, 1000000), 0);
    assert_int_equal(digest_start(test->etag, test->descriptor, SIZE, 4000000, &digest), 0);
    digest_feed(digest, test->bytes + 4000000, 1000011); /* the thread goes on taking what comes */
    assert_int_equal(digest_finish(&digest, &same), SOWLV2_ERROR_IO);
    assert_false(same);
    assert_non_null(strstr(error_message(), "cannot be checked"));
    const int blind = open(test->path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(digest_start(test->etag, blind, SIZE, 1000, &digest), 0);
    assert_int_equal(digest_finish(&digest, &same), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "Bad file descriptor"));
    close(blind);
}

static void it_is_given_up_anywhere(void **state)
{
    struct digest_case *test = *state;
    struct digest *digest = NULL;
    digest_cancel(&digest); /* nothing there: nothing to do */
    for (size_t fed = 0; fed < SIZE; fed += 600007) {
        assert_int_equal(digest_start(test->etag, test->descriptor, SIZE, fed % 2 ? 1000 : SIZE, &digest), 0);
        digest_feed(digest, test->bytes, fed);
        digest_cancel(&digest);
        assert_null(digest);
    }
}

static void gits_hash_of_small_files(void **state)
{
    struct digest_case *test = *state;
    struct digest *digest;
    bool same = false; /* git hash-object */
    assert_int_equal(digest_start("ce013625030ba8dba906f756967f9e9ca394464a", test->descriptor, 6, 0, &digest), 0);
    digest_feed(digest, "hello\n", 6);
    assert_int_equal(digest_finish(&digest, &same), 0);
    assert_true(same);
    assert_int_equal(digest_start("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", test->descriptor, 0, 0, &digest), 0);
    assert_int_equal(digest_finish(&digest, &same), 0);
    assert_true(same);
}

static void only_hashes_can_be_checked(void **state)
{
    (void)state;
    assert_true(digest_is_known("ce013625030ba8dba906f756967f9e9ca394464a", 6));
    assert_false(digest_is_known("ce013625030ba8dba906f756967f9e9ca394464a", -1));
    assert_true(digest_is_known("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", -1));
    assert_false(digest_is_known("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cdg", 1));
    assert_false(digest_is_known("", 1));
    assert_false(digest_is_known("storage-1", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_and_beginnings_of_any_size, make, drop),
        cmocka_unit_test_setup_teardown(every_byte_counts, make, drop),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_back_is_an_error, make, drop),
        cmocka_unit_test_setup_teardown(it_is_given_up_anywhere, make, drop),
        cmocka_unit_test_setup_teardown(gits_hash_of_small_files, make, drop),
        cmocka_unit_test(only_hashes_can_be_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
