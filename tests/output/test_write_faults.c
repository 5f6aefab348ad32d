/* Writes that are interrupted, cut short or refused by a full disk, in all that a run leaves but films: pictures, rows,
 * the journal, tensors. The linker sends our calls of write to the function below (--wrap). */
#include "claim_case.h"

#include "base/error.h"
#include "base/file.h"
#include "media/png.h"
#include "output/safetensors_write.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WIDTH = 200, HEIGHT = 150, ROWS = 3, VALUES = 5000 };

static struct {
    bool interrupted; /* every other write, and those in between take some bytes only */
    long room;        /* bytes until the disk is full; -1: it never is */
    long calls;
} faults = {.room = -1};

ssize_t __real_write(int descriptor, const void *data, size_t size);
ssize_t __wrap_write(int descriptor, const void *data, size_t size);

ssize_t __wrap_write(int descriptor, const void *data, size_t size)
{
    if (descriptor == STDOUT_FILENO || descriptor == STDERR_FILENO)
        return __real_write(descriptor, data, size);
    faults.calls++;
    if (faults.interrupted && faults.calls % 2 != 0) {
        errno = EINTR;
        return -1;
    }
    if (faults.interrupted && size > 700)
        size = 700;
    if (faults.room == 0 && size > 0) {
        errno = ENOSPC;
        return -1;
    }
    if (faults.room > 0 && size > (size_t)faults.room)
        size = (size_t)faults.room;
    const ssize_t written = __real_write(descriptor, data, size);
    if (faults.room > 0 && written > 0)
        faults.room -= written;
    return written;
}

/* ---- what is written ---- */

static uint8_t *make_pixels(void)
{
    uint8_t *pixels = malloc(WIDTH * HEIGHT * 3);
    uint32_t noise = 1;
    assert_non_null(pixels);
    for (size_t i = 0; i < WIDTH * HEIGHT * 3; i++) {
        noise = noise * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(noise >> 24);
    }
    return pixels;
}

static int write_picture(const char *path)
{
    uint8_t *pixels = make_pixels();
    const int status = png_write(path, pixels, WIDTH, HEIGHT, 3, (size_t)WIDTH * 3);
    free(pixels);
    return status;
}

static int write_tensor(const char *path)
{
    static float values[VALUES];
    struct safetensors_writer writer = {0};
    int status = safetensors_writer_open(path, "features", 2, (const int64_t[]){0, VALUES}, &writer);
    for (int i = 0; i < VALUES; i++)
        values[i] = (float)i;
    for (int row = 0; !status && row < ROWS; row++)
        status = safetensors_writer_append(&writer, values);
    if (!status)
        status = safetensors_writer_commit(&writer, "{}");
    safetensors_writer_abort(&writer);
    return status;
}

static int write_text(const char *path)
{
    struct file_writer writer;
    int status = file_writer_open(path, &writer);
    if (status)
        return status;
    for (int i = 0; i < 3000; i++)
        fprintf(writer.stream, "line %d\n", i); /* the commit checks */
    return file_writer_commit(&writer);
}

typedef int (*write_function)(const char *path);
static const write_function writers[] = {write_picture, write_tensor, write_text};
enum { WRITERS = sizeof(writers) / sizeof(*writers) };

static char *read_all(const char *path, size_t *size)
{
    char *data;
    assert_int_equal(file_read(path, 1 << 24, &data, size), 0);
    return data;
}

/* ---- files ---- */

static void test_files_interrupted(void **state)
{
    char *folder = test_folder_make(), *plain = test_path(folder, "plain"), *disturbed = test_path(folder, "disturbed");
    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        size_t size, expected_size;
        assert_int_equal(writers[i](plain), 0);
        faults.calls = 0;
        faults.interrupted = true;
        const int status = writers[i](disturbed);
        faults.interrupted = false;
        if (status)
            fail_msg("writer %d: %s", i, error_message());
        assert_true(faults.calls > 20);
        char *expected = read_all(plain, &expected_size), *data = read_all(disturbed, &size);
        assert_int_equal(size, expected_size);
        assert_memory_equal(data, expected, size);
        free(expected);
        free(data);
    }
    free(plain);
    free(disturbed);
    test_folder_remove(folder);
}

/* No place where the disk gets full leaves anything, and the message says what is wrong with which file. */
static void test_files_full(void **state)
{
    char *folder = test_folder_make(), *path = test_path(folder, "file");
    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        size_t size;
        assert_int_equal(writers[i](path), 0);
        free(read_all(path, &size));
        assert_int_equal(unlink(path), 0);
        for (int part = 0; part <= 24; part++) {
            const long room = part < 24 ? (long)size * part / 24 : (long)size - 1;
            faults.room = room;
            const int status = writers[i](path);
            faults.room = -1;
            if (status != SOWLV2_ERROR_IO || !strstr(error_message(), path) ||
                !strstr(error_message(), "No space left on device"))
                fail_msg("writer %d, room for %ld: %d: %s", i, room, status, error_message());
            assert_int_equal(test_count_entries(folder), 0);
        }
    }
    free(path);
    test_folder_remove(folder);
}

/* ---- rows and the journal ---- */

static int write_row(struct output_claim *claim, int number)
{
    char row[600];
    const int length = snprintf(row, sizeof(row), "{\"image\":\"%d\",\"objects\":[],\"text\":\"%0500d\"}\n", number, 0);
    return output_claim_write_row(claim, row, (size_t)length);
}

static int announce(struct output_claim *claim, int number)
{
    char name[32];
    snprintf(name, sizeof(name), "image-%d", number);
    const struct output_identity identity = {.path = name, .size = 1};
    const struct string_list none = {0};
    return output_claim_add_image(claim, name, &identity, name, &none);
}

static void test_rows_interrupted(void **state)
{
    enum { COUNT = 8 };
    (void)state;
    faults.calls = 0;
    faults.interrupted = true;
    struct output_claim *claim = claim_take(false);
    int status = output_claim_begin(claim);
    for (int i = 0; i < COUNT && !status; i++) {
        status = announce(claim, i);
        if (!status)
            status = write_row(claim, i);
    }
    faults.interrupted = false;
    if (status)
        fail_msg("%s", error_message());
    assert_true(faults.calls > 4 * COUNT);
    output_claim_close(&claim);

    char *path = test_path(claim_output, "results.jsonl");
    size_t size, lines = 0;
    char *text = read_all(path, &size);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    assert_int_equal(lines, COUNT);
    free(text);
    free(path);
}

/* At whatever byte the disk gets full, results.jsonl and the journal end with whole lines. */
static void test_rows_full(void **state)
{
    static const char *const names[] = {"results.jsonl", ".sowlv2/journal"};
    (void)state;
    for (long room = 0; room < 1400; room += 37) {
        struct output_claim *claim = claim_take(false);
        int status = output_claim_begin(claim);
        assert_int_equal(status, 0);
        faults.room = room;
        for (int i = 0; i < 3 && !status; i++) {
            status = announce(claim, i);
            if (!status)
                status = write_row(claim, i);
        }
        faults.room = -1;
        assert_int_equal(status, SOWLV2_ERROR_IO);
        claim_expect_message("No space left on device");
        claim_expect_message("free space");
        output_claim_close(&claim);
        for (int i = 0; i < 2; i++) {
            char *path = test_path(claim_output, names[i]);
            size_t size;
            char *text = read_all(path, &size);
            if (size > 0 && text[size - 1] != '\n')
                fail_msg("room for %ld: %s ends with \"%s\"", room, names[i], text + (size > 40 ? size - 40 : 0));
            free(text);
            free(path);
        }
    }
}

/* A folder that cannot be begun in says why. */
static void test_begin_full(void **state)
{
    (void)state;
    struct output_claim *claim = claim_take(false);
    faults.room = 0;
    const int status = output_claim_begin(claim);
    faults.room = -1;
    assert_int_equal(status, SOWLV2_ERROR_IO);
    claim_expect_message("No space left on device");
    claim_expect_message("journal");
    output_claim_close(&claim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_interrupted),
        cmocka_unit_test(test_files_full),
        CLAIM_CASE(test_rows_interrupted),
        CLAIM_CASE(test_rows_full),
        CLAIM_CASE(test_begin_full),
    };
    sowlv2_set_log(NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
