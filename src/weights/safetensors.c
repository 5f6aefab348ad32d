/* A safetensors file: opening, the header's place in it, look-up by name. */
#include "weights/safetensors.h"

#include "base/error.h"
#include "base/file_part.h"
#include "weights/safetensors_header.h"

#include <stdlib.h>
#include <string.h>

/* The format's own limit. */
enum { HEADER_LIMIT = 100000000, LENGTH_BYTES = 8, HEAD_BYTES = 16 };

struct safetensors {
    struct file_part part; /* not open where the caller owns the bytes */
    struct safetensors_entry *entries;
    size_t count;
    char *names;
};

/* What the first bytes of a file of `size` say about its header; `head` has 16 of them, or all. */
static int locate_header(const char *name, const unsigned char *head, size_t size, size_t *header_size)
{
    static const char lfs_pointer[] = "version https";
    if (size >= sizeof(lfs_pointer) - 1 && memcmp(head, lfs_pointer, sizeof(lfs_pointer) - 1) == 0)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: is a Git LFS pointer, not the weights: run: git lfs pull", name);
    if (size < LENGTH_BYTES)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: too short for a safetensors file: get it again", name);
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | head[i];
    if (length > HEADER_LIMIT)
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: header of %llu bytes is over the format's limit: not a safetensors file, or damaged",
                         name, (unsigned long long)length);
    if (length > size - LENGTH_BYTES)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: ends inside its header: the file is cut short: get it again", name);
    if (length == 0 || head[LENGTH_BYTES] != '{')
        return error_set(SOWLV2_ERROR_FORMAT, "%s: header is not a JSON object: not a safetensors file, or damaged",
                         name);
    *header_size = (size_t)length;
    return 0;
}

/* Indexes a file by its header's text and its data section. */
static int parse(const char *name, const char *text, size_t text_size, const unsigned char *data, size_t size,
                 struct safetensors **out)
{
    struct safetensors *file = calloc(1, sizeof(*file));
    if (!file)
        return error_memory(name);
    file->part.descriptor = -1;
    const int status =
        safetensors_header_parse(name, text, text_size, data, size, &file->entries, &file->count, &file->names);
    if (status) {
        free(file);
        return status;
    }
    *out = file;
    return 0;
}

int safetensors_parse(const char *name, const void *data, size_t size, struct safetensors **out)
{
    *out = NULL;
    const unsigned char *bytes = data;
    size_t header_size = 0;
    const int status = locate_header(name, bytes, size, &header_size);
    if (status)
        return status;
    const size_t begin = LENGTH_BYTES + header_size;
    return parse(name, (const char *)bytes + LENGTH_BYTES, header_size, bytes + begin, size - begin, out);
}

/* The header is a copy: nothing that is checked can change before it is used. */
static int open_part(struct file_part *part, struct safetensors **out)
{
    unsigned char head[HEAD_BYTES] = {0};
    size_t header_size = 0;
    char *text = NULL;
    int status = file_part_copy(part, 0, head, part->file_size < HEAD_BYTES ? part->file_size : HEAD_BYTES);
    if (!status)
        status = locate_header(part->path, head, part->file_size, &header_size);
    if (!status)
        status = (text = malloc(header_size)) ? 0 : error_memory(part->path);
    if (!status)
        status = file_part_copy(part, LENGTH_BYTES, text, header_size);
    if (!status)
        status = file_part_begin(part, LENGTH_BYTES + header_size);
    if (!status)
        status = parse(part->path, text, header_size, part->data, part->size, out);
    free(text);
    return status;
}

int safetensors_open_unread(const char *path, struct safetensors **out)
{
    *out = NULL;
    struct file_part part;
    int status = file_part_open(path, &part);
    if (status)
        return status;
    status = open_part(&part, out);
    if (status)
        file_part_close(&part);
    else
        (*out)->part = part;
    return status;
}

int safetensors_open(const char *path, struct safetensors **out)
{
    int status = safetensors_open_unread(path, out);
    if (!status)
        status = file_part_read(&(*out)->part, (*out)->part.data, (*out)->part.size);
    if (status)
        safetensors_close(out);
    return status;
}

bool safetensors_has(const struct safetensors *file, const struct host_tensor *tensor)
{
    const uint8_t *const data = tensor->data;
    return file->part.data && data >= file->part.data && data <= file->part.data + file->part.size;
}

int safetensors_read(const struct safetensors *file, const struct host_tensor *tensor)
{
    return file_part_read(&file->part, tensor->data, tensor->bytes);
}

void safetensors_forget(const struct safetensors *file, const struct host_tensor *tensor)
{
    file_part_forget(&file->part, tensor->data, tensor->bytes);
}

int safetensors_check(const struct safetensors *file)
{
    return file_part_check(&file->part);
}

void safetensors_close(struct safetensors **file)
{
    if (!file || !*file)
        return;
    file_part_close(&(*file)->part);
    free((*file)->entries);
    free((*file)->names);
    free(*file);
    *file = NULL;
}

size_t safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct safetensors_entry *safetensors_entries(const struct safetensors *file)
{
    return file->entries;
}

static int compare_name(const void *name, const void *entry)
{
    return strcmp(name, ((const struct safetensors_entry *)entry)->name);
}

const struct host_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    const struct safetensors_entry *entry =
        bsearch(name, file->entries, file->count, sizeof(*file->entries), compare_name);
    return entry ? &entry->tensor : NULL;
}
