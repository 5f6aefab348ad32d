/* A server of one file over HTTP on this machine, which gives no parts of it (no Range) and hangs up where told. */
#ifndef TESTS_VIDEO_FILM_SERVER_H
#define TESTS_VIDEO_FILM_SERVER_H

#include <stddef.h>

struct film_server;

/* Serves the file under every name; of each answer at most `most` bytes come before it hangs up, 0: all. Asserts that
 * it worked. */
struct film_server *film_server_start(const char *path, size_t most);
void film_server_stop(struct film_server *server);

/* "http://127.0.0.1:PORT/NAME", freed by the caller. */
char *film_server_url(const struct film_server *server, const char *name);

#endif
