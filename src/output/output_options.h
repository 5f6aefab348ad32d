/* What a job leaves: the caller's choice, for images and videos alike, and what follows from each input. */
#ifndef OUTPUT_OUTPUT_OPTIONS_H
#define OUTPUT_OUTPUT_OPTIONS_H

#include "sowlv2_run.h"

struct sink_kind;

struct output_options {
    const struct sowlv2_run_options *job; /* whole: nothing that it points to is left out */

    bool pictures;            /* a PNG an image or frame */
    const char *audio_source; /* whose sound overlay videos get; NULL: none */
    double audio_origin;
    bool lacks_sound; /* none, though there is some and it was wanted */

    const struct sink_kind *const *more; /* [more_count]: sinks of the caller's own, beside those of the table */
    size_t more_count;
    void *more_data; /* for them */
};

/* Whether videos get overlay videos with the sound that they have. */
static inline bool output_wants_sound(const struct sowlv2_run_options *job)
{
    return job->audio && job->films && job->overlays;
}

#endif
