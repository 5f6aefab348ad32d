/* AVIF through libavif, where it is built in: the first picture; alpha is dropped, as in Pillow. */
#include "media/image_decoders.h"

#include "base/error.h"
#include "base/optional.h"

#ifdef MEDIA_HAVE_AVIF
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#include <avif/avif.h>

enum { BYTES_A_PIXEL = 16 }; /* that the library takes at most, with alpha and more than 8 bits */

static int avif_error(const struct image_source *source, avifResult code)
{
    switch (code) {
    case AVIF_RESULT_OUT_OF_MEMORY:
        return error_memory(source->name);
    case AVIF_RESULT_TRUNCATED_DATA:
    case AVIF_RESULT_WAITING_ON_IO:
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the AVIF data is truncated: copy or export the file again",
                         source->name);
    case AVIF_RESULT_NO_CODEC_AVAILABLE:
    case AVIF_RESULT_NOT_IMPLEMENTED:
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: this AVIF cannot be read here: %s: export it as JPEG or PNG",
                         source->name, avifResultToString(code));
    default:
        return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged AVIF: %s: copy or export the file again", source->name,
                         avifResultToString(code));
    }
}

/* The format's own turning and mirroring as EXIF's number; its EXIF is for show only. */
static int orientation_of(const avifImage *image)
{
    bool mirror = (image->transformFlags & AVIF_TRANSFORM_IMIR) != 0;
    int angle = image->transformFlags & AVIF_TRANSFORM_IROT ? image->irot.angle & 3 : 0;
#if AVIF_VERSION >= 1000000
    bool sides = image->imir.axis != 0;
#else
    bool sides = image->imir.mode != 0;
#endif
    static const uint8_t plain[4] = {1, 8, 3, 6}, top_bottom[4] = {4, 5, 2, 7}, left_right[4] = {2, 7, 4, 5};
    return !mirror ? plain[angle] : sides ? left_right[angle] : top_bottom[angle];
}

/* To 8-bit RGB. With alpha the library goes another way, whose rounding Pillow's results have. */
static int convert(const struct image_source *source, const avifDecoder *decoder, const struct image *out)
{
    avifRGBImage rgb;
    avifRGBImageSetDefaults(&rgb, decoder->image);
    rgb.depth = 8;
    rgb.format = decoder->alphaPresent ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
    size_t channels = decoder->alphaPresent ? 4 : 3, count = (size_t)out->width * (size_t)out->height;
    uint8_t *pixels = decoder->alphaPresent ? malloc(count * channels) : out->pixels;
    if (!pixels)
        return error_memory(source->name);
    rgb.pixels = pixels;
    rgb.rowBytes = (uint32_t)((size_t)out->width * channels);
    avifResult code = avifImageYUVToRGB(decoder->image, &rgb);
    if (decoder->alphaPresent) {
        for (size_t i = 0; code == AVIF_RESULT_OK && i < count; i++)
            memcpy(out->pixels + 3 * i, pixels + 4 * i, 3);
        free(pixels);
    }
    return code == AVIF_RESULT_OK ? 0 : avif_error(source, code);
}

static int decode(const struct image_source *source, avifDecoder *decoder, struct image *out, int *orientation)
{
    decoder->strictFlags = AVIF_STRICT_DISABLED; /* old encoders leave boxes out */
    decoder->ignoreExif = decoder->ignoreXMP = AVIF_TRUE;
    avifResult code = avifDecoderSetIOMemory(decoder, source->data, source->size);
    if (code == AVIF_RESULT_OK)
        code = avifDecoderParse(decoder);
    if (code != AVIF_RESULT_OK)
        return avif_error(source, code);
    uint32_t width = decoder->image->width, height = decoder->image->height;
    int status = image_check_size(source, width, height);
    if (status)
        return status;
    /* The picture's own header may claim more than the file's. */
    if (source->options->max_pixels < decoder->imageSizeLimit)
        decoder->imageSizeLimit = (uint32_t)source->options->max_pixels;
    status = image_check_time(source);
    if (!status)
        status = image_reserve(source, (uint64_t)width * height * BYTES_A_PIXEL);
    if (status)
        return status;
    code = avifDecoderNextImage(decoder);
    if (code != AVIF_RESULT_OK)
        return avif_error(source, code);
    status = image_check_time(source);
    if (!status)
        status = image_allocate(source, decoder->image->width, decoder->image->height, out);
    if (!status)
        status = convert(source, decoder, out);
    if (!status && decoder->imageCount > 1)
        log_notice("%s: an animation: its first frame is taken", source->name);
    if (!status)
        image_tell_hdr(source, decoder->image->transferCharacteristics);
    *orientation = orientation_of(decoder->image);
    return status;
}

int image_decode_avif(const struct image_source *source, struct image *out, int *orientation)
{
    int status = optional_need("avif", source->name);
    if (!status)
        status = image_reserve(source, 0);
    if (status)
        return status;
    avifDecoder *decoder = avifDecoderCreate();
    if (!decoder)
        return error_memory(source->name);
    status = decode(source, decoder, out, orientation);
    avifDecoderDestroy(decoder);
    if (status)
        image_free(out);
    return status;
}

#else

int image_decode_avif(const struct image_source *source, struct image *out, int *orientation)
{
    (void)out;
    (void)orientation;
    return error_set(SOWLV2_ERROR_UNSUPPORTED,
                     "%s: is an AVIF image, and this build has no libavif: build with it, or export as JPEG or PNG",
                     source->name);
}
#endif
