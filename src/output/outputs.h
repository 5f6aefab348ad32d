/* All sinks of a run, driven as sink.h promises them. */
#ifndef OUTPUT_OUTPUTS_H
#define OUTPUT_OUTPUTS_H

#include "output/sink.h"

struct outputs;

/* Opens the sinks that the context wants; it is copied. Errors: MEMORY, and what the sinks give. */
int outputs_open(const struct sink_context *context, struct outputs **out);

/* Makes the output folder ready for the first file: what an earlier run left there goes, unless it is gone on with.
 * Again, it does nothing. Errors: IO, ARGUMENT, FORMAT, MEMORY. */
int outputs_begin(struct outputs *outputs);

/* In order, before the parts of a frame: begins, and puts the files that it may get into the journal. Errors: as
 * outputs_begin(); the run cannot go on. */
int outputs_announce(struct outputs *outputs, struct output_frame *frame);

/* How many parts of work the frame is, those that take longest first. */
size_t outputs_parts(const struct outputs *outputs, const struct output_frame *frame);

/* Does one part. Any thread, each part once. */
int outputs_write(struct outputs *outputs, struct output_frame *frame, size_t part, struct sink_scratch *scratch);

/* Once all parts are done. Any thread. */
int outputs_complete(struct outputs *outputs, struct output_frame *frame);

/* In order: the frame is done, and its row is written. */
int outputs_frame(struct outputs *outputs, const struct output_frame *frame);

/* Whether outputs_frame() needs the frame's pixels. */
bool outputs_need_pixels(const struct outputs *outputs);

/* An object had its last frame. Every sink is told, the first error given. */
int outputs_end_object(struct outputs *outputs, int64_t id);

/* Closes the sinks, frees all, clears the pointer; NULL inside is fine. Gives the first error. */
int outputs_close(struct outputs **outputs);

#endif
