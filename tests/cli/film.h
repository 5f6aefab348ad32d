/* A film that the tests of videos make, in a folder of its own, and looking at what the tool makes of it. */
#ifndef TESTS_CLI_FILM_H
#define TESTS_CLI_FILM_H

#include "base/test_folder.h"
#include "pipeline/track_case.h"
#include "tool.h"
#include "video/support.h"
#include "video/video_out.h"

#define FILM_SEGMENTER TEST_DATA "/models/data/sam2_video_tiny"

/* The film: nothing at first, then another scene with things in it. */
enum { EMPTY = 8, FRAMES = 20, RATE = 10, WIDTH = 384, HEIGHT = 288 };

extern char *film_folder, *film_path, *film_output;
extern struct clip film_scene;

#define FILM_DETECT                                                                                                    \
    "detect", "--prompt", "turtle", "guitar", "banana", "--owl-model", "demo", "--sam-model", FILM_SEGMENTER,          \
        "--output", film_output

/* The film's name, and where parts of it are asked for none of the pictures. */
#define ROWS_ONLY "--no-video", "--no-save-frames"

/* Writes `count` frames of `width` x `height`: the film's, or those of the scene alone. */
char *film_write(const char *name, int width, int height, int count, int empty, enum video_codec codec);
int film_set_up_all(void **state);
int film_tear_down_all(void **state);
int film_set_up(void **state);
int film_tear_down(void **state);
json_t *film_rows(const char *name);
int64_t film_whole(const json_t *row, const char *key);
double film_number(const json_t *row, const char *key);

/* Pixels that are on in a PNG of 255 and 0. */
int64_t film_count_white(const char *name);

/* Rows of a film with this name: frames `first` on, `count` of them (-1: any number). Gives how many objects there
 * were. */
size_t film_check_rows(const json_t *rows, const char *name, int64_t first, int64_t count, int width, int height,
                       bool pictures);

/* A video of the output: so many pictures, at the rows' times. */
void film_check_video(const char *below, const json_t *rows, int width, int height);

/* A file of the output; its lines; waiting until it has so many. */
char *film_read_text(const char *below);
size_t film_count_lines(const char *below);
void film_wait_for_rows(const char *below, size_t count);

/* A test with the film. */
#define FILM_CASE(name) cmocka_unit_test_setup_teardown(name, film_set_up, film_tear_down)

#endif
