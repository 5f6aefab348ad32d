/* How a stream's pictures look on a screen: the shape of their pixels, and colours that deserve a word. */
#ifndef VIDEO_SHOWN_H
#define VIDEO_SHOWN_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stdint.h>

/* The size of the frame in square pixels: one side grows, none shrinks, as browsers and players do it. A shape within a
 * hundredth of a square counts as one, and so does one that would make more than `max_pixels` of it. Returns false
 * there. */
bool shown_size(AVFormatContext *format, AVStream *video, AVFrame *frame, int64_t max_pixels, int *width, int *height);

/* Notices of what is done to the colours of a video that begins with this frame, and of what cannot be done. */
void shown_tell_colours(const char *name, const AVFrame *frame, const AVStream *video, double peak);

#endif
