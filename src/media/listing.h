/* Which images an --input means. */
#ifndef MEDIA_LISTING_H
#define MEDIA_LISTING_H

#include "base/strings.h"

#include <stdbool.h>

/* Whether the name ends in .jpg .jpeg .png .bmp .tif .tiff (any case). */
bool listing_is_image_name(const char *name);
/* Whether the name ends in .mp4 .avi .mov .mkv (any case). */
bool listing_is_video_name(const char *name);

/* Order of file names as people count: digit runs by value ("img2" before "img10"), the rest by
 * bytes; ties (leading zeros) by bytes, so that the order is total. */
int listing_compare(const char *a, const char *b);

/* The image files directly in `folder`, hidden ones left out, as names below it in natural order.
 * Errors: IO. An empty list is no error. */
int listing_folder(const char *folder, struct string_list *names);

#endif
