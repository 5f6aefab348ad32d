/* A hub of the tests' own: serves one model over HTTP or https on this machine, as the real one does, and badly where
 * told. */
#ifndef TESTS_HUB_SERVER_H
#define TESTS_HUB_SERVER_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#define SERVER_ID "org/name"
#define SERVER_COMMIT "c2963a47b1b8a0e6c3d15dc9a4ef7f1f0e6b1a55"

enum fault_kind {
    FAULT_STATUS,      /* answers with `code` and `headers` */
    FAULT_BREAK,       /* closes after `amount` bytes of the body */
    FAULT_STALL,       /* sends nothing more after `amount` bytes */
    FAULT_DRIBBLE,     /* sends one byte now and then after `amount` bytes */
    FAULT_WRONG_BYTE,  /* changes the body's byte number `amount` */
    FAULT_LENGTH,      /* declares and sends `amount` bytes more (less: below 0) */
    FAULT_NO_RANGE,    /* sends all where a part was asked for */
    FAULT_WRONG_RANGE, /* sends the part one byte further on */
    FAULT_HANG_UP,     /* closes without an answer */
    FAULT_ENDLESS,     /* says no length; sends zeros behind the file, `amount` bytes of them */
    FAULT_LATE,        /* waits `amount` milliseconds before it answers */
};

struct fault {
    enum fault_kind kind;
    const char *match; /* a part of "GET /org/name/resolve/main/config.json" */
    int times;         /* for how many requests; 0: none is left */
    long amount;
    int code;
    const char *headers; /* lines, each ending in "\r\n"; NULL: none */
};

struct server;

/* Listens on 127.0.0.1, at a port that the system chooses. Every function asserts that it worked. */
struct server *server_start(void);
/* The same with https, as authority_certify() makes it; the context is the server's from then on. */
struct server *server_start_secure(SSL_CTX *context);
void server_stop(struct server *server);
int server_port(const struct server *server);

/* Adds a file of the model; `large`: one that is redirected to storage, at the host's other name, "localhost". The
 * bytes must stay. */
void server_add(struct server *server, const char *name, const void *bytes, size_t size, bool large);
void server_remove_files(struct server *server);

/* The etag of a file, valid until it is removed: SHA-256 where it is large, else git's hash. */
const char *server_etag(const struct server *server, const char *name);

void server_fault(struct server *server, struct fault fault);

/* Where large files are redirected to from now on: "https://storage.test", without "/storage/...". */
void server_set_storage(struct server *server, const char *origin);

/* From now on the hub (not its storage) asks for this token; NULL: for none. */
void server_require_token(struct server *server, const char *token);

/* How many requests so far have `part` in their line of the log: "GET /path host=H auth=A range=R proxy-auth=P". */
int server_count(struct server *server, const char *part);
void server_clear_log(struct server *server);

/* The log, freed by the caller. */
char *server_log(struct server *server);

#endif
