/* See proxy.h. */
#include "proxy.h"

#include "connection.h"
#include "listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_REQUESTS = 64, REQUEST_LIMIT = 8192, PIECE = 65536, LOOK_AROUND_MS = 50 };

struct proxy {
    struct listener *listener;
    int target;
    pthread_mutex_t lock;
    char *requests[MOST_REQUESTS];
    size_t count;
    const char *user, *refusal;
};

/* The status of the answer; NULL: the request is granted. */
static const char *judge(struct proxy *proxy, const char *request)
{
    unsigned char code[256] = "";
    char expected[320];
    const char *refusal = NULL;
    pthread_mutex_lock(&proxy->lock);
    assert_true(proxy->count < MOST_REQUESTS);
    proxy->requests[proxy->count++] = strdup(request);
    if (proxy->user)
        EVP_EncodeBlock(code, (const unsigned char *)proxy->user, (int)strlen(proxy->user));
    snprintf(expected, sizeof(expected), "\r\nProxy-Authorization: Basic %s\r\n", (const char *)code);
    if (proxy->user && !strstr(request, expected))
        refusal = "407 Proxy Authentication Required";
    else if (strncmp(request, "CONNECT ", 8) != 0)
        refusal = "405 Method Not Allowed";
    else
        refusal = proxy->refusal;
    pthread_mutex_unlock(&proxy->lock);
    return refusal;
}

static int connect_to(int port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

/* Passes what comes on, until one side ends. */
static void pass_on(struct proxy *proxy, int client, int target)
{
    struct pollfd pollers[2] = {{.fd = client, .events = POLLIN}, {.fd = target, .events = POLLIN}};
    char *piece = malloc(PIECE);
    for (bool over = !piece; !over && !listener_is_stopping(proxy->listener);) {
        if (poll(pollers, 2, LOOK_AROUND_MS) <= 0)
            continue;
        for (int i = 0; i < 2 && !over; i++) {
            struct connection other = {.socket = pollers[1 - i].fd};
            const ssize_t got = pollers[i].revents ? recv(pollers[i].fd, piece, PIECE, 0) : 0;
            if (pollers[i].revents)
                over = got <= 0 || !connection_send(&other, piece, (size_t)got);
        }
    }
    free(piece);
}

static void serve(int socket, void *user_data)
{
    static const char granted[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    struct proxy *proxy = user_data;
    struct connection client;
    char request[REQUEST_LIMIT], answer[256];
    connection_begin(&client, socket, NULL);
    if (connection_receive_head(&client, request, sizeof(request))) {
        const char *refusal = judge(proxy, request);
        const int target = refusal ? -1 : connect_to(proxy->target);
        snprintf(answer, sizeof(answer),
                 "HTTP/1.1 %s\r\nProxy-Authenticate: Basic realm=\"tests\"\r\nConnection: close\r\n"
                 "Content-Length: 0\r\n\r\n",
                 refusal ? refusal : "502 Bad Gateway");
        if (target < 0)
            connection_send(&client, answer, strlen(answer));
        else if (connection_send(&client, granted, sizeof(granted) - 1))
            pass_on(proxy, socket, target);
        if (target >= 0)
            close(target);
    }
    connection_end(&client, false);
}

struct proxy *proxy_start(int target)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    assert_non_null(proxy);
    proxy->target = target;
    pthread_mutex_init(&proxy->lock, NULL);
    pthread_mutex_lock(&proxy->lock); /* none is served before the listener is known */
    proxy->listener = listener_start(serve, proxy);
    pthread_mutex_unlock(&proxy->lock);
    return proxy;
}

void proxy_stop(struct proxy *proxy)
{
    listener_stop(proxy->listener);
    for (size_t i = 0; i < proxy->count; i++)
        free(proxy->requests[i]);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

int proxy_port(const struct proxy *proxy)
{
    return listener_port(proxy->listener);
}

void proxy_require(struct proxy *proxy, const char *user)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->user = user;
    pthread_mutex_unlock(&proxy->lock);
}

void proxy_refuse(struct proxy *proxy, const char *status)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->refusal = status;
    pthread_mutex_unlock(&proxy->lock);
}

int proxy_count(struct proxy *proxy, const char *part)
{
    int count = 0;
    pthread_mutex_lock(&proxy->lock);
    for (size_t i = 0; i < proxy->count; i++)
        count += strstr(proxy->requests[i], part) != NULL;
    pthread_mutex_unlock(&proxy->lock);
    return count;
}
