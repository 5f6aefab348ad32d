/* See server.h. One thread accepts, one serves each connection; every answer closes its connection. */
#include "server.h"

#include "base/strings.h"

#include <arpa/inet.h>
#include <errno.h>
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
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_FILES = 32, MOST_FAULTS = 16, REQUEST_LIMIT = 8192 };

struct served_file {
    char *name;
    const char *bytes;
    size_t size;
    bool large;
    char etag[65];
};

struct server {
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int busy; /* connections being served */
    bool stopping;
    struct served_file files[MOST_FILES];
    size_t file_count;
    struct fault faults[MOST_FAULTS];
    size_t fault_count;
    char *token;
    struct string log;
};

/* One request and what becomes of it. */
struct exchange {
    struct server *server;
    int socket;
    char text[REQUEST_LIMIT];
    char line[1024]; /* "GET /path" */
    bool head;
    char host[256], authorization[256];
    long range; /* -1: none */
    struct fault fault;
    bool has_fault;
};

static void hash_file(struct served_file *file)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned length;
    char header[40];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, file->large ? EVP_sha256() : EVP_sha1(), NULL);
    if (!file->large)
        EVP_DigestUpdate(context, header, (size_t)snprintf(header, sizeof(header), "blob %zu", file->size) + 1);
    EVP_DigestUpdate(context, file->bytes, file->size);
    EVP_DigestFinal_ex(context, hash, &length);
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; i < length; i++)
        snprintf(file->etag + 2 * i, 3, "%02x", hash[i]);
}

static bool send_all(int socket, const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0;) {
        const ssize_t sent = send(socket, at, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        count -= (size_t)sent;
    }
    return true;
}

__attribute__((format(printf, 2, 3))) static bool send_text(int socket, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return length > 0 && send_all(socket, text, (size_t)length);
}

/* Whether the client has gone, or the server is being stopped. */
static bool is_over(struct exchange *exchange, int milliseconds)
{
    struct pollfd poller = {.fd = exchange->socket, .events = POLLIN};
    char byte;
    if (poll(&poller, 1, milliseconds) > 0 && recv(exchange->socket, &byte, 1, MSG_DONTWAIT) == 0)
        return true;
    pthread_mutex_lock(&exchange->server->lock);
    const bool stopping = exchange->server->stopping;
    pthread_mutex_unlock(&exchange->server->lock);
    return stopping;
}

static bool read_request(struct exchange *exchange)
{
    size_t length = 0;
    while (!strstr(exchange->text, "\r\n\r\n")) {
        const ssize_t got = recv(exchange->socket, exchange->text + length, REQUEST_LIMIT - 1 - length, 0);
        if (got <= 0 || length + (size_t)got >= REQUEST_LIMIT - 1)
            return false;
        length += (size_t)got;
        exchange->text[length] = '\0';
    }
    return true;
}

static void read_field(const char *text, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    for (const char *line = strstr(text, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, strlen(name)) == 0) {
            const char *value = line + 2 + strlen(name);
            snprintf(out, size, "%.*s", (int)strcspn(value, "\r"), value);
            return;
        }
}

/* Notes the request and picks its fault. */
static void note_request(struct exchange *exchange)
{
    struct server *server = exchange->server;
    char range[64];
    const char *space = strchr(exchange->text, ' ');
    const size_t length = space ? (size_t)(space - exchange->text) + 1 + strcspn(space + 1, " ") : 0;
    snprintf(exchange->line, sizeof(exchange->line), "%.*s", (int)length, exchange->text);
    exchange->head = strncmp(exchange->line, "HEAD ", 5) == 0;
    read_field(exchange->text, "Host: ", exchange->host, sizeof(exchange->host));
    read_field(exchange->text, "Authorization: ", exchange->authorization, sizeof(exchange->authorization));
    read_field(exchange->text, "Range: bytes=", range, sizeof(range));
    exchange->range = *range ? strtol(range, NULL, 10) : -1;
    pthread_mutex_lock(&server->lock);
    string_append_format(&server->log, "%s host=%s auth=%s range=%s\n", exchange->line, exchange->host,
                         exchange->authorization, range);
    for (size_t i = 0; i < server->fault_count && !exchange->has_fault; i++)
        if (server->faults[i].times > 0 && strstr(exchange->line, server->faults[i].match)) {
            server->faults[i].times--;
            exchange->fault = server->faults[i];
            exchange->has_fault = true;
        }
    pthread_mutex_unlock(&server->lock);
}

static bool has_fault(const struct exchange *exchange, enum fault_kind kind)
{
    return exchange->has_fault && exchange->fault.kind == kind;
}

static void send_part(struct exchange *exchange, const char *bytes, size_t count)
{
    const size_t part = exchange->has_fault && exchange->fault.amount >= 0 && (size_t)exchange->fault.amount < count
                            ? (size_t)exchange->fault.amount
                            : count;
    if (has_fault(exchange, FAULT_BREAK)) {
        send_all(exchange->socket, bytes, part);
    } else if (has_fault(exchange, FAULT_STALL)) {
        send_all(exchange->socket, bytes, part);
        while (!is_over(exchange, 20))
            ;
    } else if (has_fault(exchange, FAULT_DRIBBLE)) {
        send_all(exchange->socket, bytes, part);
        for (size_t i = part; i < count && !is_over(exchange, 50) && send_all(exchange->socket, bytes + i, 1); i++)
            ;
    } else {
        send_all(exchange->socket, bytes, count);
    }
}

/* The headers that describe a file, then its bytes. */
static void send_file(struct exchange *exchange, const struct served_file *file, bool storage)
{
    size_t from = exchange->range > 0 && !has_fault(exchange, FAULT_NO_RANGE) ? (size_t)exchange->range : 0;
    const bool part = from > 0;
    if (exchange->range > 0 && part && from >= file->size) {
        send_text(exchange->socket,
                  "HTTP/1.1 416 Range Not Satisfiable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    if (has_fault(exchange, FAULT_WRONG_RANGE))
        from++;
    const long extra = has_fault(exchange, FAULT_LENGTH) ? exchange->fault.amount : 0;
    const size_t count = (size_t)((long)(file->size - from) + extra);
    char *changed = extra != 0 || has_fault(exchange, FAULT_WRONG_BYTE) ? calloc(count + 1, 1) : NULL;
    if (changed)
        memcpy(changed, file->bytes + from, count < file->size - from ? count : file->size - from);
    if (has_fault(exchange, FAULT_WRONG_BYTE) && (size_t)exchange->fault.amount >= from)
        changed[(size_t)exchange->fault.amount - from] ^= 0x40;
    send_text(exchange->socket, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
              part ? "206 Partial Content" : "200 OK", count);
    if (part)
        send_text(exchange->socket, "Content-Range: bytes %zu-%zu/%zu\r\n", from, file->size - 1, file->size);
    if (!storage)
        send_text(exchange->socket, "X-Repo-Commit: " SERVER_COMMIT "\r\n");
    send_text(exchange->socket, "ETag: \"%s%s\"\r\n\r\n", storage ? "storage-" : "", file->etag);
    if (!exchange->head)
        send_part(exchange, changed ? changed : file->bytes + from, count);
    free(changed);
}

static void send_error(struct exchange *exchange, const char *status, const char *headers)
{
    send_text(exchange->socket, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 4\r\n%s\r\n", status, headers);
    if (!exchange->head)
        send_all(exchange->socket, "oops", 4);
}

static const struct served_file *find_file(const struct server *server, const char *name)
{
    for (size_t i = 0; i < server->file_count; i++)
        if (strcmp(server->files[i].name, name) == 0)
            return &server->files[i];
    return NULL;
}

static bool is_permitted(const struct exchange *exchange)
{
    const char *token = exchange->server->token;
    return !token ||
           (strncmp(exchange->authorization, "Bearer ", 7) == 0 && strcmp(exchange->authorization + 7, token) == 0);
}

/* "/org/name/resolve/REVISION/FILE" */
static void answer_resolve(struct exchange *exchange, const char *path)
{
    const char *revision = path + strlen("/" SERVER_ID "/resolve/"), *name = strchr(revision, '/');
    const bool known = name && (strncmp(revision, "main/", 5) == 0 || strncmp(revision, "v%2F2/", 6) == 0 ||
                                strncmp(revision, SERVER_COMMIT "/", sizeof(SERVER_COMMIT)) == 0);
    const struct served_file *file = name ? find_file(exchange->server, name + 1) : NULL;
    if (!is_permitted(exchange))
        send_error(exchange, "401 Unauthorized", "X-Error-Code: RepoNotFound\r\n");
    else if (!known)
        send_error(exchange, "404 Not Found", "X-Error-Code: RevisionNotFound\r\n");
    else if (!file)
        send_error(exchange, "404 Not Found", "X-Error-Code: EntryNotFound\r\nX-Repo-Commit: " SERVER_COMMIT "\r\n");
    else if (file->large)
        send_text(exchange->socket,
                  "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nX-Repo-Commit: " SERVER_COMMIT
                  "\r\nX-Linked-Etag: \"%s\"\r\nX-Linked-Size: %zu\r\nLocation: http://localhost:%d/storage/%s\r\n\r\n",
                  file->etag, file->size, exchange->server->port, file->name);
    else
        send_file(exchange, file, false);
}

static void answer(struct exchange *exchange)
{
    static const char repository[] = "/" SERVER_ID "/resolve/", old[] = "/org/old-name/resolve/",
                      storage[] = "/storage/";
    const char *path = strchr(exchange->line, ' ') + 1;
    char status[32];
    if (has_fault(exchange, FAULT_LATE))
        is_over(exchange, (int)exchange->fault.amount);
    if (has_fault(exchange, FAULT_HANG_UP))
        return;
    if (has_fault(exchange, FAULT_STATUS)) {
        snprintf(status, sizeof(status), "%d Fault", exchange->fault.code);
        send_error(exchange, status, exchange->fault.headers ? exchange->fault.headers : "");
    } else if (strncmp(path, repository, sizeof(repository) - 1) == 0) {
        answer_resolve(exchange, path);
    } else if (strncmp(path, old, sizeof(old) - 1) == 0) { /* a model that was renamed */
        send_text(exchange->socket,
                  "HTTP/1.1 307 Moved\r\nConnection: close\r\nContent-Length: 0\r\nLocation: %s%s\r\n\r\n", repository,
                  path + sizeof(old) - 1);
    } else if (strncmp(path, storage, sizeof(storage) - 1) == 0) {
        const struct served_file *file = find_file(exchange->server, path + sizeof(storage) - 1);
        if (file)
            send_file(exchange, file, true);
        else
            send_error(exchange, "404 Not Found", "");
    } else {
        send_error(exchange, "404 Not Found", "X-Error-Code: RepoNotFound\r\n");
    }
}

static void *serve(void *user_data)
{
    struct exchange *exchange = user_data;
    struct server *server = exchange->server;
    if (read_request(exchange)) {
        note_request(exchange);
        answer(exchange);
    }
    shutdown(exchange->socket, SHUT_RDWR);
    close(exchange->socket);
    free(exchange);
    pthread_mutex_lock(&server->lock);
    server->busy--;
    pthread_cond_signal(&server->idle);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void *accept_all(void *user_data)
{
    struct server *server = user_data;
    for (;;) {
        const int socket = accept(server->listener, NULL, NULL);
        if (socket < 0 && errno == EINTR)
            continue;
        if (socket < 0)
            return NULL;
        struct exchange *exchange = calloc(1, sizeof(*exchange));
        pthread_t thread;
        exchange->server = server;
        exchange->socket = socket;
        pthread_mutex_lock(&server->lock);
        server->busy++;
        pthread_mutex_unlock(&server->lock);
        pthread_create(&thread, NULL, serve, exchange);
        pthread_detach(thread);
    }
}

struct server *server_start(void)
{
    struct server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    assert_non_null(server);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, accept_all, server), 0);
    return server;
}

void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_mutex_unlock(&server->lock);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    pthread_mutex_lock(&server->lock);
    while (server->busy > 0)
        pthread_cond_wait(&server->idle, &server->lock);
    pthread_mutex_unlock(&server->lock);
    server_remove_files(server);
    string_free(&server->log);
    free(server->token);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->idle);
    free(server);
}

int server_port(const struct server *server)
{
    return server->port;
}

void server_add(struct server *server, const char *name, const void *bytes, size_t size, bool large)
{
    struct served_file file = {.name = strdup(name), .bytes = bytes, .size = size, .large = large};
    hash_file(&file);
    pthread_mutex_lock(&server->lock);
    assert_true(server->file_count < MOST_FILES);
    server->files[server->file_count++] = file;
    pthread_mutex_unlock(&server->lock);
}

void server_remove_files(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->file_count; i++)
        free(server->files[i].name);
    server->file_count = 0;
    pthread_mutex_unlock(&server->lock);
}

const char *server_etag(const struct server *server, const char *name)
{
    const struct served_file *file = find_file(server, name);
    assert_non_null(file);
    return file->etag;
}

void server_fault(struct server *server, struct fault fault)
{
    pthread_mutex_lock(&server->lock);
    assert_true(server->fault_count < MOST_FAULTS);
    server->faults[server->fault_count++] = fault;
    pthread_mutex_unlock(&server->lock);
}

void server_require_token(struct server *server, const char *token)
{
    pthread_mutex_lock(&server->lock);
    free(server->token);
    server->token = token ? strdup(token) : NULL;
    pthread_mutex_unlock(&server->lock);
}

int server_count(struct server *server, const char *part)
{
    int count = 0;
    pthread_mutex_lock(&server->lock);
    for (const char *line = server->log.data; line && *line;) {
        const size_t length = strcspn(line, "\n");
        const char *found = strstr(line, part);
        count += found && found < line + length;
        line += length + (line[length] != '\0');
    }
    pthread_mutex_unlock(&server->lock);
    return count;
}

void server_clear_log(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    string_clear(&server->log);
    pthread_mutex_unlock(&server->lock);
}

char *server_log(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    char *copy = strdup(server->log.data ? server->log.data : "");
    pthread_mutex_unlock(&server->lock);
    return copy;
}
