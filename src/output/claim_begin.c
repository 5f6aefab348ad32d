/* Beginning in an output folder, and what is written there besides pictures and videos. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"
#include "output/claim_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the journal ---- */

static void write_header(const struct output_claim *claim, struct string *text)
{
    journal_field(text, "sowlv2-journal");
    journal_field(text, JOURNAL_VERSION);
    journal_end(text);
    for (size_t i = 0; i + 1 < claim->job.count; i += 2) {
        struct string line = {0};

        journal_field(&line, "option");
        journal_field(&line, claim->job.items[i]);
        journal_field(&line, claim->job.items[i + 1]);
        journal_end(&line);
        string_append(text, line.data ? line.data : "", line.length);
        text->failed |= line.failed;
        string_free(&line);
    }
}

/* Copies the lines of the images that stay. */
static int copy_records(const struct output_claim *claim, FILE *from, FILE *to)
{
    char *line = NULL;
    size_t capacity = 0, record = 0;
    ssize_t length;

    while ((length = getline(&line, &capacity, from)) > 0 && record < claim->record_count)
        if (strncmp(line, "image\t", 6) == 0 && claim->records[record++].stays)
            fwrite(line, 1, (size_t)length, to); /* the commit checks */
    free(line);
    return ferror(from) ? error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", claim->journal_path, strerror(errno)) : 0;
}

/* A line that a kill has cut ends here, so that the next one is a line of its own. */
static bool end_cut_line(int journal)
{
    const off_t end = lseek(journal, 0, SEEK_END);
    char last = '\n';
    ssize_t count;

    do
        count = end > 0 ? pread(journal, &last, 1, end - 1) : 0;
    while (count < 0 && errno == EINTR);
    return count >= 0 && (last == '\n' || file_write_whole(journal, "\n", 1) == 0);
}

int output_journal_open(struct output_claim *claim)
{
    if (claim->journal >= 0)
        return 0;
    claim->journal = openat(claim->mark, "journal", O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (claim->journal >= 0 && end_cut_line(claim->journal))
        return 0;
    return error_set(SOWLV2_ERROR_IO, "%s: cannot be written: %s", claim->journal_path, strerror(errno));
}

int output_journal_begin(struct output_claim *claim, bool keep)
{
    struct file_writer writer;
    struct string header = {0};
    FILE *old = NULL;
    int status = output_open_file(claim->mark, "journal", claim->journal_path, &old);

    write_header(claim, &header);
    if (!status && header.failed)
        status = error_memory("journal");
    if (!status)
        status = file_writer_open(claim->journal_path, &writer);
    if (!status) {
        fwrite(header.data, 1, header.length, writer.stream); /* the commit checks */
        status = keep && old ? copy_records(claim, old, writer.stream) : 0;
        if (status)
            file_writer_abort(&writer);
        else
            status = file_writer_commit(&writer);
    }
    if (old)
        fclose(old);
    string_free(&header);
    return status ? status : output_journal_open(claim);
}

/* Writes a line whole, or takes what was written of it back. */
static int add_line(struct output_claim *claim, const struct string *line)
{
    size_t written = 0;
    int status = line->failed ? error_memory("journal") : 0;

    pthread_mutex_lock(&claim->adding);
    const off_t end = lseek(claim->journal, 0, SEEK_END);
    while (!status && written < line->length) {
        const ssize_t count = write(claim->journal, line->data + written, line->length - written);

        if (count < 0 && errno == EINTR)
            continue;
        if (count > 0) {
            written += (size_t)count;
            continue;
        }
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot be written: %s: free space, or choose another --output",
                           claim->journal_path, count < 0 ? strerror(errno) : "nothing could be written");
        if (end >= 0 && ftruncate(claim->journal, end) != 0)
            log_debug("%s: its last line is cut", claim->journal_path);
    }
    pthread_mutex_unlock(&claim->adding);
    return status;
}

static int end_line(struct output_claim *claim, struct string *line)
{
    int status;

    journal_end(line);
    status = add_line(claim, line);
    string_free(line);
    return status;
}

static void add_files(struct string *line, const struct string_list *files)
{
    for (size_t i = 0; i < files->count; i++)
        journal_field(line, files->items[i]);
}

int output_claim_add_image(struct output_claim *claim, const char *name, const struct output_identity *identity,
                           const char *stem, const struct string_list *files)
{
    struct string line = {0};

    journal_field(&line, "image");
    journal_input(&line, name, identity);
    journal_field(&line, stem);
    add_files(&line, files);
    return end_line(claim, &line);
}

int output_claim_add_video(struct output_claim *claim, const char *name, const struct output_identity *identity)
{
    struct string line = {0};

    journal_field(&line, "video");
    journal_input(&line, name, identity);
    return end_line(claim, &line);
}

int output_claim_add_files(struct output_claim *claim, const struct string_list *files)
{
    struct string line = {0};

    if (files->count == 0)
        return 0;
    journal_field(&line, "files");
    add_files(&line, files);
    return end_line(claim, &line);
}

int output_journal_add_replacement(struct output_claim *claim, const struct string_list *files)
{
    struct string line = {0};

    journal_field(&line, "replaces");
    add_files(&line, files);
    return end_line(claim, &line);
}

int output_claim_finish_video(struct output_claim *claim, int64_t rows, bool lacks_sound)
{
    struct string line = {0};

    if (claim->journal < 0)
        return 0;
    journal_field(&line, "finished");
    journal_number(&line, rows);
    if (lacks_sound)
        journal_field(&line, JOURNAL_LACKS_SOUND);
    return end_line(claim, &line);
}

/* ---- results.jsonl ---- */

/* Copies the lines that stay. */
static int copy_rows(const struct output_claim *claim, const char *path, FILE *from, FILE *to)
{
    char *line = NULL;
    size_t capacity = 0;

    for (size_t i = 0; i < claim->row_count; i++) {
        const ssize_t length = getline(&line, &capacity, from);

        if (length <= 0)
            break;
        if (claim->rows[i] != NO_RECORD && claim->records[claim->rows[i]].stays)
            fwrite(line, 1, (size_t)length, to); /* the commit checks */
    }
    free(line);
    return ferror(from) ? error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", path, strerror(errno)) : 0;
}

/* Leaves in results.jsonl what stays, by writing it anew beside itself. */
static int tidy_rows(struct output_claim *claim)
{
    char *path = path_join(claim->folder, "results.jsonl");
    struct file_writer writer;
    FILE *old = NULL;
    int status = path ? output_open_file(claim->descriptor, "results.jsonl", path, &old) : error_memory("results");

    if (!status && old) {
        status = file_writer_open(path, &writer);
        if (!status) {
            status = copy_rows(claim, path, old, writer.stream);
            if (status)
                file_writer_abort(&writer);
            else
                status = file_writer_commit(&writer);
        }
    }
    if (old)
        fclose(old);
    free(path);
    return status;
}

static int take_any_row(void *user_data, const struct output_row *row)
{
    (void)row;
    *(bool *)user_data = true;
    return 1;
}

/* ---- beginning ---- */

/* A results.jsonl without a journal may be somebody's own: only one that begins with a row is replaced. */
static int check_rows(const struct output_claim *claim)
{
    struct stat info;
    bool any = false;
    int status;

    if (fstatat(claim->mark, "journal", &info, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    status = output_rows_read(claim->folder, take_any_row, &any);
    return any ? 0 : status;
}

void output_remove_half_written(const struct output_claim *claim)
{
    char *mark = path_join(claim->folder, LISTING_MARK);

    file_remove_leftovers(claim->folder);
    if (mark)
        file_remove_leftovers(mark);
    free(mark);
    for (size_t i = 0; listing_result_folders[i]; i++) {
        char *folder = path_join(claim->folder, listing_result_folders[i]);

        if (folder)
            file_remove_leftovers(folder);
        free(folder);
    }
}

/* The earlier run's files first, then its rows, then the journal: killed in between, the rest is still known. */
static int begin_anew(struct output_claim *claim)
{
    int status = results_check(claim->folder);

    if (!status)
        status = check_rows(claim);
    if (!status)
        status = output_sweep(claim, false);
    if (!status)
        status = results_open(claim->folder, &claim->results);
    if (!status)
        status = output_journal_begin(claim, false);
    if (!status && claim->had_results)
        log_notice("%s: the results of an earlier run there are replaced", claim->folder);
    return status;
}

static int go_on(struct output_claim *claim)
{
    int status = output_claim_load(claim);

    if (!status)
        status = output_sweep(claim, true);
    if (!status)
        status = tidy_rows(claim);
    if (!status)
        status = output_journal_begin(claim, true);
    return status ? status : results_open_again(claim->folder, &claim->results);
}

int output_claim_begin(struct output_claim *claim)
{
    int status;

    if (claim->begun)
        return 0;
    output_remove_half_written(claim); /* before folders that are empty go */
    status = claim->loaded ? go_on(claim) : begin_anew(claim);
    if (!status)
        output_claim_drop_beside(claim);
    claim->begun = !status;
    claim->was_marked |= claim->begun;
    return status;
}

static int make_one(int parent, const char *name, const char *path, int *out)
{
    struct stat info;

    if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot make this folder: %s", path, strerror(errno));
    *out = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out >= 0)
        return 0;
    const int why = errno;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode))
        return output_link_error(path);
    return error_set(SOWLV2_ERROR_IO, "%s: cannot make this folder: %s", path,
                     why == ENOTDIR ? "a file of that name is in the way" : strerror(why));
}

int output_claim_make_folder(struct output_claim *claim, const char *below)
{
    char *names = strdup(below), *path = strdup(claim->folder), *rest = names;
    int parent = claim->descriptor, status = names && path ? 0 : error_memory("output folder");

    while (!status && rest) {
        const char *name = strsep(&rest, "/");
        char *deeper = path_join(path, name);
        int folder = -1;

        free(path);
        path = deeper;
        status = path ? make_one(parent, name, path, &folder) : error_memory("output folder");
        if (parent != claim->descriptor)
            close(parent);
        parent = folder;
    }
    if (parent >= 0 && parent != claim->descriptor)
        close(parent);
    free(names);
    free(path);
    return status;
}

int output_claim_write_row(struct output_claim *claim, const char *row, size_t size)
{
    return results_write(claim->results, row, size);
}

int output_claim_end(struct output_claim *claim)
{
    const int status = results_close(&claim->results);

    if (claim->journal >= 0)
        close(claim->journal);
    claim->journal = -1;
    claim->begun = false;
    return status;
}
