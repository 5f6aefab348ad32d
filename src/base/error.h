/* Errors of the library: a negative enum sowlv2_status and one line of text per thread. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "sowlv2.h"

/* Sets this thread's message ("what: why: what to do", no newline) and returns `status`, so that
 * `return error_set(SOWLV2_ERROR_IO, "%s: %s", path, why);` reports and fails in one line. Control
 * characters in what is formatted are shown as '?', so that a hostile file name stays one line, and passwords and
 * signatures of web addresses are hidden. */
__attribute__((format(printf, 2, 3))) int error_set(int status, const char *format, ...);

/* Puts "prefix: " before this thread's message and returns `status` unchanged. */
__attribute__((format(printf, 2, 3))) int error_prefix(int status, const char *format, ...);

/* Sets the out-of-memory message and returns SOWLV2_ERROR_MEMORY. `what` names the thing wanted. */
int error_memory(const char *what);

#ifdef __clang_analyzer__ /* It sees one file at a time and has to be told that these never return 0. */
#define error_set(status, ...) (error_set(status, __VA_ARGS__), (status))
#define error_memory(what) (error_memory(what), SOWLV2_ERROR_MEMORY)
#endif

/* This thread's message; never NULL. */
const char *error_message(void);

#endif
