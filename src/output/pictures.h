/* What sinks of pictures share: one picture of all objects of a frame, and one of each object. A picture is a PNG, a
 * picture of a video, or both, drawn once. */
#ifndef OUTPUT_PICTURES_H
#define OUTPUT_PICTURES_H

#include "output/names.h"
#include "output/sink.h"

/* The state of such a sink. */
struct pictures {
    const struct sink_context *context;
    enum names_kind object, merged;
    bool has_objects, has_merged; /* which there are */
};

/* For sink_kind.open; freed by pictures_close(). Errors: MEMORY. */
int pictures_open(const struct sink_context *context, const struct pictures *wanted, void **state);

/* These fit into a struct sink_kind. Part 0 is the picture of all objects where there is one, then come the objects. */
int pictures_begin(void *state);
size_t pictures_parts(const void *state, const struct output_frame *frame);
int pictures_list(void *state, const struct output_frame *frame, size_t part, struct string_list *files);
int pictures_close(void *state);

/* What a part shows. */
struct picture {
    enum names_kind kind;
    size_t first, count;                /* the frame's objects that are in it */
    const struct output_object *object; /* which it is of alone; NULL: of all */
};

struct picture pictures_of(const struct pictures *pictures, const struct output_frame *frame, size_t part);

/* Whether it is a PNG or a video's picture: else it need not be drawn. */
bool pictures_wants(const struct pictures *pictures, const struct picture *picture);

/* Writes what was drawn, 1, 3 or 4 channels, as PNG and into its video. `*file`, where not NULL, receives the PNG's
 * name below the output folder. Errors: IO, MEMORY. */
int pictures_write(const struct pictures *pictures, const struct output_frame *frame, const struct picture *picture,
                   const struct image *drawn, int channels, char **file);

#endif
