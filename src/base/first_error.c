/* The first error of several threads. */
#include "base/first_error.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void first_error_init(struct first_error *error)
{
    *error = (struct first_error){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void first_error_free(struct first_error *error)
{
    pthread_mutex_destroy(&error->lock);
    free(error->message);
    error->message = NULL;
}

void first_error_keep(struct first_error *error, int status)
{
    if (!status)
        return;
    pthread_mutex_lock(&error->lock);
    if (!error->status) {
        error->status = status;
        error->message = strdup(error_message());
    }
    pthread_mutex_unlock(&error->lock);
}

int first_error_report(struct first_error *error)
{
    int status;

    pthread_mutex_lock(&error->lock);
    status = error->status;
    if (status)
        error_set(status, "%s", error->message ? error->message : "out of memory");
    pthread_mutex_unlock(&error->lock);
    return status;
}

int first_error_end(struct first_error *error)
{
    const int status = first_error_report(error);

    first_error_free(error);
    return status;
}
