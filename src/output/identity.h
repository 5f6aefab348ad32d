/* Which input results were made from: what tells, in a later run, the same file from another of its name. */
#ifndef OUTPUT_IDENTITY_H
#define OUTPUT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

/* Start from {0}. */
struct output_identity {
    char *path; /* absolute, owned; "url:HASH" of a URL; NULL: nothing tells (a pipe, a camera) */
    int64_t size,
        modified; /* bytes; nanoseconds since 1970; of a folder of images their sum and latest; -1: of a URL */
};

/* What an input is now. Errors: MEMORY. */
int output_identity_of(const char *source, struct output_identity *out);
void output_identity_free(struct output_identity *identity);

enum output_match {
    OUTPUT_OTHER,   /* another input */
    OUTPUT_CHANGED, /* the same one, but it has changed, or nothing tells whether it has */
    OUTPUT_SAME,
};

/* What an input that is called `name` now is to one that was called `old_name`. One that was moved is the same where
 * name, size and time are, and nothing is left where it was. */
enum output_match output_identity_compare(const struct output_identity *old, const char *old_name,
                                          const struct output_identity *now, const char *name);

#endif
