/* Small made-up videos for the fake tracker, and runs of track_video() over them. Every function asserts that it
 * worked. */
#ifndef TESTS_PIPELINE_MOVIE_H
#define TESTS_PIPELINE_MOVIE_H

#include "fake_tracker.h"
#include "pipeline/track.h"

#include <jansson.h>

enum { MOVIE_WIDTH = 96, MOVIE_HEIGHT = 64, MOVIE_SIDE = 16, MOVIE_RATE = 20, MOVIE_THINGS = 6 };

/* A square of its look's colour, there on the frames `first` to `last` and again from `back` on (0: never). It is at
 * x + speed * frame, y. Its score is best on the frame `best` (0: alike always), and falls away from it. */
struct movie_thing {
    int look, prompt;
    int64_t first, last, back;
    int x, y, speed;
    int64_t best;
};

struct movie {
    int64_t frames;
    int64_t cuts[4]; /* frames on which another scene begins; 0: none */
    bool still;      /* the background does not change within a scene */
    struct movie_thing things[MOVIE_THINGS];
};

/* Whether the thing is on the frame; its box is x0, y0, x1, y1. */
bool movie_box(const struct movie_thing *thing, int64_t frame, float box[4]);

/* An RGB picture, [MOVIE_HEIGHT][MOVIE_WIDTH][3]; freed by the caller. */
uint8_t *movie_picture(const struct movie *movie, int64_t frame);

/* Writes it without loss to folder/name; the path is freed by the caller. */
char *movie_write(const struct movie *movie, const char *folder, const char *name);

/* A run over a movie into folder/out. */
struct movie_run {
    char *folder, *source, *output;
    struct movie movie;
    struct sowlv2_run_options job; /* rows alone, with the masks; all frames; cuts; lost after 5 frames; and what it
                                      points to */
    struct sowlv2_detect_options detect;
    struct sowlv2_segment_options segment;
    struct sowlv2_track_options track;
    struct track_options options; /* of the job; movie_track() fills in the claim */
    struct track_report report;
    json_t *rows;
};

/* Resets the fake tracker. */
struct movie_run *movie_open(const struct movie *movie);
void movie_close(struct movie_run *run);

/* Runs and reads the rows; gives track_video's status. Nothing of the fake tracker is left over. */
int movie_track(struct movie_run *run);
/* The same, which must succeed, with a row for each frame. */
void movie_track_all(struct movie_run *run);

/* The object `id` in the row of a frame; NULL: it is not in it. */
const json_t *movie_object(const struct movie_run *run, int64_t frame, int64_t id);
size_t movie_objects(const struct movie_run *run, int64_t frame);

bool movie_is_lost(const json_t *object);
bool movie_is_interpolated(const json_t *object);

/* The object is `thing` of the movie, at its place (within `most` pixels), or out of sight as it is. */
void movie_expect(const struct movie_run *run, int64_t frame, int64_t id, const struct movie_thing *thing, double most);
void movie_expect_all(const struct movie_run *run, int64_t first, int64_t last, int64_t id,
                      const struct movie_thing *thing);
/* No object of that id in any of these rows. */
void movie_expect_none(const struct movie_run *run, int64_t first, int64_t last, int64_t id);

#endif
