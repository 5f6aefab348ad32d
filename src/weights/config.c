/* JSON files of a model folder: opening, and the path of a field for error messages. */
#include "weights/config.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/config_node.h"
#include "weights/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Real ones are a few kilobytes; the largest label maps stay below a megabyte. */
enum { CONFIG_LIMIT = 4 << 20 };

int config_parse(const char *name, const char *text, size_t size, struct config **out)
{
    *out = NULL;
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return error_memory(name);
    config->name = strdup(name);
    int status = config->name ? json_parse_object(name, text, size, &config->root) : error_memory(name);
    if (status)
        config_close(&config);
    *out = config;
    return status;
}

int config_open(const char *folder, const char *name, struct config **out)
{
    *out = NULL;
    char *path = path_join(folder, name);
    if (!path)
        return error_memory(name);
    struct stat status_of_file;
    char *text = NULL;
    size_t size = 0;
    int status;
    if (stat(path, &status_of_file) != 0 && (errno == ENOENT || errno == ENOTDIR))
        status = error_set(SOWLV2_ERROR_MODEL, "%s: no such file: give the folder of a complete model", path);
    else
        status = file_read(path, CONFIG_LIMIT, &text, &size);
    if (!status)
        status = config_parse(path, text, size, out);
    free(text);
    free(path);
    return status;
}

void config_close(struct config **config)
{
    if (!config || !*config)
        return;
    json_decref((*config)->root);
    free((*config)->name);
    free(*config);
    *config = NULL;
}

const struct config_node *config_root(const struct config *config)
{
    return (const struct config_node *)config->root;
}

const char *config_name(const struct config *config)
{
    return config->name;
}

int config_error(const struct config *config, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return error_memory(config->name);
    error_set(SOWLV2_ERROR_FORMAT, "%s: %s", config->name, text);
    free(text);
    return SOWLV2_ERROR_FORMAT;
}

/* Appends the keys that lead from `object` to `target`, each with a dot; false where it is not below. */
static bool append_path(struct string *path, json_t *object, const json_t *target)
{
    const char *key;
    json_t *value;
    if (object == target)
        return true;
    json_object_foreach(object, key, value)
    {
        if (!json_is_object(value))
            continue;
        size_t length = path->length;
        string_append_format(path, "%s.", key);
        if (append_path(path, value, target))
            return true;
        path->length = length < path->length ? length : path->length;
        if (path->data)
            path->data[path->length] = '\0';
    }
    return false;
}

int config_field_error(const struct config *config, const struct config_node *node, const char *key, const char *format,
                       ...)
{
    struct string text = {0};
    if (node)
        append_path(&text, config->root, (const json_t *)node);
    string_append_format(&text, "%s: ", key);
    char *why;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&why, format, arguments);
    va_end(arguments);
    if (length >= 0) {
        string_append_text(&text, why);
        free(why);
    }
    int status = length < 0 || text.failed ? error_memory(config->name) : config_error(config, "%s", text.data);
    string_free(&text);
    return status;
}
