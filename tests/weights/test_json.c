/* JSON where memory is short: each allocation in turn fails, and the text, which is whole, is never blamed. */
#include "base/error.h"
#include "base/shortage.h"
#include "build_file.h"
#include "weights/json.h"
#include "weights/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#ifdef SHORTAGE
#define TEXT "{\"a\":\"one\",\"b\":[1,2.5,{\"c\":\"two \\u00e4\"}],\"d\":{\"e\":null,\"f\":-7e3,\"a\":true}}"

static int parse_object(void)
{
    json_t *root;
    const int status = json_parse_object("x.json", TEXT, sizeof(TEXT) - 1, &root);

    if (!status)
        assert_int_equal(json_object_size(root), 3);
    json_decref(root);
    return status;
}

static struct built checkpoint;

static int parse_checkpoint(void)
{
    struct safetensors *file;
    const int status = safetensors_parse("x.safetensors", checkpoint.bytes, checkpoint.size, &file);

    if (!status)
        assert_int_equal(safetensors_count(file), 2);
    safetensors_close(&file);
    return status;
}

/* Returns how many allocations there are. */
static long fail_each(int (*parse)(void), bool lasting)
{
    long number = 0;

    shortage.lasting = lasting;
    for (;; number++) {
        shortage.refused = 0;
        shortage.wanted = number;
        shortage.armed = true;
        const int status = parse();
        shortage.armed = false;
        if (shortage.refused == 0) {
            assert_int_equal(status, 0);
            return number;
        }
        if (status && status != SOWLV2_ERROR_MEMORY)
            fail_msg("allocation %ld: %d: %s", number, status, error_message());
    }
}

static void test_each_allocation(void **state)
{
    (void)state;
    checkpoint = build_file("{\"__metadata__\":{\"format\":\"pt\",\"by\":\"hand\"},"
                            "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                            "\"b\":{\"dtype\":\"F16\",\"shape\":[1,3],\"data_offsets\":[8,14]}}",
                            14);
    for (int lasting = 0; lasting < 2; lasting++) {
        assert_true(fail_each(parse_object, lasting) > 20);
        assert_true(fail_each(parse_checkpoint, lasting) > 40);
    }
    built_free(&checkpoint);
}
#endif

/* What is damaged is still called so. */
static void test_damaged(void **state)
{
    json_t *root;

    (void)state;
    assert_int_equal(json_parse_object("x.json", "{\"a\":", 5, &root), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), "x.json: not valid JSON"));
    assert_int_equal(json_parse_object("x.json", "{\"a\":1,\"a\":2}", 15, &root), SOWLV2_ERROR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef SHORTAGE
        cmocka_unit_test(test_each_allocation),
#endif
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
