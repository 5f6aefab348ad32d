/* The parts of the table of flags, one file each, in the order of the help. */
#ifndef CLI_OPTION_TABLES_H
#define CLI_OPTION_TABLES_H

#include "cli/options.h"

/* Where a value goes: to be written as .offset = AT(field). */
#define AT(field) offsetof(struct settings, field), .size = sizeof(((struct settings *)0)->field)

/* Limits that no real use reaches, so that sizes computed from them cannot overflow. */
#define MOST_THREADS 1024
#define MOST_BATCH 256
#define MOST_IO_THREADS 256
#define MOST_FRAMES 1000000
#define MOST_CLIP 4096
#define MOST_PIXELS 1000000000

extern const struct option_spec options_images[], options_video[], options_frames[], options_common[];
extern const size_t options_images_count, options_video_count, options_frames_count, options_common_count;

#endif
