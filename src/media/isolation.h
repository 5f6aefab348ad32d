/* Decoding in processes of their own, which can open nothing and reach nobody (see base/sandbox.h): what is wrong in a
 * decoder costs the one input. A decoder is this program, or another one, that was started with DECODER_ARGUMENT and
 * calls isolation_serve(). It gets an open file and gives pixels, in memory that both map; it is used again and again,
 * and another one takes its place when it has crashed. */
#ifndef MEDIA_ISOLATION_H
#define MEDIA_ISOLATION_H

#include "base/worker.h"
#include "media/image.h"
#include "sowlv2_run.h"

#define DECODER_ARGUMENT SOWLV2_DECODER_ARGUMENT

/* What both sides say to each other. */
struct isolation_message {
    int32_t kind;   /* of request; of isolation_said where it comes back */
    int32_t status; /* of an answer, an enum sowlv2_status or VIDEO_END; of a message for the log, its level */
    unsigned char body[512];
    char text[8192]; /* ended by a 0: the input's name; an error, a line of the log */
};

enum isolation_said { ISOLATION_READY, ISOLATION_LOG, ISOLATION_ANSWER };

/* A process that decodes. */
struct decoder_process {
    struct worker worker;
    int memory[2]; /* files in memory, which only grow; */
    void *mapped[2];
    size_t sizes[2]; /* as they are mapped here */
    double patience; /* most seconds for its next answer; 0: no limit */
    bool ready;      /* it has given up its rights; */
    bool dead;       /* crashed, or was ended because it cannot be trusted or waited for */
    struct decoder_process *next;
};

struct isolation;

/* Starts a first one with `program`, and does not wait for it. `*out` is freed by the caller, when all that were taken
 * are given back. Errors: IO, MEMORY. */
int isolation_create(const char *program, struct isolation **out);
/* Waits until it is ready, so that what is in the way is said here. Errors: UNSUPPORTED (no such thing on this system),
 * IO (it is no such program). */
int isolation_check(struct isolation *isolation);
void isolation_free(struct isolation **isolation);

/* One that nobody uses. Given back with isolation_give(), also when it is dead. Errors: of both. */
int isolation_take(struct isolation *isolation, struct decoder_process **out);
void isolation_give(struct isolation *isolation, struct decoder_process **decoder);

/* Asks it for something and waits for the answer, which takes the place of the request. What it has to say to the log
 * is said. A status above 0 is for the caller to judge, but of an image there is none. `name` is the input's;
 * `interrupted` (NULL: never) ends the wait, and the decoder. Errors: its own; FORMAT (it crashed), IO (it was killed),
 * CANCELLED. */
int isolation_ask(struct decoder_process *decoder, const char *name, struct isolation_message *message,
                  const int *descriptors, size_t count, bool (*interrupted)(void *user_data), void *user_data);

/* What it says cannot be: ends it, so that nobody uses it again. Returns FORMAT, with its message about the input. */
int isolation_distrust(struct decoder_process *decoder, const char *name);

/* The first `bytes` of memory number `place`, where it says that pixels are. Errors: FORMAT (there are none: it is dead
 * then), MEMORY. */
int isolation_pixels(struct decoder_process *decoder, const char *name, int place, size_t bytes, const void **out);
/* They were used: gives back what is much. */
void isolation_forget_pixels(struct decoder_process *decoder, int place);

/* image_decode_with(), from a file that is open, of `expected` bytes (0: it is a pipe). */
int isolation_decode_image(struct isolation *isolation, const char *name, int descriptor, size_t expected,
                           const struct image_options *options, struct image *out);
/* The same from memory. */
int isolation_decode_data(struct isolation *isolation, const char *name, const void *data, size_t size,
                          const struct image_options *options, struct image *out);

/* ---- the other side ---- */

/* Answers requests of its kind: fills the answer's body; `name` is the input's. Returns the answer's status, with the
 * thread's message where it is an error. Descriptors that it does not keep it closes. */
struct isolation_handler {
    int32_t kind;
    int (*answer)(unsigned char *body, const char *name, const int *descriptors, size_t count);
};

enum { ISOLATION_IMAGE = 1, ISOLATION_FIRST_FREE };
extern const struct isolation_handler isolation_image_handler;

/* Gives up all rights and answers requests until the other side goes away. `prepare` opens what could not be opened
 * later. Returns an exit status. */
int isolation_serve(const struct isolation_handler *const *handlers, size_t count, void (*prepare)(void));

/* Memory of the connection, for decoded pixels; NULL: this process serves none, or all is taken. */
uint8_t *isolation_take_pixels(size_t bytes);
/* Takes it back; false: it is not of the connection. */
bool isolation_give_pixels(const uint8_t *pixels);
/* Which of the connection's it is; -1: none. */
int isolation_place_of(const uint8_t *pixels);

#endif
