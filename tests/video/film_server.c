/* One thread, one connection at a time. */
#include "video/film_server.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct film_server {
    char *bytes;
    size_t size, most;
    int listener, port;
    pthread_t thread;
};

/* Until the empty line; false: the client has gone. */
static bool read_request(int client)
{
    char text[4096];
    size_t count = 0;
    while (count < sizeof(text) - 1) {
        ssize_t part = recv(client, text + count, sizeof(text) - 1 - count, 0);
        if (part <= 0)
            return false;
        count += (size_t)part;
        text[count] = '\0';
        if (strstr(text, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void send_all(int client, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t part = send(client, bytes, size, MSG_NOSIGNAL);
        if (part <= 0)
            return;
        bytes += part;
        size -= (size_t)part;
    }
}

static void *serve(void *argument)
{
    const struct film_server *server = argument;
    for (;;) {
        int client = accept(server->listener, NULL, NULL);
        if (client < 0)
            return NULL;
        if (read_request(client)) {
            char head[128];
            int length = snprintf(head, sizeof(head),
                                  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", server->size);
            send_all(client, head, (size_t)length);
            send_all(client, server->bytes, server->most > 0 ? server->most : server->size);
        }
        close(client);
    }
}

struct film_server *film_server_start(const char *path, size_t most)
{
    struct film_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    assert_non_null(server);
    assert_int_equal(file_read(path, 1 << 26, &server->bytes, &server->size), 0);
    assert_true(most <= server->size);
    server->most = most;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    return server;
}

void film_server_stop(struct film_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    free(server->bytes);
    free(server);
}

char *film_server_url(const struct film_server *server, const char *name)
{
    char *url;
    assert_true(asprintf(&url, "http://127.0.0.1:%d/%s", server->port, name) > 0);
    return url;
}
