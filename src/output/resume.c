/* Going on with the results.jsonl of an earlier run. */
#include "base/error.h"
#include "base/file.h"
#include "output/results.h"
#include "output/results_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* One file being gone through, line by line. */
struct reader {
    const char *folder;
    char *path;
    FILE *stream;
    char *line;
    size_t capacity, number;
};

/* Whether the file that `object` names at `key` is there; true where it names none. */
static bool has_file(const struct reader *reader, const json_t *object, const char *key)
{
    const char *below = json_string_value(json_object_get(object, key));
    char *path = below ? path_join(reader->folder, below) : NULL;
    bool there = !below || (path && file_exists(path));

    free(path);
    return there;
}

static bool has_all_files(const struct reader *reader, const json_t *objects)
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *object = json_array_get(objects, i);

        if (!has_file(reader, object, "mask") || !has_file(reader, object, "crop"))
            return false;
    }
    return true;
}

/* Whether the line stays; an image's name then goes to `done`. Errors: FORMAT, MEMORY. */
static int judge_line(const struct reader *reader, size_t length, struct string_list *done, bool *stays)
{
    json_t *row = json_loadb(reader->line, length, 0, NULL);
    const json_t *objects = json_object_get(row, "objects");
    const char *image = json_string_value(json_object_get(row, "image"));
    int status = 0;

    *stays = false;
    if (!json_is_array(objects) || (!image && !json_is_string(json_object_get(row, "video"))))
        status = error_set(SOWLV2_ERROR_FORMAT,
                           "%s:%zu: not a row of results: repair the file, or leave out --resume to begin anew",
                           reader->path, reader->number);
    else
        *stays = has_all_files(reader, objects);
    if (!status && *stays && image)
        status = string_list_append(done, image);
    json_decref(row);
    return status;
}

/* Copies the lines that stay. A last line without its end was cut: it does not stay. */
static int copy_lines(struct reader *reader, struct string_list *done, FILE *to)
{
    ssize_t length;

    errno = 0;
    while ((length = getline(&reader->line, &reader->capacity, reader->stream)) > 0) {
        bool stays;
        int status;

        reader->number++;
        if (reader->line[length - 1] != '\n')
            break;
        status = judge_line(reader, (size_t)length, done, &stays);
        if (status)
            return status;
        if (stays)
            fwrite(reader->line, 1, (size_t)length, to); /* the commit checks */
    }
    if (ferror(reader->stream) || (length < 0 && errno == ENOMEM))
        return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", reader->path, strerror(errno));
    return 0;
}

/* Leaves in the file what stays, by writing it anew beside itself. */
static int clean_up(struct reader *reader, struct string_list *done)
{
    struct file_writer writer;
    int status = file_writer_open(reader->path, &writer);

    if (status)
        return status;
    status = copy_lines(reader, done, writer.stream);
    if (!status)
        return file_writer_commit(&writer);
    file_writer_abort(&writer);
    return status;
}

int results_resume(const char *folder, struct string_list *done, struct results **out)
{
    struct reader reader = {.folder = folder, .path = path_join(folder, "results.jsonl")};
    int status = 0;

    *out = NULL;
    if (!reader.path)
        return error_memory("results.jsonl");
    reader.stream = fopen(reader.path, "rbe");
    if (reader.stream)
        status = clean_up(&reader, done);
    else if (errno != ENOENT)
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", reader.path, strerror(errno));
    if (reader.stream)
        fclose(reader.stream);
    free(reader.line);
    free(reader.path);
    return status ? status : results_open_with(folder, 0, out);
}
