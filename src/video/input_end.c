/* Whether an input's data end where they should. */
#include "video/formats.h"
#include "video/input.h"

#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes in headers that are wrong by as much were written so, and nothing is missing. */
enum { SLACK = 64 };
enum { TS_SYNC = 0x47, SECTOR = 2048, OGG_HEAD = 27 };

/* Reads a number of EBML at `*at` and goes behind it; -1: it is not whole, or means "unknown". */
static int64_t read_vint(const uint8_t *bytes, int size, int *at)
{
    if (*at >= size || bytes[*at] == 0)
        return -1;
    int length = __builtin_clz(bytes[*at]) - 23; /* of 8 bits in an int of 32 */
    if (*at + length > size)
        return -1;
    int64_t value = bytes[*at] & (0xFF >> length), most = 0xFF >> length;
    for (int i = 1; i < length; i++) {
        value = value << 8 | bytes[*at + i];
        most = most << 8 | 0xFF;
    }
    *at += length;
    return value == most ? -1 : value;
}

/* Behind the segment of Matroska and WebM. */
static int64_t matroska_size(const uint8_t *head, int size)
{
    int at = 4;
    int64_t header = read_vint(head, size, &at);
    if (header < 0 || header > size - at)
        return 0;
    at += (int)header;
    if (size - at < 4 || AV_RB32(head + at) != 0x18538067)
        return 0;
    at += 4;
    int64_t segment = read_vint(head, size, &at);
    return segment < 0 ? 0 : at + segment;
}

/* Of Windows Media, unless it was written as a broadcast, whose size nobody knew. */
static int64_t asf_size(const uint8_t *head, int size)
{
    static const char properties[] = "\xA1\xDC\xAB\x8C\x47\xA9\xCF\x11\x8E\xE4\x00\xC0\x0C\x20\x53\x65";
    const uint8_t *found = memmem(head, (size_t)size, properties, 16);
    if (!found || head + size - found < 92 || (found[88] & 1))
        return 0;
    uint64_t total = AV_RL64(found + 40);
    return total < INT64_MAX ? (int64_t)total : 0;
}

/* How many bytes the input has by its own head; 0: it does not say. */
static int64_t declared_size(const uint8_t *head, int size)
{
    if (size < 16)
        return 0;
    if (AV_RB32(head) == 0x1A45DFA3)
        return matroska_size(head, size);
    if (AV_RB32(head) == 0x3026B275)
        return asf_size(head, size);
    if (memcmp(head, "RIFF", 4) == 0 && AV_RL32(head + 4) < 0xFFFFFF00)
        return (int64_t)AV_RL32(head + 4) + 8;
    return 0;
}

/* How long the packets of a broadcast are that follow each other from the beginning; 0: they do not. */
static int ts_packet(const uint8_t *head, int size)
{
    static const struct {
        int first, length;
    } kinds[] = {{0, 188}, {4, 192}, {0, 204}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && size > 4 * 204; i++) {
        int at = kinds[i].first;
        while (at < size && head[at] == TS_SYNC)
            at += kinds[i].length;
        if (at >= size)
            return kinds[i].length;
    }
    return 0;
}

/* Whether an MPEG program stream is in sectors, each of which begins with a start code. */
static bool is_in_sectors(const uint8_t *head, int size)
{
    return size >= SECTOR + 3 && AV_RB32(head) == 0x1BA && AV_RB24(head + SECTOR) == 1;
}

/* Whether it ends with the code that says so. */
static bool ends_with_code(const struct input_view *view)
{
    return view->tail_size >= 4 && AV_RB32(view->tail + view->tail_size - 4) == 0x1B9;
}

/* Whether Ogg's last page goes on beyond the end. */
static bool ogg_page_is_cut(const uint8_t *tail, int size)
{
    for (int at = size - 4; at >= 0; at--) {
        if (memcmp(tail + at, "OggS", 4) != 0)
            continue;
        if (size - at < OGG_HEAD || size - at < OGG_HEAD + tail[at + 26])
            return true;
        int length = OGG_HEAD + tail[at + 26];
        for (int i = 0; i < tail[at + 26]; i++)
            length += tail[at + OGG_HEAD + i];
        return length > size - at;
    }
    return false;
}

/* Whether the last JPEG has no end: its marker cannot be within the data of a picture. */
static bool last_jpeg_is_cut(const uint8_t *tail, int size)
{
    for (int at = size - 2; at >= 0; at--) {
        if (tail[at] == 0xFF && tail[at + 1] == 0xD9)
            return false;
        if (tail[at] == 0xFF && tail[at + 1] == 0xD8)
            return true;
    }
    return size > 2;
}

/* Whether the data stop within a frame or a packet, in formats whose demuxers leave that out silently. */
static bool ends_within(const char *format, const struct input_view *view, const struct input_end *end)
{
    if (strcmp(format, "mpegts") == 0) {
        int length = ts_packet(view->head, view->head_size);
        return length > 0 && view->total > 0 && view->total % length != 0;
    }
    if (strcmp(format, "mpeg") == 0)
        return is_in_sectors(view->head, view->head_size) && view->total > 0 && view->total % SECTOR != 0 &&
               !ends_with_code(view);
    if (strcmp(format, "ogg") == 0)
        return ogg_page_is_cut(view->tail, view->tail_size);
    if (av_match_name(format, "jpeg_pipe,mjpeg"))
        return last_jpeg_is_cut(view->tail, view->tail_size);
    if (end->packet_end < 0 || view->total < 0)
        return false;
    if (strcmp(format, "yuv4mpegpipe") == 0)
        return view->total > end->packet_end;
    return strcmp(format, "dv") == 0 && end->packet_end > view->total;
}

bool input_ends_early(const struct input *input, const struct input_end *end, char why[INPUT_WHY])
{
    const char *format = input->format->iformat->name;
    struct input_view *view = malloc(sizeof(*view));
    if (!view)
        return false;
    input_look(input, view);
    int64_t declared = declared_size(view->head, view->head_size);
    bool sized = view->total >= 0 && declared > view->total + SLACK;
    /* A recording of a broadcast begins and ends anywhere. */
    bool corrupt = end->corrupt && !av_match_name(format, "mpegts,mpeg");
    bool early = sized || corrupt || ends_within(format, view, end);
    if (sized)
        snprintf(why, INPUT_WHY, "%lld of its %lld bytes are there", (long long)view->total, (long long)declared);
    else if (early)
        snprintf(why, INPUT_WHY, "its data stop in the middle of a frame");
    free(view);
    return early;
}
