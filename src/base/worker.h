/* A program that works for this one in a process of its own, and what both say to each other: messages with
 * descriptors, whole or not at all. */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Where the other program finds its end of the connection. */
enum { WORKER_SOCKET = 3, WORKER_DESCRIPTORS = 4 /* of a message, at most */ };

struct worker {
    pid_t process; /* 0: none */
    int socket;
};

/* Starts `program` with one argument. It has nothing of this process but its end of the connection: no other descriptor
 * (0 to 2 are /dev/null), and of the environment only what the loader and the C library read. Signals of the terminal
 * do not reach it. Errors: IO, MEMORY; both name the program. */
int worker_start(const char *program, const char *argument, struct worker *out);

/* Ends it at once. */
void worker_stop(struct worker *worker);

/* Waits for the end of one that has ended, or is about to, and says how it did, for messages: "was ended by signal 11
 * (Segmentation fault)". `*killed`: by signal 9, as a system does it that is short of memory. Static storage of the
 * thread. */
const char *worker_explain_end(struct worker *worker, bool *killed);

/* Sends a message. Returns 0, or -1 with errno set: the other side is gone. */
int worker_send(int socket, const void *data, size_t size, const int *descriptors, size_t count);

enum worker_receipt { WORKER_MESSAGE, WORKER_WAITS, WORKER_GONE };

/* Receives a message of at most `capacity` bytes; what is longer is cut. `descriptors` [WORKER_DESCRIPTORS] and
 * `*count` may be NULL: none are taken. Waits for `milliseconds` (-1: as long as it takes), after which it gives
 * WORKER_WAITS. */
enum worker_receipt worker_receive(int socket, void *data, size_t capacity, size_t *size, int *descriptors,
                                   size_t *count, int milliseconds);

/* What a process that was started so does first: closes what is not for it. */
void worker_close_others(void);

#endif
