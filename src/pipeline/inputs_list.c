/* From the values of --input to the list of images. */
#include "pipeline/inputs_list.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"
#include "pipeline/inputs.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

static int append(struct inputs *out, const char *name, const char *path)
{
    int status = string_list_append(&out->names, name);

    return status ? status : string_list_append(&out->paths, path);
}

static int no_images(const char *folder, bool recursive)
{
    struct string_list deeper = {0};
    bool below = !recursive && listing_tree(folder, NULL, &deeper) == 0 && deeper.count > 0;

    string_list_free(&deeper);
    if (below)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: no image in this folder, but in folders below it: add --recursive to take them", folder);
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s: no image in this folder: it needs " LISTING_IMAGE_SUFFIXES " files",
                     folder);
}

int inputs_folder_error(const char *path)
{
    struct string_list names;
    int status = listing_folder(path, &names);

    string_list_free(&names);
    return status ? status : no_images(path, false);
}

static int list_folder(const struct inputs_options *options, const char *folder, struct inputs *out)
{
    struct string_list names;
    int status = options->recursive ? listing_tree(folder, options->output, &names) : listing_folder(folder, &names);

    if (!status && names.count == 0 && listing_holds_results(folder))
        log_notice("%s: the results of an earlier run: left out", folder);
    else if (!status && names.count == 0)
        status = no_images(folder, options->recursive);
    for (size_t i = 0; !status && i < names.count; i++) {
        char *path = path_join(folder, names.items[i]);

        status = path ? append(out, names.items[i], path) : error_memory("list of images");
        free(path);
    }
    string_list_free(&names);
    return status;
}

/* One file is taken whatever its suffix: its content decides when it is decoded. */
static int list_file(const char *path, struct inputs *out)
{
    if (listing_is_video_name(path))
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: a video: give an image, or a folder of images", path);
    return append(out, path_base(path), path);
}

/* A path that is there. */
static int list_path(const struct inputs_options *options, const char *path, const struct stat *info,
                     struct inputs *out)
{
    if (listing_is_result(path)) {
        log_notice("%s: a result of an earlier run: left out", path);
        return 0;
    }
    if (S_ISDIR(info->st_mode))
        return list_folder(options, path, out);
    if (S_ISREG(info->st_mode))
        return list_file(path, out);
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s: neither a file nor a folder: give an image or a folder of images",
                     path);
}

/* A list being made. */
struct lister {
    const struct inputs_options *options;
    struct inputs *out;
    size_t good; /* values of --input, or files that a pattern matches, that are there */
    int failure; /* of the last that was no good; its message is the thread's */
};

/* One that is no good is kept: the others are done. */
static int keep_failed(struct lister *lister, int status, const char *path)
{
    if (status != SOWLV2_ERROR_IO && status != SOWLV2_ERROR_ARGUMENT && status != SOWLV2_ERROR_UNSUPPORTED)
        return status;
    lister->failure = status;
    return append(lister->out, path, path);
}

static int compare_paths(const void *a, const void *b)
{
    return listing_compare(*(char *const *)a, *(char *const *)b);
}

static int list_matches(struct lister *lister, const glob_t *matches)
{
    int status = 0;

    qsort(matches->gl_pathv, matches->gl_pathc, sizeof(*matches->gl_pathv), compare_paths);
    for (size_t i = 0; !status && i < matches->gl_pathc; i++) {
        const char *path = matches->gl_pathv[i];
        struct stat info;

        if (stat(path, &info) != 0)
            status = error_set(SOWLV2_ERROR_IO, "%s: cannot be opened: %s", path, strerror(errno));
        else
            status = list_path(lister->options, path, &info, lister->out);
        lister->good += !status;
        if (status)
            status = keep_failed(lister, status, path);
    }
    return status;
}

/* A path that is not there: perhaps a pattern that no shell has seen. */
static int list_pattern(struct lister *lister, const char *pattern, int why)
{
    glob_t matches = {0};
    int status, code;

    if (!strpbrk(pattern, "*?["))
        return error_set(SOWLV2_ERROR_IO, "%s: cannot be opened: %s: check the path given as --input", pattern,
                         strerror(why));
    code = glob(pattern, GLOB_NOSORT, NULL, &matches);
    if (code == GLOB_NOSPACE)
        status = error_memory("list of images");
    else if (code != 0)
        status =
            error_set(SOWLV2_ERROR_IO, "%s: no file matches this pattern: check the pattern given as --input", pattern);
    else
        status = list_matches(lister, &matches);
    globfree(&matches);
    return status;
}

/* One value of --input. */
static int list_given(struct lister *lister, const char *given)
{
    struct stat info;
    int status;

    if (!*given)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--input: an empty path: give an image or a folder of images");
    if (strcmp(given, "-") == 0) {
        status = append(lister->out, "stdin", given);
    } else if (stat(given, &info) != 0) {
        status = list_pattern(lister, given, errno);
        return status ? keep_failed(lister, status, given) : 0;
    } else {
        status = list_path(lister->options, given, &info, lister->out);
    }
    lister->good += !status;
    return status ? keep_failed(lister, status, given) : 0;
}

/* A text and where it stands. */
struct place {
    const char *text;
    size_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    int order = strcmp(left->text, right->text);

    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static void sort_places(const struct string_list *list, struct place *places)
{
    for (size_t i = 0; i < list->count; i++)
        places[i] = (struct place){list->items[i], i};
    qsort(places, list->count, sizeof(*places), compare_places);
}

/* Takes out the paths that stand there already. */
static void drop_repeats(struct inputs *out, struct place *places)
{
    size_t count = out->paths.count, kept = 0, first = 0;

    sort_places(&out->paths, places);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(places[first].text, places[i].text) != 0) {
            first = i;
            continue;
        }
        log_notice("%s: given more than once: done once", places[i].text);
        free(out->names.items[places[i].index]);
        out->names.items[places[i].index] = NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!out->names.items[i]) {
            free(out->paths.items[i]);
            continue;
        }
        out->names.items[kept] = out->names.items[i];
        out->paths.items[kept++] = out->paths.items[i];
    }
    out->names.count = out->paths.count = kept;
}

static bool is_named_by_path(const struct inputs *out, size_t index)
{
    return strcmp(out->names.items[index], out->paths.items[index]) == 0;
}

/* Gives an image its path as its name. */
static int name_by_path(struct inputs *out, size_t index, bool *changed)
{
    char *path;

    if (is_named_by_path(out, index))
        return 0;
    path = strdup(out->paths.items[index]);
    if (!path)
        return error_memory("list of images");
    free(out->names.items[index]);
    out->names.items[index] = path;
    *changed = true;
    return 0;
}

/* Where images of several inputs have one name, all of these are named by their paths. */
static int tell_apart(struct inputs *out, struct place *places)
{
    bool changed = true;
    int status = 0;

    while (changed && !status) {
        changed = false;
        sort_places(&out->names, places);
        for (size_t i = 0, end; !status && i < out->names.count; i = end) {
            for (end = i + 1; end < out->names.count && strcmp(places[end].text, places[i].text) == 0;)
                end++;
            for (size_t j = end - i > 1 ? i : end; !status && j < end; j++) {
                places[j].text = "";
                status = name_by_path(out, places[j].index, &changed);
            }
        }
    }
    return status;
}

int inputs_make_utf8(char **name)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)*name;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(*name);
    struct string text = {0};
    bool valid = true;

    while (left > 0) {
        utf8proc_int32_t character;
        utf8proc_ssize_t size = utf8proc_iterate(at, left, &character);

        if (size > 0)
            string_append(&text, (const char *)at, (size_t)size);
        else
            string_append_format(&text, "\\x%02x", *at);
        valid &= size > 0;
        size = size > 0 ? size : 1;
        at += size;
        left -= size;
    }
    if (text.failed || valid) {
        string_free(&text);
        return valid ? 0 : error_memory("list of images");
    }
    free(*name);
    *name = text.data;
    return 0;
}

int inputs_list(const struct inputs_options *options, struct inputs *out)
{
    struct lister lister = {.options = options, .out = out};
    struct place *places = NULL;
    int status = 0;

    if (options->count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--input: missing: give an image or a folder of images");
    for (size_t i = 0; !status && i < options->count; i++)
        status = list_given(&lister, options->given[i]);
    if (!status && lister.good == 0)
        status = lister.failure;
    if (status)
        return status;
    places = calloc(out->paths.count + 1, sizeof(*places));
    if (!places)
        return error_memory("list of images");
    drop_repeats(out, places);
    status = tell_apart(out, places);
    for (size_t i = 0; !status && i < out->names.count; i++)
        status = inputs_make_utf8(&out->names.items[i]);
    free(places);
    return status;
}
