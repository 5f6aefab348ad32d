/* What a run leaves in its output folder: the choice of the user, for images and videos alike. */
#ifndef OUTPUT_OUTPUT_OPTIONS_H
#define OUTPUT_OUTPUT_OPTIONS_H

#include "sowlv2_run.h"
#include "video/video_out.h"

#include <stdbool.h>
#include <stddef.h>

struct sink_kind;

struct output_options {
    bool binary;   /* masks */
    bool overlay;  /* pictures with the results drawn in */
    bool merged;   /* of both, those of all objects together too */
    bool crops;    /* each object cut out */
    bool pictures; /* as a PNG an image or frame */
    bool videos;   /* as videos; of videos alone */
    bool rle;      /* rows hold the masks too; they do anyway where no mask PNG is written */
    unsigned draw; /* enum sowlv2_draw, of overlays */

    enum video_codec mask_codec; /* of mask videos */
    const char *audio_source;    /* whose sound overlay videos get; NULL: none */
    double audio_origin;
    bool audio_playlists;  /* as in struct video_writer_options */
    int max_object_videos; /* objects with videos of their own, the first ones; the others are in the merged ones
                              only, with one notice */

    const struct sink_kind *const *more; /* [more_count]: sinks of the caller's own, beside those of the table */
    size_t more_count;
    void *more_data; /* for them */
};

#endif
