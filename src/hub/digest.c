/* See digest.h. */
#include "hub/digest.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The hash has a thread of its own: at the speed of memory it takes as long as receiving and writing do. The bytes go
 * to it through slots: few, so that they stay in the processor's cache. To read the file back behind the writer instead
 * would be as much copying, only by the other of two threads that are equally busy. */
enum { SLOTS = 4, SLOT_SIZE = 256 << 10, LONGEST_ETAG = 64 };

struct digest {
    char etag[LONGEST_ETAG + 1];
    int descriptor;
    int64_t earlier; /* bytes that are read from the file first */
    EVP_MD_CTX *context;
    unsigned char *slots; /* [SLOTS + 1][SLOT_SIZE]; the last one is for reading the file */
    size_t fill;          /* the writer's: bytes in the slot that it fills */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t used[SLOTS];    /* bytes in a slot that was handed over */
    unsigned given, taken; /* slots handed over, slots hashed */
    bool last;             /* no more will come */
    bool cancelled;
    int failure; /* an errno, or -1 from the hash itself; the thread's, until it was joined */
};

bool digest_is_known(const char *etag, int64_t size)
{
    const size_t length = strlen(etag);
    return (length == 64 || (length == 40 && size >= 0)) && strspn(etag, "0123456789abcdef") == length;
}

static unsigned char *slot_at(const struct digest *digest, unsigned number)
{
    return digest->slots + (size_t)(number % SLOTS) * SLOT_SIZE;
}

static void hash(struct digest *digest, const unsigned char *bytes, size_t count)
{
    if (!digest->failure && EVP_DigestUpdate(digest->context, bytes, count) != 1)
        digest->failure = -1;
}

static bool is_cancelled(struct digest *digest)
{
    pthread_mutex_lock(&digest->lock);
    const bool cancelled = digest->cancelled;
    pthread_mutex_unlock(&digest->lock);
    return cancelled;
}

/* What an earlier run left. */
static void hash_earlier(struct digest *digest, unsigned char *buffer)
{
    for (int64_t at = 0; at < digest->earlier && !digest->failure && !is_cancelled(digest);) {
        const int64_t rest = digest->earlier - at;
        const ssize_t got = pread(digest->descriptor, buffer, rest < SLOT_SIZE ? (size_t)rest : SLOT_SIZE, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            digest->failure = got < 0 ? errno : EIO;
        else
            hash(digest, buffer, (size_t)got);
        at += got;
    }
}

/* Waits for a slot; its bytes, 0: there will be none. */
static size_t wait_for_slot(struct digest *digest)
{
    pthread_mutex_lock(&digest->lock);
    while (!digest->cancelled && !digest->last && digest->given == digest->taken)
        pthread_cond_wait(&digest->changed, &digest->lock);
    const bool found = !digest->cancelled && digest->given != digest->taken;
    const size_t count = found ? digest->used[digest->taken % SLOTS] : 0;
    pthread_mutex_unlock(&digest->lock);
    return count;
}

static void *run(void *user_data)
{
    struct digest *digest = user_data;
    hash_earlier(digest, digest->slots + (size_t)SLOTS * SLOT_SIZE);
    for (size_t count; (count = wait_for_slot(digest)) > 0;) {
        hash(digest, slot_at(digest, digest->taken), count);
        pthread_mutex_lock(&digest->lock);
        digest->taken++;
        pthread_cond_signal(&digest->changed);
        pthread_mutex_unlock(&digest->lock);
    }
    return NULL;
}

/* Hands over the slot in hand. */
static void give_slot(struct digest *digest)
{
    pthread_mutex_lock(&digest->lock);
    digest->used[digest->given % SLOTS] = digest->fill;
    digest->given++;
    digest->fill = 0;
    pthread_cond_signal(&digest->changed);
    pthread_mutex_unlock(&digest->lock);
}

static void wait_for_room(struct digest *digest)
{
    pthread_mutex_lock(&digest->lock);
    while (digest->given - digest->taken == SLOTS)
        pthread_cond_wait(&digest->changed, &digest->lock);
    pthread_mutex_unlock(&digest->lock);
}

void digest_feed(struct digest *digest, const void *bytes, size_t count)
{
    for (const unsigned char *at = bytes; count > 0;) {
        if (digest->fill == 0)
            wait_for_room(digest);
        const size_t room = SLOT_SIZE - digest->fill, part = count < room ? count : room;
        memcpy(slot_at(digest, digest->given) + digest->fill, at, part);
        digest->fill += part;
        at += part;
        count -= part;
        if (digest->fill == SLOT_SIZE)
            give_slot(digest);
    }
}

static void free_digest(struct digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    pthread_mutex_destroy(&digest->lock);
    pthread_cond_destroy(&digest->changed);
    free(digest->slots);
    free(digest);
}

static bool begin_hash(struct digest *digest, int64_t size)
{
    char header[40];
    const bool git = strlen(digest->etag) == 40;
    if (!digest->context || EVP_DigestInit_ex(digest->context, git ? EVP_sha1() : EVP_sha256(), NULL) != 1)
        return false;
    const int length = snprintf(header, sizeof(header), "blob %lld", (long long)size);
    return !git || EVP_DigestUpdate(digest->context, header, (size_t)length + 1) == 1; /* with its '\0' */
}

int digest_start(const char *etag, int descriptor, int64_t size, int64_t there, struct digest **out)
{
    struct digest *digest = calloc(1, sizeof(*digest));
    *out = NULL;
    if (!digest)
        return error_memory("hash");
    memcpy(digest->etag, etag, strlen(etag) + 1);
    digest->descriptor = descriptor;
    digest->earlier = there;
    digest->context = EVP_MD_CTX_new();
    digest->slots = malloc((size_t)(SLOTS + 1) * SLOT_SIZE);
    pthread_mutex_init(&digest->lock, NULL);
    pthread_cond_init(&digest->changed, NULL);
    if (!digest->slots || !begin_hash(digest, size) || pthread_create(&digest->thread, NULL, run, digest) != 0) {
        free_digest(digest);
        return error_memory("hash");
    }
    *out = digest;
    return 0;
}

static void stop(struct digest *digest, bool cancel)
{
    pthread_mutex_lock(&digest->lock);
    digest->last = true;
    digest->cancelled = cancel;
    pthread_cond_signal(&digest->changed);
    pthread_mutex_unlock(&digest->lock);
    pthread_join(digest->thread, NULL);
}

int digest_finish(struct digest **digest, bool *same)
{
    unsigned char found[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned length = 0;
    int status = 0;
    if ((*digest)->fill > 0)
        give_slot(*digest);
    stop(*digest, false);
    if (!(*digest)->failure && EVP_DigestFinal_ex((*digest)->context, found, &length) != 1)
        (*digest)->failure = -1;
    for (unsigned i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", found[i]);
    *same = strcmp(text, (*digest)->etag) == 0;
    if ((*digest)->failure)
        status = error_set(SOWLV2_ERROR_IO, "hash: what was downloaded cannot be checked: %s",
                           (*digest)->failure > 0 ? strerror((*digest)->failure) : "the hash failed");
    free_digest(*digest);
    *digest = NULL;
    return status;
}

void digest_cancel(struct digest **digest)
{
    if (!*digest)
        return;
    stop(*digest, true);
    free_digest(*digest);
    *digest = NULL;
}
