/* Reading JSON where memory may be short. */
#ifndef BASE_JSON_LOAD_H
#define BASE_JSON_LOAD_H

#include <jansson.h>
#include <stdbool.h>

/* json_loadb(), but where an allocation failed the error says so (json_error_is_memory()): jansson itself often blames
 * the text. `error` is needed. */
json_t *json_load(const char *text, size_t size, size_t flags, json_error_t *error);

bool json_error_is_memory(const json_error_t *error);

#endif
