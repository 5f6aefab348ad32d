/* Fuzzes what a hub may answer with and what lies in its cache: the first byte says as which file the rest is read. */
#include "base/file.h"
#include "base/log.h"
#include "weights/checkpoint_files.h"
#include "weights/hub_list.h"
#include "weights/hub_request.h"
#include "weights/known_words.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define SNAPSHOT "models--a--b/snapshots/" COMMIT

static char root[] = "/tmp/fuzz-hub-XXXXXX";
static char snapshot[160];

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void remove_root(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    check(system(command) == 0);
}

static void write_file(const char *below, const uint8_t *data, size_t size)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, below);
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(file >= 0 && write(file, data, size) == (ssize_t)size);
    close(file);
}

/* Below the folder, perhaps in one of its own: no part is empty or leads up. */
static bool is_inside(const char *name)
{
    for (const char *part = name;; part += strcspn(part, "/") + 1) {
        const size_t length = strcspn(part, "/");

        if (length == 0 || (length == 2 && strncmp(part, "..", 2) == 0))
            return false;
        if (part[length] == '\0')
            return true;
    }
}

static void read_index(void)
{
    struct string_list files = {0};
    json_t *map = NULL;

    if (checkpoint_files(snapshot, &files, &map) == 0)
        for (size_t i = 0; i < files.count; i++)
            check(is_inside(files.items[i]));
    string_list_free(&files);
    json_decref(map);
}

static void read_words(void)
{
    struct known_words *words;

    if (known_words_open(snapshot, &words) != 0 || !words)
        return;
    free(known_words_list(words));
    (void)known_words_has(words, "a black cat");
    known_words_free(&words);
}

static void read_reference(void)
{
    struct hub_request request;
    char *commit = NULL;

    check(hub_request_make("a/b", "main", root, &request) == 0);
    if (hub_read_commit(&request, &commit) == 0)
        check(hub_commit_is_valid(commit));
    free(commit);
    hub_request_free(&request);
}

static void list_all(void)
{
    struct hub_list list = {0};

    (void)hub_list_read(root, &list);
    hub_list_free(&list);
}

/* What was written is a model as a user names it. */
static void read_name(void)
{
    struct hub_request request;
    char path[sizeof(snapshot) + sizeof("/name")], name[1024] = "";

    snprintf(path, sizeof(path), "%s/name", snapshot);
    FILE *const file = fopen(path, "rb");
    check(file != NULL);
    (void)!fread(name, 1, sizeof(name) - 1, file);
    fclose(file);
    if (hub_request_make(name, NULL, root, &request) != 0)
        return;
    char *const command = hub_request_pull_command(&request), *commit = NULL;
    const size_t length = strlen(root);
    check(strncmp(request.repository, root, length) == 0 && !strchr(request.repository + length + 1, '/'));
    if (hub_read_commit(&request, &commit) == 0) /* the revision itself where there is no ref */
        check(hub_commit_is_valid(commit) || strcmp(commit, request.revision) == 0);
    free(commit);
    free(command);
    hub_request_free(&request);
}

static void begin(void)
{
    char path[192];

    check(mkdtemp(root) != NULL);
    atexit(remove_root);
    sowlv2_set_log(NULL, NULL);
    snprintf(snapshot, sizeof(snapshot), "%s/" SNAPSHOT, root);
    check(file_make_directories(snapshot) == 0);
    snprintf(path, sizeof(path), "%s/models--a--b/refs", root);
    check(file_make_directories(path) == 0);
    write_file("models--a--b/refs/main", (const uint8_t *)COMMIT, strlen(COMMIT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {SNAPSHOT "/model.safetensors.index.json", SNAPSHOT "/known_words.json",
                                        SNAPSHOT "/config.json", "models--a--b/refs/main", SNAPSHOT "/name"};
    static void (*const readers[])(void) = {read_index, read_words, list_all, read_reference, read_name};
    enum { KINDS = sizeof(names) / sizeof(*names) };
    static bool ready;

    if (!ready)
        begin();
    ready = true;
    if (size < 1)
        return -1;
    const size_t kind = data[0] % KINDS;
    write_file(names[kind], data + 1, size - 1);
    readers[kind]();
    list_all();
    return 0;
}
