/* The JSON header of a safetensors file: read tensor by tensor, then checked as a whole. */
#include "weights/safetensors_header.h"

#include "base/error.h"
#include "base/json_load.h"
#include "weights/json.h"
#include "weights/safetensors_tensor.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Descriptions take about 100 bytes. A parsed one takes many times its text, so that a hostile header
 * is read one tensor at a time and never as one tree. */
enum { DESCRIPTION_LIMIT = 1 << 16 };

/* A header while it is read. */
struct header {
    const char *file;
    const unsigned char *data;
    size_t data_size;
    struct safetensors_entry *entries;
    size_t count, capacity;
    char *names, *names_end; /* as large as the header: names are shorter than their text */
    bool has_metadata;
};

static int header_error(const struct header *header, const char *why)
{
    return error_set(SOWLV2_ERROR_FORMAT, "%s: header is not valid JSON: %s: " SAFETENSORS_DAMAGED, header->file, why);
}

static int compare_places(const void *left, const void *right)
{
    const struct host_tensor *a = &((const struct safetensors_entry *)left)->tensor;
    const struct host_tensor *b = &((const struct safetensors_entry *)right)->tensor;
    if (a->data != b->data)
        return (const char *)a->data < (const char *)b->data ? -1 : 1;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct safetensors_entry *)left)->name, ((const struct safetensors_entry *)right)->name);
}

/* The tensors must tile the data section: sorted by place, each begins where the last one ended. */
static int check_tiling(const struct header *header)
{
    qsort(header->entries, header->count, sizeof(*header->entries), compare_places);
    const unsigned char *expected = header->data;
    for (size_t i = 0; i < header->count; i++) {
        const struct safetensors_entry *entry = &header->entries[i];
        const unsigned char *begin = entry->tensor.data;
        if (begin != expected)
            return safetensors_tensor_error(header->file, entry->name,
                                            begin < expected ? "overlaps another tensor"
                                                             : "bytes before it belong to no tensor");
        expected = begin + entry->tensor.bytes;
    }
    if (expected != header->data + header->data_size)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: bytes at the end belong to no tensor: " SAFETENSORS_DAMAGED,
                         header->file);
    return 0;
}

/* Sorts by name. */
static int check_names(const struct header *header)
{
    qsort(header->entries, header->count, sizeof(*header->entries), compare_names);
    for (size_t i = 1; i < header->count; i++)
        if (strcmp(header->entries[i - 1].name, header->entries[i].name) == 0)
            return safetensors_tensor_error(header->file, header->entries[i].name, "duplicate name");
    return 0;
}

/* Free text about the file: strings by name, which nobody here reads. */
static int check_metadata(struct header *header, const struct json_member *metadata)
{
    struct json_member member;
    json_error_t error = {0};
    size_t at = 0;
    enum json_next next;
    if (header->has_metadata)
        return header_error(header, "duplicate __metadata__");
    header->has_metadata = true;
    while ((next = json_next_member(metadata->value, metadata->value_size, &at, &member)) == JSON_NEXT_MEMBER) {
        json_t *key = json_parse_value(member.key, member.key_size, &error);
        json_t *value = member.value[0] == '"' ? json_parse_value(member.value, member.value_size, &error) : NULL;
        bool good = key && value;
        json_decref(key);
        json_decref(value);
        if (!good && json_error_is_memory(&error))
            return error_memory(header->file);
        if (!good)
            break;
    }
    if (next != JSON_NEXT_END || at != metadata->value_size)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: __metadata__ does not map text to text: " SAFETENSORS_DAMAGED,
                         header->file);
    return 0;
}

/* Room for one more entry. */
static int reserve_entry(struct header *header)
{
    if (header->count < header->capacity)
        return 0;
    size_t capacity = header->capacity ? 2 * header->capacity : 256;
    struct safetensors_entry *entries = realloc(header->entries, capacity * sizeof(*entries));
    if (!entries)
        return error_memory(header->file);
    header->entries = entries;
    header->capacity = capacity;
    return 0;
}

static int read_tensor(struct header *header, const char *name, const struct json_member *member)
{
    json_error_t error;
    if (member->value_size > DESCRIPTION_LIMIT)
        return safetensors_tensor_error(header->file, name, "its description is too long");
    int status = reserve_entry(header);
    if (status)
        return status;
    json_t *info = json_parse_value(member->value, member->value_size, &error);
    if (!info && json_error_is_memory(&error))
        return error_memory(header->file);
    if (!info)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: tensor \"%.200s\": not valid JSON: %s: " SAFETENSORS_DAMAGED,
                         header->file, name, error.text);
    struct safetensors_entry *entry = &header->entries[header->count];
    entry->name = name;
    status = safetensors_tensor_read(header->file, name, info, header->data, header->data_size, &entry->tensor);
    json_decref(info);
    if (!status)
        header->count++;
    return status;
}

static int read_member(struct header *header, const struct json_member *member)
{
    json_error_t error;
    json_t *key = json_parse_value(member->key, member->key_size, &error);
    if (!key)
        return json_error_is_memory(&error) ? error_memory(header->file) : header_error(header, error.text);
    char *name = header->names_end;
    size_t size = strlen(json_string_value(key)) + 1;
    memcpy(name, json_string_value(key), size);
    json_decref(key);
    if (strcmp(name, "__metadata__") == 0)
        return check_metadata(header, member);
    header->names_end += size;
    return read_tensor(header, name, member);
}

static int read_members(struct header *header, const char *text, size_t size)
{
    struct json_member member;
    size_t at = 0;
    enum json_next next;
    while ((next = json_next_member(text, size, &at, &member)) == JSON_NEXT_MEMBER) {
        int status = read_member(header, &member);
        if (status)
            return status;
    }
    if (next == JSON_NEXT_BROKEN)
        return header_error(header, "not a complete object");
    while (at < size && text[at] == ' ')
        at++;
    if (at != size)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: header is followed by something else: " SAFETENSORS_DAMAGED,
                         header->file);
    int status = check_tiling(header);
    return status ? status : check_names(header);
}

int safetensors_header_parse(const char *file, const char *text, size_t size, const unsigned char *data,
                             size_t data_size, struct safetensors_entry **entries, size_t *count, char **names)
{
    struct header header = {.file = file, .data = data, .data_size = data_size};
    header.names = header.names_end = malloc(size + 1);
    int status = header.names ? reserve_entry(&header) : error_memory(file);
    if (!status)
        status = read_members(&header, text, size);
    if (status) {
        free(header.names);
        free(header.entries);
        header = (struct header){0};
    }
    *entries = header.entries;
    *count = header.count;
    *names = header.names;
    return status;
}
