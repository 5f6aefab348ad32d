/* See listener.h. */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct listener {
    int socket, port;
    void (*serve)(int socket, void *user_data);
    void *user_data;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int busy; /* connections being served */
    bool stopping;
};

struct served {
    struct listener *listener;
    int socket;
};

static void *serve(void *user_data)
{
    struct served *served = user_data;
    struct listener *listener = served->listener;
    sigset_t pipes; /* a client may go at any time: only the answer to it ends then */
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipes, NULL);
    listener->serve(served->socket, listener->user_data);
    free(served);
    pthread_mutex_lock(&listener->lock);
    listener->busy--;
    pthread_cond_signal(&listener->idle);
    pthread_mutex_unlock(&listener->lock);
    return NULL;
}

static void *accept_all(void *user_data)
{
    struct listener *listener = user_data;
    for (;;) {
        const int socket = accept(listener->socket, NULL, NULL);
        if (socket < 0 && errno == EINTR)
            continue;
        if (socket < 0)
            return NULL;
        struct served *served = malloc(sizeof(*served));
        pthread_t thread;
        *served = (struct served){listener, socket};
        pthread_mutex_lock(&listener->lock);
        listener->busy++;
        pthread_mutex_unlock(&listener->lock);
        pthread_create(&thread, NULL, serve, served);
        pthread_detach(thread);
    }
}

struct listener *listener_start(void (*serve_one)(int socket, void *user_data), void *user_data)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    assert_non_null(listener);
    listener->serve = serve_one;
    listener->user_data = user_data;
    listener->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener->socket >= 0);
    assert_int_equal(bind(listener->socket, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener->socket, 64), 0);
    assert_int_equal(getsockname(listener->socket, (struct sockaddr *)&address, &length), 0);
    listener->port = ntohs(address.sin_port);
    pthread_mutex_init(&listener->lock, NULL);
    pthread_cond_init(&listener->idle, NULL);
    assert_int_equal(pthread_create(&listener->thread, NULL, accept_all, listener), 0);
    return listener;
}

void listener_stop(struct listener *listener)
{
    pthread_mutex_lock(&listener->lock);
    listener->stopping = true;
    pthread_mutex_unlock(&listener->lock);
    shutdown(listener->socket, SHUT_RDWR);
    pthread_join(listener->thread, NULL);
    close(listener->socket);
    pthread_mutex_lock(&listener->lock);
    while (listener->busy > 0)
        pthread_cond_wait(&listener->idle, &listener->lock);
    pthread_mutex_unlock(&listener->lock);
    pthread_mutex_destroy(&listener->lock);
    pthread_cond_destroy(&listener->idle);
    free(listener);
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

bool listener_is_stopping(struct listener *listener)
{
    pthread_mutex_lock(&listener->lock);
    const bool stopping = listener->stopping;
    pthread_mutex_unlock(&listener->lock);
    return stopping;
}
