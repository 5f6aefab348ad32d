/* The images of a run: reading one, naming their files, taking out those that are done. */
#include "pipeline/inputs.h"

#include "base/error.h"
#include "base/file.h"
#include "output/names.h"
#include "pipeline/inputs_list.h"

#include <stdlib.h>
#include <string.h>

int inputs_read_image(const struct inputs *inputs, size_t index, const struct image_options *options, struct image *out)
{
    const char *path = inputs->paths.items[index];

    *out = (struct image){0};
    if (strcmp(path, "-") == 0)
        return image_read_stdin(options, out);
    if (file_is_directory(path))
        return inputs_folder_error(path);
    return image_read_with(path, options, out);
}

int inputs_name_files(struct inputs *inputs)
{
    return names_stems((const char *const *)inputs->names.items, inputs->names.count, &inputs->stems);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void keep_one(struct string_list *list, size_t from, size_t to)
{
    char *kept = list->items[from];

    list->items[from] = list->items[to];
    list->items[to] = kept;
}

static void cut(struct string_list *list, size_t count)
{
    while (list->count > count)
        free(list->items[--list->count]);
}

int64_t inputs_remove(struct inputs *inputs, const struct string_list *done)
{
    const char **sorted = calloc(done->count + 1, sizeof(*sorted));
    size_t count = inputs->names.count, kept = 0;

    if (!sorted)
        return error_memory("list of images");
    for (size_t i = 0; i < done->count; i++)
        sorted[i] = done->items[i];
    qsort(sorted, done->count, sizeof(*sorted), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (bsearch(&inputs->names.items[i], sorted, done->count, sizeof(*sorted), compare_names))
            continue;
        keep_one(&inputs->names, i, kept);
        keep_one(&inputs->paths, i, kept);
        keep_one(&inputs->stems, i, kept);
        kept++;
    }
    cut(&inputs->names, kept);
    cut(&inputs->paths, kept);
    cut(&inputs->stems, kept);
    free(sorted);
    return (int64_t)(count - kept);
}

void inputs_free(struct inputs *inputs)
{
    string_list_free(&inputs->names);
    string_list_free(&inputs->paths);
    string_list_free(&inputs->stems);
}
