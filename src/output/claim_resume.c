/* What an earlier run left: its images, and which of them stay. */
#include "base/error.h"
#include "base/file.h"
#include "media/listing.h"
#include "output/claim_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Whether the line is one of the job's; takes it over. */
static int take_option(const struct journal_line *line, struct string_list *job)
{
    int status = string_list_append(job, line->fields[1]);

    return status ? status : string_list_append(job, line->fields[2]);
}

static bool is_line(const struct journal_line *line, const char *kind, size_t fields)
{
    return strcmp(line->fields[0], kind) == 0 && line->count >= fields;
}

static int unknown_journal(const char *path)
{
    return error_set(
        SOWLV2_ERROR_FORMAT,
        "%s: damaged, or of another version of sowlv2: leave out --resume to start over, or choose another "
        "--output folder",
        path);
}

/* Reads the first line. */
static int check_version(FILE *stream, const char *path, struct journal_line *line)
{
    const int got = journal_next(stream, path, line);

    if (got == 1 && is_line(line, "sowlv2-journal", 2) && strcmp(line->fields[1], JOURNAL_VERSION) == 0)
        return 0;
    return got == SOWLV2_ERROR_IO || got == SOWLV2_ERROR_MEMORY ? got : unknown_journal(path);
}

/* ---- a video ---- */

/* Counts the rows of a video, as far as they are whole. */
struct row_count {
    const char *name;
    int64_t rows;
    bool whole;
};

static int count_row(void *user_data, const struct output_row *row)
{
    struct row_count *count = user_data;

    count->rows++;
    if (!row->video || strcmp(row->video, count->name) != 0 || !row->has_files)
        count->whole = false;
    return 0;
}

static int take_video(const struct journal_line *line, struct output_video *out)
{
    struct output_identity identity;
    const char *name;

    output_identity_free(&out->identity);
    free(out->name);
    out->name = NULL;
    if (!journal_parse_input(line, &name, &identity))
        return 0;
    out->name = strdup(name);
    out->identity = identity;
    out->identity.path = identity.path ? strdup(identity.path) : NULL;
    return out->name && (out->identity.path || !identity.path) ? 0 : error_memory("journal");
}

static void take_end(const struct journal_line *line, struct output_video *out)
{
    if (!journal_parse_number(line->fields[1], &out->rows))
        out->rows = -1;
    out->lacks_sound = line->count > 2 && strcmp(line->fields[2], JOURNAL_LACKS_SOUND) == 0;
}

static int read_video(FILE *stream, const char *path, struct output_video *out)
{
    struct journal_line line = {0};
    int status = check_version(stream, path, &line), got = 0;

    while (!status && (got = journal_next(stream, path, &line)) == 1)
        if (is_line(&line, "option", 3))
            status = take_option(&line, &out->job);
        else if (is_line(&line, "video", 5))
            status = take_video(&line, out);
        else if (is_line(&line, "finished", 2))
            take_end(&line, out);
    journal_line_free(&line);
    return status ? status : got;
}

int output_video_read(const char *folder, struct output_video *out)
{
    char *path = path_join(folder, LISTING_MARK "/journal");
    FILE *stream = NULL;
    int status;

    *out = (struct output_video){.rows = -1};
    status = path ? output_open_file(AT_FDCWD, path, path, &stream) : error_memory("journal");
    if (!status && stream)
        status = read_video(stream, path, out);
    if (stream)
        fclose(stream);
    free(path);
    return status;
}

int output_video_is_whole(const char *folder, const struct output_video *video, bool *whole)
{
    struct row_count count = {.name = video->name, .whole = true};
    const int status = video->rows >= 0 ? output_rows_read(folder, count_row, &count) : 0;

    *whole = !status && video->rows >= 0 && count.whole && count.rows == video->rows;
    return status;
}

void output_video_free(struct output_video *video)
{
    output_identity_free(&video->identity);
    string_list_free(&video->job);
    free(video->name);
    *video = (struct output_video){0};
}

/* ---- images ---- */

static int add_record(struct output_claim *claim, const struct journal_line *line)
{
    struct output_record *record;
    struct output_identity identity;
    const char *name;

    if (line->count < 6 || !journal_parse_input(line, &name, &identity))
        return unknown_journal(claim->journal_path);
    if (claim->record_count == claim->record_capacity) {
        const size_t capacity = claim->record_capacity > 0 ? 2 * claim->record_capacity : 64;
        struct output_record *grown = realloc(claim->records, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("journal");
        claim->records = grown;
        claim->record_capacity = capacity;
    }
    record = &claim->records[claim->record_count++];
    *record = (struct output_record){.name = strdup(name), .stem = strdup(line->fields[5]), .identity = identity};
    record->identity.path = identity.path ? strdup(identity.path) : NULL;
    return record->name && record->stem && (record->identity.path || !identity.path) ? 0 : error_memory("journal");
}

static int read_records(struct output_claim *claim, FILE *stream, struct string_list *job)
{
    struct journal_line line = {0};
    int status = check_version(stream, claim->journal_path, &line), got = 0;

    while (!status && (got = journal_next(stream, claim->journal_path, &line)) == 1) {
        if (is_line(&line, "option", 3))
            status = take_option(&line, job);
        else if (is_line(&line, "image", 1))
            status = add_record(claim, &line);
        else if (is_line(&line, "video", 5))
            status = error_set(SOWLV2_ERROR_ARGUMENT,
                               "--resume: %s: it holds the results of a video, %s: choose another --output folder for "
                               "images, or leave out --resume to start over",
                               claim->folder, line.fields[1]);
    }
    journal_line_free(&line);
    return status ? status : got;
}

static int compare_names(const void *a, const void *b)
{
    const struct output_record *left = *(struct output_record *const *)a, *right = *(struct output_record *const *)b;
    const int order = strcmp(left->name, right->name);

    return order ? order : (left > right) - (left < right);
}

static const char *path_of(const struct output_record *record)
{
    return record->identity.path ? record->identity.path : "";
}

static int compare_paths(const void *a, const void *b)
{
    const struct output_record *left = *(struct output_record *const *)a, *right = *(struct output_record *const *)b;
    const int order = strcmp(path_of(left), path_of(right));

    return order ? order : (left > right) - (left < right);
}

static int sort_records(struct output_claim *claim)
{
    claim->by_name = calloc(claim->record_count + 1, sizeof(*claim->by_name));
    claim->by_path = calloc(claim->record_count + 1, sizeof(*claim->by_path));
    if (!claim->by_name || !claim->by_path)
        return error_memory("journal");
    for (size_t i = 0; i < claim->record_count; i++)
        claim->by_name[i] = claim->by_path[i] = &claim->records[i];
    qsort(claim->by_name, claim->record_count, sizeof(*claim->by_name), compare_names);
    qsort(claim->by_path, claim->record_count, sizeof(*claim->by_path), compare_paths);
    return 0;
}

/* The first place in `sorted` that is not below `text`. */
static size_t lower_bound(struct output_record *const *sorted, size_t count, const char *text,
                          const char *(*key)(const struct output_record *))
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (strcmp(key(sorted[middle]), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *name_of(const struct output_record *record)
{
    return record->name;
}

/* The last record of a name; NULL: there is none. */
static struct output_record *find_name(const struct output_claim *claim, const char *name)
{
    struct output_record *found = NULL;

    for (size_t i = lower_bound(claim->by_name, claim->record_count, name, name_of);
         i < claim->record_count && strcmp(claim->by_name[i]->name, name) == 0; i++)
        found = claim->by_name[i];
    return found;
}

/* Notes what becomes of a line; those before it that were blank do not stay. */
static int set_row(struct output_claim *claim, size_t line, size_t record)
{
    if (line > claim->row_capacity) {
        const size_t capacity = 2 * line + 64;
        size_t *grown = realloc(claim->rows, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("results.jsonl");
        claim->rows = grown;
        claim->row_capacity = capacity;
    }
    while (claim->row_count + 1 < line)
        claim->rows[claim->row_count++] = NO_RECORD;
    claim->rows[claim->row_count++] = record;
    return 0;
}

static int take_row(void *user_data, const struct output_row *row)
{
    struct output_claim *claim = user_data;
    struct output_record *record = row->image ? find_name(claim, row->image) : NULL;
    const char *job = row->job ? row->job : "";

    if (!record)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--resume: %s/results.jsonl:%zu: it is not known what this row was made from: choose another "
                         "--output folder, or leave out --resume to start over",
                         claim->folder, row->line);
    if (strcmp(job, claim->job_id ? claim->job_id : "") != 0)
        return error_set(
            SOWLV2_ERROR_ARGUMENT,
            "--resume: %s/results.jsonl:%zu: the row is one of another job: choose another --output folder, "
            "or leave out --resume to start over",
            claim->folder, row->line);
    record->stays = row->has_files;
    return set_row(claim, row->line, row->has_files ? (size_t)(record - claim->records) : NO_RECORD);
}

int output_claim_load(struct output_claim *claim)
{
    struct string_list job = {0};
    FILE *stream = NULL;
    int status;

    if (claim->loaded)
        return 0;
    claim->loaded = true;
    status = output_open_file(claim->mark, "journal", claim->journal_path, &stream);
    if (!status && stream)
        status = read_records(claim, stream, &job);
    if (!status && stream)
        status = output_job_check(claim->folder, &job, &claim->job);
    if (!status)
        status = sort_records(claim);
    if (!status)
        status = output_rows_read(claim->folder, take_row, claim);
    if (stream)
        fclose(stream);
    string_list_free(&job);
    return status;
}

/* An image that has changed is not done any more. */
static enum output_match settle(struct output_record *record, const struct output_identity *identity, const char *name)
{
    const enum output_match match =
        record->stays ? output_identity_compare(&record->identity, record->name, identity, name) : OUTPUT_OTHER;

    if (match == OUTPUT_CHANGED)
        record->stays = false;
    return match;
}

enum output_match output_claim_find(struct output_claim *claim, const char *name,
                                    const struct output_identity *identity)
{
    struct output_record *named = find_name(claim, name);
    enum output_match match = OUTPUT_OTHER;

    if (identity->path)
        for (size_t i = lower_bound(claim->by_path, claim->record_count, identity->path, path_of);
             match == OUTPUT_OTHER && i < claim->record_count &&
             strcmp(path_of(claim->by_path[i]), identity->path) == 0;
             i++)
            match = settle(claim->by_path[i], identity, name);
    return match == OUTPUT_OTHER && named ? settle(named, identity, name) : match;
}

bool output_claim_has_name(const struct output_claim *claim, const char *name)
{
    const struct output_record *record = find_name(claim, name);

    return record && record->stays;
}

int output_claim_stems(const struct output_claim *claim, struct string_list *stems)
{
    int status = 0;

    for (size_t i = 0; !status && i < claim->record_count; i++)
        if (claim->records[i].stays)
            status = string_list_append(stems, claim->records[i].stem);
    return status;
}
