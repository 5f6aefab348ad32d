/* Locks between processes, the same that huggingface_hub takes (flock on a file that stays). */
#ifndef HUB_LOCK_H
#define HUB_LOCK_H

#include "hub/settings.h"

struct hub_lock {
    int descriptor; /* -1: not held, also where the file system knows no locks */
};

/* Waits for the lock at `path`, whose folders are made. While another process holds it, a notice says which, and
 * `what` it is about. `alive` as in http_open. Errors: IO, CANCELLED, MEMORY. */
int hub_lock_take(const char *path, const char *what, const struct hub_settings *settings,
                  bool (*alive)(void *user_data), void *user_data, struct hub_lock *out);
void hub_lock_release(struct hub_lock *lock);

#endif
