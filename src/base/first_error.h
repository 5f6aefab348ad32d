/* The first error of several threads. */
#ifndef BASE_FIRST_ERROR_H
#define BASE_FIRST_ERROR_H

#include <pthread.h>

struct first_error {
    pthread_mutex_t lock;
    int status; /* 0: none yet */
    char *message;
};

void first_error_init(struct first_error *error);
void first_error_free(struct first_error *error);

/* Keeps `status` and this thread's message, unless there is an error already or `status` is 0. Any thread. */
void first_error_keep(struct first_error *error, int status);

/* Gives the error and makes it this thread's; 0: none. Any thread. */
int first_error_report(struct first_error *error);
/* The same, and frees it. */
int first_error_end(struct first_error *error);

#endif
