/* The serving end of a connection: plain, or TLS. */
#ifndef TESTS_HUB_CONNECTION_H
#define TESTS_HUB_CONNECTION_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct connection {
    int socket;
    SSL *tls; /* NULL: plain */
};

/* Takes the socket; with `context`, speaks TLS: false where the other side does not go along. To be ended in any
 * case. */
bool connection_begin(struct connection *connection, int socket, SSL_CTX *context);

/* Sends all; false: the other side has gone. */
bool connection_send(struct connection *connection, const void *bytes, size_t count);

/* Bytes received, at most `size`; 0 or below: there will be none. */
ssize_t connection_receive(struct connection *connection, void *bytes, size_t size);

/* Receives a request's head, to its empty line, into text[size]. False: it does not fit, or there is no end of it. */
bool connection_receive_head(struct connection *connection, char *text, size_t size);

/* Waits so long and says whether the other side, which has nothing to say, has gone meanwhile. */
bool connection_has_gone(struct connection *connection, int milliseconds);

/* Closes it; `cut`: without TLS's goodbye, as a broken line does. */
void connection_end(struct connection *connection, bool cut);

#endif
