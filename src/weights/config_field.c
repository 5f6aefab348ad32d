/* Typed fields of a config object, with defaults and ranges. */
#include "base/error.h"
#include "weights/config_node.h"

#include <math.h>

/* The value of `key`; NULL where it is absent or null. */
static json_t *field(const struct config_node *node, const char *key)
{
    json_t *value = node ? json_object_get((const json_t *)node, key) : NULL;
    return json_is_null(value) ? NULL : value;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

int config_object(const struct config *config, const struct config_node *node, const char *key,
                  const struct config_node **out)
{
    json_t *value = field(node, key);
    *out = NULL;
    if (value && !json_is_object(value))
        return config_field_error(config, node, key, "is %s: expected an object", type_name(value));
    *out = (const struct config_node *)value;
    return 0;
}

bool config_has(const struct config_node *node, const char *key)
{
    return field(node, key);
}

bool config_is_null(const struct config_node *node, const char *key)
{
    return node && json_is_null(json_object_get((const json_t *)node, key));
}

/* A JSON integer; or a real without a fraction where the file's integers were read as reals. */
static bool whole_number(const json_t *value, int64_t *out)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    double real = json_is_real(value) ? json_real_value(value) : 0.5;
    if (!(fabs(real) <= exact) || real != floor(real))
        return false;
    *out = (int64_t)real;
    return true;
}

int config_int(const struct config *config, const struct config_node *node, const char *key, int64_t fallback,
               int64_t minimum, int64_t maximum, int64_t *out)
{
    const json_t *value = field(node, key);
    *out = fallback;
    if (!value)
        return 0;
    int64_t number;
    if (!whole_number(value, &number))
        return config_field_error(config, node, key, "is %s: expected a whole number from %lld to %lld",
                                  type_name(value), (long long)minimum, (long long)maximum);
    if (number < minimum || number > maximum)
        return config_field_error(config, node, key, "is %lld: expected a whole number from %lld to %lld",
                                  (long long)number, (long long)minimum, (long long)maximum);
    *out = number;
    return 0;
}

/* Checks one number; `where` is the field as messages show it. */
static int take_number(const struct config *config, const struct config_node *node, const char *where,
                       const json_t *value, double minimum, double maximum, double *out)
{
    if (!json_is_number(value))
        return config_field_error(config, node, where, "is %s: expected a number from %g to %g", type_name(value),
                                  minimum, maximum);
    double number = json_number_value(value);
    if (!(number >= minimum && number <= maximum))
        return config_field_error(config, node, where, "is %g: expected a number from %g to %g", number, minimum,
                                  maximum);
    *out = number;
    return 0;
}

int config_number(const struct config *config, const struct config_node *node, const char *key, double fallback,
                  double minimum, double maximum, double *out)
{
    const json_t *value = field(node, key);
    *out = fallback;
    return value ? take_number(config, node, key, value, minimum, maximum, out) : 0;
}

int config_bool(const struct config *config, const struct config_node *node, const char *key, bool fallback, bool *out)
{
    const json_t *value = field(node, key);
    *out = fallback;
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return config_field_error(config, node, key, "is %s: expected true or false", type_name(value));
    *out = json_is_true(value);
    return 0;
}

int config_switch(const struct config *config, const struct config_node *node, const char *key, bool fallback,
                  bool *out)
{
    *out = false;
    return config_is_null(node, key) ? 0 : config_bool(config, node, key, fallback, out);
}

int config_string(const struct config *config, const struct config_node *node, const char *key, const char *fallback,
                  const char **out)
{
    const json_t *value = field(node, key);
    *out = fallback;
    if (!value)
        return 0;
    if (!json_is_string(value))
        return config_field_error(config, node, key, "is %s: expected text", type_name(value));
    *out = json_string_value(value);
    return 0;
}

int config_numbers(const struct config *config, const struct config_node *node, const char *key, size_t count,
                   const double *fallback, double minimum, double maximum, double *out)
{
    const json_t *value = field(node, key);
    if (!value && !fallback)
        return config_field_error(config, node, key, "is missing: expected a list of %zu numbers", count);
    for (size_t i = 0; fallback && i < count; i++)
        out[i] = fallback[i];
    if (!value)
        return 0;
    if (!json_is_array(value) && !json_is_number(value))
        return config_field_error(config, node, key, "is %s: expected a list of %zu numbers", type_name(value), count);
    if (json_is_array(value) && json_array_size(value) != count)
        return config_field_error(config, node, key, "has %zu values: expected %zu", json_array_size(value), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_is_array(value) ? json_array_get(value, i) : value;
        const int status = take_number(config, node, key, entry, minimum, maximum, &out[i]);
        if (status)
            return status;
    }
    return 0;
}

int config_int_list(const struct config *config, const struct config_node *node, const char *key, int capacity,
                    int64_t minimum, int64_t maximum, int64_t *out, int *count)
{
    const json_t *value = field(node, key);
    *count = -1;
    if (!value)
        return 0;
    if (!json_is_array(value) && !json_is_number(value))
        return config_field_error(config, node, key, "is %s: expected a list of whole numbers", type_name(value));
    size_t size = json_is_array(value) ? json_array_size(value) : 1;
    if (size > (size_t)capacity)
        return config_field_error(config, node, key, "has %zu values: expected at most %d", size, capacity);
    for (size_t i = 0; i < size; i++) {
        const json_t *entry = json_is_array(value) ? json_array_get(value, i) : value;
        if (!whole_number(entry, &out[i]))
            return config_field_error(config, node, key, "holds %s: expected whole numbers from %lld to %lld",
                                      type_name(entry), (long long)minimum, (long long)maximum);
        if (out[i] < minimum || out[i] > maximum)
            return config_field_error(config, node, key, "holds %lld: expected whole numbers from %lld to %lld",
                                      (long long)out[i], (long long)minimum, (long long)maximum);
    }
    *count = (int)size;
    return 0;
}

int config_size(const struct config *config, const struct config_node *node, const char *key, int64_t fallback,
                int64_t minimum, int64_t maximum, int64_t out[2])
{
    const json_t *value = node ? json_object_get((const json_t *)node, key) : NULL;
    const struct config_node *sides = (const struct config_node *)value;
    int count = -1, status = 0;
    out[0] = out[1] = fallback;
    if (!value)
        return 0;
    if (json_is_object(value)) {
        if (!config_has(sides, "height") || !config_has(sides, "width"))
            return config_field_error(config, node, key, "has no height and width: expected these two");
        status = config_int(config, sides, "height", fallback, minimum, maximum, &out[0]);
        return status ? status : config_int(config, sides, "width", fallback, minimum, maximum, &out[1]);
    }
    status = config_int_list(config, node, key, 2, minimum, maximum, out, &count);
    if (status)
        return status;
    if (count < 1 || (json_is_array(value) && count != 2))
        return config_field_error(config, node, key, "is not a size: expected a number, or a height and a width");
    if (count == 1)
        out[1] = out[0];
    return 0;
}

int config_text(const struct config *config, const struct config_node *node, const char *key, const char *fallback,
                char **out)
{
    const json_t *value = field(node, key);
    struct string text = {0};
    *out = NULL;
    if (!value)
        string_append_text(&text, fallback);
    else if (json_is_string(value))
        string_append_text(&text, json_string_value(value));
    else if (json_is_integer(value))
        string_append_format(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        string_append_text(&text, json_is_true(value) ? "True" : "False");
    else
        return config_field_error(config, node, key, "is %s: expected text or a whole number", type_name(value));
    if (text.failed) {
        string_free(&text);
        return error_memory(config->name);
    }
    *out = text.data;
    return 0;
}
