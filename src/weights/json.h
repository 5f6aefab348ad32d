/* Untrusted JSON through jansson: strict, no duplicate keys, errors that name the file. */
#ifndef WEIGHTS_JSON_H
#define WEIGHTS_JSON_H

#include <jansson.h>
#include <stddef.h>

/* Parses `size` bytes that hold one JSON object and nothing else but white space around it; the
 * caller gives `*out` to json_decref. Where an integer does not fit 64 bits (Python writes such),
 * every number of the file is read as a real instead. `name` is what messages call the file.
 * Errors: FORMAT (not UTF-8 JSON, not an object, duplicate keys, nested deeper than 2048), MEMORY. */
int json_parse_object(const char *name, const char *text, size_t size, json_t **out);

/* A member of an object, as it is written. */
struct json_member {
    const char *key; /* with its quotes */
    size_t key_size;
    const char *value;
    size_t value_size;
};

enum json_next { JSON_NEXT_MEMBER, JSON_NEXT_END, JSON_NEXT_BROKEN };

/* Steps through the members of the object that begins `text`, without building it: `*at` is 0 at first
 * and behind the object at JSON_NEXT_END. Finds where keys and values end; that they are valid JSON is
 * for json_parse_value to say. */
enum json_next json_next_member(const char *text, size_t size, size_t *at, struct json_member *out);

/* Parses one value of any kind with nothing after it. NULL, with `*error` set, where it is not valid or memory is short
 * (base/json_load.h). */
json_t *json_parse_value(const char *text, size_t size, json_error_t *error);

#endif
