/* A sink: one kind of output, for images and videos alike. It gets frames with their objects and writes.
 *
 * A new output format is a file with a `struct sink_kind` and its line in the list of outputs.c.
 *
 * Of each frame, in input or time order: list() for every part, by one thread. Then, while frames before and, of
 * images, after it may be at the same stage: write() once for every part, by any threads, until one fails; once all
 * parts of all sinks are done, complete(). Then in input or time order again, one frame at a time: frame(). A frame of
 * which anything failed gets no complete() and no frame(). Functions may be NULL. They give 0 or a negative status with
 * an error set. */
#ifndef OUTPUT_SINK_H
#define OUTPUT_SINK_H

#include "output/claim.h"
#include "output/frame.h"
#include "output/output_options.h"

#include <stdatomic.h>

struct output_videos;
struct pool;

/* How many files were finished. */
struct sink_counts {
    atomic_int_fast64_t pictures, videos;
};

/* What a run tells its sinks; what pointers lead to outlives them. */
struct sink_context {
    struct output_claim *claim; /* NULL: no files are wanted, the sinks of the options alone are opened */
    const char *folder;         /* the claim's */
    struct output_options options;
    bool masks; /* objects have masks */

    /* Of a video; NULL and zeros for images. */
    const char *video; /* what its rows call it */
    const struct output_identity *identity;
    int width, height; /* of every frame */
    double frame_rate; /* a hint; 0: unknown */
    struct pool *pool; /* threads for work at the end */

    struct sink_counts *counts; /* NULL: nobody wants to know */

    /* The outputs' own. */
    struct string_list slugs;     /* of the prompts, for file names */
    struct output_videos *videos; /* where they are wanted: see videos.h */
};

/* One thread's memory that parts of work use one after another. Starts from {0}. */
struct sink_scratch {
    uint8_t *pixels;
    size_t size;
};

/* At least `size` bytes; NULL with an error set: out of memory. */
uint8_t *sink_scratch_get(struct sink_scratch *scratch, size_t size);
void sink_scratch_free(struct sink_scratch *scratch);

struct sink_kind {
    const char *name;
    bool needs_pixels; /* frame() looks at the pixels; where no sink's does, they are gone by then */

    bool (*wanted)(const struct sink_context *context);

    /* The context stays where it is. `*state` is given to close() if this worked. */
    int (*open)(struct sink_context *context, void **state);

    /* Before the first frame: the output folder is ready, folders in it may be made. Not where no frame comes. */
    int (*begin)(void *state);

    /* Pieces of work that different threads may do; the same number until frame(). */
    size_t (*parts)(const void *state, const struct output_frame *frame);

    /* Appends the files that the part may write, below the output folder, for the journal. */
    int (*list)(void *state, const struct output_frame *frame, size_t part, struct string_list *files);

    /* Does the work. Of the frame it changes nothing but what is written down for its own object. */
    int (*write)(void *state, struct output_frame *frame, size_t part, struct sink_scratch *scratch);

    int (*complete)(void *state, struct output_frame *frame);

    int (*frame)(void *state, const struct output_frame *frame);

    /* An object of a video had its last frame; it may come again all the same. Also after an error. */
    int (*end_object)(void *state, int64_t id);

    /* Finishes what is begun and frees all, also after an error. */
    int (*close)(void *state);
};

/* The bare text and the slug of a prompt by its index; NULL for -1. */
const char *sink_prompt(const struct sink_context *context, int prompt);
const char *sink_slug(const struct sink_context *context, int prompt);

#endif
