/* JSON values as text, appended to a growing string: numbers of the fewest digits, strings of any bytes. */
#ifndef OUTPUT_JSON_TEXT_H
#define OUTPUT_JSON_TEXT_H

#include "base/strings.h"

/* Appends `value` with the fewest digits that read back as the same float32, always with a point or an
 * exponent, independent of the locale; "null" for NaN and infinities, which JSON does not have. */
void json_append_float(struct string *string, float value);

/* Appends seconds to the microsecond, without needless zeros but always with a point, independent of the locale;
 * "null" for NaN, infinities and what is beyond 1e12. */
void json_append_seconds(struct string *string, double seconds);

/* Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_append_string(struct string *string, const char *text);

/* Appends the end of a row whose list of objects is open, with its job (NULL: left out). */
void json_append_row_end(struct string *string, const char *job);

#endif
