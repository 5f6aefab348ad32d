/* Made-up tracked videos for the tests of their output. Every function asserts that it worked. */
#ifndef TESTS_PIPELINE_TRACK_CASE_H
#define TESTS_PIPELINE_TRACK_CASE_H

#include "pipeline/track_output.h"

#include <jansson.h>

/* The job of the options that track_case_options() gave last. */
extern struct sowlv2_run_options track_case_job;

/* All outputs on, H.264, one thread, prompts "cat" and "a red bicycle!". */
struct track_output_options track_case_options(const char *folder, int width, int height);

/* Frame `number` (from 1) at `time` with a moving pattern and no objects. */
struct output_frame track_case_frame(int width, int height, int64_t number, double time);

/* Adds object `id`, an ellipse that moves with the frame's number; empty where `lost`. */
void track_case_object(struct output_frame *frame, int64_t id, int prompt, bool lost);

/* The pixels [height][width], 255 or 0, of the objects `ids` together on that frame; freed by the caller. */
uint8_t *track_case_mask(int width, int height, int64_t number, const int64_t *ids, size_t count);

/* The rows of FOLDER/results.jsonl, an array; each checked to be one line of JSON, numbers and times rising. */
json_t *track_case_rows(const char *folder);

/* Asserts that FOLDER/NAME is there, or is not. */
void track_case_expect_file(const char *folder, const char *name, bool there);

#endif
