/* A folder of pictures and a run of the pipeline over it, with the fake detector. Every function asserts that it
 * worked. */
#ifndef TESTS_PIPELINE_RUN_CASE_H
#define TESTS_PIPELINE_RUN_CASE_H

#include "pipeline/detect_images.h"

#include <jansson.h>

/* "cat" and "dog". */
extern const char *const run_prompts[2];

enum { RUN_DEVICES = 4 };

/* A folder with photos/ and the options of a run over it into out/put/. */
struct run_case {
    char *folder, *photos, *output;
    const char *input;                 /* what the job gives: photos/ at first */
    const sowlv2_segmenter *segmenter; /* NULL: boxes only */
    size_t devices;                    /* 1 at first; up to RUN_DEVICES */
    struct sowlv2_run_options job;     /* and what it points to */
    struct sowlv2_detect_options detect;
    struct sowlv2_segment_options segment;
    struct detect_images_options options; /* of the job; process() fills in the inputs and the claim */
    struct detect_images_report report;
    json_t *rows[128];
    size_t row_count;
};

/* What the library said since open_case(). */
struct run_messages {
    size_t warnings, notices;
    char last_warning[512];
};

extern struct run_messages messages;

struct run_case *open_case(void);
void close_case(struct run_case *run);

/* Writes photos/NAME, a grey picture. */
void add_picture(const struct run_case *run, const char *name, int width, int height);

/* 1.png, 2.png, ... of widths 11, 12, ... */
void add_pictures(const struct run_case *run, int count);

/* Lists the inputs, claims the output folder, and runs it. */
int process_images(struct run_case *run, struct detect_images_report *report);

/* The same, and reads the rows. */
int process(struct run_case *run);

const char *row_name(const struct run_case *run, size_t index);

#endif
