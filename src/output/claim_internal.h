/* Between the files of the claim. */
#ifndef OUTPUT_CLAIM_INTERNAL_H
#define OUTPUT_CLAIM_INTERNAL_H

#include "output/claim.h"
#include "output/journal.h"
#include "output/results.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

/* An image in the journal. */
struct output_record {
    char *name, *stem;
    struct output_identity identity;
    bool stays; /* its row is there, with its files, and it is not to be done again */
};

/* Of a row that does not stay, whatever becomes of its image. */
#define NO_RECORD SIZE_MAX

struct output_claim {
    char *folder, *journal_path;
    char *first_made; /* the highest folder that was made for it; NULL: all were there */
    struct string_list job;
    char *job_id; /* NULL: nothing is known of it */
    bool resumes, loaded, begun;
    bool was_marked, had_results; /* an earlier run was there; it left rows or files */
    int descriptor, mark, lock;   /* the folder, that of the mark, the lock in it */

    struct output_record *records; /* [record_count], in the journal's order; of one name the last counts */
    size_t record_count, record_capacity;
    struct output_record **by_name, **by_path; /* [record_count], sorted */
    size_t *rows;                              /* [row_count]: the record of each line of results.jsonl */
    size_t row_count, row_capacity;

    struct results *results;
    int journal;            /* descriptor; -1: not open */
    pthread_mutex_t adding; /* to the journal */
};

/* Opens a regular file for reading, never through a link. `*out` is NULL where there is none. `path` is what messages
 * call it. Errors: IO, MEMORY. */
int output_open_file(int folder, const char *name, const char *path, FILE **out);

/* Sets the error of a path that is a symbolic link. */
int output_link_error(const char *path);

/* What a row of results.jsonl says; strings are good until the next one. */
struct output_row {
    size_t line;                     /* from 1 */
    const char *image, *video, *job; /* NULL: not there */
    bool has_files;                  /* its masks and crops are there */
};

/* Calls `take` for each whole line of FOLDER/results.jsonl that is not blank; whatever it gives but 0 ends the reading.
 * Errors: FORMAT (a line that is no row), IO, MEMORY. */
int output_rows_read(const char *folder, int (*take)(void *user_data, const struct output_row *row), void *user_data);

/* Removes the files that the journal names: all, or with `keep` those of records that do not stay. Without a journal
 * it does nothing. What cannot be removed is left. Errors: IO, MEMORY. */
int output_sweep(struct output_claim *claim, bool keep);

/* The same, but for those of `stay`, which is sorted. */
int output_sweep_others(struct output_claim *claim, struct string_list *stay);

/* The name of a file right in a folder of results, and which folder that is; NULL: it is no such file. */
const char *output_own_name(const char *file, size_t *folder);

/* Opens a folder of results, through no link; -1 with errno. */
int output_open_below(int folder, const char *below);

/* Removes the folders of results that are empty, and those that held them. */
void output_remove_empty(const struct output_claim *claim);

/* Removes what a run that was killed left half written. */
void output_remove_half_written(const struct output_claim *claim);

/* Removes what a run that was killed left beside; completes a replacement that was broken off, or removes it. Errors:
 * IO, FORMAT, MEMORY. */
void output_claim_drop_beside(struct output_claim *claim);
int output_claim_recover(struct output_claim *claim);

/* Opens the journal that is there, to add to it. Errors: IO. */
int output_journal_open(struct output_claim *claim);
int output_journal_add_replacement(struct output_claim *claim, const struct string_list *files);

/* Writes the journal anew: the job and, with `keep`, the records that stay. */
int output_journal_begin(struct output_claim *claim, bool keep);

#endif
