/* The finished file: a copy of the running one with its index in front, and sound. */
#ifndef VIDEO_REMUX_H
#define VIDEO_REMUX_H

#include "video/audio.h"

/* Copies the one video stream of the mp4 `from` into a new mp4 `to`, its first picture at 0, and beside it the sound,
 * unless audio->index is -1. The picture that is shown last is shown for `last` seconds. `name` is for messages.
 * Errors: IO (disk full), FORMAT, MEMORY; `to` is then incomplete.
 */
int remux(const char *name, const char *from, const char *to, double last, struct audio *audio);

/* "file:" before a path, so that FFmpeg takes it as it is; freed by the caller; NULL: out of memory. */
char *remux_file_url(const char *path);

#endif
