/* Rows of results.jsonl for the frames of a video. */
#ifndef OUTPUT_RESULTS_VIDEO_H
#define OUTPUT_RESULTS_VIDEO_H

#include "base/strings.h"
#include "sowlv2.h"

/* An object on one frame. */
struct results_track {
    int64_t id;
    const char *prompt;             /* bare; NULL: it has neither prompt nor score */
    float score;                    /* the detector's */
    float objectness;               /* likewise; not over 0: left out */
    const struct sowlv2_mask *mask; /* area, box, scores; a score that is not a number is left out */
    bool lost, interpolated;
    const char *file; /* of its mask, below the output folder; NULL: none */
    const char *rle;  /* COCO's compressed counts; NULL: left out */
};

struct results_video_frame {
    const char *name;        /* of the video: the path below the input */
    int64_t number;          /* from 1 */
    double time;             /* seconds */
    const char *source_name; /* of the image that is the frame, below its folder, and */
    int64_t source_number;   /* which of the folder's images it is, from 1; NULL: neither is written */
    int width, height;
    const struct results_track *objects;
    size_t count;
    const char *job; /* as in struct results_image */
};

/* Appends the row of a frame, newline included, to `row`; `row->failed` says that memory ran out. */
void results_video_row(const struct results_video_frame *frame, struct string *row);

#endif
