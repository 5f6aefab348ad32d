/* The reference's normaliser: NFC, each run of white space to one space, lower case. */
#ifndef TEXT_NORMALIZE_H
#define TEXT_NORMALIZE_H

#include "base/strings.h"

#include <stddef.h>

/* Appends `size` bytes of text to `out` as valid UTF-8: what is not UTF-8 becomes U+FFFD. Check
 * `out->failed` afterwards. */
void text_repair(const char *text, size_t size, struct string *out);

/* Appends the normalised form of `size` bytes of valid UTF-8 to `out`. Takes time in proportion to
 * `size`, whatever is in it. Errors: MEMORY. */
int text_normalize(const char *text, size_t size, struct string *out);

#endif
