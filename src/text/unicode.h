/* Unicode as the pinned reference knows it. The system's utf8proc and PCRE2 know another version of
 * Unicode; what they would answer differently is listed here, character by character. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unicode_class {
    UNICODE_AS_LIBRARY, /* what PCRE2 says is right */
    UNICODE_LETTER,
    UNICODE_NUMBER,
    UNICODE_OTHER
};

/* Reads one character of the `size` (> 0) bytes at `text`, valid UTF-8 or not, into `*codepoint` and
 * returns how many bytes it takes, at least 1. What is not UTF-8 is U+FFFD: one for each longest piece
 * that begins like a character, as the Unicode standard recommends (3.9, U+FFFD substitution). */
size_t unicode_read(const char *text, size_t size, int32_t *codepoint);

/* Property White_Space, which is the reference's \s. */
bool unicode_is_space(int32_t codepoint);

/* \w of the reference's matcher of added tokens. */
bool unicode_is_word(int32_t codepoint);

/* Full lower-casing without context: writes one or two characters, returns how many. */
size_t unicode_lower(int32_t codepoint, int32_t out[2]);

/* Whether the reference's normaliser, of Unicode 9, does not know this combining mark or composed
 * character: it then stands for itself and keeps its neighbours apart. */
bool unicode_is_inert(int32_t codepoint);

/* The class that the reference's pattern sees where PCRE2 (from Unicode 13 on) may see another. */
enum unicode_class unicode_class(int32_t codepoint);

#endif
