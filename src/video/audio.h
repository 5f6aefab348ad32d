/* The sound of a source, as packets to be copied into an mp4. */
#ifndef VIDEO_AUDIO_H
#define VIDEO_AUDIO_H

#include "video/input.h"
#include "video/joints.h"

#include <stdbool.h>

struct audio {
    struct input input;
    struct interrupt interrupt;
    struct joints joints;
    int index;        /* of the stream in the input; -1: no sound is copied */
    AVPacket *packet; /* the next one, its times in the input's units, 0 at `begin` */
    bool has_packet;
    int64_t offset, end; /* of the range in the input's units */
    int64_t expected;    /* where a packet without a time belongs */
};

/* Opens the sound of `source` from `begin` to `end` (seconds on the container's clock). Where there is none that mp4
 * takes, or the source cannot be opened again, says so in a notice to `name` (nothing when that is NULL, or when the
 * source has no sound at all) and leaves index -1. `playlists` as in video_reader_options. `*out` is freed by
 * audio_close. Errors: MEMORY. */
int audio_open(const char *name, const char *source, bool playlists, double begin, double end, struct audio *out);
void audio_close(struct audio *audio);

/* The parameters and time unit of the stream. */
const AVStream *audio_stream(const struct audio *audio);

/* Reads on to the next packet of the range: sets has_packet. Errors: MEMORY. */
int audio_next(struct audio *audio);

#endif
