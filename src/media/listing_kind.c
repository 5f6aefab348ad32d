/* Telling images from videos, and both from the rest. */
#include "media/image_decoders.h"
#include "media/listing.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool has_suffix(const char *name, const char *const *suffixes)
{
    const size_t length = strlen(name);

    for (; *suffixes; suffixes++) {
        const size_t suffix = strlen(*suffixes);

        if (length > suffix && strcasecmp(name + length - suffix, *suffixes) == 0)
            return true;
    }
    return false;
}

bool listing_is_image_name(const char *name)
{
    const struct image_format *format;

    for (size_t i = 0; (format = image_format_at(i)); i++)
        if (has_suffix(name, format->suffixes))
            return true;
    return false;
}

void listing_append_suffixes(struct string *text)
{
    const struct image_format *format;

    for (size_t i = 0; (format = image_format_at(i)); i++)
        for (size_t j = 0; format->suffixes[j]; j++)
            string_append_format(text, "%s%s", i + j > 0 ? " " : "", format->suffixes[j]);
}

bool listing_is_video_name(const char *name)
{
    static const char *const suffixes[] = {
        ".mp4",  ".m4v",  ".mov",   ".qt",   ".3gp", ".3g2", ".f4v",  ".mkv",  ".mk3d", ".webm", ".avi", ".divx",
        ".xvid", ".wmv",  ".asf",   ".flv",  ".ogv", ".ogm", ".mpg",  ".mpeg", ".mpe",  ".m1v",  ".m2v", ".mpv",
        ".vob",  ".ts",   ".mts",   ".m2ts", ".m2t", ".mxf", ".gxf",  ".nut",  ".rm",   ".rmvb", ".dv",  ".dif",
        ".y4m",  ".h261", ".h263",  ".h264", ".264", ".avc", ".hevc", ".h265", ".265",  ".h266", ".266", ".vvc",
        ".obu",  ".ivf",  ".mjpeg", ".mjpg", ".mjp", ".wtv", ".amv",  ".nsv",  ".dav",  ".insv", NULL};

    return has_suffix(name, suffixes);
}

/* Suffixes of files that begin as videos do and are none, or are no whole ones, and of those that are many beside
 * images and need not be opened to be known. */
static bool is_other_name(const char *name)
{
    static const char *const suffixes[] = {
        ".txt",  ".json", ".jsonl", ".xml", ".csv",  ".tsv",  ".yaml", ".yml", ".md",       ".html",       ".htm",
        ".py",   ".c",    ".h",     ".cpp", ".js",   ".css",  ".sh",   ".log", ".srt",      ".vtt",        ".ass",
        ".sub",  ".idx",  ".nfo",   ".ini", ".db",   ".pdf",  ".zip",  ".gz",  ".tar",      ".npy",        ".npz",
        ".pt",   ".mp3",  ".m4a",   ".m4b", ".mka",  ".wma",  ".ogg",  ".oga", ".opus",     ".wav",        ".flac",
        ".aac",  ".ra",   ".thm",   ".lrv", ".aae",  ".xmp",  ".part", ".tmp", ".download", ".crdownload", ".bak",
        ".orig", "~",     ".svg",   ".psd", ".mpls", ".bdmv", ".bup",  ".ifo", NULL};

    return has_suffix(name, suffixes);
}

static bool has_no_suffix(const char *name)
{
    const char *const slash = strrchr(name, '/');

    return !strchr(slash ? slash + 1 : name, '.');
}

/* What videos begin with: Matroska, RealMedia, MXF, Windows Media, YUV4MPEG2, Flash, Ogg, IVF, NUT, DV, AV1's units,
 * start codes of four bytes, what surveillance cameras and televisions record. */
static const struct {
    size_t size;
    const char *bytes;
} video_heads[] = {
    {4, "\x1A\x45\xDF\xA3"},
    {4, ".RMF"},
    {4, "\x06\x0E\x2B\x34"},
    {4, "0&\xB2u"},
    {9, "YUV4MPEG2"},
    {3, "FLV"},
    {4, "OggS"},
    {8, "DKIF\0\0\x20\0"},
    {8, "nut/mult"},
    {3, "\x1F\x07\0"},
    {3, "\x12\0\x0A"},
    {4, "\0\0\0\1"},
    {4, "DHAV"},
    {4, "\xB7\xD8\0\x20"},
    {4, "NSVf"},
};

/* Whether bytes at equal steps are those that MPEG's transport stream puts between its packets. */
static bool is_transport_stream(const uint8_t *head, size_t size)
{
    enum { SYNC = 0x47, PACKET = 188, STAMP = 4 };

    if (size > PACKET && head[0] == SYNC && head[PACKET] == SYNC)
        return true;
    return size > PACKET + 2 * STAMP && head[STAMP] == SYNC && head[PACKET + 2 * STAMP] == SYNC; /* .m2ts */
}

/* MP4 and its kin, but for still pictures. */
static bool is_box_file(const uint8_t *head, size_t size)
{
    static const char *const atoms[] = {"moov", "mdat", "wide", "free", "skip", "pnot", "moof", "styp", "sidx"};

    if (size < 12)
        return false;
    for (size_t i = 0; i < sizeof(atoms) / sizeof(atoms[0]); i++)
        if (memcmp(head + 4, atoms[i], 4) == 0)
            return true;
    return memcmp(head + 4, "ftyp", 4) == 0 && memcmp(head + 8, "crx ", 4) != 0; /* which is a camera's raw picture */
}

/* Asked of what is no image. */
static bool is_video_head(const uint8_t *head, size_t size)
{
    for (size_t i = 0; i < sizeof(video_heads) / sizeof(video_heads[0]); i++)
        if (size >= video_heads[i].size && memcmp(head, video_heads[i].bytes, video_heads[i].size) == 0)
            return true;
    if (size >= 4 && memcmp(head, "\0\0\1", 3) == 0 && head[3] != 0) /* MPEG; with a 0, icons */
        return true;
    if (size >= 4 && head[0] == 0 && head[1] == 0 && (head[2] & 0xFC) == 0x80 && (head[3] & 3) == 2) /* H.263 */
        return true;
    if (size >= 12 && memcmp(head, "RIFF", 4) == 0)
        return memcmp(head + 8, "AVI ", 4) == 0 || memcmp(head + 8, "AMV ", 4) == 0 || memcmp(head + 8, "CDXA", 4) == 0;
    return is_transport_stream(head, size) || is_box_file(head, size);
}

/* Lists of what to play are text, but ones of videos. */
static bool is_playlist(const uint8_t *head, size_t size)
{
    return (size >= 7 && memcmp(head, "#EXTM3U", 7) == 0) || (size >= 8 && memcmp(head, "ffconcat", 8) == 0) ||
           (size >= 4 && memcmp(head, "v=0", 3) == 0 && (head[3] == '\r' || head[3] == '\n')) ||
           memmem(head, size, "<MPD", 4);
}

static bool is_text(const uint8_t *head, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (head[i] < 0x20 && !memchr("\t\n\r\f\x1B", head[i], 5))
            return false;
    return true;
}

/* Whether an image is rather a video, by its name: a GIF that is called one, a stream of JPEG pictures, which begins as
 * one of them does. */
static bool is_moving_name(const char *name, const struct image_format *format)
{
    static const char *const streams[] = {".mjpeg", ".mjpg", ".mjp", NULL};

    return (format == &image_format_jpeg && has_suffix(name, streams)) ||
           (format == &image_format_gif && listing_is_video_name(name));
}

enum listing_kind listing_kind_of(const char *name, const uint8_t *head, size_t size)
{
    const char *description = NULL;
    const struct image_format *const format = image_format_detect(head, size, &description);

    if (format)
        return is_moving_name(name, format) ? LISTING_VIDEO : LISTING_IMAGE;
    if (listing_is_video_name(name) || is_video_head(head, size) || is_playlist(head, size))
        return LISTING_VIDEO;
    /* Text that FFmpeg would show as one; what has a name in the table of formats, whose message is the better one. */
    return listing_is_image_name(name) || description || is_text(head, size) ? LISTING_IMAGE : LISTING_VIDEO;
}

/* How many bytes were read; below 0: it cannot be opened. */
static ssize_t read_head(const char *path, uint8_t head[LISTING_HEAD])
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = -1;

    if (file >= 0) {
        size = read(file, head, LISTING_HEAD);
        close(file);
    }
    return size;
}

/* With `size` below 0 nothing but the name is known. */
static enum listing_kind kind_of_read(const char *path, const uint8_t *head, ssize_t size)
{
    if (size < 0)
        return listing_is_video_name(path) ? LISTING_VIDEO : LISTING_IMAGE;
    return listing_kind_of(path, head, (size_t)size);
}

enum listing_kind listing_kind_of_file(const char *path)
{
    uint8_t head[LISTING_HEAD];
    const ssize_t size = read_head(path, head);

    return kind_of_read(path, head, size);
}

enum listing_kind listing_kind_in_folder(const char *path)
{
    static const char *const ambiguous[] = {".ts", ".mts", NULL};
    const bool known = listing_is_image_name(path) || listing_is_video_name(path);
    const char *description;
    uint8_t head[LISTING_HEAD];
    ssize_t size;

    if (!known && is_other_name(path))
        return LISTING_OTHER;
    size = read_head(path, head);
    if (known && has_suffix(path, ambiguous) && (size < 0 || !is_transport_stream(head, (size_t)size)))
        return LISTING_OTHER;
    if (known)
        return kind_of_read(path, head, size);
    /* Behind other suffixes images are copies, previews, and raw pictures of cameras, which begin as TIFF does. */
    if (size > 0 && image_format_detect(head, (size_t)size, &description))
        return has_no_suffix(path) ? LISTING_IMAGE : LISTING_OTHER;
    return size > 0 && is_video_head(head, (size_t)size) ? LISTING_VIDEO : LISTING_OTHER;
}

bool listing_is_still(const char *path)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t head[LISTING_HEAD];
    const ssize_t size = file >= 0 ? read(file, head, sizeof(head)) : -1;
    const size_t known = size > 0 ? (size_t)size : 0;
    const char *description;
    const struct image_format *const format = image_format_detect(head, known, &description);
    bool still = format && !(format->moves && format->moves(file, head, known));

    if (format == &image_format_jpeg)
        still = listing_is_image_name(path); /* else perhaps a stream of them */
    if (file >= 0)
        close(file);
    return still;
}
