/* Shapes and colours. */
#include "video/shown.h"

#include "base/log.h"
#include "video/libav.h"
#include "video/tone.h"

#include <libavutil/dovi_meta.h>
#include <libavutil/pixdesc.h>

bool shown_size(AVFormatContext *format, AVStream *video, AVFrame *frame, int64_t max_pixels, int *width, int *height)
{
    AVRational aspect = av_guess_sample_aspect_ratio(format, video, frame);
    *width = frame->width;
    *height = frame->height;
    if (aspect.num <= 0 || aspect.den <= 0)
        return true;
    double shape = av_q2d(aspect);
    if (shape > 0.99 && shape < 1.01)
        return true;
    double wide = shape > 1 ? frame->width * shape : frame->width;
    double high = shape > 1 ? frame->height : frame->height / shape;
    if (!(wide * high <= (double)max_pixels) || shape > 16 || shape < 1.0 / 16)
        return false;
    *width = (int)(wide + 0.5);
    *height = (int)(high + 0.5);
    return true;
}

/* Dolby Vision of profile 5 has colours of its own kind, and no others beside them. */
static bool has_dolby_colours_only(const AVStream *video)
{
    size_t size;
    const AVDOVIDecoderConfigurationRecord *record = libav_side_data(video, AV_PKT_DATA_DOVI_CONF, &size);
    return record && size >= sizeof(*record) && record->dv_profile == 5;
}

/* Those that libswscale has no numbers for: it takes BT.601's. */
static bool has_unknown_matrix(const AVFrame *frame)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    if (!format || (format->flags & AV_PIX_FMT_FLAG_RGB) || format->nb_components < 3)
        return false;
    switch (frame->colorspace) {
    case AVCOL_SPC_YCGCO:
    case AVCOL_SPC_SMPTE2085:
    case AVCOL_SPC_CHROMA_DERIVED_NCL:
    case AVCOL_SPC_CHROMA_DERIVED_CL:
    case AVCOL_SPC_ICTCP:
        return true;
    default:
        return false;
    }
}

void shown_tell_colours(const char *name, const AVFrame *frame, const AVStream *video, double peak)
{
    enum tone_kind kind = tone_kind(frame);
    if (has_dolby_colours_only(video))
        log_notice("%s: Dolby Vision (profile 5) without colours for other players: its colours are wrong: convert it "
                   "to HDR10 or standard range first",
                   name);
    else if (has_unknown_matrix(frame))
        log_notice("%s: its colour matrix (%s) is not supported: its colours are wrong: convert it to BT.709 first",
                   name, av_color_space_name(frame->colorspace));
    else if (kind == TONE_PQ)
        log_notice("%s: HDR video (PQ, up to %.0f nits): its pictures are converted to standard range, as players do",
                   name, peak);
    else if (kind == TONE_HLG)
        log_notice("%s: HDR video (HLG): its pictures are converted to standard range, as players do", name);
}
