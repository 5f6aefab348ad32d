/* An output folder while it belongs to one run: locked against others, its results begun anew or gone on with, and its
 * journal (DIR/.sowlv2/journal) kept, so that a later run knows what is there and of what it was made.
 *
 * Order: open, with `resume` load and look inputs up, begin, then a line of the journal before each input's files and
 * a row after them, end, close. */
#ifndef OUTPUT_CLAIM_H
#define OUTPUT_CLAIM_H

#include "base/strings.h"
#include "output/identity.h"

struct output_claim;

struct output_claim_options {
    const char *folder;            /* made if missing */
    const struct string_list *job; /* what is asked for, as far as results depend on it: name, value, name, value, ...;
                                      a name may come again; NULL: nothing is known of it */
    bool resume;                   /* go on with what is there */
    bool below;                    /* the folder is one in an output folder: no symbolic link */
};

/* Locks the folder, until the process ends at the latest. All is copied. Errors: ARGUMENT (another run has it), IO
 * (cannot be made or written), MEMORY. */
int output_claim_open(const struct output_claim_options *options, struct output_claim **out);

/* Ends it too. Where nothing was begun and nothing was there, what was made for the lock goes away again. */
void output_claim_close(struct output_claim **claim);

/* NULL for NULL. */
const char *output_claim_folder(const struct output_claim *claim);
/* What rows say of the job; NULL where nothing is known of it. */
const char *output_claim_job(const struct output_claim *claim);
bool output_claim_resumes(const struct output_claim *claim);
/* Whether results of an earlier run are there, which begin() without resume replaces. */
bool output_claim_has_results(const struct output_claim *claim);

/* ---- resume ---- */

/* Reads what an earlier run has left of images, once. Errors: ARGUMENT (another job, a video's results, rows of which
 * it is not known what they were made from), FORMAT (a line that is no row), IO, MEMORY. */
int output_claim_load(struct output_claim *claim);

/* Whether an image is done. One that has changed since counts as not done from then on. */
enum output_match output_claim_find(struct output_claim *claim, const char *name,
                                    const struct output_identity *identity);

/* Whether an image that stays has this name in its row; the stems of all that stay, appended. Errors: MEMORY. */
bool output_claim_has_name(const struct output_claim *claim, const char *name);
int output_claim_stems(const struct output_claim *claim, struct string_list *stems);

/* ---- writing ---- */

/* Takes out what does not stay: without resume the rows and files of the earlier run, which is said; with resume rows
 * that are cut or lack a file, and the files of what is not done. Files that no journal names are left. Again, it does
 * nothing. Errors: IO, ARGUMENT (a results.jsonl that is none), MEMORY. */
int output_claim_begin(struct output_claim *claim);
bool output_claim_has_begun(const struct output_claim *claim);

/* Makes a folder below ("binary/frames"). Errors: IO (a symbolic link among others), MEMORY. */
int output_claim_make_folder(struct output_claim *claim, const char *below);

/* An image or a video whose files are about to be written; more files of the video; its end after `rows` rows. Any
 * thread. `lacks_sound`: its films have none, though it has some and that was wanted. Errors: IO, MEMORY. */
int output_claim_add_image(struct output_claim *claim, const char *name, const struct output_identity *identity,
                           const char *stem, const struct string_list *files);
int output_claim_add_video(struct output_claim *claim, const char *name, const struct output_identity *identity);
int output_claim_add_files(struct output_claim *claim, const struct string_list *files);
int output_claim_finish_video(struct output_claim *claim, int64_t rows, bool lacks_sound);

/* As results_write(). */
int output_claim_write_row(struct output_claim *claim, const char *row, size_t size);

/* No more rows; the folder still belongs to the run. Errors: IO. */
int output_claim_end(struct output_claim *claim);

/* ---- a video that is done again ---- */

/* Whether results of an earlier run are there that may be kept until those of this one are. */
bool output_claim_needs_beside(const struct output_claim *claim);

/* A claim on a folder of its own in the mark's, for results that are to take the place of those that are there, which
 * are not touched meanwhile. What a run that was killed left in it goes. Errors: IO (a symbolic link where results will
 * go, too), MEMORY. */
int output_claim_open_beside(struct output_claim *claim, struct output_claim **out);

/* Replaces the earlier results by what is beside, if that is all of the video (`whole`), or has as many rows at least;
 * else that goes, with a notice that calls the video `name`. Killed in between, the next run completes it. Closes the
 * folder beside. Errors: IO, FORMAT, MEMORY: both are left. */
int output_claim_close_beside(struct output_claim *claim, struct output_claim **beside, const char *name, bool whole);

/* Completes a replacement that was broken off, in a folder that nobody has claimed; output_claim_open() does it with
 * resume. Errors: as output_claim_open() and output_claim_close_beside(). */
int output_recover(const char *folder);

/* ---- an output folder that may be another run's ---- */

/* What the journal of a folder says of a video in it. */
struct output_video {
    char *name; /* of its rows; NULL: the folder is no video's */
    struct output_identity identity;
    struct string_list job; /* as in struct output_claim_options */
    int64_t rows;           /* of one that came to its end; -1: it did not */
    bool lacks_sound;       /* as in output_claim_finish_video() */
};

/* Errors: IO, FORMAT, MEMORY; `*out` is freed in any case. */
int output_video_read(const char *folder, struct output_video *out);
void output_video_free(struct output_video *video);

/* Whether it came to its end, and all its rows and mask pictures are there. Errors: IO, FORMAT, MEMORY. */
int output_video_is_whole(const char *folder, const struct output_video *video, bool *whole);

/* Checks that what is there was asked for as now. Errors: ARGUMENT (says what is not the same). */
int output_job_check(const char *folder, const struct string_list *there, const struct string_list *now);

#endif
