/* Which images and videos an --input means. */
#ifndef MEDIA_LISTING_H
#define MEDIA_LISTING_H

#include "base/strings.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends the suffixes of images, for messages: ".jpg .jpeg ...". */
void listing_append_suffixes(struct string *text);

/* Whether the name ends in one of them (any case). */
bool listing_is_image_name(const char *name);
/* Whether the name ends as those of videos do (any case): .mp4, .avi and so on. */
bool listing_is_video_name(const char *name);

/* Order of file names as people count: digit runs by value ("img2" before "img10"), the rest by
 * bytes; ties (leading zeros) by bytes, so that the order is total. */
int listing_compare(const char *a, const char *b);
/* The same of two elements of a string_list, for qsort. */
int listing_compare_items(const void *a, const void *b);

enum listing_kind { LISTING_OTHER, LISTING_IMAGE, LISTING_VIDEO };

/* Bytes of a file's beginning that tell what it is. */
enum { LISTING_HEAD = 512 };

/* What a file is that somebody named ("" where it has no name), by how it begins and by its name. Never OTHER: what is
 * no image is a video to be tried, but for what is known to be neither (text, an archive, nothing at all), which
 * reading it as an image reports. */
enum listing_kind listing_kind_of(const char *name, const uint8_t *head, size_t size);
/* The same of a regular file; IMAGE where it cannot be read. */
enum listing_kind listing_kind_of_file(const char *path);
/* What a regular file is that merely lies in a folder. OTHER, to be left out: its suffix is neither an image's nor a
 * video's, and it does not begin as a video does, nor, having no suffix at all, as an image; .ts is TypeScript too. */
enum listing_kind listing_kind_in_folder(const char *path);

/* Whether a file of images holds one that does not move: a GIF, an APNG, an animated WebP are videos where that is
 * asked for. */
bool listing_is_still(const char *path);

/* The image files directly in `folder` by their suffixes, hidden ones left out, as names below it in natural order.
 * Errors: IO. An empty list is no error. */
int listing_folder(const char *folder, struct string_list *names);

struct listing_options {
    bool recursive;        /* the folders in it too */
    const char *leave_out; /* a folder that is not gone into (the run's output), or NULL; it may be missing, and where
                              it is the one listed only the results in it are left out */
    size_t most;           /* files and folders to be looked at; 0: all */
    bool any;              /* the first image or video is enough */
};

struct listing {
    struct string_list images, videos; /* below the folder, in natural order */
    size_t files, folders;             /* left out: neither images nor videos; not gone into */
    struct string_list some;           /* names of the first few that were left out */
    bool cut;                          /* `most` were looked at, and there is more */
};

/* What is in a folder, hidden files and folders left out without being counted. Links to folders are followed, but no
 * folder is gone through twice, so that loops end; the kernel's own file systems are not gone into, nor are results of
 * the tool, which are not counted. A folder inside that cannot be opened is among the images, whose reading reports it.
 * `out` is freed by the caller, also after an error. Errors: IO, MEMORY. */
int listing_walk(const char *folder, const struct listing_options *options, struct listing *out);
void listing_free(struct listing *listing);

/* The folder itself and all in it, as listing_walk goes through them: paths that begin with `folder`. Errors: IO,
 * MEMORY. */
int listing_folders(const char *folder, const char *leave_out, struct string_list *paths);

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
