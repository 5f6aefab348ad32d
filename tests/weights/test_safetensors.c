/* safetensors: files of the Python library, and every way in which a file can be wrong. */
#include "base/error.h"
#include "base/test_folder.h"
#include "weights/build_file.h"
#include "weights/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TENSOR(name, type, shape, begin, end)                                                                          \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static const struct host_tensor *find(const struct safetensors *file, const char *name, enum dtype dtype, int rank,
                                      size_t bytes)
{
    const struct host_tensor *tensor = safetensors_find(file, name);
    if (!tensor)
        fail_msg("no tensor %s", name);
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor->rank, rank);
    assert_int_equal(tensor->bytes, bytes);
    return tensor;
}

/* Element i of a float tensor is i / 4 - 1 in the fixture. */
static void check_floats(const struct host_tensor *tensor)
{
    float values[16];
    int64_t count = host_tensor_count(tensor);
    assert_true(count <= 16);
    assert_int_equal(dtype_to_f32(tensor->dtype, tensor->data, count, values), 0);
    for (int64_t i = 0; i < count; i++)
        assert_true(values[i] == (float)i / 4 - 1);
}

static void python_file_is_read(void **state)
{
    (void)state;
    struct safetensors *file;
    assert_int_equal(safetensors_open(TEST_DATA "/weights/data/single/model.safetensors", &file), 0);
    assert_int_equal(safetensors_count(file), 13);
    const struct host_tensor *tensor = find(file, "model.f32", DTYPE_F32, 2, 24);
    assert_int_equal(tensor->dim[0], 2);
    assert_int_equal(tensor->dim[1], 3);
    check_floats(tensor);
    tensor = find(file, "model.bf16", DTYPE_BF16, 3, 12);
    assert_int_equal(tensor->dim[1], 1);
    check_floats(tensor);
    check_floats(find(file, "model.f16", DTYPE_F16, 1, 10));
    check_floats(find(file, "model.scalar", DTYPE_F32, 0, 4));
    check_floats(find(file, "model.\"\xc3\xa9\n\xe7\x8a\xac", DTYPE_F32, 1, 8));
    assert_int_equal(host_tensor_count(find(file, "model.empty", DTYPE_F32, 2, 0)), 0);
    for (int i = 0; i < 3; i++) {
        int64_t value;
        memcpy(&value, (const char *)find(file, "model.i64", DTYPE_I64, 1, 24)->data + 8 * i, sizeof(value));
        assert_int_equal(value, i);
    }
    assert_memory_equal(find(file, "model.i32", DTYPE_I32, 1, 16)->data, "\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0", 16);
    assert_memory_equal(find(file, "model.u8", DTYPE_U8, 1, 7)->data, "\0\1\2\3\4\5\6", 7);
    assert_memory_equal(find(file, "model.bool", DTYPE_OTHER, 1, 3)->data, "\0\1\0", 3);
    find(file, "model.f64", DTYPE_OTHER, 1, 16);
    find(file, "model.f8", DTYPE_OTHER, 1, 3);
    assert_int_equal(find(file, "model.six", DTYPE_OTHER, 1, 32)->dim[0], 8); /* rank 6 becomes a list */
    assert_null(safetensors_find(file, "__metadata__"));
    assert_null(safetensors_find(file, "model"));
    const struct safetensors_entry *entries = safetensors_entries(file);
    for (size_t i = 1; i < safetensors_count(file); i++)
        assert_true(strcmp(entries[i - 1].name, entries[i].name) < 0);
    safetensors_close(&file);
    assert_null(file);
    safetensors_close(&file);
}

static void expect_good(const char *header, size_t data_size, size_t count)
{
    struct built built = build_file(header, data_size);
    struct safetensors *file;
    if (safetensors_parse("good.safetensors", built.bytes, built.size, &file) != 0)
        fail_msg("%s: %s", header, error_message());
    assert_int_equal(safetensors_count(file), count);
    safetensors_close(&file);
    built_free(&built);
}

static void unusual_but_legal_files(void **state)
{
    (void)state;
    expect_good("{}", 0, 0);
    expect_good("{}      ", 0, 0);
    expect_good("{\"__metadata__\":{}}", 0, 0);
    expect_good("{\"__metadata__\":{\"a\":\"b\"}," TENSOR("x", "U8", "[3]", 0, 3) "}  ", 3, 1);
    expect_good("{" TENSOR("\\u00e9\xe7\x8a\xac", "U8", "[3]", 0, 3) "}   ", 3, 1);
    expect_good("{" TENSOR("", "U8", "[3]", 0, 3) "}", 3, 1);
    expect_good("{" TENSOR("scalar", "F32", "[]", 0, 4) "}", 4, 1);
    expect_good("{" TENSOR("b", "U8", "[2]", 2, 4) "," TENSOR("a", "U8", "[2]", 0, 2) "}", 4, 2);
    expect_good("{" TENSOR("a", "U8", "[0]", 0, 0) "," TENSOR("b", "U8", "[2]", 0, 2) "," TENSOR(
                    "c", "F32", "[0,9223372036854775807]", 2, 2) "}",
                2, 3);
    expect_good("{" TENSOR("four bits", "F4", "[2,3]", 0, 3) "}", 3, 1);
    expect_good("{" TENSOR("six bits", "F6_E2M3", "[4]", 0, 3) "}", 3, 1);
    expect_good("{" TENSOR("of a later version", "F5_NEW", "[4]", 0, 7) "}", 7, 1);
    expect_good("{\"more\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"note\":{\"x\":[1.5]}}}", 1, 1);
}

static void every_type_has_its_width(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int bytes;
        enum dtype dtype;
    } types[] = {
        {"BOOL", 1, DTYPE_OTHER},        {"U8", 1, DTYPE_U8},
        {"I8", 1, DTYPE_OTHER},          {"F8_E5M2", 1, DTYPE_OTHER},
        {"F8_E4M3", 1, DTYPE_OTHER},     {"F8_E8M0", 1, DTYPE_OTHER},
        {"F8_E4M3FNUZ", 1, DTYPE_OTHER}, {"F8_E5M2FNUZ", 1, DTYPE_OTHER},
        {"I16", 2, DTYPE_OTHER},         {"U16", 2, DTYPE_OTHER},
        {"F16", 2, DTYPE_F16},           {"BF16", 2, DTYPE_BF16},
        {"I32", 4, DTYPE_I32},           {"U32", 4, DTYPE_OTHER},
        {"F32", 4, DTYPE_F32},           {"F64", 8, DTYPE_OTHER},
        {"I64", 8, DTYPE_I64},           {"U64", 8, DTYPE_OTHER},
        {"C64", 8, DTYPE_OTHER},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        for (int wrong = -1; wrong <= 1; wrong++) {
            char header[256];
            int bytes = 5 * types[i].bytes + wrong;
            snprintf(header, sizeof(header), "{\"x\":{\"dtype\":\"%s\",\"shape\":[5],\"data_offsets\":[0,%d]}}",
                     types[i].name, bytes);
            struct built built = build_file(header, (size_t)bytes);
            struct safetensors *file;
            int status = safetensors_parse("f", built.bytes, built.size, &file);
            assert_int_equal(status, wrong ? SOWLV2_ERROR_FORMAT : 0);
            if (!status)
                assert_int_equal(safetensors_find(file, "x")->dtype, types[i].dtype);
            safetensors_close(&file);
            built_free(&built);
        }
    }
}

/* The file must be refused with a message that names it and says `why`. */
static void expect_refused(struct built built, const char *why)
{
    struct safetensors *file = (struct safetensors *)&file;
    int status = safetensors_parse("bad.safetensors", built.bytes, built.size, &file);
    if (status != SOWLV2_ERROR_FORMAT || !strstr(error_message(), why) ||
        strncmp(error_message(), "bad.safetensors: ", 17) != 0)
        fail_msg("expected \"%s\", got %d: %s", why, status, error_message());
    assert_null(file);
    built_free(&built);
}

static void bad(const char *header, size_t data_size, const char *why)
{
    expect_refused(build_file(header, data_size), why);
}

static void bad_lengths(void **state)
{
    (void)state;
    for (size_t size = 0; size < 8; size++) {
        struct built built = build_file("{}", 0);
        built.size = size;
        expect_refused(built, "too short");
    }
    expect_refused(build_with_length(0, "", 0), "not a JSON object");
    expect_refused(build_with_length(3, "{}", 0), "cut short");
    expect_refused(build_with_length(100000000, "{}", 0), "cut short");
    expect_refused(build_with_length(100000001, "{}", 0), "over the format's limit");
    expect_refused(build_with_length(UINT64_MAX, "{}", 0), "over the format's limit");
    expect_refused(build_with_length(UINT64_MAX - 7, "{}", 0), "over the format's limit");
    expect_refused(build_with_length((uint64_t)1 << 63, "{}", 0), "over the format's limit");
    struct built pointer = build_file("{}", 200);
    memcpy(pointer.bytes, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 56);
    expect_refused(pointer, "git lfs pull");
}

static void bad_json(void **state)
{
    (void)state;
    bad(" {}", 0, "not a JSON object");
    bad("[]", 0, "not a JSON object");
    bad("\xef\xbb\xbf{}", 0, "not a JSON object");
    bad("{", 0, "not valid JSON");
    bad("{\"a\"", 0, "not valid JSON");
    bad("{}x", 0, "followed by something else");
    bad("{}{}", 0, "followed by something else");
    bad("{}\n", 0, "followed by something else");
    bad("{} \xc2\xa0", 0, "followed by something else");
    bad("{\"\xff\":{}}", 0, "unable to decode byte");
    bad("{\"\xc0\xaf\":{}}", 0, "unable to decode byte");
    bad("{\"\xed\xa0\x80\":{}}", 0, "unable to decode byte");
    bad("{\"\\ud800\":{}}", 0, "not valid JSON");
    bad("{\"a\\u0000b\":{}}", 0, "not valid JSON");
    bad("{\"a\":nan}", 0, "not valid JSON");
    bad("{\"a\":}", 0, "not valid JSON");
    bad("{\"a\"}", 0, "not valid JSON");
    bad("{\"a\" {}}", 0, "not valid JSON");
    bad("{,}", 0, "not valid JSON");
    bad("{a:{}}", 0, "not valid JSON");
    bad("{" TENSOR("x", "U8", "[1]", 0, 1) ",}", 1, "not valid JSON");
    bad("{" TENSOR("x", "U8", "[1]", 0, 1) " " TENSOR("y", "U8", "[1]", 1, 2) "}", 2, "not valid JSON");
    bad("{" TENSOR("x", "U8", "[1}", 0, 1) "}", 1, "not valid JSON");
    bad("{\"\\", 0, "not valid JSON");
    bad("{\"a\\\"", 0, "not valid JSON");
    expect_refused(build_bytes("{}\0 ", 4, 0), "followed by something else");
    expect_refused(build_bytes("{\"a\0b\":{}}", 10, 0), "not valid JSON");
    bad("{" TENSOR("x", "U8", "[1]", 0, 1) "," TENSOR("x", "U8", "[1]", 1, 2) "}", 2, "duplicate");
    bad("{" TENSOR("x", "U8", "[1]", 0, 1) "," TENSOR("\\u0078", "U8", "[1]", 1, 2) "}", 2, "duplicate");
    bad("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate");
    bad("{\"x\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "duplicate");
    bad("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__");
    bad("{\"__metadata__\":[]}", 0, "__metadata__");
    bad("{\"__metadata__\":null}", 0, "__metadata__");
    bad("{\"__metadata__\":{\"a\":\"\xff\"}}", 0, "__metadata__");
    bad("{\"__metadata__\":{\"\xff\":\"a\"}}", 0, "__metadata__");
    bad("{\"__metadata__\":{]}", 0, "__metadata__");
}

/* Lists nested `depth` deep as a tensor's description, with and without their ends. */
static void deep_json(void **state)
{
    (void)state;
    for (int depth = 1000; depth <= 1000000; depth *= 10) {
        char *header = malloc(2 * (size_t)depth + 16);
        memcpy(header, "{\"a\":", 5);
        memset(header + 5, '[', (size_t)depth);
        header[5 + depth] = '\0';
        bad(header, 0, "not valid JSON");
        memset(header + 5 + depth, ']', (size_t)depth);
        memcpy(header + 5 + 2 * depth, "}", 2);
        bad(header, 0, depth == 1000 ? "not an object" : depth == 10000 ? "not valid JSON" : "too long");
        free(header);
    }
}

static void bad_descriptions(void **state)
{
    (void)state;
    bad("{\"x\":3}", 0, "not an object");
    bad("{\"x\":null}", 0, "not an object");
    bad("{\"x\":{}}", 0, "has no dtype");
    bad("{\"x\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "has no dtype");
    bad("{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "has no shape");
    bad("{\"x\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, "has no shape");
    bad("{\"x\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "data_offsets");
    bad("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "data_offsets");
    bad("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "data_offsets");
    bad("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":\"01\"}}", 1, "data_offsets");
    bad("{" TENSOR("x", "U8", "[1]", 0.0, 1) "}", 1, "data_offsets");
    bad("{" TENSOR("x", "U8", "[1]", -1, 0) "}", 1, "data_offsets");
    bad("{" TENSOR("x", "U8", "[1]", 0, -1) "}", 1, "data_offsets");
    bad("{" TENSOR("x", "U8", "[1]", 0, true) "}", 1, "data_offsets");
    bad("{" TENSOR("x", "U8", "[-1]", 0, 1) "}", 1, "not a list of sizes");
    bad("{" TENSOR("x", "U8", "[1.0]", 0, 1) "}", 1, "not a list of sizes");
    bad("{" TENSOR("x", "U8", "[\\\"1\\\"]", 0, 1) "}", 1, "not valid JSON");
    bad("{" TENSOR("x", "U8", "[[1]]", 0, 1) "}", 1, "not a list of sizes");
    bad("{" TENSOR("x", "U8", "[1]", 1, 0) "}", 1, "ends before it begins");
    bad("{" TENSOR("x", "F32", "[2,3]", 0, 20) "}", 20, "byte count");
    bad("{" TENSOR("x", "F32", "[2,3]", 0, 28) "}", 28, "byte count");
    bad("{" TENSOR("x", "F32", "[0]", 0, 4) "}", 4, "byte count");
    bad("{" TENSOR("x", "F32", "[]", 0, 0) "}", 0, "byte count");
    bad("{" TENSOR("x", "F4", "[3]", 0, 1) "}", 1, "byte count");
    bad("{" TENSOR("x", "F32", "[1,1,1,1,1,1,2]", 0, 4) "}", 4, "byte count");
}

static void overflowing_shapes(void **state)
{
    (void)state;
    bad("{" TENSOR("x", "U8", "[18446744073709551616]", 0, 0) "}", 0, "not valid JSON");
    bad("{" TENSOR("x", "U8", "[9223372036854775808]", 0, 0) "}", 0, "not valid JSON");
    bad("{" TENSOR("x", "U8", "[4294967296,4294967296]", 0, 0) "}", 0, "too large");
    bad("{" TENSOR("x", "U8", "[9223372036854775807,2]", 0, 0) "}", 0, "too large");
    bad("{" TENSOR("x", "F32", "[4611686018427387904]", 0, 0) "}", 0, "too large");
    bad("{" TENSOR("x", "F32", "[2305843009213693952,2]", 0, 0) "}", 0, "too large");
    bad("{" TENSOR("x", "F64", "[2305843009213693952]", 0, 0) "}", 0, "too large");
    bad("{" TENSOR("x", "U8", "[3037000500,3037000500,2]", 0, 8) "}", 8, "too large");
    bad("{" TENSOR("x", "F99", "[4294967296,4294967296]", 0, 0) "}", 0, "too large");
    bad("{" TENSOR("x", "U8", "[256,256,256,256,256,256,256,256,1]", 0, 0) "}", 0, "too large");
    bad("{" TENSOR("x", "U8", "[1]", 9223372036854775807, 9223372036854775807) "}", 0, "past the end");
    bad("{" TENSOR("x", "U8", "[1]", 18446744073709551615, 0) "}", 0, "not valid JSON");
}

static void bad_places(void **state)
{
    (void)state;
    bad("{" TENSOR("x", "U8", "[4]", 0, 4) "}", 3, "past the end");
    bad("{" TENSOR("x", "U8", "[0]", 5, 5) "}", 4, "past the end");
    bad("{" TENSOR("x", "U8", "[4]", 0, 4) "}", 5, "belong to no tensor");
    bad("{}", 1, "belong to no tensor");
    bad("{" TENSOR("x", "U8", "[4]", 1, 5) "}", 5, "belong to no tensor");
    bad("{" TENSOR("x", "U8", "[2]", 0, 2) "," TENSOR("y", "U8", "[2]", 3, 5) "}", 5, "belong to no tensor");
    bad("{" TENSOR("x", "U8", "[3]", 0, 3) "," TENSOR("y", "U8", "[3]", 2, 5) "}", 5, "overlaps");
    bad("{" TENSOR("x", "U8", "[4]", 0, 4) "," TENSOR("y", "U8", "[4]", 0, 4) "}", 4, "overlaps");
    bad("{" TENSOR("x", "U8", "[4]", 0, 4) "," TENSOR("y", "U8", "[2]", 1, 3) "}", 4, "overlaps");
    bad("{" TENSOR("x", "U8", "[4]", 0, 4) "," TENSOR("y", "U8", "[0]", 2, 2) "}", 4, "overlaps");
}

static void many_tensors_have_no_limit(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    char *header = malloc(COUNT * 80), *at = header;
    for (int i = 0; i < COUNT; i++)
        at += sprintf(at, "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? ',' : '{', i, i,
                      i + 1);
    memcpy(at, "}", 2);
    struct built built = build_file(header, COUNT);
    struct safetensors *file;
    assert_int_equal(safetensors_parse("f", built.bytes, built.size, &file), 0);
    for (int i = 0; i < COUNT; i += 97) {
        char name[16];
        snprintf(name, sizeof(name), "t%d", i);
        assert_int_equal(*(const unsigned char *)safetensors_find(file, name)->data, i & 0xFF);
    }
    safetensors_close(&file);
    built_free(&built);
    free(header);
}

/* Every prefix of a good file is refused, and says so about the path. */
static void cut_files_are_refused(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "cut.safetensors");
    struct built built = build_file("{" TENSOR("x", "F32", "[2]", 0, 8) "}", 8);
    struct safetensors *file;
    for (size_t size = 0; size < built.size; size++) {
        test_write(folder, "cut.safetensors", built.bytes, size);
        assert_int_equal(safetensors_open(path, &file), SOWLV2_ERROR_FORMAT);
        assert_non_null(strstr(error_message(), path));
        assert_null(file);
    }
    test_write(folder, "cut.safetensors", built.bytes, built.size);
    assert_int_equal(safetensors_open(path, &file), 0);
    safetensors_close(&file);
    assert_int_equal(safetensors_open(folder, &file), SOWLV2_ERROR_IO);
    built_free(&built);
    free(path);
    test_folder_remove(folder);
}

static void long_names_make_short_messages(void **state)
{
    (void)state;
    char *header = malloc(100000);
    memcpy(header, "{\"", 2);
    memset(header + 2, 'n', 90000);
    memcpy(header + 90002, "\":3}", 5);
    bad(header, 0, "not an object");
    assert_true(strlen(error_message()) < 1000);
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_file_is_read),
        cmocka_unit_test(unusual_but_legal_files),
        cmocka_unit_test(every_type_has_its_width),
        cmocka_unit_test(bad_lengths),
        cmocka_unit_test(bad_json),
        cmocka_unit_test(deep_json),
        cmocka_unit_test(bad_descriptions),
        cmocka_unit_test(overflowing_shapes),
        cmocka_unit_test(bad_places),
        cmocka_unit_test(many_tensors_have_no_limit),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(long_names_make_short_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
