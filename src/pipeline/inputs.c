/* The images of a run: reading one, naming their files, taking out those that are done. */
#include "pipeline/inputs.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/url.h"
#include "output/claim.h"
#include "output/names.h"
#include "pipeline/inputs_list.h"
#include "sowlv2_run.h"
#include "video/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_interrupted(void *user_data)
{
    const struct inputs *const inputs = user_data;

    return inputs->interrupted && *inputs->interrupted;
}

static int read_address(const struct inputs *inputs, const char *url, const struct image_options *options,
                        struct image *out)
{
    enum { LARGEST = 1 << 29 };
    const struct fetch_interrupt interrupt = {is_interrupted, (void *)(uintptr_t)inputs};
    char *data;
    size_t size;
    int status = fetch_all(url, LARGEST, &interrupt, &data, &size);

    if (!status)
        status = image_decode_with(url, data, size, options, out);
    free(data);
    return status;
}

/* Of a file's path no character is one of these. */
#define MEMORY_MARK "\001"

int inputs_add_memory(struct inputs *inputs, size_t index)
{
    const char *const name = inputs->memory->names[index];
    char path[32];

    if (!name || !*name)
        return error_set(SOWLV2_ERROR_ARGUMENT, "images: number %zu has no name", index + 1);
    snprintf(path, sizeof(path), MEMORY_MARK "%zu", index);
    const int status = string_list_append(&inputs->paths, path);

    return status ? status : string_list_append(&inputs->names, name);
}

bool inputs_is_memory(const char *path)
{
    return *path == *MEMORY_MARK;
}

static int copy_memory(const struct inputs *inputs, size_t index, const struct image_options *options,
                       struct image *out)
{
    const struct sowlv2_image_list *const memory = inputs->memory;
    const char *const name = inputs->names.items[index];
    const size_t place = strtoul(inputs->paths.items[index] + 1, NULL, 10);
    struct sowlv2_image image = {0};
    int status = memory->load(place, &image, memory->user_data);

    if (status)
        return error_set(status < 0 ? status : SOWLV2_ERROR_IO, "%s: the calling program could not give its pixels",
                         name);
    struct sowlv2_image view;
    status = image_take_view(name, &image, &view);
    if (!status && (int64_t)view.width * view.height > options->max_pixels)
        status = image_too_large(name, view.width, view.height, options->max_pixels);
    if (!status)
        status = image_copy_view(name, &view, out);
    if (memory->release)
        memory->release(place, &image, memory->user_data);
    return status;
}

int inputs_read_image(const struct inputs *inputs, size_t index, const struct image_options *options, struct image *out)
{
    const char *path = inputs->paths.items[index];
    struct stat info;

    *out = (struct image){0};
    if (inputs_is_memory(path))
        return copy_memory(inputs, index, options, out);
    if (strcmp(path, "-") == 0)
        return image_read_stdin(options, out);
    if (url_is(path))
        return read_address(inputs, path, options, out);
    if (stat(path, &info) != 0)
        return inputs_path_error(path, errno, NULL);
    if (S_ISDIR(info.st_mode))
        return inputs_folder_error(path);
    return image_read_with(path, options, out);
}

int inputs_name_files(struct inputs *inputs, const struct string_list *reserved)
{
    return names_stems((const char *const *)inputs->names.items, inputs->names.count, reserved, &inputs->stems);
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

int inputs_identify(const char *path, struct output_identity *out)
{
    *out = (struct output_identity){0};
    return inputs_is_memory(path) ? 0 : output_identity_of(path, out);
}

/* Inputs that are done again. */
struct done_again {
    struct few changed, unknown;
};

static void tell_done_again(const struct done_again *again)
{
    const struct few *const changed = &again->changed, *const unknown = &again->unknown;

    if (changed->count > 0 && !changed->text.failed)
        log_notice("%zu input%s changed since %s done: done again: %s", changed->count,
                   changed->count == 1 ? " has" : "s have", changed->count == 1 ? "it was" : "they were",
                   changed->text.data);
    if (unknown->count > 0 && !unknown->text.failed)
        log_notice("%zu input%s done again, since nothing tells whether %s what was done before: %s", unknown->count,
                   unknown->count == 1 ? " is" : "s are", unknown->count == 1 ? "it is" : "they are",
                   unknown->text.data);
}

/* Whether the input is done already. */
static int look_up(const struct inputs *inputs, size_t index, struct output_claim *claim, struct done_again *again,
                   bool *done)
{
    const char *name = inputs->names.items[index];
    struct output_identity identity;
    const int status = inputs_identify(inputs->paths.items[index], &identity);
    enum output_match match;

    if (status)
        return status;
    match = output_claim_find(claim, name, &identity);
    if (match == OUTPUT_CHANGED)
        few_add(identity.path ? &again->changed : &again->unknown, "%s", name);
    *done = match == OUTPUT_SAME;
    output_identity_free(&identity);
    return 0;
}

static bool is_taken(const struct inputs *inputs, size_t index, const struct output_claim *claim, const char *name)
{
    if (output_claim_has_name(claim, name))
        return true;
    for (size_t i = 0; i < inputs->names.count; i++)
        if (i != index && strcmp(inputs->names.items[i], name) == 0)
            return true;
    return false;
}

/* The first of NAME~2, NAME~3 that is free; NULL: out of memory. */
static char *find_number(const struct inputs *inputs, size_t index, const struct output_claim *claim, const char *name)
{
    struct string text = {0};

    for (size_t number = 2; !text.failed; number++) {
        string_clear(&text);
        string_append_format(&text, "%s~%zu", name, number);
        if (text.failed || !is_taken(inputs, index, claim, text.data))
            break;
    }
    if (text.failed)
        string_free(&text);
    return text.data;
}

/* Gives an input whose name is another file's row the name of its path, or, where that is taken too, of its absolute
 * path; an address, whose path is not all of it, a number. */
static int rename_input(struct inputs *inputs, size_t index, const struct output_claim *claim)
{
    const char *const path = inputs->paths.items[index];
    char *name = inputs_path_name(path);
    int status = name ? inputs_make_utf8(&name) : error_memory("list of images");

    if (!status && is_taken(inputs, index, claim, name)) {
        char *const taken = name;

        name = url_is(path) ? find_number(inputs, index, claim, taken) : realpath(path, NULL);
        free(taken);
        if (!name) /* it is gone, which reading it says */
            return url_is(path) ? error_memory("list of images") : 0;
        status = inputs_make_utf8(&name);
    }
    if (status) {
        free(name);
        return status;
    }
    free(inputs->names.items[index]);
    inputs->names.items[index] = name;
    return 0;
}

int64_t inputs_take_out_done(struct inputs *inputs, struct output_claim *claim)
{
    const size_t count = inputs->names.count;
    struct done_again again = {0};
    size_t kept = 0;
    int status = 0;

    for (size_t i = 0; !status && i < count; i++) {
        bool done = false;

        status = look_up(inputs, i, claim, &again, &done);
        if (status || done)
            continue;
        keep_one(&inputs->names, i, kept);
        keep_one(&inputs->paths, i, kept);
        kept++;
    }
    if (!status)
        tell_done_again(&again);
    string_free(&again.changed.text);
    string_free(&again.unknown.text);
    if (status)
        return status;
    cut(&inputs->names, kept);
    cut(&inputs->paths, kept);
    /* After all are looked up: an input that has changed frees its name. */
    for (size_t i = 0; !status && i < kept; i++)
        if (output_claim_has_name(claim, inputs->names.items[i]))
            status = rename_input(inputs, i, claim);
    return status ? status : (int64_t)(count - kept);
}

void inputs_free(struct inputs *inputs)
{
    string_list_free(&inputs->names);
    string_list_free(&inputs->paths);
    string_list_free(&inputs->stems);
    string_list_free(&inputs->video_names);
    string_list_free(&inputs->video_paths);
}
