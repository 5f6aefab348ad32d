/* What the parts of a job share. */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include "output/claim.h"
#include "output/output_options.h"
#include "pipeline/inputs.h"
#include "run/places.h"
#include "sowlv2_run.h"

#include <pthread.h>
#include <stdatomic.h>

struct sowlv2_run {
    struct sowlv2_run_options options;   /* as given; what was left out is filled in */
    struct sowlv2_detect_options detect; /* what `options` point to, and so the next two */
    struct sowlv2_segment_options segment;
    struct sowlv2_track_options track;
    struct sowlv2_sink *sinks; /* [options.sink_count] */
    struct inputs inputs;
    struct string_list job;
    struct output_claim *claim;    /* NULL: not taken yet */
    struct run_place *places;      /* [inputs.video_paths.count] */
    volatile sig_atomic_t stopped; /* where the caller has no flag of his own */
    bool started;
    pthread_mutex_t telling;  /* held while the caller hears of progress and of parts */
    pthread_mutex_t giving;   /* held while a sink of the caller's is called; guards: */
    int sink_status;          /* the error of such a sink, which ends the run */
    atomic_bool prompts_told; /* that something is wrong with the prompts: once a run, however often it encodes them */
    struct isolation *isolation; /* decodes; NULL: this process does */
};

/* Whether a video is that which the caller gives frame by frame. */
bool run_is_stream(const struct sowlv2_run *run, size_t video);

bool run_is_stopped(const struct sowlv2_run *run);

/* The error of a sink of the caller's; 0: none so far. */
int run_sink_status(struct sowlv2_run *run);

/* Tells the caller how far it is; stops the run where that says so. */
void run_tell_progress(struct sowlv2_run *run, const char *input, const char *activity, size_t done, size_t total);

/* Tells the caller that a part is through, and counts it. */
void run_end_part(struct sowlv2_run *run, const struct sowlv2_run_part *part, struct sowlv2_run_report *report);

/* The caller's sinks. */
struct output_options run_output_options(struct sowlv2_run *run);

/* All images: what became of them is in the report, and the error of a sink in `sink_status`. */
void run_images(struct sowlv2_run *run, const struct sowlv2_run_models *models, size_t count,
                struct sowlv2_run_report *report);

/* One video after the other on each device, each into its place, those that are done already passed over; likewise. */
void run_videos(struct sowlv2_run *run, const struct sowlv2_run_models *models, size_t count,
                struct sowlv2_run_report *report);

/* What results depend on, in pairs of name and value, from the options; those of the caller where he has his own.
 * Errors: MEMORY. */
int run_describe_job(const struct sowlv2_run *run, struct string_list *job);

/* The options whole, so that all that work for the job read it in them alone: of this version's size, with what was
 * left out, `marks` NULL where there are none, `detect`, `segment` and `track` as the job needs them. Errors: ARGUMENT.
 */
int run_take_options(const struct sowlv2_run_options *given, struct sowlv2_run *run);

#endif
