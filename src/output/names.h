/* File names of the output folder: slugs of prompts, stems of inputs, and the paths made of them. */
#ifndef OUTPUT_NAMES_H
#define OUTPUT_NAMES_H

#include "base/strings.h"

#include <stddef.h>
#include <stdint.h>

enum {
    NAMES_SLUG_BYTES = 60,  /* a slug's size before "~2" */
    NAMES_STEM_BYTES = 120, /* longer stems are cut, so that every name fits a file system's 255 bytes */
};

/* One slug a prompt, appended to `slugs` in order: letters (with their combining marks), digits, '-' and
 * '_' of any script are kept, each other character becomes '_', at most NAMES_SLUG_BYTES of whole
 * characters. Different prompts that come out alike get "~2", "~3" in order. Errors: MEMORY. */
int names_slugs(const char *const *prompts, size_t count, struct string_list *slugs);

/* One stem an input, appended to `stems` in order: the base name without its last suffix, made unique among all, and
 * among `reserved` (NULL: none), by "~2", "~3"; each such change gives a notice. Errors: MEMORY. */
int names_stems(const char *const *inputs, size_t count, const struct string_list *reserved, struct string_list *stems);

/* The same for the folders of videos in an output folder, which stay in it and apart from its own files: "." at the
 * beginning becomes "_", "binary" and its like are reserved too. */
int names_folders(const char *const *inputs, size_t count, const struct string_list *taken,
                  struct string_list *folders);

/* The pictures of one image or frame. */
enum names_kind {
    NAMES_OBJECT_MASK,    /* binary/frames/STEM_objN_SLUG_mask.png */
    NAMES_MERGED_MASK,    /* binary/merged/STEM_merged_mask.png */
    NAMES_OBJECT_OVERLAY, /* overlay/frames/STEM_objN_SLUG_overlay.png */
    NAMES_MERGED_OVERLAY, /* overlay/merged/STEM_merged_overlay.png */
    NAMES_OBJECT_CROP,    /* crops/STEM_objN_SLUG_crop.png */
};

/* The folder of a kind, below the output folder. Static storage. */
const char *names_folder(enum names_kind kind);

/* The path below the output folder, freed by the caller; NULL: out of memory. `object` (from 1) and
 * `slug` (NULL: objects without a prompt, whose names lack that part) matter only to the OBJECT kinds. */
char *names_path(enum names_kind kind, const char *stem, size_t object, const char *slug);

/* The folder of a kind's videos, below the output folder: "video/binary" or "video/overlay"; crops have none (NULL).
 * Static storage. */
const char *names_video_folder(enum names_kind kind);

/* The path of a kind's video, as names_path, without a stem: video/binary/objN_SLUG_mask.mp4,
 * video/overlay/merged_overlay.mp4. `suffix` begins with the dot. Not for crops. */
char *names_video_path(enum names_kind kind, int64_t object, const char *slug, const char *suffix);

#endif
