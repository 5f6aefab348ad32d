/* The file of masks. Only this process writes and reads it, so that structs go in as they are. */
#include "pipeline/track_spool.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct track_spool {
    int descriptor;
    int64_t frames;
    off_t size;
    off_t *place; /* [frames + 1]: where a frame's record begins, plus 1; 0: there is none */
};

/* In front of each object's runs. */
struct record {
    uint64_t object, run_count;
    int64_t area;
    int32_t width, height;
    float box[4], mask_score, object_score;
};

/* A file that goes away with its descriptor. */
static int open_nameless(const char *folder)
{
    char *name;
    int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (descriptor >= 0)
        return descriptor;
    name = path_join(folder, ".sowlv2-masks-XXXXXX");
    descriptor = name ? mkostemp(name, O_CLOEXEC) : -1;
    if (descriptor >= 0)
        unlink(name);
    free(name);
    return descriptor;
}

/* For runs without an output folder. */
static const char *temporary_folder(void)
{
    const char *const folder = getenv("TMPDIR");

    return folder && *folder ? folder : "/tmp";
}

int track_spool_open(const char *folder, int64_t frames, struct track_spool **out)
{
    if (!folder)
        folder = temporary_folder();

    struct track_spool *spool = calloc(1, sizeof(*spool));

    *out = NULL;
    if (!spool)
        return error_memory("masks");
    spool->frames = frames;
    spool->descriptor = open_nameless(folder);
    spool->place = calloc((size_t)frames + 1, sizeof(*spool->place));
    if (spool->descriptor < 0 || !spool->place) {
        const int why = errno;

        track_spool_close(&spool);
        return error_set(SOWLV2_ERROR_IO, "%s: no temporary file for masks can be made there: %s", folder,
                         strerror(why));
    }
    *out = spool;
    return 0;
}

void track_spool_close(struct track_spool **spool)
{
    if (!*spool)
        return;
    if ((*spool)->descriptor >= 0)
        close((*spool)->descriptor);
    free((*spool)->place);
    free(*spool);
    *spool = NULL;
}

static int append(struct track_spool *spool, const void *data, size_t size)
{
    const char *bytes = data;

    while (size > 0) {
        const ssize_t count = pwrite(spool->descriptor, bytes, size, spool->size);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return error_set(SOWLV2_ERROR_IO, "masks cannot be kept in the output folder: %s: free space there",
                             count < 0 ? strerror(errno) : "nothing could be written");
        bytes += count;
        size -= (size_t)count;
        spool->size += count;
    }
    return 0;
}

int track_spool_put(struct track_spool *spool, int64_t frame, const struct track_spooled *objects, size_t count)
{
    const off_t place = spool->size + 1;
    const uint64_t total = count;
    int status;

    if (frame < 0 || frame > spool->frames)
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %lld is none of the video's", (long long)frame);
    status = append(spool, &total, sizeof(total));
    for (size_t i = 0; !status && i < count; i++) {
        const struct sowlv2_mask *mask = &objects[i].mask;
        struct record record;

        memset(&record, 0, sizeof(record));
        record.object = objects[i].object;
        record.run_count = mask->run_count;
        record.area = mask->area;
        record.width = mask->width;
        record.height = mask->height;
        memcpy(record.box, mask->box, sizeof(record.box));
        record.mask_score = mask->mask_score;
        record.object_score = mask->object_score;
        status = append(spool, &record, sizeof(record));
        if (!status)
            status = append(spool, mask->runs, mask->run_count * sizeof(*mask->runs));
    }
    if (!status)
        spool->place[frame] = place;
    return status;
}

static int read_at(const struct track_spool *spool, off_t *place, void *out, size_t size)
{
    char *bytes = out;

    while (size > 0) {
        const ssize_t count = pread(spool->descriptor, bytes, size, *place);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return error_set(SOWLV2_ERROR_IO, "kept masks cannot be read again: %s",
                             count < 0 ? strerror(errno) : "the file has ended");
        bytes += count;
        size -= (size_t)count;
        *place += count;
    }
    return 0;
}

static int read_object(const struct track_spool *spool, off_t *place, struct track_spooled *out)
{
    struct record record;
    int status = read_at(spool, place, &record, sizeof(record));

    if (status)
        return status;
    out->object = record.object;
    out->mask = (struct sowlv2_mask){.width = record.width,
                                     .height = record.height,
                                     .run_count = record.run_count,
                                     .area = record.area,
                                     .mask_score = record.mask_score,
                                     .object_score = record.object_score};
    memcpy(out->mask.box, record.box, sizeof(record.box));
    out->mask.runs = malloc((record.run_count + 1) * sizeof(*out->mask.runs));
    if (!out->mask.runs)
        return error_memory("masks");
    return read_at(spool, place, out->mask.runs, record.run_count * sizeof(*out->mask.runs));
}

int track_spool_get(const struct track_spool *spool, int64_t frame, struct track_spooled **out, size_t *count)
{
    uint64_t total = 0;
    off_t place;
    int status;

    *out = NULL;
    *count = 0;
    if (!spool || frame < 0 || frame > spool->frames || spool->place[frame] == 0)
        return 0;
    place = spool->place[frame] - 1;
    status = read_at(spool, &place, &total, sizeof(total));
    if (!status) {
        *out = calloc(total + 1, sizeof(**out));
        status = *out ? 0 : error_memory("masks");
    }
    for (uint64_t i = 0; !status && i < total; i++)
        status = read_object(spool, &place, &(*out)[(*count)++]);
    if (status) {
        track_spooled_free(*out, *count);
        *out = NULL;
        *count = 0;
    }
    return status;
}

void track_spooled_free(struct track_spooled *objects, size_t count)
{
    for (size_t i = 0; objects && i < count; i++)
        sowlv2_masks_free(&objects[i].mask, 1);
    free(objects);
}
