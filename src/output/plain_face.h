/* A face of our own, for when fonts cannot be had: ASCII in 5 x 9 dots. Letters with accents lose them; what it has no
 * picture of is a small box. Needs no memory, threads or files. */
#ifndef OUTPUT_PLAIN_FACE_H
#define OUTPUT_PLAIN_FACE_H

#include <stddef.h>
#include <stdint.h>

enum { PLAIN_LINE_MOST = 1024, PLAIN_DOTS_WIDE = 6, PLAIN_DOTS_HIGH = 9 }; /* with the gap between letters */

/* A line of text, as pictures of the face. */
struct plain_line {
    uint8_t pictures[PLAIN_LINE_MOST];
    size_t count;
};

/* From UTF-8, of which as much is taken as a line holds. */
void plain_line_set(struct plain_line *line, const char *text);

/* Makes it no longer than `most` letters, by three dots for its middle. */
void plain_line_fit(struct plain_line *line, size_t most);

/* Dots across that it takes. */
int plain_line_width(const struct plain_line *line);

/* Calls `dot` for each dot of ink, x from 0 to the width, y from 0 to PLAIN_DOTS_HIGH. */
void plain_line_draw(const struct plain_line *line, void (*dot)(void *user_data, int x, int y), void *user_data);

#endif
