/* What a decoder is asked about a film, and what it answers, in the bodies of messages. One film at a time, from
 * ISOLATION_FILM_OPEN, which comes with its open file or pipe, to ISOLATION_FILM_CLOSE. */
#ifndef VIDEO_ISOLATION_FILM_H
#define VIDEO_ISOLATION_FILM_H

#include "media/isolation.h"
#include "video/source.h"

enum {
    ISOLATION_FILM_OPEN = ISOLATION_FIRST_FREE,
    ISOLATION_FILM_READ,    /* the next picture, into a slot */
    ISOLATION_FILM_CONVERT, /* the picture of a slot to RGB */
    ISOLATION_FILM_SEEK,
    ISOLATION_FILM_CLOSE
};

struct isolation_film_request {
    double time; /* of SEEK */
    int64_t max_pixels;
    int32_t threads, slot;
    bool check_length, quiet;
};

struct isolation_film_answer {
    struct video_info info; /* without its codec: */
    char codec[32];
    struct video_damage damage;
    double tolerance, reached;
    char why[INPUT_WHY];
    int32_t broken;
    double time, duration; /* of the picture that was read; */
    int64_t number;
    int32_t width, height, place; /* and of the one that was converted */
};

_Static_assert(sizeof(struct isolation_film_request) <= sizeof(((struct isolation_message *)NULL)->body) &&
                   sizeof(struct isolation_film_answer) <= sizeof(((struct isolation_message *)NULL)->body),
               "they are bodies of messages");

/* The decoder's side. */
extern const struct isolation_handler *const isolation_film_handlers[];
extern const size_t isolation_film_handler_count;

#endif
