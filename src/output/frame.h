/* What a run has found on one image, or on one frame of a video, on its way to the sinks. */
#ifndef OUTPUT_FRAME_H
#define OUTPUT_FRAME_H

#include "base/strings.h"
#include "media/image.h"
#include "output/identity.h"
#include "sowlv2.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output_object {
    int64_t id;              /* from 1; in a video never another object's */
    int prompt;              /* index; -1: none */
    float score;             /* the detector's */
    float objectness;        /* likewise; below 0: not known */
    int64_t confirmed_frame; /* on which it gave them; 0: no such thing */
    double confidence;       /* that the track is right on this frame; not over 0: not known */
    int64_t merged_into;     /* the id of the object that it turned out to be; 0: none */
    bool has_box;            /* the detector gave it, or the user: */
    float box[4];            /* x0, y0, x1, y1 in pixels */
    struct sowlv2_mask mask; /* runs, area, box, scores; owned; zeros where none was made */
    bool lost;               /* it is out of sight */
    bool interpolated;       /* its mask was filled in from neighbours */

    /* What sinks wrote for it, for its row; owned; NULL: nothing. */
    char *mask_file, *crop_file; /* below the output folder */
    char *rle;                   /* COCO's compressed counts */
};

struct output_frame {
    struct image image;              /* owned; `pixels` may be gone already: see sink_kind.needs_pixels */
    const char *name;                /* of the row: the image's or the video's; the caller's, as is the next */
    const char *stem;                /* of its files' names */
    struct output_identity identity; /* of an image's file; owned */

    int64_t number;        /* of a frame, from 1; 0: an image */
    double time, duration; /* seconds; how long it is shown */
    char *source_name;     /* of an image in a folder that is a video, owned; NULL: of a video's frame */
    int64_t source_number; /* of it among the folder's images, from 1 */

    struct output_object *objects; /* [count], rising ids; owned */
    size_t count;
    size_t dropped; /* detections that were empty after clipping */

    bool sole;         /* nobody but the one part of work needs the pixels, which may be drawn into */
    struct string row; /* what results.jsonl gets */
};

/* Frees what the frame holds and empties it. */
void output_frame_free(struct output_frame *frame);

/* Frees the pixels alone; the size stays. */
void output_frame_free_image(struct output_frame *frame);

/* Frees what an object holds. */
void output_object_free(struct output_object *object);
/* Frees the objects and what they hold; NULL is fine. */
void output_objects_free(struct output_object *objects, size_t count);
/* Copies of what is known of them, without what was written. Errors: MEMORY. */
int output_objects_copy(const struct output_object *objects, size_t count, struct output_object **out);

/* The box that rows and pictures show [4]: that which was given, else that around the mask; NULL: there is neither. */
const float *output_object_box(const struct output_object *object);

#endif
