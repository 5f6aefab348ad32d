/* What this layer's files share of FFmpeg: set-up, error texts, and what differs between its versions. */
#ifndef VIDEO_LIBAV_H
#define VIDEO_LIBAV_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Sends FFmpeg's messages to log_debug and registers cameras; once a process. UNSUPPORTED where FFmpeg is not there,
 * for `name`. */
int libav_start(const char *name);

/* Sets "name: what: FFmpeg's text for code" and returns the status that fits: MEMORY, CANCELLED, FORMAT
 * (damaged or unknown data), IO. */
int libav_error(const char *name, const char *what, int code);

/* Whether memory was short since the caller set errno to 0. FFmpeg forgets that on its way up at times, and says that
 * the data are damaged or at their end; the allocator's own word stays. */
bool libav_is_short(void);

/* Has `flag` set where a thread of the codec gets no memory, before it is opened. libav_is_short() knows of the calling
 * thread alone, and a codec whose own thread lacked something conceals or leaves out what it was for, and says that the
 * data are damaged. The flag stays until the codec is closed. */
void libav_watch_memory(AVCodecContext *context, atomic_bool *flag);

/* The name that messages give to a source: "-" is standard input. */
const char *libav_source_name(const char *source);

/* How long a decoded frame says it lasts, in the stream's time base; 0: it does not say. */
int64_t libav_frame_duration(const AVFrame *frame);
bool libav_frame_is_key(const AVFrame *frame);
/* A stream's side data, inside the stream; NULL: it has none of that kind. */
const void *libav_side_data(const AVStream *stream, enum AVPacketSideDataType type, size_t *size);
/* A stream's display matrix of 9 numbers, inside the stream; NULL: none. */
const int32_t *libav_display_matrix(const AVStream *stream);

/* Whether a stream comes with what a player needs to ask for a key. */
bool libav_has_encryption(const AVStream *stream);

#endif
