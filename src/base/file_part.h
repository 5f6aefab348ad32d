/* The end of a file, in memory of our own: addresses for all of it, content only for what was read. A file that is
 * mapped ends the process where it shrinks or its disk fails; here both are errors, and what was read stays. */
#ifndef BASE_FILE_PART_H
#define BASE_FILE_PART_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct file_part {
    char *path; /* NULL: not open */
    int descriptor;
    size_t file_size;
    struct timespec modified; /* with the size: what tells that the file was changed */
    size_t begin;             /* of the part in the file */
    const uint8_t *data;      /* its addresses; readable where file_part_read was */
    size_t size;
};

/* Opens a regular file. Errors: IO (names the path), MEMORY. */
int file_part_open(const char *path, struct file_part *out);
void file_part_close(struct file_part *part);

/* Reads [offset, offset+bytes) of the file to `to`. Errors: IO (also where the file has become shorter). */
int file_part_copy(const struct file_part *part, size_t offset, void *to, size_t bytes);

/* Lets the part begin at `begin`, inside the file, and end with it; once. Errors: MEMORY. */
int file_part_begin(struct file_part *part, size_t begin);

/* Reads [data, data+bytes), which are addresses of the part. Errors: IO, MEMORY. */
int file_part_read(const struct file_part *part, const void *data, size_t bytes);
/* Forgets it: its whole pages take no memory any more and must be read again before they are used. */
void file_part_forget(const struct file_part *part, const void *data, size_t bytes);

/* Whether the file is still as it was opened. Errors: IO. */
int file_part_check(const struct file_part *part);

#endif
