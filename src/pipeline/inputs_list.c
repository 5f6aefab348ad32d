/* From the values of --input to images and videos. */
#include "pipeline/inputs_list.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/url.h"
#include "media/listing.h"
#include "pipeline/inputs.h"
#include "video/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files and folders that are looked at below one without images, to say whether there are any. */
enum { DEEPER = 20000 };

int inputs_add(struct inputs_lister *lister, const char *name, const char *path, bool video)
{
    struct inputs_entry *entry;

    if (lister->count == lister->capacity) {
        const size_t capacity = lister->capacity > 0 ? 2 * lister->capacity : 64;
        struct inputs_entry *const larger = realloc(lister->items, capacity * sizeof(*larger));

        if (!larger)
            return error_memory("list of inputs");
        lister->items = larger;
        lister->capacity = capacity;
    }
    entry = &lister->items[lister->count];
    *entry = (struct inputs_entry){strdup(name), strdup(path), lister->given, video};
    lister->count++;
    return entry->name && entry->path ? 0 : error_memory("list of inputs");
}

int inputs_keep_failed(struct inputs_lister *lister, int status, const char *path)
{
    if (status != SOWLV2_ERROR_IO && status != SOWLV2_ERROR_ARGUMENT && status != SOWLV2_ERROR_UNSUPPORTED)
        return status;
    char *const file = url_to_path(path); /* reading "file:///..." again would fail as an address does */

    lister->failure = status;
    status = inputs_add(lister, file ? file : path, file ? file : path, false);
    free(file);
    return status;
}

void inputs_tell_left_out(const char *given, size_t files, size_t folders, const struct string_list *some)
{
    struct string text = {0};

    for (size_t i = 0; i < some->count; i++)
        string_append_format(&text, "%s%s", i > 0 ? ", " : "", some->items[i]);
    if (files > some->count)
        string_append_text(&text, ", ...");
    if (files > 0 && !text.failed)
        log_notice("%s: %zu file%s left out, neither images nor videos: %s", given, files, files == 1 ? "" : "s",
                   text.data);
    if (folders > 0)
        log_notice("%s: %zu folder%s in it skipped: --recursive includes them", given, folders,
                   folders == 1 ? "" : "s");
    string_free(&text);
}

static int no_images(const char *folder, const struct listing *listing, bool recursive)
{
    const struct listing_options options = {.recursive = true, .most = DEEPER, .any = true};
    struct listing deeper = {0};
    const bool below = !recursive && listing->folders > 0 && listing_walk(folder, &options, &deeper) == 0 &&
                       deeper.images.count + deeper.videos.count > 0;
    const bool cut = deeper.cut;
    struct string suffixes = {0};

    listing_free(&deeper);
    if (below)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: no image in this folder, but in folders below it: add --recursive to take them", folder);
    if (cut)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: no image in this folder, nor a video, and too many folders below it to look into all: "
                         "give the one that you mean",
                         folder);
    listing_append_suffixes(&suffixes);
    error_set(SOWLV2_ERROR_ARGUMENT, "%s: no image in this folder, nor a video: it needs %s files, or videos", folder,
              suffixes.failed ? ".jpg" : suffixes.data);
    string_free(&suffixes);
    return SOWLV2_ERROR_ARGUMENT;
}

int inputs_folder_error(const char *path)
{
    const struct listing_options options = {0};
    struct listing listing;
    int status = listing_walk(path, &options, &listing);

    if (!status)
        status = no_images(path, &listing, false);
    listing_free(&listing);
    return status;
}

static int add_below(struct inputs_lister *lister, const char *folder, const struct string_list *names, bool video)
{
    int status = 0;

    for (size_t i = 0; !status && i < names->count; i++) {
        char *const path = path_join(folder, names->items[i]);

        status = path ? inputs_add(lister, names->items[i], path, video) : error_memory("list of inputs");
        free(path);
    }
    return status;
}

static int add_folder(struct inputs_lister *lister, const char *folder)
{
    const struct inputs_options *const options = lister->options;
    const struct listing_options wanted = {.recursive = options->recursive, .leave_out = options->output};
    struct listing listing;
    int status = listing_walk(folder, &wanted, &listing);

    if (!options->videos)
        string_list_free(&listing.videos);
    if (!status && listing.images.count + listing.videos.count == 0) {
        if (listing_holds_results(folder)) {
            log_notice("%s: the results of an earlier run: left out", folder);
            lister->results++;
        } else {
            status = no_images(folder, &listing, options->recursive);
        }
    }
    if (!status)
        status = add_below(lister, folder, &listing.images, false);
    if (!status)
        status = add_below(lister, folder, &listing.videos, true);
    if (!status)
        inputs_tell_left_out(folder, listing.files, listing.folders, &listing.some);
    listing_free(&listing);
    return status;
}

/* A folder of images as one video, named without slashes at its end, and "." by what it is called. */
static int add_folder_of_frames(struct inputs_lister *lister, const char *folder)
{
    const struct listing_options options = {0};
    struct listing listing;
    char *const real = realpath(folder, NULL);
    int status = listing_walk(folder, &options, &listing);

    if (!status)
        status = inputs_add(lister, real && *path_base(real) ? path_base(real) : "frames", folder, true);
    if (!status && listing.files + listing.videos.count > 0)
        log_notice("%s: %zu of its files are not images and are left out of the video", folder,
                   listing.files + listing.videos.count);
    listing_free(&listing);
    free(real);
    return status;
}

/* One file is taken whatever its suffix: its content decides what it is. */
static int add_file(struct inputs_lister *lister, const char *path)
{
    const struct inputs_options *const options = lister->options;
    bool video = options->videos && listing_kind_of_file(path) == LISTING_VIDEO;

    if (!options->videos && listing_is_video_name(path))
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: a video: give an image, or a folder of images", path);
    if (lister->forced)
        video = true;
    else if (!video && options->as_video)
        video = !listing_is_still(path);
    lister->stills += options->as_video && !video;
    return inputs_add(lister, path_base(path), path, video);
}

const char *inputs_option(const struct inputs_lister *lister)
{
    return lister->forced ? "--as-video" : "--input";
}

int inputs_path_error(const char *path, int why, const char *option)
{
    const size_t user = *path == '~' ? strcspn(path + 1, "/") : 0;

    if (why == ENOENT && file_is_broken_link(path))
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: it is a broken link", path);
    if (why == ENOENT && user > 0) /* where there is such a user the path is that user's long since */
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: there is no such file, nor a user '%.*s'", path, (int)user,
                         path + 1);
    return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s: check the path%s%s", path, strerror(why),
                     option ? " given as " : "", option ? option : "");
}

int inputs_add_path(struct inputs_lister *lister, const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return inputs_path_error(path, errno, inputs_option(lister));
    if (listing_is_result(path)) {
        few_add(&lister->old, "%s", path);
        lister->results++;
        return 0;
    }
    if (S_ISDIR(info.st_mode))
        return lister->forced || lister->options->as_video ? add_folder_of_frames(lister, path)
                                                           : add_folder(lister, path);
    if (S_ISREG(info.st_mode))
        return add_file(lister, path);
    /* Cameras and pipes; one that is named like an image is no video. */
    if (lister->options->videos && (S_ISCHR(info.st_mode) || S_ISFIFO(info.st_mode)) &&
        (lister->forced || !listing_is_image_name(path)))
        return inputs_add(lister, path_base(path), path, true);
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s: neither a file nor a folder: give an image or a folder of images",
                     path);
}

/* Waits until a pipe holds as much as is looked at, or will not hold more. */
static void wait_for_bytes(void)
{
    enum { MILLISECONDS = 20, TRIES = 250 };
    struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
    int there = 0;

    if (poll(&wait, 1, -1) <= 0)
        return;
    for (int i = 0; i < TRIES && !(wait.revents & POLLHUP); i++) {
        if (ioctl(STDIN_FILENO, FIONREAD, &there) != 0 || there >= LISTING_HEAD)
            return;
        usleep(1000 * MILLISECONDS);
        poll(&wait, 1, 0);
    }
}

/* How standard input begins, without taking it away: of a pipe a copy is looked at. */
static size_t peek_standard_input(uint8_t head[LISTING_HEAD])
{
    int copy[2];
    ssize_t count = pread(STDIN_FILENO, head, LISTING_HEAD, lseek(STDIN_FILENO, 0, SEEK_CUR));

    if (count >= 0)
        return (size_t)count;
    wait_for_bytes();
    count = recv(STDIN_FILENO, head, LISTING_HEAD, MSG_PEEK);
    if (count >= 0 || pipe2(copy, O_CLOEXEC) != 0)
        return count > 0 ? (size_t)count : 0;
    count = tee(STDIN_FILENO, copy[1], LISTING_HEAD, 0);
    if (count > 0)
        count = read(copy[0], head, LISTING_HEAD);
    close(copy[0]);
    close(copy[1]);
    return count > 0 ? (size_t)count : 0;
}

static int add_standard_input(struct inputs_lister *lister)
{
    uint8_t head[LISTING_HEAD];
    bool video = lister->forced || lister->options->as_video;

    if (!video && lister->options->videos)
        video = listing_kind_of("", head, peek_standard_input(head)) == LISTING_VIDEO;
    return inputs_add(lister, "stdin", "-", video);
}

/* What is behind an address: by the suffix of its path, or, where that says nothing, by how it begins. */
static bool is_video_address(const struct inputs_lister *lister, const char *url, const char *name)
{
    uint8_t head[LISTING_HEAD];
    int count;

    if (lister->forced || listing_is_video_name(name))
        return true;
    if (!url_has_scheme(url, "http") && !url_has_scheme(url, "https") && !url_has_scheme(url, "ftp"))
        return true;
    if (listing_is_image_name(name))
        return lister->options->as_video;
    count = fetch_head(url, head, sizeof(head), NULL);
    /* What cannot be reached is tried as a video, which says why. */
    return count <= 0 || listing_kind_of(name, head, (size_t)count) == LISTING_VIDEO || lister->options->as_video;
}

static int add_address(struct inputs_lister *lister, const char *given)
{
    char *const path = url_to_path(given), *url, *name;
    int status;

    if (path) {
        status = inputs_add_path(lister, path);
        free(path);
        return status;
    }
    url = strndup(given, url_asked_length(given));
    name = url ? url_name(url) : NULL;
    status = name ? inputs_add(lister, name, url, lister->options->videos && is_video_address(lister, url, name))
                  : error_memory("list of inputs");
    free(name);
    free(url);
    return status;
}

static bool is_pattern(const char *given)
{
    return strpbrk(given, "*?[{") && !file_exists(given);
}

/* One value of --input. */
static int add_given(struct inputs_lister *lister, const char *given, bool forced)
{
    const size_t good = lister->good;
    int status;

    lister->forced = forced;
    if (!*given)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: an empty path: give an image or a folder of images",
                         inputs_option(lister));
    if (strcmp(given, "-") == 0)
        status = add_standard_input(lister);
    else if (url_is(given))
        status = add_address(lister, given);
    else if (is_pattern(given))
        status = inputs_add_pattern(lister, given);
    else
        status = inputs_add_path(lister, given);
    if (!status)
        lister->good += lister->good == good;
    lister->given++;
    return status ? inputs_keep_failed(lister, status, given) : 0;
}

/* Into the lists that the caller gets. */
static int hand_out(const struct inputs_lister *lister, struct inputs *out)
{
    int status = 0;

    for (size_t i = 0; !status && i < lister->count; i++) {
        const struct inputs_entry *const entry = &lister->items[i];

        status = string_list_append(entry->video ? &out->video_names : &out->names, entry->name);
        if (!status)
            status = string_list_append(entry->video ? &out->video_paths : &out->paths, entry->path);
    }
    return status;
}

static void tell_old(const struct few *old)
{
    if (old->count == 1 && !old->text.failed)
        log_notice("%s: a result of an earlier run: left out", old->text.data);
    else if (old->count > 1 && !old->text.failed)
        log_notice("%zu results of earlier runs are left out: %s", old->count, old->text.data);
}

static int make_list(struct inputs_lister *lister, struct inputs *out)
{
    const struct inputs_options *const options = lister->options;
    int status = 0;

    for (size_t i = 0; !status && i < options->count; i++)
        status = add_given(lister, options->given[i], false);
    for (size_t i = 0; !status && i < options->as_video_count; i++)
        status = add_given(lister, options->as_videos[i], true);
    if (!status && lister->good == 0)
        status = lister->failure;
    if (!status && lister->stills > 0)
        log_notice("--as-video: %zu of the inputs are single images and stay so: give their folder to have them as one "
                   "video",
                   lister->stills);
    if (!status)
        status = inputs_drop_repeats(options, lister->items, &lister->count);
    if (!status)
        status = inputs_tell_apart(lister->items, lister->count);
    for (size_t i = 0; !status && i < lister->count; i++)
        status = inputs_make_utf8(&lister->items[i].name);
    return status ? status : hand_out(lister, out);
}

int inputs_list(const struct inputs_options *options, struct inputs *out)
{
    struct inputs_lister lister = {.options = options};
    int status;

    if (options->count + options->as_video_count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--input: missing: give an image or a folder of images");
    status = make_list(&lister, out);
    for (size_t i = 0; i < lister.count; i++) {
        free(lister.items[i].name);
        free(lister.items[i].path);
    }
    tell_old(&lister.old);
    string_free(&lister.old.text);
    free(lister.items);
    return status;
}
