/* HEIC and other HEIF through libheif, where it is built in: the primary picture, turned as the file says.
 * The time is asked before each of the pictures (tiles, layers) that one is made of and, with libde265, before each
 * unit of their streams; without, it is the clock's, since libheif's decoder works in a thread of its own. */
#include "media/image_decoders.h"

#include "base/error.h"
#include "base/optional.h"

#ifdef MEDIA_HAVE_HEIF
#include "media/heif_hevc.h"

#include <string.h>

#include <libheif/heif.h>

enum { BYTES_A_PIXEL = 16 }; /* that the libraries take, with alpha and more than 8 bits */

static int heif_failure(const struct image_source *source, struct heif_error error)
{
    switch (error.code) {
    case heif_error_Memory_allocation_error:
        return error_memory(source->name);
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: this HEIF cannot be read here: %s: export it as JPEG or PNG",
                         source->name, error.message);
    default:
        return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged or truncated HEIF: %s: copy or export the file again",
                         source->name, error.message);
    }
}

/* `decoded` is 8-bit RGB. */
static int copy_pixels(const struct image_source *source, const struct heif_image *decoded, struct image *out)
{
    int stride = 0, width = heif_image_get_primary_width(decoded), height = heif_image_get_primary_height(decoded);
    const uint8_t *from = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
    if (!from || width <= 0 || height <= 0 || stride / 3 < width)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged HEIF: it holds no picture: replace the file", source->name);
    int status = image_allocate(source, (uint64_t)width, (uint64_t)height, out);
    for (int y = 0; !status && y < height; y++)
        memcpy(out->pixels + (size_t)y * (size_t)width * 3, from + (size_t)y * (size_t)stride, (size_t)width * 3);
    return status;
}

static int decode_picture(const struct image_source *source, const struct heif_image_handle *handle, struct image *out)
{
    struct heif_image *decoded = NULL;
    int width = heif_image_handle_get_width(handle), height = heif_image_handle_get_height(handle);
    int status = image_check_size(source, width > 0 ? (uint64_t)width : 0, height > 0 ? (uint64_t)height : 0);
    if (!status)
        status = image_reserve(source, (uint64_t)width * (uint64_t)height * BYTES_A_PIXEL);
    if (status)
        return status;
    struct heif_bounds bounds;
    heif_bounds_enter(&bounds, source);
    struct heif_error error =
        heif_decode_image(handle, &decoded, heif_colorspace_RGB, heif_chroma_interleaved_RGB, NULL);
    heif_bounds_leave();
    status = heif_bounds_status(&bounds);
    if (status) {
        heif_image_release(decoded);
        return status;
    }
    if (error.code != heif_error_Ok)
        return heif_failure(source, error);
    status = copy_pixels(source, decoded, out);
    heif_image_release(decoded);
    struct heif_color_profile_nclx *colours = NULL;
    if (!status && heif_image_handle_get_nclx_color_profile(handle, &colours).code == heif_error_Ok)
        image_tell_hdr(source, colours->transfer_characteristics);
    heif_nclx_color_profile_free(colours); /* also after an error: libheif 1.15 leaves a profile it cannot name there */
    return status;
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
{
    (void)orientation; /* the library turns: EXIF in this format is for show only */
    int status = optional_need("heif", source->name);
    if (!status)
        status = image_reserve(source, 0);
    if (status)
        return status;
    struct heif_context *context = heif_context_alloc();
    if (!context)
        return error_memory(source->name);
    int64_t side = 1;
    while (side < 65536 && side * side < source->options->max_pixels)
        side *= 2;
    heif_context_set_maximum_image_size_limit(context, (int)side * 4);
    heif_context_set_max_decoding_threads(context, 0); /* tiles in this thread: it has the bounds */
    struct heif_error error = heif_context_read_from_memory_without_copy(context, source->data, source->size, NULL);
    struct heif_image_handle *handle = NULL;
    if (error.code == heif_error_Ok)
        error = heif_context_get_primary_image_handle(context, &handle);
    status = error.code == heif_error_Ok ? decode_picture(source, handle, out) : heif_failure(source, error);
    heif_image_handle_release(handle);
    heif_context_free(context);
    if (status)
        image_free(out);
    return status;
}

void image_prepare(void)
{
    if (!optional_missing("heif"))
        heif_context_free(heif_context_alloc()); /* loads its plug-ins */
}

#else

void image_prepare(void)
{
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
{
    (void)out;
    (void)orientation;
    return error_set(SOWLV2_ERROR_UNSUPPORTED,
                     "%s: is an HEIC image, and this build has no libheif: build with it, or export as JPEG or PNG",
                     source->name);
}
#endif

static bool begins(const uint8_t *data, size_t size)
{
    return image_container_kind(data, size) == 'h';
}

const struct image_format image_format_heif = {
    .name = "HEIC",
    .suffixes = (const char *const[]){".heic", ".heif", ".hif", NULL},
    .begins = begins,
    .decode = decode_file,
    .measure = image_container_measure,
    .moves = image_container_moves,
};
