/* Reading what each file says about special and added tokens. */
#include "text/special_files.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

const char *const special_names[SPECIAL_COUNT] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                  "pad_token", "cls_token", "mask_token"};

static int bad_token(const char *file, const char *field)
{
    return error_set(SOWLV2_ERROR_FORMAT,
                     "%s: \"%.64s\" is neither a string nor an object with a string \"content\": the file is damaged: "
                     "get it again",
                     file, field);
}

int special_flag(const char *file, const json_t *object, const char *key, bool *flag)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: \"%s\" is neither true nor false: the file is damaged: get it again",
                         file, key);
    *flag = json_is_true(value);
    return 0;
}

static int read_id(const char *file, const char *field, const json_t *value, int64_t *id)
{
    double number = json_number_value(value); /* 0 where it is no number */
    if (!json_is_number(value) || !(number >= 0 && number < INT32_MAX))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: \"%.64s\" has an id that is not a whole number from 0 to %d", file,
                         field, INT32_MAX - 1);
    *id = (int64_t)number;
    return 0;
}

int special_describe(const char *file, const char *field, const json_t *value, struct special_description *out)
{
    *out = (struct special_description){0};
    if (json_is_string(value)) {
        out->token.content = json_string_value(value);
        out->plain = true;
        return 0;
    }
    const json_t *content = json_object_get(value, "content");
    if (!json_is_string(content))
        return bad_token(file, field);
    out->token.content = json_string_value(content);
    out->normalized_given = json_object_get(value, "normalized");
    int status = special_flag(file, value, "single_word", &out->token.single_word);
    if (!status)
        status = special_flag(file, value, "lstrip", &out->token.lstrip);
    if (!status)
        status = special_flag(file, value, "rstrip", &out->token.rstrip);
    if (!status)
        status = special_flag(file, value, "normalized", &out->token.normalized);
    if (!status)
        status = special_flag(file, value, "special", &out->token.special);
    return status;
}

/* Room for one more of `count` items; `*items` is one of the reading's arrays. */
static int reserve(const char *file, void **items, size_t count, size_t *capacity, size_t item)
{
    if (count == ADDED_TOKENS_MAX)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: more than %d added tokens: it is not a CLIP tokenizer's file", file,
                         ADDED_TOKENS_MAX);
    if (count < *capacity)
        return 0;
    size_t larger = *capacity < 16 ? 16 : *capacity * 2;
    void *moved = realloc(*items, larger * item);
    if (!moved)
        return error_memory("added tokens");
    *items = moved;
    *capacity = larger;
    return 0;
}

/* Puts in a token under another name than the seven, in the place of an earlier one of that name. */
static int put_extra(struct special_reading *reading, const char *file, const char *key,
                     const struct special_description *description)
{
    for (size_t i = 0; i < reading->extra_count; i++)
        if (!strcmp(reading->extra[i].key, key)) {
            reading->extra[i].description = *description;
            return 0;
        }
    void *items = reading->extra;
    int status = reserve(file, &items, reading->extra_count, &reading->extra_capacity, sizeof(*reading->extra));
    reading->extra = items;
    if (!status)
        reading->extra[reading->extra_count++] = (struct special_extra){key, *description};
    return status;
}

/* The number of a name, SPECIAL_COUNT for another name of a token, -1 for anything else. */
static int name_number(const char *key)
{
    size_t length = strlen(key);
    if (length < 6 || strcmp(key + length - 6, "_token") != 0)
        return -1;
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (!strcmp(key, special_names[i]))
            return i;
    return SPECIAL_COUNT;
}

/* The named tokens that `file` gives; null takes one away. `special`: they are even where they do not
 * say so, as in special_tokens_map.json. */
static int read_named(struct special_reading *reading, const struct tokenizer_json *file, bool special)
{
    const char *key;
    json_t *value;
    json_object_foreach(file->root, key, value)
    {
        int number = name_number(key);
        if (number >= 0 && number < SPECIAL_COUNT && json_is_null(value))
            reading->named[number] = (struct special_description){0};
        /* "add_bos_token": true and its like are settings. */
        bool setting = number == SPECIAL_COUNT && !json_is_string(value) && !json_is_object(value);
        if (number < 0 || json_is_null(value) || setting)
            continue;
        struct special_description description;
        int status = special_describe(file->path, key, value, &description);
        if (!description.plain && special)
            description.token.special = true;
        if (!status && number < SPECIAL_COUNT)
            reading->named[number] = description;
        else if (!status)
            status = put_extra(reading, file->path, key, &description);
        if (status)
            return status;
    }
    return 0;
}

static int append_listed(struct special_reading *reading, const char *file, int64_t id,
                         const struct special_description *description)
{
    void *items = reading->listed;
    int status = reserve(file, &items, reading->listed_count, &reading->listed_capacity, sizeof(*reading->listed));
    reading->listed = items;
    if (status)
        return status;
    reading->listed[reading->listed_count] = (struct special_listed){id, reading->listed_count, *description};
    reading->listed_count++;
    return 0;
}

/* "added_tokens_decoder" of tokenizer_config.json: {"0": {"content": ...}, ...} */
static int read_decoder(struct special_reading *reading, const char *file, json_t *decoder)
{
    const char *key;
    json_t *value;
    if (!json_is_object(decoder))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: \"added_tokens_decoder\" is not an object", file);
    json_object_foreach(decoder, key, value)
    {
        char *end;
        long long id = strtoll(key, &end, 10);
        struct special_description description;
        if (end == key || *end != '\0')
            return error_set(SOWLV2_ERROR_FORMAT, "%s: \"added_tokens_decoder\" has the id \"%.64s\", not a number",
                             file, key);
        int status = json_is_object(value) ? special_describe(file, key, value, &description) : bad_token(file, key);
        if (!status)
            status = append_listed(reading, file, id, &description);
        if (status)
            return status;
    }
    return 0;
}

static bool has_content(const json_t *value, const char *content)
{
    const char *have = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    return have && !strcmp(have, content);
}

static bool list_has(const json_t *list, const char *content, bool objects)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if ((objects || json_is_string(item)) && has_content(item, content))
            return true;
    }
    return false;
}

/* Whether a token of added_tokens.json counts as special: the reference compares it with what the files
 * name, but not with objects in tokenizer_config.json, nor with defaults. */
static bool is_special_name(const struct tokenizer_files *files, const char *content)
{
    static const char *const extra[] = {"extra_special_tokens", "additional_special_tokens"};
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const json_t *value = json_object_get(files->special_map.root, special_names[i]);
        if (!value && json_is_string(json_object_get(files->config.root, special_names[i])))
            value = json_object_get(files->config.root, special_names[i]);
        if (has_content(value, content))
            return true;
    }
    for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++)
        if (list_has(json_object_get(files->config.root, extra[i]), content, false))
            return true;
    return list_has(json_object_get(files->special_map.root, extra[0]), content, true);
}

/* added_tokens.json: {"token": id, ...} */
static int read_added_file(struct special_reading *reading, const struct tokenizer_files *files)
{
    const struct tokenizer_json *file = &files->added;
    const char *key;
    json_t *value;
    json_object_foreach(file->root, key, value)
    {
        struct special_description description = {.token = {.content = key}, .normalized_given = true};
        int64_t id;
        int status = read_id(file->path, key, value, &id);
        description.token.special = is_special_name(files, key);
        description.token.normalized = !description.token.special;
        if (!status)
            status = append_listed(reading, file->path, id, &description);
        if (status)
            return status;
    }
    return 0;
}

/* "added_tokens" of tokenizer.json: [{"id": 0, "content": ...}, ...] */
static int read_added_list(struct special_reading *reading, const struct tokenizer_json *file)
{
    const json_t *list = json_object_get(file->root, "added_tokens");
    if (list && !json_is_array(list))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: \"added_tokens\" is not a list", file->path);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        struct special_description description;
        int64_t id;
        int status = special_describe(file->path, "added_tokens", item, &description);
        if (!status)
            status = read_id(file->path, description.token.content, json_object_get(item, "id"), &id);
        if (!status)
            status = append_listed(reading, file->path, id, &description);
        if (status)
            return status;
    }
    return 0;
}

static int compare_listed(const void *a, const void *b)
{
    const struct special_listed *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Orders the list by id and drops what a later entry of the same id replaces. */
static void sort_listed(struct special_reading *reading)
{
    if (reading->listed_count == 0)
        return;
    qsort(reading->listed, reading->listed_count, sizeof(*reading->listed), compare_listed);
    size_t kept = 0;
    for (size_t i = 0; i < reading->listed_count; i++) {
        if (kept > 0 && reading->listed[kept - 1].id == reading->listed[i].id)
            kept--;
        reading->listed[kept++] = reading->listed[i];
    }
    reading->listed_count = kept;
}

static int read_all(const struct tokenizer_files *files, struct special_reading *reading)
{
    int status = read_named(reading, &files->config, false);
    json_t *decoder = json_object_get(files->config.root, "added_tokens_decoder");
    if (status || decoder)
        return status ? status : read_decoder(reading, files->config.path, decoder);
    status = read_named(reading, &files->special_map, true);
    if (!status)
        status = read_added_file(reading, files);
    if (!status)
        status = read_added_list(reading, &files->tokenizer);
    return status;
}

int special_files_read(const struct tokenizer_files *files, struct special_reading *reading)
{
    int status = read_all(files, reading);
    if (!status)
        sort_listed(reading);
    return status;
}

void special_reading_free(struct special_reading *reading)
{
    free(reading->extra);
    free(reading->listed);
    *reading = (struct special_reading){0};
}
