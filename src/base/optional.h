/* Libraries that a build may leave to be found when they are first needed, so that a program starts where they are not
 * installed. Others are linked as usual, and are there. */
#ifndef BASE_OPTIONAL_H
#define BASE_OPTIONAL_H

/* 0, or SOWLV2_ERROR_UNSUPPORTED and a sentence: `name` needs the library, which is not there. `library` is "ffmpeg",
 * "heif", "avif" or "pango". */
int optional_need(const char *library, const char *name);

/* The file that is missing; NULL: the library is there. */
const char *optional_missing(const char *library);

/* Where a build leaves libraries to be found later: what says so. */
const char *sowlv2_lazy_missing(const char *library) __attribute__((weak));

#endif
