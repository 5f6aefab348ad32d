/* HDR pictures (PQ and HLG) as a screen of standard range shows them: tone-mapped by ITU-R BT.2390 and brought to
 * BT.709's colours and sRGB's transfer function. */
#ifndef VIDEO_TONE_H
#define VIDEO_TONE_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stddef.h>
#include <stdint.h>

enum tone_kind { TONE_NONE, TONE_PQ, TONE_HLG };

/* What the frame's transfer function says. */
enum tone_kind tone_kind(const AVFrame *frame);

/* The brightest light of the video in nits: what the frame, else the stream says of its content, else of the screen it
 * was made on; 1000 where nothing is said, and for HLG, which is made for such a screen. */
double tone_peak(const AVFrame *frame, const AVStream *stream);

struct tone;

/* For pictures of one kind, from colours with `primaries` (unspecified: BT.2020); `white` is the sample of a full
 * signal, 1 to 65535. NULL: out of memory. */
struct tone *tone_create(enum tone_kind kind, enum AVColorPrimaries primaries, int white, double peak);
void tone_free(struct tone **tone);

/* Converts `count` pixels of 16 bits a sample, RGB in this machine's order, to 8 bits. */
void tone_convert(const struct tone *tone, const uint16_t *from, uint8_t *to, size_t count);

#endif
