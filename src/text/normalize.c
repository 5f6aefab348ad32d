/* Repair of invalid UTF-8, and normalisation over utf8proc. */
#include "text/normalize.h"

#include "base/error.h"
#include "text/unicode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { DECOMPOSITION_MAX = 18, SHORT_RUN = 16 };

/* Code points of one stretch of text that nothing outside of it composes with. */
struct segment {
    int32_t *points;
    size_t count, capacity;
    int32_t *spare; /* for sorting; `spare_capacity` long */
    size_t spare_capacity;
    bool after_space; /* the last character written was folded white space */
};

static void append_point(struct string *out, int32_t point)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t length = utf8proc_encode_char(point, bytes);
    string_append(out, (const char *)bytes, (size_t)length);
}

void text_repair(const char *text, size_t size, struct string *out)
{
    string_append(out, "", 0);
    size_t good = 0; /* bytes before the current one that are yet to be copied */
    for (size_t at = 0; at < size;) {
        int32_t point;
        size_t length = unicode_read(text + at, size - at, &point);
        if (point == 0xFFFD) {
            string_append(out, text + at - good, good);
            append_point(out, point);
            good = 0;
        } else {
            good += length;
        }
        at += length;
    }
    if (good > 0)
        string_append(out, text + size - good, good);
}

static int grow(int32_t **points, size_t *capacity, size_t needed)
{
    if (needed <= *capacity)
        return 0;
    size_t larger = *capacity < 64 ? 64 : *capacity * 2;
    if (larger < needed)
        larger = needed;
    if (larger > SIZE_MAX / sizeof(**points))
        return error_memory("text");
    int32_t *moved = realloc(*points, larger * sizeof(*moved));
    if (!moved)
        return error_memory("text");
    *points = moved;
    *capacity = larger;
    return 0;
}

static unsigned combining_class(int32_t point)
{
    return point < 0x300 ? 0 : (unsigned)utf8proc_get_property(point)->combining_class;
}

/* Stable sort by combining class. Long runs, which only hostile text has, are sorted by counting:
 * utf8proc itself would take time in proportion to the square of the run. */
static int sort_marks(struct segment *segment, int32_t *run, size_t count)
{
    if (count <= SHORT_RUN) {
        for (size_t i = 1; i < count; i++) {
            int32_t point = run[i];
            unsigned class = combining_class(point);
            size_t j = i;
            for (; j > 0 && combining_class(run[j - 1]) > class; j--)
                run[j] = run[j - 1];
            run[j] = point;
        }
        return 0;
    }
    int status = grow(&segment->spare, &segment->spare_capacity, count);
    if (status)
        return status;
    size_t start[257] = {0};
    for (size_t i = 0; i < count; i++)
        start[(combining_class(run[i]) & 0xFF) + 1]++;
    for (int class = 1; class < 257; class ++)
        start[class] += start[class - 1];
    for (size_t i = 0; i < count; i++)
        segment->spare[start[combining_class(run[i]) & 0xFF]++] = run[i];
    memcpy(run, segment->spare, count * sizeof(*run));
    return 0;
}

static void append_folded(struct segment *segment, int32_t point, struct string *out)
{
    if (unicode_is_space(point)) {
        if (!segment->after_space)
            string_append(out, " ", 1);
        segment->after_space = true;
        return;
    }
    segment->after_space = false;
    int32_t lower[2];
    size_t count = unicode_lower(point, lower);
    for (size_t i = 0; i < count; i++)
        append_point(out, lower[i]);
}

/* Reorders and composes what the segment holds, writes it, and empties it. */
static int flush(struct segment *segment, struct string *out)
{
    for (size_t i = 0; i < segment->count;) {
        size_t end = i;
        while (end < segment->count && combining_class(segment->points[end]) != 0)
            end++;
        int status = end - i > 1 ? sort_marks(segment, segment->points + i, end - i) : 0;
        if (status)
            return status;
        i = end + 1;
    }
    utf8proc_ssize_t count =
        utf8proc_normalize_utf32(segment->points, (utf8proc_ssize_t)segment->count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < count; i++)
        append_folded(segment, segment->points[i], out);
    segment->count = 0;
    return 0;
}

static int normalize(struct segment *segment, const char *text, size_t size, struct string *out)
{
    for (size_t at = 0; at < size;) {
        int32_t point;
        at += unicode_read(text + at, size - at, &point);
        bool inert = unicode_is_inert(point);
        if (inert) {
            int status = flush(segment, out);
            if (status)
                return status;
            append_folded(segment, point, out);
            continue;
        }
        int status = grow(&segment->points, &segment->capacity, segment->count + DECOMPOSITION_MAX);
        if (status)
            return status;
        int32_t *to = segment->points + segment->count;
        if (point < 0xC0) {
            *to = point;
            segment->count++;
            continue;
        }
        int boundary = 0;
        utf8proc_ssize_t added =
            utf8proc_decompose_char(point, to, DECOMPOSITION_MAX, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
        if (added < 0 || added > DECOMPOSITION_MAX)
            return error_set(SOWLV2_ERROR_FORMAT, "text: U+%04X cannot be decomposed: %s", (unsigned)point,
                             utf8proc_errmsg(added));
        segment->count += (size_t)added;
    }
    return flush(segment, out);
}

int text_normalize(const char *text, size_t size, struct string *out)
{
    struct segment segment = {0};
    string_append(out, "", 0);
    int status = normalize(&segment, text, size, out);
    free(segment.points);
    free(segment.spare);
    if (!status && out->failed)
        status = error_memory("text");
    return status;
}
