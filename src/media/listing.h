/* Which images an --input means. */
#ifndef MEDIA_LISTING_H
#define MEDIA_LISTING_H

#include "base/strings.h"

#include <stdbool.h>

/* The suffixes of images, for messages: ".jpg .jpeg ...". Static storage. */
#define LISTING_IMAGE_SUFFIXES ".jpg .jpeg .jpe .jfif .png .bmp .dib .tif .tiff .webp .gif .avif .heic .heif"

/* Whether the name ends in one of LISTING_IMAGE_SUFFIXES (any case). */
bool listing_is_image_name(const char *name);
/* Whether the name ends in .mp4 .avi .mov .mkv (any case). */
bool listing_is_video_name(const char *name);

/* Order of file names as people count: digit runs by value ("img2" before "img10"), the rest by
 * bytes; ties (leading zeros) by bytes, so that the order is total. */
int listing_compare(const char *a, const char *b);

/* The image files directly in `folder`, hidden ones left out, as names below it in natural order.
 * Errors: IO. An empty list is no error. */
int listing_folder(const char *folder, struct string_list *names);

/* The same of `folder` and all folders in it, hidden ones left out. Links to folders are followed, but no
 * folder is gone through twice, so that loops end. A folder inside that cannot be opened is a name of the
 * list itself. `leave_out` is a folder that is not gone into (the run's output), or NULL; it may be missing,
 * and where it is `folder` itself only the results in it are left out. The results in other outputs are left out too,
 * with a notice. Errors: IO, MEMORY. */
int listing_tree(const char *folder, const char *leave_out, struct string_list *names);

/* ---- results of the tool, which it does not take as input ---- */

/* What is kept in an output folder beside the results; with its journal it is the mark of one. */
#define LISTING_MARK ".sowlv2"

/* The folders of an output that hold its pictures and videos and nothing else; NULL behind the last. */
extern const char *const listing_result_folders[];

/* Whether results were written into the folder. */
bool listing_is_output(const char *folder);
/* Whether the path is the results.jsonl, a folder of results, or something in one, of an output folder. */
bool listing_is_result(const char *path);
/* Whether the folder is an output, or one in it that is there for folders of results ("binary"). Pictures that lie
 * right in it are no results. */
bool listing_holds_results(const char *folder);

#endif
