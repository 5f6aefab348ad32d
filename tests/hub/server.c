/* See server.h. Every answer closes its connection. */
#include "server.h"

#include "base/strings.h"
#include "connection.h"
#include "listener.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
    struct listener *listener;
    SSL_CTX *secure; /* NULL: http */
    char storage[128];
    pthread_mutex_t lock;
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
    struct connection connection;
    char text[REQUEST_LIMIT];
    char line[1024]; /* "GET /path" */
    bool head;
    char host[256], authorization[256], proxy_authorization[256];
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

__attribute__((format(printf, 2, 3))) static bool send_text(struct exchange *exchange, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return length > 0 && connection_send(&exchange->connection, text, (size_t)length);
}

/* Whether the client has gone, or the server is being stopped. */
static bool is_over(struct exchange *exchange, int milliseconds)
{
    return connection_has_gone(&exchange->connection, milliseconds) || listener_is_stopping(exchange->server->listener);
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
    read_field(exchange->text, "Proxy-Authorization: ", exchange->proxy_authorization,
               sizeof(exchange->proxy_authorization));
    read_field(exchange->text, "Range: bytes=", range, sizeof(range));
    exchange->range = *range ? strtol(range, NULL, 10) : -1;
    pthread_mutex_lock(&server->lock);
    string_append_format(&server->log, "%s host=%s auth=%s range=%s proxy-auth=%s\n", exchange->line, exchange->host,
                         exchange->authorization, range, exchange->proxy_authorization);
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

/* Zeros, until there are enough of them or nobody takes them. */
static void send_endless(struct exchange *exchange)
{
    static const char zeros[1 << 16];
    long left = has_fault(exchange, FAULT_ENDLESS) ? exchange->fault.amount : 0;
    for (; left > 0 && !listener_is_stopping(exchange->server->listener); left -= (long)sizeof(zeros))
        if (!connection_send(&exchange->connection, zeros, sizeof(zeros)))
            return;
}

static void send_part(struct exchange *exchange, const char *bytes, size_t count)
{
    const size_t part = exchange->has_fault && exchange->fault.amount >= 0 && (size_t)exchange->fault.amount < count
                            ? (size_t)exchange->fault.amount
                            : count;
    if (has_fault(exchange, FAULT_BREAK)) {
        connection_send(&exchange->connection, bytes, part);
    } else if (has_fault(exchange, FAULT_STALL)) {
        connection_send(&exchange->connection, bytes, part);
        while (!is_over(exchange, 20))
            ;
    } else if (has_fault(exchange, FAULT_DRIBBLE)) {
        connection_send(&exchange->connection, bytes, part);
        for (size_t i = part;
             i < count && !is_over(exchange, 50) && connection_send(&exchange->connection, bytes + i, 1); i++)
            ;
    } else {
        connection_send(&exchange->connection, bytes, count);
        send_endless(exchange);
    }
}

/* The headers that describe a file, then its bytes. */
static void send_file(struct exchange *exchange, const struct served_file *file, bool storage)
{
    size_t from = exchange->range > 0 && !has_fault(exchange, FAULT_NO_RANGE) ? (size_t)exchange->range : 0;
    const bool part = from > 0;
    if (exchange->range > 0 && part && from >= file->size) {
        send_text(exchange, "HTTP/1.1 416 Range Not Satisfiable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
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
    send_text(exchange, "HTTP/1.1 %s\r\nConnection: close\r\n", part ? "206 Partial Content" : "200 OK");
    if (!has_fault(exchange, FAULT_ENDLESS))
        send_text(exchange, "Content-Length: %zu\r\n", count);
    if (part)
        send_text(exchange, "Content-Range: bytes %zu-%zu/%zu\r\n", from, file->size - 1, file->size);
    if (!storage)
        send_text(exchange, "X-Repo-Commit: " SERVER_COMMIT "\r\n");
    send_text(exchange, "ETag: \"%s%s\"\r\n\r\n", storage ? "storage-" : "", file->etag);
    if (!exchange->head)
        send_part(exchange, changed ? changed : file->bytes + from, count);
    free(changed);
}

static void send_error(struct exchange *exchange, const char *status, const char *headers)
{
    send_text(exchange, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 4\r\n%s\r\n", status, headers);
    if (!exchange->head)
        connection_send(&exchange->connection, "oops", 4);
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

static void send_redirect(struct exchange *exchange, const struct served_file *file)
{
    send_text(exchange,
              "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nX-Repo-Commit: " SERVER_COMMIT
              "\r\nX-Linked-Etag: \"%s\"\r\n",
              file->etag);
    if (!has_fault(exchange, FAULT_ENDLESS))
        send_text(exchange, "X-Linked-Size: %zu\r\n", file->size);
    send_text(exchange, "Location: %s/storage/%s\r\n\r\n", exchange->server->storage, file->name);
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
        send_redirect(exchange, file);
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
        send_text(exchange, "HTTP/1.1 307 Moved\r\nConnection: close\r\nContent-Length: 0\r\nLocation: %s%s\r\n\r\n",
                  repository, path + sizeof(old) - 1);
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

static void serve(int socket, void *user_data)
{
    struct server *server = user_data;
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    exchange->server = server;
    if (connection_begin(&exchange->connection, socket, server->secure) &&
        connection_receive_head(&exchange->connection, exchange->text, sizeof(exchange->text))) {
        note_request(exchange);
        answer(exchange);
    }
    connection_end(&exchange->connection, has_fault(exchange, FAULT_BREAK) || has_fault(exchange, FAULT_HANG_UP));
    free(exchange);
}

struct server *server_start_secure(SSL_CTX *context)
{
    struct server *server = calloc(1, sizeof(*server));
    assert_non_null(server);
    server->secure = context;
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_lock(&server->lock); /* no request is noted before the listener is known */
    server->listener = listener_start(serve, server);
    snprintf(server->storage, sizeof(server->storage), "http%s://localhost:%d", context ? "s" : "",
             server_port(server));
    pthread_mutex_unlock(&server->lock);
    return server;
}

struct server *server_start(void)
{
    return server_start_secure(NULL);
}

void server_stop(struct server *server)
{
    listener_stop(server->listener);
    server_remove_files(server);
    string_free(&server->log);
    free(server->token);
    SSL_CTX_free(server->secure);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

int server_port(const struct server *server)
{
    return listener_port(server->listener);
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

void server_set_storage(struct server *server, const char *origin)
{
    pthread_mutex_lock(&server->lock);
    snprintf(server->storage, sizeof(server->storage), "%s", origin);
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
