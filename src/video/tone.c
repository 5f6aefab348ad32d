/* Light is in units of the white of standard range: 1 is 203 nits (ITU-R BT.2408). For each pixel: code values to
 * light (a table), the light of its brightest colour to a gain (a table over the number's exponent and first bits,
 * which is exact to a thousandth at every brightness), the gain and the colours' matrix, and light to sRGB (a table of
 * that form too). */
#include "video/tone.h"

#include "video/libav.h"

#include <libavutil/mastering_display_metadata.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double white_nits = 203, hlg_nits = 1000, most_nits = 10000, default_nits = 1000;
static const double hlg_gamma = 1.2; /* of a screen of 1000 nits */

/* 14 of the 16 bits of a code value count. */
enum { CODE_BITS = 14, CODES = 1 << CODE_BITS };
/* Tables over light: octaves from 2^-14, below which all is black, to 2^6, above 10000 nits; 512 steps an octave. */
enum { STEP_BITS = 9, LEAST_EXPONENT = -14, OCTAVES = 20, STEPS = OCTAVES << STEP_BITS };

struct tone {
    bool scene;          /* light is relative to the scene: HLG */
    float matrix[3][3];  /* to BT.709 */
    float light[CODES];  /* of a code value */
    float system[STEPS]; /* HLG: the screen's light for that of the scene, by its luminance */
    float gain[STEPS];   /* by the brightest colour */
    uint8_t srgb[STEPS]; /* 255 from 1 on */
};

enum tone_kind tone_kind(const AVFrame *frame)
{
    return frame->color_trc == AVCOL_TRC_SMPTE2084      ? TONE_PQ
           : frame->color_trc == AVCOL_TRC_ARIB_STD_B67 ? TONE_HLG
                                                        : TONE_NONE;
}

/* ITU-R BT.2100, PQ: from 0..1 to 0..10000 nits and back. */
static const double pq_m1 = 2610.0 / 16384, pq_m2 = 2523.0 / 4096 * 128, pq_c1 = 3424.0 / 4096,
                    pq_c2 = 2413.0 / 4096 * 32, pq_c3 = 2392.0 / 4096 * 32;

static double pq_to_nits(double code)
{
    double power = pow(code, 1 / pq_m2), above = power - pq_c1;
    return above > 0 ? 10000 * pow(above / (pq_c2 - pq_c3 * power), 1 / pq_m1) : 0;
}

static double nits_to_pq(double nits)
{
    double power = pow(nits / 10000, pq_m1);
    return pow((pq_c1 + pq_c2 * power) / (1 + pq_c3 * power), pq_m2);
}

/* ITU-R BT.2100, HLG: to the scene's light, 0..1. */
static double hlg_to_scene(double code)
{
    static const double a = 0.17883277, b = 0.28466892, c = 0.55991073;
    return code <= 0.5 ? code * code / 3 : (exp((code - c) / a) + b) / 12;
}

/* ITU-R BT.2390, EETF: nits of a video whose brightest are `peak` on a screen of 203. */
static double map_nits(double nits, double peak)
{
    double most = nits_to_pq(peak), target = nits_to_pq(white_nits) / most, code = nits_to_pq(nits) / most;
    double knee = 1.5 * target - 0.5;
    if (peak <= white_nits || code < knee)
        return nits;
    if (code > 1)
        code = 1;
    double t = (code - knee) / (1 - knee), t2 = t * t, t3 = t2 * t;
    double bent = (2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) + (-2 * t3 + 3 * t2) * target;
    return pq_to_nits(bent * most);
}

static double to_srgb(double light)
{
    return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* Step of the tables over light; what is too dark or negative has the first, what is too bright the last. */
static inline int step_of(float light)
{
    int32_t bits; /* they order numbers as integers, and negative ones below zero */
    memcpy(&bits, &light, sizeof(bits));
    int step = (bits >> (23 - STEP_BITS)) - ((127 + LEAST_EXPONENT) << STEP_BITS);
    step = step < 0 ? 0 : step;
    return step < STEPS ? step : STEPS - 1;
}

/* Light in the middle of a step. */
static double light_of(int step)
{
    double mantissa = 1 + ((step & ((1 << STEP_BITS) - 1)) + 0.5) / (1 << STEP_BITS);
    return ldexp(mantissa, (step >> STEP_BITS) + LEAST_EXPONENT);
}

static void fill_tables(struct tone *tone, enum tone_kind kind, int white, double peak)
{
    for (int i = 0; i < CODES; i++) {
        double code = (i + 0.5) * (65536.0 / CODES) / white;
        code = i == 0 ? 0 : code < 1 ? code : 1;
        tone->light[i] = (float)(kind == TONE_PQ ? pq_to_nits(code) / white_nits : hlg_to_scene(code));
    }
    for (int i = 0; i < STEPS; i++) {
        double light = light_of(i), srgb = to_srgb(light < 1 ? light : 1);
        tone->system[i] = (float)(pow(light, hlg_gamma - 1) * hlg_nits / white_nits);
        tone->gain[i] = (float)(map_nits(light * white_nits, peak) / (light * white_nits));
        tone->srgb[i] = (uint8_t)lround(255 * srgb);
    }
    tone->srgb[0] = 0;
}

/* ITU-R BT.2087 for BT.2020; the others from the primaries' coordinates in the same way. */
static void fill_matrix(struct tone *tone, enum AVColorPrimaries primaries)
{
    static const float bt2020[3][3] = {
        {1.660491f, -0.587641f, -0.072850f}, {-0.124550f, 1.132900f, -0.008349f}, {-0.018151f, -0.100579f, 1.118730f}};
    static const float p3[3][3] = {
        {1.224940f, -0.224940f, 0}, {-0.042057f, 1.042057f, 0}, {-0.019638f, -0.078636f, 1.098274f}};
    static const float bt709[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    memcpy(tone->matrix,
           primaries == AVCOL_PRI_BT709      ? bt709
           : primaries == AVCOL_PRI_SMPTE432 ? p3
                                             : bt2020,
           sizeof(tone->matrix));
}

struct tone *tone_create(enum tone_kind kind, enum AVColorPrimaries primaries, int white, double peak)
{
    struct tone *tone = malloc(sizeof(*tone));
    if (!tone)
        return NULL;
    tone->scene = kind == TONE_HLG;
    fill_matrix(tone, primaries);
    fill_tables(tone, kind, white, kind == TONE_HLG ? hlg_nits : peak);
    return tone;
}

void tone_free(struct tone **tone)
{
    free(*tone);
    *tone = NULL;
}

static inline float brighter(float a, float b)
{
    return a > b ? a : b;
}

void tone_convert(const struct tone *tone, const uint16_t *from, uint8_t *to, size_t count)
{
    const float(*m)[3] = tone->matrix;
    for (size_t i = 0; i < count; i++, from += 3, to += 3) {
        float r = tone->light[from[0] >> 2], g = tone->light[from[1] >> 2], b = tone->light[from[2] >> 2];
        float scale = 1;
        if (tone->scene)
            scale = tone->system[step_of(0.2627f * r + 0.6780f * g + 0.0593f * b)];
        scale *= tone->gain[step_of(brighter(brighter(r, g), b) * scale)];
        r *= scale;
        g *= scale;
        b *= scale;
        for (int c = 0; c < 3; c++)
            to[c] = tone->srgb[step_of(m[c][0] * r + m[c][1] * g + m[c][2] * b)];
    }
}

static double content_peak(const void *data, size_t size)
{
    const AVContentLightMetadata *light = data;
    return data && size >= sizeof(*light) ? light->MaxCLL : 0;
}

static double screen_peak(const void *data, size_t size)
{
    const AVMasteringDisplayMetadata *screen = data;
    return data && size >= sizeof(*screen) && screen->has_luminance && screen->max_luminance.den > 0
               ? av_q2d(screen->max_luminance)
               : 0;
}

double tone_peak(const AVFrame *frame, const AVStream *stream)
{
    const AVFrameSideData *light = av_frame_get_side_data(frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
    const AVFrameSideData *screen = av_frame_get_side_data(frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
    size_t size;
    const void *data;
    double peak = light ? content_peak(light->data, light->size) : 0;
    if (peak <= 0) {
        data = libav_side_data(stream, AV_PKT_DATA_CONTENT_LIGHT_LEVEL, &size);
        peak = content_peak(data, size);
    }
    if (peak <= 0 && screen)
        peak = screen_peak(screen->data, screen->size);
    if (peak <= 0) {
        data = libav_side_data(stream, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, &size);
        peak = screen_peak(data, size);
    }
    return peak <= 0 ? default_nits : peak < white_nits ? white_nits : peak > most_nits ? most_nits : peak;
}
