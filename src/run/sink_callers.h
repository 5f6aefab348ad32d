/* The caller's own sinks. */
#ifndef RUN_SINK_CALLERS_H
#define RUN_SINK_CALLERS_H

#include "output/sink.h"
#include "run/run.h"

/* For output_options.more, the run being its `more_data`. */
extern const struct sink_kind sink_callers;

/* A video is through. Gives the first error of a sink. */
int run_end_input(struct sowlv2_run *run, const char *input, bool whole);

#endif
