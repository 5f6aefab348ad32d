/* Which of FFmpeg's formats and protocols an input may use. A video brings its pictures with it; what reads other
 * files, a playlist above all, is opened only where that was asked for. */
#ifndef VIDEO_FORMATS_H
#define VIDEO_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The demuxers, as FFmpeg's option "format_whitelist" takes them. Static storage. */
const char *formats_demuxers(bool network, bool playlists);

/* The protocols for a local file, as "protocol_whitelist" takes them. Static storage. */
const char *formats_protocols(bool playlists);

/* Whether a demuxer of that name reads a codec's stream without a container. */
bool formats_is_elementary(const char *name);

/* Whether addresses of this scheme (`length` bytes, "http") are read. */
bool formats_is_scheme(const char *scheme, size_t length);

/* Whether data that begin so are a list of other files or addresses. */
bool formats_is_playlist(const uint8_t *head, size_t size);

/* Whether data that begin so are protected against copying, as far as the beginning tells: a broadcast whose packets
 * are scrambled, Windows Media with a licence. */
bool formats_is_encrypted(const uint8_t *head, size_t size);

#endif
