/* See connection.h. */
#include "connection.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool connection_begin(struct connection *connection, int socket, SSL_CTX *context)
{
    *connection = (struct connection){.socket = socket};
    if (!context)
        return true;
    connection->tls = SSL_new(context);
    const bool good = connection->tls && SSL_set_fd(connection->tls, socket) == 1 && SSL_accept(connection->tls) == 1;
    ERR_clear_error();
    return good;
}

static ssize_t send_some(struct connection *connection, const char *bytes, size_t count)
{
    if (!connection->tls)
        return send(connection->socket, bytes, count, MSG_NOSIGNAL);
    const int sent = SSL_write(connection->tls, bytes, count > INT_MAX ? INT_MAX : (int)count);
    ERR_clear_error();
    return sent;
}

bool connection_send(struct connection *connection, const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0;) {
        const ssize_t sent = send_some(connection, at, count);
        if (sent < 0 && !connection->tls && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        count -= (size_t)sent;
    }
    return true;
}

ssize_t connection_receive(struct connection *connection, void *bytes, size_t size)
{
    if (!connection->tls)
        return recv(connection->socket, bytes, size, 0);
    const int got = SSL_read(connection->tls, bytes, size > INT_MAX ? INT_MAX : (int)size);
    ERR_clear_error();
    return got;
}

bool connection_receive_head(struct connection *connection, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    while (!strstr(text, "\r\n\r\n")) {
        const ssize_t got = connection_receive(connection, text + length, size - 1 - length);
        if (got <= 0 || length + (size_t)got >= size - 1)
            return false;
        length += (size_t)got;
        text[length] = '\0';
    }
    return true;
}

bool connection_has_gone(struct connection *connection, int milliseconds)
{
    struct pollfd poller = {.fd = connection->socket, .events = POLLIN};
    char byte;
    return poll(&poller, 1, milliseconds) > 0 && recv(connection->socket, &byte, 1, MSG_DONTWAIT) == 0;
}

void connection_end(struct connection *connection, bool cut)
{
    if (connection->tls && !cut && SSL_is_init_finished(connection->tls))
        SSL_shutdown(connection->tls);
    ERR_clear_error();
    shutdown(connection->socket, SHUT_RDWR);
    SSL_free(connection->tls);
    close(connection->socket);
}
