/* A safetensors file: mapping, the header's place in it, look-up by name. */
#include "weights/safetensors.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/safetensors_header.h"

#include <stdlib.h>
#include <string.h>

/* The format's own limit. */
enum { HEADER_LIMIT = 100000000, LENGTH_BYTES = 8 };

struct safetensors {
    struct file_map map; /* empty where the caller owns the bytes */
    struct safetensors_entry *entries;
    size_t count;
    char *names;
};

/* Finds the header in `size` bytes at `data`. */
static int locate_header(const char *name, const unsigned char *data, size_t size, size_t *header_size)
{
    static const char lfs_pointer[] = "version https://git-lfs";
    if (size >= sizeof(lfs_pointer) - 1 && memcmp(data, lfs_pointer, sizeof(lfs_pointer) - 1) == 0)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: is a Git LFS pointer, not the weights: run: git lfs pull", name);
    if (size < LENGTH_BYTES)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: too short for a safetensors file: get it again", name);
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | data[i];
    if (length > HEADER_LIMIT)
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: header of %llu bytes is over the format's limit: not a safetensors file, or damaged",
                         name, (unsigned long long)length);
    if (length > size - LENGTH_BYTES)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: ends inside its header: the file is cut short: get it again", name);
    if (length == 0 || data[LENGTH_BYTES] != '{')
        return error_set(SOWLV2_ERROR_FORMAT, "%s: header is not a JSON object: not a safetensors file, or damaged",
                         name);
    *header_size = (size_t)length;
    return 0;
}

int safetensors_parse(const char *name, const void *data, size_t size, struct safetensors **out)
{
    *out = NULL;
    const unsigned char *bytes = data;
    size_t header_size = 0;
    int status = locate_header(name, bytes, size, &header_size);
    if (status)
        return status;
    struct safetensors *file = calloc(1, sizeof(*file));
    if (!file)
        return error_memory(name);
    size_t begin = LENGTH_BYTES + header_size;
    status = safetensors_header_parse(name, (const char *)bytes + LENGTH_BYTES, header_size, bytes + begin,
                                      size - begin, &file->entries, &file->count, &file->names);
    if (status) {
        free(file);
        return status;
    }
    *out = file;
    return 0;
}

int safetensors_open(const char *path, struct safetensors **out)
{
    *out = NULL;
    struct file_map map;
    int status = file_map_open(path, &map);
    if (status)
        return status;
    status = safetensors_parse(path, map.data, map.size, out);
    if (status)
        file_map_close(&map);
    else
        (*out)->map = map;
    return status;
}

void safetensors_close(struct safetensors **file)
{
    if (!file || !*file)
        return;
    file_map_close(&(*file)->map);
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
