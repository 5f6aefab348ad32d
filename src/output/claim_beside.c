/* A video that is done again: its results are made beside those of the earlier run, and take their place at the end.
 *
 * What was listed stays whole whenever the process ends. Until all that is new is there, nothing of the earlier run is
 * touched. Then both journals name the new files, and from then on the replacement is completed, by the next run where
 * this one is killed: each file is renamed over the earlier one, then the rows, then what has no row any more is
 * removed, then the journal is renamed. So rows always lie beside the files that they name. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"
#include "output/claim_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE LISTING_MARK "/again"

static int open_folder(const struct output_claim *claim, struct output_claim **out)
{
    char *path = path_join(claim->folder, BESIDE);
    const struct output_claim_options options = {.folder = path, .job = &claim->job, .below = true};
    const int status = path ? output_claim_open(&options, out) : error_memory("output folder");

    free(path);
    return status;
}

static bool is_there(const struct output_claim *claim)
{
    struct stat info;

    return fstatat(claim->descriptor, BESIDE, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Removes all that is in the folder beside, and closes it. What cannot be removed is left. */
static void clear(struct output_claim *claim, struct output_claim **beside)
{
    output_remove_half_written(*beside);
    if (output_sweep(*beside, false) != 0)
        log_debug("%s: %s", (*beside)->folder, error_message());
    unlinkat((*beside)->descriptor, "results.jsonl", 0);
    output_remove_empty(*beside);
    unlinkat((*beside)->mark, "journal", 0);
    unlinkat((*beside)->mark, "lock", 0);
    unlinkat((*beside)->descriptor, LISTING_MARK, AT_REMOVEDIR);
    output_claim_close(beside);
    unlinkat(claim->descriptor, BESIDE, AT_REMOVEDIR);
}

void output_claim_drop_beside(struct output_claim *claim)
{
    struct output_claim *beside;

    if (!is_there(claim))
        return;
    if (open_folder(claim, &beside) == 0)
        clear(claim, &beside);
    else
        log_debug("%s: %s", claim->folder, error_message());
}

static int check_link(const struct output_claim *claim, const char *below)
{
    struct stat info;

    if (fstatat(claim->descriptor, below, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISLNK(info.st_mode))
        return 0;
    char *path = path_join(claim->folder, below);
    const int status = path ? output_link_error(path) : error_memory("output folder");

    free(path);
    return status;
}

/* Where results will go must be no link: better said before the work than after it. */
static int check_links(const struct output_claim *claim)
{
    int status = results_check(claim->folder);

    for (size_t i = 0; !status && listing_result_folders[i]; i++) {
        const char *below = listing_result_folders[i];
        char *parent = strndup(below, strcspn(below, "/"));

        status = parent ? check_link(claim, parent) : error_memory("output folder");
        if (!status)
            status = check_link(claim, below);
        free(parent);
    }
    return status;
}

bool output_claim_needs_beside(const struct output_claim *claim)
{
    struct stat info;

    if (!claim->had_results)
        return false;
    return fstatat(claim->descriptor, "results.jsonl", &info, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(info.st_mode) ||
           S_ISLNK(info.st_mode);
}

int output_claim_open_beside(struct output_claim *claim, struct output_claim **out)
{
    const int status = check_links(claim);

    *out = NULL;
    if (status)
        return status;
    output_claim_drop_beside(claim);
    return open_folder(claim, out);
}

/* ---- the replacement ---- */

/* Renames a file of results to its place, unless that was done before. */
static int move_file(const struct output_claim *beside, struct output_claim *claim, const char *file)
{
    size_t kind;
    const char *name = output_own_name(file, &kind);

    if (!name)
        return 0;
    const int from = output_open_below(beside->descriptor, listing_result_folders[kind]);

    if (from < 0 && errno == ENOENT)
        return 0;
    int status = output_claim_make_folder(claim, listing_result_folders[kind]);
    const int to = status ? -1 : output_open_below(claim->descriptor, listing_result_folders[kind]);

    if (!status && renameat(from, name, to, name) != 0 && errno != ENOENT)
        status = error_set(SOWLV2_ERROR_IO, "%s/%s: cannot be replaced: %s", claim->folder, file, strerror(errno));
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return status;
}

static int rename_one(int from, int to, const struct output_claim *claim, const char *name)
{
    if (renameat(from, name, to, name) == 0 || errno == ENOENT)
        return 0;
    return error_set(SOWLV2_ERROR_IO, "%s: its %s cannot be replaced: %s", claim->folder, name, strerror(errno));
}

/* Puts what is beside, `files` and the rows, into its place. Again, it goes on where it ended. */
static int move_all(struct output_claim *claim, const struct output_claim *beside, struct string_list *files)
{
    int status = 0;

    for (size_t i = 0; !status && i < files->count; i++)
        status = move_file(beside, claim, files->items[i]);
    if (!status)
        status = rename_one(beside->descriptor, claim->descriptor, claim, "results.jsonl");
    output_remove_half_written(claim);
    if (!status)
        status = output_sweep_others(claim, files);
    return status ? status : rename_one(beside->mark, claim->mark, claim, "journal");
}

/* What a journal says of files: those of a replacement that has begun, or else all that it names. */
static int read_files(const struct output_claim *beside, struct string_list *files, bool *begun)
{
    struct journal_line line = {0};
    FILE *stream = NULL;
    int status = output_open_file(beside->mark, "journal", beside->journal_path, &stream), got = 0;

    *begun = false;
    while (!status && stream && (got = journal_next(stream, beside->journal_path, &line)) == 1) {
        const bool replaces = strcmp(line.fields[0], "replaces") == 0;

        if (!replaces && strcmp(line.fields[0], "files") != 0)
            continue;
        if (replaces)
            string_list_free(files);
        *begun |= replaces;
        for (size_t i = 1; !status && i < line.count; i++)
            status = string_list_append(files, line.fields[i]);
    }
    journal_line_free(&line);
    if (stream)
        fclose(stream);
    return status ? status : got;
}

/* Takes out names of files that are not there: a film's while it was being written, say. */
static void keep_present(const struct output_claim *beside, struct string_list *files)
{
    size_t kept = 0;

    for (size_t i = 0; i < files->count; i++) {
        struct stat info;
        size_t kind;
        const bool there = output_own_name(files->items[i], &kind) &&
                           fstatat(beside->descriptor, files->items[i], &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                           S_ISREG(info.st_mode);

        if (there)
            files->items[kept++] = files->items[i];
        else
            free(files->items[i]);
    }
    files->count = kept;
}

static int replace(struct output_claim *claim, struct output_claim *beside)
{
    struct string_list files = {0};
    bool begun;
    int status = read_files(beside, &files, &begun);

    if (!status && !begun) {
        keep_present(beside, &files);
        status = output_journal_open(claim);
        if (!status)
            status = output_claim_add_files(claim, &files); /* so that also a run that begins anew knows them */
        if (!status)
            status = output_journal_open(beside);
        if (!status)
            status = output_journal_add_replacement(beside, &files);
    }
    if (!status)
        status = move_all(claim, beside, &files);
    output_claim_end(claim);
    output_claim_end(beside);
    string_list_free(&files);
    return status;
}

int output_claim_recover(struct output_claim *claim)
{
    struct output_claim *beside;
    struct string_list files = {0};
    bool begun;
    int status;

    if (!is_there(claim))
        return 0;
    status = open_folder(claim, &beside);
    if (status)
        return status;
    status = read_files(beside, &files, &begun);
    if (!status && begun)
        status = replace(claim, beside);
    string_list_free(&files);
    if (!status)
        clear(claim, &beside);
    output_claim_close(&beside);
    return status;
}

int output_recover(const char *folder)
{
    char *path = path_join(folder, BESIDE);
    const struct output_claim_options options = {.folder = folder, .resume = true, .below = true};
    struct output_claim *claim = NULL;
    int status = path ? 0 : error_memory("output folder");

    if (!status && file_is_directory(path))
        status = output_claim_open(&options, &claim);
    if (status == SOWLV2_ERROR_ARGUMENT) /* another run has it, and does that itself */
        status = 0;
    output_claim_close(&claim);
    free(path);
    return status;
}

static int count_row(void *user_data, const struct output_row *row)
{
    (void)row;
    ++*(int64_t *)user_data;
    return 0;
}

/* Up to one that is damaged. */
static int64_t count_rows(const struct output_claim *claim)
{
    int64_t count = 0;

    if (output_rows_read(claim->folder, count_row, &count) != 0)
        log_debug("%s", error_message());
    return count;
}

int output_claim_close_beside(struct output_claim *claim, struct output_claim **beside, const char *name, bool whole)
{
    const int64_t before = count_rows(claim), now = count_rows(*beside);
    int status = 0;

    if (now > 0 && (whole || now >= before))
        status = replace(claim, *beside);
    else if (before > 0)
        log_notice("%s: what an earlier run left stays: its rows are %" PRId64 ", this one ended after %" PRId64, name,
                   before, now);
    if (!status)
        clear(claim, beside);
    output_claim_close(beside);
    return status;
}
