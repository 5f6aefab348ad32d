/* What every test of the hub needs: a server, an empty cache, settings with short times, and what was said. */
#ifndef TESTS_HUB_CASE_H
#define TESTS_HUB_CASE_H

#include "hub/pull.h"
#include "server.h"

#include <stdatomic.h>

/* Bytes of model.safetensors, and of what comes with it; config.json comes before anything is counted. */
enum { CASE_WEIGHTS = 3000000, CASE_SIDE_FILES = 37 + 13 };

struct hub_case {
    struct server *server;
    char *cache;
    char *weights; /* [CASE_WEIGHTS], reproducible */
    struct hub_settings settings;
    char endpoint[64];
    char *folder;       /* of the last pull; NULL: it failed */
    int64_t fetched;    /* by the last pull */
    char notices[4096]; /* all so far, a line each */
    atomic_int said;    /* how many */
    /* What the progress callback saw, and when it stops the download. */
    struct sowlv2_download last;
    int64_t stop_at; /* bytes; 0: never */
};

/* cmocka's setup and teardown; *state is the struct hub_case. The server has an OWLv2 model of small files and large
 * weights. */
int hub_case_make(void **state);
int hub_case_remove(void **state);

/* The same for any server, which is stopped in the end, at `endpoint`, an address without its port. */
struct hub_case *hub_case_begin(struct server *server, const char *endpoint);
void hub_case_end(struct hub_case *test);

/* Pulls SERVER_ID. `kind` as in hub_pull. */
int hub_case_pull(struct hub_case *test, const char *kind);
int hub_case_pull_as(struct hub_case *test, const char *model, const char *kind);

/* Asserts that the pull fails so and says all these texts (ended by NULL). */
#define HUB_CASE_FAILS(test, kind, status, ...)                                                                        \
    hub_case_fails(test, kind, status, (const char *const[]){__VA_ARGS__, NULL})
void hub_case_fails(struct hub_case *test, const char *kind, int status, const char *const *texts);

/* Asserts that the pull works, that the weights came as they are served, and that nothing half-written is left. */
void hub_case_works(struct hub_case *test);

/* `folder`/models--org--name/`format`, freed by the caller. */
__attribute__((format(printf, 2, 3))) char *hub_case_path(struct hub_case *test, const char *format, ...);

/* Size of the file at a path that is freed; -1: there is none. */
long hub_case_size(char *path);

#endif
