/* Special and added tokens on their way from the files to struct special_tokens: what each file says. */
#ifndef TEXT_SPECIAL_FILES_H
#define TEXT_SPECIAL_FILES_H

#include "text/added_tokens.h"
#include "text/tokenizer_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPECIAL_START,
    SPECIAL_END,
    SPECIAL_UNKNOWN,
    SPECIAL_SEPARATOR,
    SPECIAL_PAD,
    SPECIAL_CLASS,
    SPECIAL_MASK,
    SPECIAL_COUNT
};

/* "bos_token", ... by the numbers above. */
extern const char *const special_names[SPECIAL_COUNT];

/* A token as a file describes it. The default of `token.normalized` hangs on what makes it special. */
struct special_description {
    struct added_token token; /* content NULL: no such token */
    bool normalized_given;
    bool plain; /* a mere string, not an object with flags */
};

struct special_listed {
    int64_t id;
    size_t order; /* place among those that were read */
    struct special_description description;
};

/* A token under a name of the model's own: "image_token", ... */
struct special_extra {
    const char *key;
    struct special_description description;
};

/* Start from {0}, or from names that the files may override. The strings are the files'; the arrays are
 * owned: special_reading_free(). */
struct special_reading {
    struct special_description named[SPECIAL_COUNT];
    struct special_extra *extra;
    size_t extra_count, extra_capacity;
    struct special_listed *listed; /* the added tokens, by id */
    size_t listed_count, listed_capacity;
};

/* Reads the named tokens, the extra ones, and the list. Errors: FORMAT (names the file and the field), MEMORY. */
int special_files_read(const struct tokenizer_files *files, struct special_reading *reading);

void special_reading_free(struct special_reading *reading);

/* A string, or an object with "content" and flags. `field` is what messages call it. Errors: FORMAT. */
int special_describe(const char *file, const char *field, const json_t *value, struct special_description *out);

/* Reads the true or false at `key`, leaving `*flag` where there is none. Errors: FORMAT. */
int special_flag(const char *file, const json_t *object, const char *key, bool *flag);

#endif
