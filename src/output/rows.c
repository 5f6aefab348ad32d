/* Reading the results.jsonl of an earlier run. */
#include "base/error.h"
#include "base/file.h"
#include "base/json_load.h"
#include "output/claim_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int output_open_file(int folder, const char *name, const char *path, FILE **out)
{
    struct stat info;
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    *out = NULL;
    if (file < 0 && errno == ENOENT)
        return 0;
    if (file < 0 && errno == ELOOP)
        return output_link_error(path);
    if (file >= 0 && (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))) {
        close(file); /* a pipe or a device has nothing of an earlier run */
        return 0;
    }
    *out = file >= 0 ? fdopen(file, "rb") : NULL;
    if (*out)
        return 0;
    const int why = errno;
    if (file >= 0)
        close(file);
    if (why == ENOMEM)
        return error_memory(path);
    return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", path, strerror(why));
}

/* One file being gone through, line by line. */
struct reader {
    const char *folder;
    char *path;
    FILE *stream;
    char *line;
    size_t capacity, number;
    bool is_short; /* of memory: what files there are is not known */
};

/* Whether the file that `object` names at `key` is there; true where it names none. */
static bool has_file(struct reader *reader, const json_t *object, const char *key)
{
    const char *below = json_string_value(json_object_get(object, key));
    char *path = below ? path_join(reader->folder, below) : NULL;
    const bool there = !below || (path && file_exists(path));

    reader->is_short |= below && !path;
    free(path);
    return there;
}

static bool has_all_files(struct reader *reader, const json_t *objects)
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *object = json_array_get(objects, i);

        if (!has_file(reader, object, "mask") || !has_file(reader, object, "crop"))
            return false;
    }
    return true;
}

static int take_line(struct reader *reader, size_t length, int (*take)(void *, const struct output_row *),
                     void *user_data)
{
    json_error_t error = {0};
    json_t *row = json_load(reader->line, length, 0, &error);
    const json_t *objects = json_object_get(row, "objects");
    const struct output_row said = {.line = reader->number,
                                    .image = json_string_value(json_object_get(row, "image")),
                                    .video = json_string_value(json_object_get(row, "video")),
                                    .job = json_string_value(json_object_get(row, "job")),
                                    .has_files = has_all_files(reader, objects)};
    int status;

    if (reader->is_short || (!row && json_error_is_memory(&error)))
        status = error_memory(reader->path);
    else if (!json_is_array(objects) || (!said.image && !said.video))
        status = error_set(SOWLV2_ERROR_FORMAT,
                           "%s:%zu: not a row of results: repair the file, or choose another --output folder",
                           reader->path, reader->number);
    else
        status = take(user_data, &said);
    json_decref(row);
    return status;
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!strchr(" \t\r\n", line[i]) || line[i] == '\0')
            return false;
    return true;
}

/* A last line without its end was cut. */
static int read_lines(struct reader *reader, int (*take)(void *, const struct output_row *), void *user_data)
{
    ssize_t length;
    int status = 0;

    errno = 0;
    while (!status && (length = getline(&reader->line, &reader->capacity, reader->stream)) > 0 &&
           reader->line[length - 1] == '\n') {
        reader->number++;
        if (!is_blank(reader->line, (size_t)length))
            status = take_line(reader, (size_t)length, take, user_data);
        errno = 0;
    }
    if (!status && errno == ENOMEM)
        status = error_memory(reader->path);
    else if (!status && ferror(reader->stream))
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", reader->path, strerror(errno));
    return status;
}

int output_rows_read(const char *folder, int (*take)(void *user_data, const struct output_row *row), void *user_data)
{
    struct reader reader = {.folder = folder, .path = path_join(folder, "results.jsonl")};
    int status = reader.path ? output_open_file(AT_FDCWD, reader.path, reader.path, &reader.stream)
                             : error_memory("results.jsonl");

    if (!status && reader.stream)
        status = read_lines(&reader, take, user_data);
    if (reader.stream)
        fclose(reader.stream);
    free(reader.line);
    free(reader.path);
    return status;
}
