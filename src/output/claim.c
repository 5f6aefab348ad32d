/* The lock of an output folder. */
#include "output/claim.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"
#include "output/claim_internal.h"
#include "output/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* As often as another run may take its empty folder away again while this one is about to lock it. */
enum { MOST_TRIES = 100 };

int output_link_error(const char *path)
{
    return error_set(SOWLV2_ERROR_IO,
                     "%s: is a symbolic link: results are not written through links in the output folder: remove it, "
                     "or choose another --output folder",
                     path);
}

static int folder_error(const char *path, int why)
{
    return error_set(SOWLV2_ERROR_IO, "%s: cannot be written: %s: choose another --output folder", path, strerror(why));
}

/* The highest folder of the path that is not there; NULL in `*out`: all are. */
static int find_missing(const char *path, char **out)
{
    char *part = strdup(path), *missing = NULL;
    int status = part ? 0 : error_memory(path);

    while (!status && *part && !file_exists(part)) {
        char *slash;

        free(missing);
        missing = strdup(part);
        if (!missing)
            status = error_memory(path);
        slash = strrchr(part, '/');
        *(slash ? slash : part) = '\0';
    }
    free(part);
    if (status)
        free(missing);
    *out = status ? NULL : missing;
    return status;
}

/* Who has the folder, as its lock says. */
static int refuse(const struct output_claim *claim, int lock)
{
    char owner[32] = "";
    ssize_t count = pread(lock, owner, sizeof(owner) - 1, 0);
    const long process = count > 0 ? strtol(owner, NULL, 10) : 0;
    char text[48] = "";

    if (process > 0)
        snprintf(text, sizeof(text), " (process %ld)", process);
    return error_set(SOWLV2_ERROR_ARGUMENT,
                     "%s: another run of sowlv2%s is writing there: wait until it has ended, or choose another "
                     "--output folder",
                     claim->folder, text);
}

/* Whether the file at the descriptor still is the lock: a run that left nothing takes it away. */
static bool is_lock(const struct output_claim *claim, int lock)
{
    struct stat held, there;

    return fstat(lock, &held) == 0 && fstatat(claim->mark, "lock", &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

static void note_owner(int lock)
{
    char text[32];
    const int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t)size, 0) != size)
        log_debug("lock: the number of the process cannot be written: %s", strerror(errno));
}

/* Opens the mark's folder and locks in it; `*again`: it was taken away meanwhile. */
static int take_lock(struct output_claim *claim, const char *mark_path, bool *again)
{
    if (mkdirat(claim->descriptor, LISTING_MARK, 0777) != 0 && errno != EEXIST) {
        *again = errno == ENOENT;
        return folder_error(claim->folder, errno);
    }
    claim->mark = openat(claim->descriptor, LISTING_MARK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (claim->mark < 0) {
        struct stat info;

        *again = errno == ENOENT;
        if (errno == ENOTDIR && fstatat(claim->descriptor, LISTING_MARK, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(info.st_mode))
            return output_link_error(mark_path);
        return folder_error(mark_path, errno);
    }
    claim->lock = openat(claim->mark, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (claim->lock < 0) {
        *again = errno == ENOENT;
        return folder_error(mark_path, errno);
    }
    if (flock(claim->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return refuse(claim, claim->lock);
        log_notice("%s: it cannot be locked (%s): take care that no other run writes there", claim->folder,
                   strerror(errno));
    } else if (!is_lock(claim, claim->lock)) {
        *again = true;
        return folder_error(claim->folder, ENOENT);
    }
    note_owner(claim->lock);
    return 0;
}

static void close_descriptors(struct output_claim *claim)
{
    int *const all[] = {&claim->lock, &claim->mark, &claim->descriptor};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}

/* Makes the folder, and opens it. */
static int open_folder(struct output_claim *claim, bool below, bool *again)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (below ? O_NOFOLLOW : 0);
    struct stat info;
    char *missing;
    int status = find_missing(claim->folder, &missing);

    if (!status && !claim->first_made)
        claim->first_made = missing;
    else
        free(missing);
    if (!status && below && lstat(claim->folder, &info) == 0 && S_ISLNK(info.st_mode))
        return output_link_error(claim->folder);
    if (!status)
        status = file_make_directories(claim->folder);
    if (status)
        return status;
    claim->descriptor = open(claim->folder, flags);
    if (claim->descriptor >= 0)
        return 0;
    *again = errno == ENOENT;
    return folder_error(claim->folder, errno);
}

static int open_and_lock(struct output_claim *claim, bool below)
{
    char *mark_path = path_join(claim->folder, LISTING_MARK);
    int status = mark_path ? 0 : error_memory("output folder");
    bool again = !status;

    for (int tries = 0; again && tries < MOST_TRIES; tries++) {
        again = false;
        close_descriptors(claim);
        status = open_folder(claim, below, &again);
        if (!status)
            status = take_lock(claim, mark_path, &again);
    }
    free(mark_path);
    return status;
}

static int copy_job(struct output_claim *claim, const struct string_list *job)
{
    uint64_t hash = HASH_START;
    int status = 0;

    for (size_t i = 0; !status && i < job->count; i++) {
        hash = hash_bytes(hash, job->items[i], strlen(job->items[i]) + 1);
        status = string_list_append(&claim->job, job->items[i]);
    }
    if (!status && asprintf(&claim->job_id, "%016" PRIx64, hash) < 0) {
        claim->job_id = NULL;
        status = error_memory("job");
    }
    return status;
}

/* Whether the journal names an input. */
static bool has_inputs(FILE *journal, const char *path)
{
    struct journal_line line = {0};
    bool found = false;

    while (!found && journal_next(journal, path, &line) == 1)
        found = strcmp(line.fields[0], "image") == 0 || strcmp(line.fields[0], "video") == 0;
    journal_line_free(&line);
    return found;
}

static int look_for_results(struct output_claim *claim)
{
    FILE *journal = NULL;
    struct stat info;
    int status = output_open_file(claim->mark, "journal", claim->journal_path, &journal);

    claim->was_marked = journal;
    claim->had_results = journal && has_inputs(journal, claim->journal_path);
    if (journal)
        fclose(journal);
    if (fstatat(claim->descriptor, "results.jsonl", &info, AT_SYMLINK_NOFOLLOW) == 0)
        claim->had_results |= S_ISREG(info.st_mode) && info.st_size > 0;
    return status;
}

/* Takes away what was made for the lock alone. */
static void clean_up(struct output_claim *claim)
{
    char *part;

    unlinkat(claim->mark, "lock", 0);
    unlinkat(claim->descriptor, LISTING_MARK, AT_REMOVEDIR);
    part = claim->first_made ? strdup(claim->folder) : NULL;
    while (part && rmdir(part) == 0 && strcmp(part, claim->first_made) != 0) {
        char *slash = strrchr(part, '/');

        *(slash ? slash : part) = '\0';
    }
    free(part);
}

/* The path without slashes at its end. NULL: out of memory. */
static char *without_slashes(const char *path)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    return strndup(path, length);
}

int output_claim_open(const struct output_claim_options *options, struct output_claim **out)
{
    struct output_claim *claim = calloc(1, sizeof(*claim));
    int status = 0;

    *out = NULL;
    if (!claim)
        return error_memory("output folder");
    claim->descriptor = claim->mark = claim->lock = claim->journal = -1;
    claim->resumes = options->resume;
    pthread_mutex_init(&claim->adding, NULL);
    claim->folder = without_slashes(options->folder);
    claim->journal_path = claim->folder ? path_join(claim->folder, LISTING_MARK "/journal") : NULL;
    if (!claim->journal_path)
        status = error_memory("output folder");
    if (!status && options->job)
        status = copy_job(claim, options->job);
    if (!status)
        status = open_and_lock(claim, options->below);
    if (status)
        claim->was_marked = true; /* nothing is cleaned up that may be another's */
    else if (claim->resumes)
        status = output_claim_recover(claim);
    if (!status)
        status = look_for_results(claim);
    if (status)
        output_claim_close(&claim);
    else
        *out = claim;
    return status;
}

void output_claim_close(struct output_claim **closed)
{
    struct output_claim *claim = *closed;

    if (!claim)
        return;
    output_claim_end(claim);
    if (claim->lock >= 0 && !claim->was_marked)
        clean_up(claim);
    close_descriptors(claim);
    for (size_t i = 0; i < claim->record_count; i++) {
        free(claim->records[i].name);
        free(claim->records[i].stem);
        output_identity_free(&claim->records[i].identity);
    }
    free(claim->records);
    free(claim->by_name);
    free(claim->by_path);
    free(claim->rows);
    string_list_free(&claim->job);
    pthread_mutex_destroy(&claim->adding);
    free(claim->job_id);
    free(claim->first_made);
    free(claim->folder);
    free(claim->journal_path);
    free(claim);
    *closed = NULL;
}

const char *output_claim_folder(const struct output_claim *claim)
{
    return claim ? claim->folder : NULL;
}

const char *output_claim_job(const struct output_claim *claim)
{
    return claim->job_id;
}

bool output_claim_resumes(const struct output_claim *claim)
{
    return claim->resumes;
}

bool output_claim_has_results(const struct output_claim *claim)
{
    return claim->had_results;
}

bool output_claim_has_begun(const struct output_claim *claim)
{
    return claim->begun;
}
