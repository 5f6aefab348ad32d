/* Telling videos from images. */
#include "cli/video_inputs.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 32 };

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t length = strlen(name), wanted = strlen(suffix);

    return length > wanted && strcasecmp(name + length - wanted, suffix) == 0;
}

static bool is_video_name(const char *name)
{
    static const char *const suffixes[] = {".webm", ".m4v", ".mpg", ".mpeg", ".ts",  ".mts", ".m2ts", ".wmv",
                                           ".flv",  ".ogv", ".3gp", ".y4m",  ".vob", ".mxf", ".h264", ".hevc"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (has_suffix(name, suffixes[i]))
            return true;
    return listing_is_video_name(name);
}

/* What videos begin with: Matroska, MPEG's program and elementary streams (also with a start code of four bytes),
 * YUV4MPEG2, Flash, Ogg, Windows Media, IVF, NUT. */
static const struct {
    size_t size;
    const char *bytes;
} video_heads[] = {
    {4, "\x1A\x45\xDF\xA3"}, {4, "\0\0\1\xBA"}, {4, "\0\0\1\xB3"}, {4, "\0\0\0\1"},
    {9, "YUV4MPEG2"},        {3, "FLV"},        {4, "OggS"},       {4, "0&\xB2u"},
    {8, "DKIF\0\0\x20\0"},   {8, "nut/mult"},
};

/* Whether a file that begins so is a video: the above, AVI, MPEG's transport stream, MP4 and its kin but for still
 * pictures. */
static bool is_video_head(const unsigned char *head, size_t size)
{
    static const char *const stills[] = {"avif", "avis", "heic", "heix", "hevc", "heim", "heis", "mif1", "msf1"};
    static const char *const atoms[] = {"moov", "mdat", "wide", "free", "skip"};

    for (size_t i = 0; i < sizeof(video_heads) / sizeof(video_heads[0]); i++)
        if (size >= video_heads[i].size && memcmp(head, video_heads[i].bytes, video_heads[i].size) == 0)
            return true;
    if (size < 12)
        return false;
    if (memcmp(head, "RIFF", 4) == 0)
        return memcmp(head + 8, "AVI ", 4) == 0;
    if (head[0] == 0x47 && memcmp(head, "GIF8", 4) != 0)
        return true;
    for (size_t i = 0; i < sizeof(atoms) / sizeof(atoms[0]); i++)
        if (memcmp(head + 4, atoms[i], 4) == 0)
            return true;
    if (memcmp(head + 4, "ftyp", 4) != 0)
        return false;
    for (size_t i = 0; i < sizeof(stills) / sizeof(stills[0]); i++)
        if (memcmp(head + 8, stills[i], 4) == 0)
            return false;
    return true;
}

static bool is_video_file(const char *path)
{
    unsigned char head[HEAD];
    int file;
    ssize_t count;

    if (is_video_name(path))
        return true;
    if (listing_is_image_name(path))
        return false;
    file = open(path, O_RDONLY | O_CLOEXEC);
    count = file >= 0 ? read(file, head, sizeof(head)) : 0;
    if (file >= 0)
        close(file);
    return is_video_head(head, count > 0 ? (size_t)count : 0);
}

/* How standard input begins, without taking it away: of a pipe a copy is looked at. */
static size_t peek_standard_input(unsigned char *head)
{
    int copy[2];
    ssize_t count = pread(STDIN_FILENO, head, HEAD, lseek(STDIN_FILENO, 0, SEEK_CUR));

    if (count >= 0 || pipe2(copy, O_CLOEXEC) != 0)
        return count > 0 ? (size_t)count : 0;
    count = tee(STDIN_FILENO, copy[1], HEAD, 0);
    if (count > 0)
        count = read(copy[0], head, HEAD);
    close(copy[0]);
    close(copy[1]);
    return count > 0 ? (size_t)count : 0;
}

static int add_video(struct video_inputs *out, const char *path, const char *name)
{
    const int status = string_list_append(&out->videos, path);

    return status ? status : string_list_append(&out->names, name);
}

static int compare_names(const void *a, const void *b)
{
    return listing_compare(*(char *const *)a, *(char *const *)b);
}

/* The videos right in the folder, in natural order. A folder that cannot be read has none. */
static int list_videos(const char *folder, struct string_list *names)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    int status = 0;

    while (!status && directory && (entry = readdir(directory)))
        if (entry->d_name[0] != '.' && is_video_name(entry->d_name))
            status = string_list_append(names, entry->d_name);
    if (directory)
        closedir(directory);
    if (names->count > 0)
        qsort(names->items, names->count, sizeof(*names->items), compare_names);
    return status;
}

/* Named without slashes at its end; "." by what it is called. */
static int add_folder_of_frames(struct video_inputs *out, const char *folder)
{
    char *real = realpath(folder, NULL);
    const int status = add_video(out, folder, real && *path_base(real) ? path_base(real) : "frames");

    free(real);
    return status;
}

static int sort_folder(const struct settings *settings, const char *folder, struct video_inputs *out)
{
    struct string_list videos = {0}, images = {0};
    int status;

    if (settings->video.as_video)
        return add_folder_of_frames(out, folder);
    status = list_videos(folder, &videos);
    for (size_t i = 0; !status && i < videos.count; i++) {
        char *path = path_join(folder, videos.items[i]);

        status = path ? add_video(out, path, videos.items[i]) : error_memory("list of videos");
        free(path);
    }
    if (!status && listing_folder(folder, &images) == 0 && images.count == 0 && videos.count == 0 &&
        !settings->recursive && listing_holds_results(folder))
        log_notice("%s: the results of an earlier run: left out", folder);
    else if (!status && (videos.count == 0 || settings->recursive || images.count > 0))
        status = string_list_append(&out->images, folder);
    string_list_free(&images);
    string_list_free(&videos);
    return status;
}

/* The last part of a URL, without what follows '?'. */
static int add_url(struct video_inputs *out, const char *url)
{
    char *name = strdup(path_base(url));
    int status;

    if (!name)
        return error_memory("list of videos");
    name[strcspn(name, "?#")] = '\0';
    status = add_video(out, url, *name ? name : url);
    free(name);
    return status;
}

static int sort_path(const struct settings *settings, const char *path, struct video_inputs *out)
{
    struct stat info;
    unsigned char head[HEAD];

    if (strstr(path, "://"))
        return add_url(out, path);
    if (strcmp(path, "-") == 0)
        return is_video_head(head, peek_standard_input(head)) ? add_video(out, path, "stdin")
                                                              : string_list_append(&out->images, path);
    if (stat(path, &info) != 0)
        return string_list_append(&out->images, path);
    if (listing_is_result(path)) {
        log_notice("%s: a result of an earlier run: left out", path);
        return 0;
    }
    if (S_ISDIR(info.st_mode))
        return sort_folder(settings, path, out);
    /* A pipe named like an image is none, which reading the images reports. */
    if (((S_ISCHR(info.st_mode) || S_ISFIFO(info.st_mode)) && !listing_is_image_name(path)) ||
        (S_ISREG(info.st_mode) && is_video_file(path)))
        return add_video(out, path, path_base(path));
    return string_list_append(&out->images, path);
}

static int sort_pattern(const struct settings *settings, const char *pattern, struct video_inputs *out)
{
    glob_t matches = {0};
    int status = 0;

    if (glob(pattern, GLOB_NOSORT, NULL, &matches) != 0) {
        globfree(&matches);
        return string_list_append(&out->images, pattern);
    }
    qsort(matches.gl_pathv, matches.gl_pathc, sizeof(*matches.gl_pathv), compare_names);
    for (size_t i = 0; !status && i < matches.gl_pathc; i++)
        status = sort_path(settings, matches.gl_pathv[i], out);
    globfree(&matches);
    return status;
}

int video_inputs_sort(const struct settings *settings, struct video_inputs *out)
{
    int status = 0;

    *out = (struct video_inputs){0};
    for (size_t i = 0; !status && i < settings->inputs.count; i++) {
        const char *given = settings->inputs.items[i];
        struct stat info;

        if (!*given)
            return error_set(SOWLV2_ERROR_ARGUMENT,
                             "--input: an empty path: give an image, a video or a folder of them");

        status = strpbrk(given, "*?[") && !strstr(given, "://") && stat(given, &info) != 0
                     ? sort_pattern(settings, given, out)
                     : sort_path(settings, given, out);
    }
    return status;
}

void video_inputs_free(struct video_inputs *inputs)
{
    string_list_free(&inputs->videos);
    string_list_free(&inputs->names);
    string_list_free(&inputs->images);
}
