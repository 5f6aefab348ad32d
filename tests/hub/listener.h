/* Accepts connections on this machine, each served by a thread of its own. */
#ifndef TESTS_HUB_LISTENER_H
#define TESTS_HUB_LISTENER_H

#include <stdbool.h>

struct listener;

/* Listens on 127.0.0.1, at a port that the system chooses. `serve` is called for every connection, and closes its
 * socket. Asserts that it worked. */
struct listener *listener_start(void (*serve)(int socket, void *user_data), void *user_data);

/* Accepts no more, and waits until all is served. */
void listener_stop(struct listener *listener);
int listener_port(const struct listener *listener);

/* Whether listener_stop() waits: those who serve should end. */
bool listener_is_stopping(struct listener *listener);

#endif
