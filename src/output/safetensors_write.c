/* The header's room is kept free at the beginning, and filled when the number of rows is known. */
#include "output/safetensors_write.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { HEADER_ROOM = 1024, LENGTH_SIZE = 8 }; /* together a multiple of 8, as the format asks */

static int cannot_write(const struct safetensors_writer *writer)
{
    return error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", writer->file.path,
                     errno ? strerror(errno) : "a write failed");
}

/* Bytes of a row, 0 where they are none or too many. */
static uint64_t row_bytes(const struct safetensors_writer *writer)
{
    uint64_t bytes = sizeof(float);
    for (int i = 1; i < writer->rank; i++) {
        if (writer->dim[i] < 1 || bytes > (uint64_t)INT64_MAX / (uint64_t)writer->dim[i])
            return 0;
        bytes *= (uint64_t)writer->dim[i];
    }
    return bytes;
}

int safetensors_writer_open(const char *path, const char *name, int rank, const int64_t *dim,
                            struct safetensors_writer *out)
{
    *out = (struct safetensors_writer){.rank = rank};
    if (strlen(name) >= sizeof(out->name) || rank < 1 || rank > TENSOR_MAX_RANK) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a tensor of rank %d called \"%s\" cannot be written", path, rank,
                         name);
    }
    memcpy(out->name, name, strlen(name) + 1);
    for (int i = 1; i < rank; i++)
        out->dim[i] = dim[i];
    if (row_bytes(out) == 0 || row_bytes(out) > SIZE_MAX)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a tensor of that shape cannot be written", path);
    int status = file_writer_open(path, &out->file);
    if (status != 0)
        return status;
    static const char room[LENGTH_SIZE + HEADER_ROOM];
    errno = 0;
    if (fwrite(room, 1, sizeof(room), out->file.stream) != sizeof(room)) {
        status = cannot_write(out);
        safetensors_writer_abort(out);
    }
    return status;
}

int safetensors_writer_append(struct safetensors_writer *writer, const float *values)
{
    const size_t bytes = (size_t)row_bytes(writer);
    errno = 0;
    if (fwrite(values, 1, bytes, writer->file.stream) != bytes)
        return cannot_write(writer);
    writer->dim[0]++;
    return 0;
}

/* The length and the header padded with spaces, HEADER_ROOM bytes behind the length. False: no room. */
static bool format_header(const struct safetensors_writer *writer, const char *metadata, char *out)
{
    char header[HEADER_ROOM + 1], shape[TENSOR_MAX_RANK * 22] = "";
    size_t at = 0;
    for (int i = 0; i < writer->rank; i++)
        at += (size_t)snprintf(shape + at, sizeof(shape) - at, "%s%" PRId64, i > 0 ? "," : "", writer->dim[i]);
    const int length = snprintf(header, sizeof(header),
                                "{\"__metadata__\":%s,\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[0,"
                                "%" PRIu64 "]}}",
                                metadata, writer->name, shape, (uint64_t)writer->dim[0] * row_bytes(writer));
    if (length < 0 || length > HEADER_ROOM)
        return false;
    for (int i = 0; i < LENGTH_SIZE; i++)
        out[i] = (char)(unsigned char)((uint64_t)HEADER_ROOM >> (8 * i));
    memset(out + LENGTH_SIZE, ' ', HEADER_ROOM);
    memcpy(out + LENGTH_SIZE, header, (size_t)length);
    return true;
}

int safetensors_writer_commit(struct safetensors_writer *writer, const char *metadata)
{
    char header[LENGTH_SIZE + HEADER_ROOM];
    int status = 0;
    errno = 0;
    if (!format_header(writer, metadata, header))
        status = error_set(SOWLV2_ERROR_ARGUMENT, "%s: cannot write: its description is too long", writer->file.path);
    else if (fseeko(writer->file.stream, 0, SEEK_SET) != 0 ||
             fwrite(header, 1, sizeof(header), writer->file.stream) != sizeof(header))
        status = cannot_write(writer);
    else
        status = file_writer_commit(&writer->file);
    safetensors_writer_abort(writer);
    return status;
}

void safetensors_writer_abort(struct safetensors_writer *writer)
{
    file_writer_abort(&writer->file);
}
