/* Fuzzes the reader of config.json: parsing, and every getter on the fields that the input has. */
#include "base/error.h"
#include "weights/config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_field(const struct config *config, const struct config_node *node, const char *key)
{
    const double fallback[3] = {1, 2, 3};
    int64_t integer, size[2];
    double number, numbers[3];
    bool boolean;
    const char *text;
    char *copy;
    if (config_int(config, node, key, 5, -10, 1000, &integer) == 0)
        check(integer >= -10 && integer <= 1000);
    if (config_int(config, node, key, 5, INT64_MIN, INT64_MAX, &integer) == 0 && !config_has(node, key))
        check(integer == 5);
    if (config_number(config, node, key, 0.5, -1e10, 1e10, &number) == 0)
        check(number >= -1e10 && number <= 1e10);
    if (config_numbers(config, node, key, 3, fallback, 0, 255, numbers) == 0)
        check(numbers[2] >= 0 && numbers[2] <= 255);
    config_bool(config, node, key, true, &boolean);
    if (config_switch(config, node, key, true, &boolean) == 0 && config_is_null(node, key))
        check(!boolean);
    if (config_size(config, node, key, 3, 1, 4096, size) == 0)
        check(size[0] >= 1 && size[0] <= 4096 && size[1] >= 1 && size[1] <= 4096);
    if (config_text(config, node, key, "", &copy) == 0)
        check(strlen(copy) <= 1u << 20);
    free(copy);
    if (config_string(config, node, key, "", &text) == 0)
        check(strlen(text) <= 1u << 20);
}

static void check_fields(const struct config *config, const struct config_node *node)
{
    static const char *const keys[] = {"a", "image_size", "hidden_act", "image_mean", "layer_norm_eps", "do_resize"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        check_field(config, node, keys[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const objects[] = {"a", "vision_config", "text_config", "size"};
    struct config *config;
    int status = config_parse("fuzz", (const char *)data, size, &config);
    check((status == 0) == (config != NULL));
    check(status == 0 || (status == SOWLV2_ERROR_FORMAT && strlen(error_message()) > 0));
    if (!config)
        return 0;
    check_fields(config, config_root(config));
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        const struct config_node *object, *inner;
        if (config_object(config, config_root(config), objects[i], &object) == 0)
            check_fields(config, object);
        if (object && config_object(config, object, "a", &inner) == 0)
            check_fields(config, inner);
    }
    config_close(&config);
    return 0;
}
