/* Lines of the journal of an output folder: fields of any bytes, separated by tabs. In order they are
 *
 *   sowlv2-journal VERSION
 *   option NAME VALUE                                 what the run was asked for, a line a value
 *   image NAME PATH SIZE TIME STEM FILE...            an image that is about to be written
 *   video NAME PATH SIZE TIME                         the video that is about to be written
 *   files FILE...                                     more files of it that are about to be written
 *   finished ROWS [lacks-sound]                       all of the video is there, but for the sound of its films
 *   replaces FILE...                                  what was made beside an earlier run's results takes their place
 *
 * FILE is below the output folder; PATH, SIZE and TIME are those of struct output_identity. A line is written before
 * the files that it names are made: what a run that was killed left is known. */
#ifndef OUTPUT_JOURNAL_H
#define OUTPUT_JOURNAL_H

#include "base/strings.h"
#include "output/identity.h"

#include <stdio.h>

#define JOURNAL_VERSION "1"
#define JOURNAL_LACKS_SOUND "lacks-sound"

/* Appends a field to a line that is being made: begin with an empty one, end with journal_end(). */
void journal_field(struct string *line, const char *text);
void journal_number(struct string *line, int64_t number);
/* Name, path, size and time. */
void journal_input(struct string *line, const char *name, const struct output_identity *identity);
void journal_end(struct string *line);

/* A line that was read. */
struct journal_line {
    char *text; /* the fields, each with its end */
    size_t capacity;
    const char **fields;
    size_t count, field_capacity;
    size_t number; /* of the line, from 1 */
};

/* Reads the next whole line; returns 1, or 0 at the end, where a last line without its own end counts for nothing.
 * Errors: IO, FORMAT (an escape that is none), MEMORY; `path` is what messages call the file. */
int journal_next(FILE *stream, const char *path, struct journal_line *line);
void journal_line_free(struct journal_line *line);

/* The number in a field; false: it is none. */
bool journal_parse_number(const char *field, int64_t *out);

/* The name and the identity in the fields of an image's or video's line; the identity's path belongs to the line.
 * False: it has none. */
bool journal_parse_input(const struct journal_line *line, const char **name, struct output_identity *identity);

#endif
