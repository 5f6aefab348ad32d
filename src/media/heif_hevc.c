/* The decoder that libheif asks first: HEVC by libde265, within the bounds of the file that this thread decodes. */
#include "media/heif_hevc.h"

#ifdef MEDIA_HAVE_HEIF
#include "base/clock.h"
#include "base/error.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libheif/heif.h>
#include <libheif/heif_plugin.h>

static _Thread_local struct heif_bounds *current; /* of the file that this thread decodes; NULL: none */

static struct heif_error failure(const char *message)
{
    return (struct heif_error){heif_error_Decoder_plugin_error, heif_suberror_Unspecified, message};
}

static bool is_late(enum heif_compression_format format)
{
#ifdef MEDIA_HAVE_DE265
    if (format == heif_compression_HEVC) /* decoded in this thread: its own time is what counts */
        return image_check_time(current->source) != 0;
#else
    (void)format;
#endif
    return current->deadline > 0 && clock_seconds() >= current->deadline;
}

static const char *plugin_name(void)
{
    return "sowlv2";
}

/* The way into the library's decoding: it asks every decoder whether it can do the next of the pictures that one is
 * made of (tiles, layers). This one can do everything when the time is up, better than all others, and then fails. */
static int plugin_priority(enum heif_compression_format format)
{
    if (!current)
        return 0;
    if (is_late(format)) {
        current->late = true;
        return INT_MAX;
    }
#ifdef MEDIA_HAVE_DE265
    if (format == heif_compression_HEVC)
        return INT_MAX;
#endif
    return 0;
}

#ifdef MEDIA_HAVE_DE265
#include <libde265/de265.h>

enum nal_type { NAL_KEY_FIRST = 16, NAL_KEY_LAST = 23, NAL_SLICES = 32, NAL_SEQUENCE = 33, NAL_PARAMETERS = 34 };

/* Each holds tables of the picture's size; encoders write three. */
static const unsigned most_parameter_sets = 32;

struct hevc {
    de265_decoder_context *context;
    struct heif_bounds *bounds;
    unsigned parameter_sets;
    bool begun, ended; /* the picture has a slice; another picture follows, which is not asked for */
};

static struct heif_error success(void)
{
    return (struct heif_error){heif_error_Ok, heif_suberror_Unspecified, "Success"};
}

static bool is_too_large(struct heif_bounds *bounds, int width, int height)
{
    if ((uint64_t)width * (uint64_t)height <= bounds->most_pixels)
        return false;
    bounds->width = width;
    bounds->height = height;
    return true;
}

static int get_buffer(de265_decoder_context *context, struct de265_image_spec *spec, struct de265_image *image,
                      void *data)
{
    struct hevc *hevc = data;
    if (spec->width <= 0 || spec->height <= 0 || is_too_large(hevc->bounds, spec->width, spec->height))
        return 0;
    return de265_get_default_image_allocation_functions()->get_buffer(context, spec, image, NULL);
}

static void release_buffer(de265_decoder_context *context, struct de265_image *image, void *data)
{
    (void)data;
    de265_get_default_image_allocation_functions()->release_buffer(context, image, NULL);
}

static void hevc_close(void *decoder)
{
    struct hevc *hevc = decoder;
    if (hevc && hevc->context)
        de265_free_decoder(hevc->context);
    free(hevc);
}

static struct heif_error hevc_open(void **decoder)
{
    static struct de265_image_allocation allocation = {get_buffer, release_buffer};
    *decoder = NULL;
    if (!current || current->late)
        return failure("out of time");
    struct hevc *hevc = calloc(1, sizeof(*hevc));
    if (hevc)
        hevc->context = de265_new_decoder();
    if (!hevc || !hevc->context) {
        hevc_close(hevc);
        return (struct heif_error){heif_error_Memory_allocation_error, heif_suberror_Unspecified, "out of memory"};
    }
    hevc->bounds = current;
    de265_set_image_allocation_functions(hevc->context, &allocation, hevc);
    *decoder = hevc;
    return success();
}

/* Whether the library is to see a unit. An item is one key picture: what comes behind it, and what would make the
 * library keep more pictures or larger ones, it never sees. NULL in `*refused`: nothing is wrong with the unit. */
static bool is_wanted(struct hevc *hevc, const uint8_t *nal, size_t size, const char **refused)
{
    *refused = NULL;
    if (hevc->ended || size < 3 || ((nal[0] & 1) | nal[1] >> 3) != 0) /* other layers */
        return false;
    unsigned type = nal[0] >> 1 & 63;
    if (type < NAL_SLICES) {
        bool first = nal[2] & 0x80;
        hevc->ended = first && hevc->begun;
        if (first && !hevc->begun && (type < NAL_KEY_FIRST || type > NAL_KEY_LAST))
            *refused = "a picture that needs others";
        hevc->begun |= first;
        return hevc->begun && !hevc->ended && !*refused;
    }
    if (type > NAL_PARAMETERS)
        return true;
    int width, height;
    if (hevc->begun || ++hevc->parameter_sets > most_parameter_sets)
        return false;
    if (type != NAL_SEQUENCE)
        return true;
    if (!heif_sequence_size(nal, size, &width, &height))
        *refused = "a damaged sequence parameter set";
    else if (is_too_large(hevc->bounds, width, height))
        *refused = "a picture larger than the file says";
    return !*refused;
}

static struct heif_error hevc_push(void *decoder, const void *data, size_t size)
{
    struct hevc *hevc = decoder;
    const uint8_t *at = data;
    while (size > 0) {
        if (size < 4)
            return failure("the stream is cut");
        size_t length = image_read_u32(at);
        at += 4;
        size -= 4;
        if (length > size || length > INT_MAX)
            return failure("the stream is cut");
        const char *refused;
        if (is_wanted(hevc, at, length, &refused) && de265_push_NAL(hevc->context, at, (int)length, 0, NULL))
            return (struct heif_error){heif_error_Memory_allocation_error, heif_suberror_Unspecified, "out of memory"};
        if (refused)
            return failure(refused);
        at += length;
        size -= length;
    }
    return success();
}

static struct heif_error copy_plane(const struct de265_image *picture, int plane, int bits, struct heif_image *image)
{
    static const enum heif_channel channels[] = {heif_channel_Y, heif_channel_Cb, heif_channel_Cr};
    int width = de265_get_image_width(picture, plane), height = de265_get_image_height(picture, plane);
    int from_stride = 0, to_stride = 0;
    const uint8_t *from = de265_get_image_plane(picture, plane, &from_stride);
    if (!from || width <= 0 || height <= 0)
        return failure("no picture");
    if (de265_get_bits_per_pixel(picture, plane) != bits)
        return (struct heif_error){heif_error_Unsupported_feature, heif_suberror_Unsupported_color_conversion,
                                   "brightness and colour of different depths"};
    struct heif_error error = heif_image_add_plane(image, channels[plane], width, height, bits);
    if (error.code != heif_error_Ok)
        return error;
    uint8_t *to = heif_image_get_plane(image, channels[plane], &to_stride);
    size_t row = (size_t)width * (bits > 8 ? 2 : 1);
    if (!to || to_stride < 0 || (size_t)to_stride < row)
        return failure("no room for the picture");
    for (int y = 0; y < height; y++)
        memcpy(to + (size_t)y * (size_t)to_stride, from + (ptrdiff_t)y * from_stride, row);
    return success();
}

/* The stream's own description; one in the container replaces it later. What the library does not know stays
 * unspecified. */
static void copy_colours(const struct de265_image *picture, struct heif_image *image)
{
    struct heif_color_profile_nclx *colours = heif_nclx_color_profile_alloc();
    if (!colours)
        return;
    heif_nclx_color_profile_set_color_primaries(colours, (uint16_t)de265_get_image_colour_primaries(picture));
    heif_nclx_color_profile_set_transfer_characteristics(colours,
                                                         (uint16_t)de265_get_image_transfer_characteristics(picture));
    heif_nclx_color_profile_set_matrix_coefficients(colours, (uint16_t)de265_get_image_matrix_coefficients(picture));
    colours->full_range_flag = de265_get_image_full_range_flag(picture) != 0;
    heif_image_set_nclx_color_profile(image, colours);
    heif_nclx_color_profile_free(colours);
}

static struct heif_error copy_picture(const struct de265_image *picture, struct heif_image **image)
{
    static const enum heif_chroma chromas[] = {
        [de265_chroma_mono] = heif_chroma_monochrome,
        [de265_chroma_420] = heif_chroma_420,
        [de265_chroma_422] = heif_chroma_422,
        [de265_chroma_444] = heif_chroma_444,
    };
    enum de265_chroma chroma = de265_get_chroma_format(picture);
    bool grey = chroma == de265_chroma_mono;
    struct heif_error error =
        heif_image_create(de265_get_image_width(picture, 0), de265_get_image_height(picture, 0),
                          grey ? heif_colorspace_monochrome : heif_colorspace_YCbCr, chromas[chroma], image);
    if (error.code != heif_error_Ok)
        return error;
    int bits = de265_get_bits_per_pixel(picture, 0);
    for (int plane = 0; error.code == heif_error_Ok && plane < (grey ? 1 : 3); plane++)
        error = copy_plane(picture, plane, bits, *image);
    if (error.code == heif_error_Ok) {
        copy_colours(picture, *image);
    } else {
        heif_image_release(*image);
        *image = NULL;
    }
    return error;
}

/* A step is a unit of the stream: a slice at most. */
static struct heif_error hevc_decode(void *decoder, struct heif_image **image)
{
    struct hevc *hevc = decoder;
    const struct de265_image *picture = NULL;
    int more = 1;
    *image = NULL;
    de265_flush_data(hevc->context);
    while (more && !picture) {
        if (image_check_time(hevc->bounds->source)) {
            hevc->bounds->late = true;
            return failure("out of time");
        }
        more = 0;
        if (de265_decode(hevc->context, &more) != DE265_OK)
            break;
        picture = de265_get_next_picture(hevc->context);
    }
    return picture ? copy_picture(picture, image) : failure("no picture can be decoded");
}

#else

/* Asked only when the time is up. */
static struct heif_error hevc_open(void **decoder)
{
    *decoder = NULL;
    return failure("out of time");
}

/* The rest is never called: none is opened. */
static void hevc_close(void *decoder)
{
    (void)decoder;
}

static struct heif_error hevc_push(void *decoder, const void *data, size_t size)
{
    (void)data;
    (void)size;
    return hevc_open(&decoder);
}

static struct heif_error hevc_decode(void *decoder, struct heif_image **image)
{
    *image = NULL;
    return hevc_open(&decoder);
}
#endif

static void register_plugin(void)
{
    static const struct heif_decoder_plugin plugin = {
        .plugin_api_version = 1,
        .get_plugin_name = plugin_name,
        .does_support_format = plugin_priority,
        .new_decoder = hevc_open,
        .free_decoder = hevc_close,
        .push_data = hevc_push,
        .decode_image = hevc_decode,
    };
    heif_register_decoder_plugin(&plugin); /* where it is refused there are no bounds */
}

void heif_bounds_enter(struct heif_bounds *bounds, const struct image_source *source)
{
    static pthread_once_t registered = PTHREAD_ONCE_INIT;
    pthread_once(&registered, register_plugin);
    double seconds = source->options->seconds;
    *bounds = (struct heif_bounds){.source = source, .deadline = seconds > 0 ? clock_seconds() + seconds : 0};
    bounds->most_pixels =
        heif_declared_pixels(source->data, source->size, source->options->max_pixels, &bounds->oversized);
    current = bounds;
}

void heif_bounds_leave(void)
{
    current = NULL;
}

int heif_bounds_status(const struct heif_bounds *bounds)
{
    if (bounds->late)
        return image_out_of_time(bounds->source);
    if (bounds->width == 0)
        return 0;
    int status =
        bounds->oversized ? image_check_size(bounds->source, (uint64_t)bounds->width, (uint64_t)bounds->height) : 0;
    return status ? status
                  : error_set(SOWLV2_ERROR_FORMAT,
                              "%s: damaged HEIF: the picture in it, %d x %d, is larger than the file says: copy or "
                              "export the file again",
                              bounds->source->name, bounds->width, bounds->height);
}
#endif
