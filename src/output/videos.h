/* The video files of a video's outputs: other sinks give them pictures. */
#ifndef OUTPUT_VIDEOS_H
#define OUTPUT_VIDEOS_H

#include "output/frame.h"
#include "output/names.h"

#include <stdbool.h>

struct output_videos;

/* `object` NULL: the video of all objects. Crops have no video, nor have objects that came when there were enough, or
 * that have ended. */

/* For sink_kind.list: the object gets its videos if there is room, and names that come with this frame are appended.
 * Errors: MEMORY. */
int output_videos_list(struct output_videos *videos, enum names_kind kind, const struct output_object *object,
                       const struct output_frame *frame, struct string_list *files);

/* For sink_kind.write: whether there is a video, and a picture for it, 1 channel of a mask, 3 of an overlay. Errors:
 * IO, MEMORY. */
bool output_videos_has(struct output_videos *videos, enum names_kind kind, const struct output_object *object);
int output_videos_add(struct output_videos *videos, enum names_kind kind, const struct output_object *object,
                      const struct output_frame *frame, const uint8_t *pixels);

#endif
