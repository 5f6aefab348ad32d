/* Files: reading whole, writing so that a file appears complete or not at all. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Opens a regular file for reading; never waits on a pipe or a device. Errors: IO (names the path). */
int file_open_regular(const char *path, int *descriptor, size_t *size);

/* Reads a whole regular file of at most `limit` bytes; `*out` is NUL-terminated beyond `*size` and
 * freed by the caller. Errors: IO, FORMAT (over the limit), MEMORY. */
int file_read(const char *path, size_t limit, char **out, size_t *size);

/* Looks at what was read so far: FILE_HEAD bytes or all at first, then whenever it has doubled. Anything but 0 ends the
 * reading and is its result. May lower or raise `*limit`. */
enum { FILE_HEAD = 65536 };
typedef int (*file_check)(void *user_data, const char *data, size_t size, size_t *limit);

/* file_read with such a check. */
int file_read_checked(const char *path, size_t limit, file_check check, void *user_data, char **out, size_t *size);

/* Reads all that comes from an open descriptor, at most `limit` bytes, as file_read_checked; `name` is what messages
 * call it, `expected` how many bytes a file has (0: nobody knows). Errors: IO, FORMAT (over the limit), MEMORY. */
int file_read_descriptor(int descriptor, const char *name, size_t expected, size_t limit, file_check check,
                         void *user_data, char **out, size_t *size);

bool file_exists(const char *path);
/* Whether `path` is a link to what is not there: a download that was cut short leaves them. */
bool file_is_broken_link(const char *path);
bool file_is_directory(const char *path);

/* Makes a folder and its parents. Errors: IO (names the part that failed and why). */
int file_make_directories(const char *path);

/* Writes all of it, as often as signals interrupt that. -1 with errno set: it could not. */
int file_write_whole(int descriptor, const void *data, size_t size);

/* A file being written beside its final name. A signal fails none of its writes, and the first one that fails gives the
 * reason in the commit's message. */
struct file_writer {
    FILE *stream;
    int descriptor;                    /* which it writes to */
    struct file_writer_output *output; /* what is between them */
    char *path;                        /* final name */
    char *temporary;                   /* name it has until commit */
};

/* Opens a new file beside `path`. */
int file_writer_open(const char *path, struct file_writer *out);
/* Flushes, checks every write so far, renames to the final name. On error the temporary is removed. */
int file_writer_commit(struct file_writer *writer);
/* Closes and removes the temporary; harmless after commit. */
void file_writer_abort(struct file_writer *writer);

/* Removes the temporaries in `folder` (not below it) whose writers are gone: killed, or with their machine. Those of a
 * living writer, of whatever process, stay. What cannot be read or removed is left. */
void file_remove_leftovers(const char *folder);

/* "a/b" from "a" and "b"; freed by the caller; NULL: out of memory. */
char *path_join(const char *folder, const char *name);
/* Appends the home folder of `user` ("": the one who runs this). False, with nothing appended: nobody knows it, or
 * memory is short (`out->failed`). */
struct string;
bool path_append_home(const char *user, struct string *out);
/* Part after the last '/', inside `path`. */
const char *path_base(const char *path);

#endif
