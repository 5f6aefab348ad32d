/* The images that an --input means. */
#include "pipeline/inputs.h"

#include "base/error.h"
#include "base/file.h"
#include "media/listing.h"
#include "output/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int list_folder(const char *folder, struct inputs *out)
{
    int status = listing_folder(folder, &out->names);

    if (status)
        return status;
    if (out->names.count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: no image in this folder: it needs .jpg .jpeg .png .bmp .tif or .tiff files", folder);
    for (size_t i = 0; !status && i < out->names.count; i++) {
        char *path = path_join(folder, out->names.items[i]);

        status = path ? string_list_append(&out->paths, path) : error_memory("list of images");
        free(path);
    }
    return status;
}

/* One file is taken whatever its suffix: its content decides when it is decoded. */
static int list_file(const char *path, struct inputs *out)
{
    int status;

    if (listing_is_video_name(path))
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: video is not built yet: give an image or a folder of frames as --input", path);
    status = string_list_append(&out->names, path_base(path));
    return status ? status : string_list_append(&out->paths, path);
}

int inputs_list(const char *input, struct inputs *out)
{
    struct stat info;

    if (stat(input, &info) != 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot be opened: %s: check the path given as --input", input,
                         strerror(errno));
    if (S_ISDIR(info.st_mode))
        return list_folder(input, out);
    if (S_ISREG(info.st_mode))
        return list_file(input, out);
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s: neither a file nor a folder: give an image or a folder of images",
                     input);
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
