/* What the video tests share: the ffmpeg and ffprobe programs, and reading videos whole. */
#ifndef TESTS_VIDEO_SUPPORT_H
#define TESTS_VIDEO_SUPPORT_H

#include "video/video_in.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Skips the test where the programs are not installed. */
void need_ffmpeg(void);

/* Has ffmpeg make folder/name from its arguments; the path is freed by the caller. */
char *film_make(const char *folder, const char *name, const char *arguments);

/* Puts a file (or, with `command`, what it prints) in standard input's place; gives what restores it. */
int standard_input_set(const char *path, const char *command);
void standard_input_restore(int keep);

/* Runs a shell command and asserts that it succeeds. */
__attribute__((format(printf, 1, 2))) void shell(const char *format, ...);
/* The same; returns what it printed, NUL-terminated behind `*size` bytes; freed by the caller. */
__attribute__((format(printf, 2, 3))) char *shell_output(size_t *size, const char *format, ...);

/* All frames of a source, converted by us. */
struct clip {
    int width, height, count;
    uint8_t *pixels; /* [count][height][width][3] */
    double *times;
    int64_t *numbers;
    struct video_damage damage;
    struct video_info info;
    int broken;       /* video_reader_broken() at the end, */
    char reason[512]; /* and its message */
    double last;      /* seconds that the last frame is shown */
};

/* Reads to the end; asserts that nothing fails. */
struct clip clip_read(const char *source, const struct video_reader_options *options);
/* Reads to the end or to an error; returns how it ended: VIDEO_END or the error. */
int clip_try(const char *source, const struct video_reader_options *options, struct clip *out);
void clip_free(struct clip *clip);
const uint8_t *clip_frame(const struct clip *clip, int index);

/* Compares with the ffmpeg program's own rgb24 pixels of `path`; `filter` is put before the conversion ("" or
 * "fps=24:round=up,"). Each byte may differ by `most`. */
void clip_expect_ffmpeg(const struct clip *clip, const char *path, const char *filter, int most);

/* Compares times with ffprobe's best-effort timestamps less the first one. */
void clip_expect_times(const struct clip *clip, const char *path);

/* Collects notices and warnings from now on; the text so far, and an end of it. */
void notices_begin(void);
const char *notices(void);
int notices_count(void);
void notices_end(void);

#endif
