/* The images and videos that the values of --input mean: their paths, the names rows give them, the stems of their
 * files. */
#ifndef PIPELINE_INPUTS_H
#define PIPELINE_INPUTS_H

#include "base/strings.h"
#include "media/image.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct output_claim;
struct output_identity;
struct sowlv2_image_list;

struct inputs_options {
    const char *const *given; /* files, folders, patterns as of a shell, addresses, "-" for standard input */
    size_t count;
    bool recursive;     /* folders in folders too */
    const char *output; /* a folder that is left out; may be NULL */

    bool videos;                  /* take videos too: else one that is given is refused */
    bool as_video;                /* folders of images are videos, and all but images that do not move */
    const char *const *as_videos; /* [as_video_count] given as videos, whatever they look like; may be NULL */
    size_t as_video_count;
};

struct inputs {
    struct string_list names; /* below the input; the file's own name where the input is one file; distinct, UTF-8 */
    struct string_list paths; /* to open them; "-": standard input */
    struct string_list stems; /* of output files; distinct; from inputs_name_files() */

    struct string_list video_names, video_paths; /* the same of the videos; cameras and folders of images too */

    const struct sowlv2_image_list *memory;   /* images of the caller's, which paths name by their place; may be NULL */
    const volatile sig_atomic_t *interrupted; /* ends the wait for an address; may be NULL */
};

/* Adds image `index` of `memory`. Errors: ARGUMENT (no name, or one that is not UTF-8), MEMORY. */
int inputs_add_memory(struct inputs *inputs, size_t index);
/* Whether a path of the list stands for an image of `memory`, which nothing tells from another one later on. */
bool inputs_is_memory(const char *path);
/* output_identity_of() a path of the list. */
int inputs_identify(const char *path, struct output_identity *out);

/* Lists what was given, in the order given, folders in natural order, each file once, however it is spelled. `*out`
 * starts empty and is freed by the caller, also after an error. Where several were given, one that is no good (missing,
 * empty, ...) is kept as an image that inputs_read_image() then refuses, so that the others are done. What of a folder
 * is left out is named in one notice. Results of the tool are left out, with a notice: the list may be empty. Errors:
 * IO (nothing there, unreadable), ARGUMENT (a folder without images and videos, neither file nor folder), UNSUPPORTED
 * (a video where none is wanted), MEMORY. */
int inputs_list(const struct inputs_options *options, struct inputs *out);

/* Reads the image at `index`; of `memory`, a copy. One call at a time where there is a `memory`. Errors: as image_read,
 * and as inputs_list for what it kept. */
int inputs_read_image(const struct inputs *inputs, size_t index, const struct image_options *options,
                      struct image *out);

/* Gives each input its stem, none that is among `reserved` (NULL: none), with a notice for each that is changed.
 * Errors: MEMORY. */
int inputs_name_files(struct inputs *inputs, const struct string_list *reserved);

/* Takes out the inputs that an output folder, whose earlier results are loaded, has already; returns how many. Of the
 * others those whose name stays another file's are named by their whole paths; one that has changed since is said.
 * Errors: MEMORY. */
int64_t inputs_take_out_done(struct inputs *inputs, struct output_claim *claim);

void inputs_free(struct inputs *inputs);

#endif
