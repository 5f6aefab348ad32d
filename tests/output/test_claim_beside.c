/* A video done again beside what an earlier run left: at no moment is a row there without its files, and a run that is
 * killed at any step loses none. */
#include "claim_case.h"

#include "base/error.h"
#include "base/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the process ends before its n-th change of the file system ---- */

static long steps_left = -1;

static void step(void)
{
    if (steps_left >= 0 && steps_left-- == 0)
        kill(getpid(), SIGKILL);
}

int __real_renameat(int from, const char *old, int to, const char *name);
int __wrap_renameat(int from, const char *old, int to, const char *name);
int __wrap_renameat(int from, const char *old, int to, const char *name)
{
    step();
    return __real_renameat(from, old, to, name);
}

int __real_unlinkat(int folder, const char *name, int flags);
int __wrap_unlinkat(int folder, const char *name, int flags);
int __wrap_unlinkat(int folder, const char *name, int flags)
{
    step();
    return __real_unlinkat(folder, name, flags);
}

int __real_mkdirat(int folder, const char *name, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode)
{
    step();
    return __real_mkdirat(folder, name, mode);
}

ssize_t __real_write(int file, const void *data, size_t size);
ssize_t __wrap_write(int file, const void *data, size_t size);
ssize_t __wrap_write(int file, const void *data, size_t size)
{
    step();
    return __real_write(file, data, size);
}

/* ---- runs ---- */

static char *name_file(const char *stem, int frame)
{
    char *name;

    assert_true(asprintf(&name, "binary/frames/%s%d.png", stem, frame) > 0);
    return name;
}

/* Rows `first` to `last`, each with a file in which `what` stands; and a film whose name while it is written is listed
 * too. */
static void write_frames(struct output_claim *claim, const char *stem, int first, int last, const char *what)
{
    const struct output_identity identity = {.path = strdup("/films/a.mp4"), .size = 7};

    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(output_claim_make_folder(claim, "binary/frames"), 0);
    assert_int_equal(output_claim_make_folder(claim, "video/overlay"), 0);
    assert_int_equal(output_claim_add_video(claim, "a.mp4", &identity), 0);
    struct string_list films = claim_list(CLAIM_LIST("video/overlay/a.mp4", "video/overlay/a.unfinished.mp4"));
    assert_int_equal(output_claim_add_files(claim, &films), 0);
    string_list_free(&films);
    for (int frame = first; frame <= last; frame++) {
        char *file = name_file(stem, frame), *row;
        struct string_list files = claim_list(CLAIM_LIST(file));

        assert_int_equal(output_claim_add_files(claim, &files), 0);
        test_write_text(output_claim_folder(claim), file, what);
        assert_true(
            asprintf(&row, "{\"video\":\"a.mp4\",\"frame\":%d,\"objects\":[{\"mask\":\"%s\"}]}\n", frame, file) > 0);
        assert_int_equal(output_claim_write_row(claim, row, strlen(row)), 0);
        string_list_free(&files);
        free(row);
        free(file);
    }
    free(identity.path);
}

/* A run that was killed after so many rows, in the middle of a line of its journal. */
static void leave_unfinished(int rows, const char *stem)
{
    struct output_claim *claim = claim_take(false);
    char *journal = test_path(claim_output, ".sowlv2/journal");

    write_frames(claim, stem, 1, rows, "old");
    test_write_text(claim_output, "video/overlay/a.unfinished.mp4", "old");
    test_write_text(claim_output, "binary/frames/.sowlv2-1-1.part", "half");
    output_claim_close(&claim);
    FILE *file = fopen(journal, "a");
    assert_non_null(file);
    assert_true(fputs("files\tbinary/frames/never", file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(journal);
}

/* Does it again, with so many rows. */
static int do_again(int rows, bool whole)
{
    struct output_claim *claim, *beside;
    int status = claim_try(true, NULL, &claim);

    if (status)
        return status;
    assert_true(output_claim_needs_beside(claim));
    status = output_claim_open_beside(claim, &beside);
    if (!status) {
        write_frames(beside, "n", 1, rows, "new");
        test_write_text(output_claim_folder(beside), "video/overlay/a.mp4", "new");
        if (whole)
            assert_int_equal(output_claim_finish_video(beside, rows, false), 0);
        assert_int_equal(output_claim_end(beside), 0);
        status = output_claim_close_beside(claim, &beside, "a.mp4", whole);
        assert_null(beside);
    }
    output_claim_close(&claim);
    return status;
}

/* Rows that are there; each has its file. */
static int check_rows(void)
{
    char *path = test_path(claim_output, "results.jsonl"), line[256];
    FILE *file = fopen(path, "r");
    int rows = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        char *mask = strstr(line, "\"mask\":\"");

        assert_non_null(mask);
        mask += 8;
        *strchr(mask, '"') = '\0';
        if (!claim_has_file(mask))
            fail_msg("%s is listed and not there", mask);
        rows++;
    }
    fclose(file);
    free(path);
    return rows;
}

static void expect_text(const char *name, const char *text)
{
    char *path = test_path(claim_output, name);

    claim_expect_text(path, text);
    free(path);
}

static void check_new(int rows)
{
    assert_int_equal(check_rows(), rows);
    expect_text("video/overlay/a.mp4", "new");
    expect_text("binary/frames/n1.png", "new");
    assert_false(claim_has_file("video/overlay/a.unfinished.mp4"));
    assert_false(claim_has_file("binary/frames/o1.png") || claim_has_file("binary/frames/.sowlv2-1-1.part"));
    assert_false(claim_has_file(".sowlv2/again"));
}

static void check_old(int rows)
{
    assert_int_equal(check_rows(), rows);
    expect_text("video/overlay/a.unfinished.mp4", "old");
    expect_text("binary/frames/o1.png", "old");
    assert_false(claim_has_file("video/overlay/a.mp4"));
    assert_false(claim_has_file("binary/frames/n1.png"));
    assert_false(claim_has_file(".sowlv2/again"));
}

/* ---- tests ---- */

/* All of it, or as much as there was, takes its place; what got less far does not. */
static void test_replacement(void **state)
{
    struct output_video video;
    bool whole;

    (void)state;
    leave_unfinished(5, "o");
    assert_int_equal(do_again(3, false), 0);
    check_old(5);
    assert_int_equal(claim_notices, 1);
    assert_int_equal(do_again(0, true), 0);
    check_old(5);
    assert_int_equal(do_again(3, true), 0);
    check_new(3);
    assert_int_equal(output_video_read(claim_output, &video), 0);
    assert_int_equal(output_video_is_whole(claim_output, &video, &whole), 0);
    assert_true(whole);
    output_video_free(&video);
    assert_int_equal(do_again(4, false), 0);
    check_new(4);
}

/* A link where results would go is found before the work is done. */
static void test_links(void **state)
{
    static const char *const names[] = {"results.jsonl", "binary", "overlay/merged"};
    struct output_claim *claim, *beside;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        leave_unfinished(2, "o");
        char *path = test_path(claim_output, names[i]), *away = test_path(claim_root, "away");
        char *parent = test_path(claim_output, "overlay");

        assert_int_equal(file_make_directories(parent), 0);
        rename(path, away);
        assert_int_equal(symlink(away, path), 0);
        claim = claim_take(true);
        assert_int_equal(output_claim_open_beside(claim, &beside), SOWLV2_ERROR_IO);
        claim_expect_message("is a symbolic link");
        output_claim_close(&claim);
        assert_int_equal(unlink(path), 0);
        rename(away, path);
        free(parent);
        free(away);
        free(path);
    }
}

/* Killed before each change that it makes: what is listed is there; the next run completes it, or starts from what was
 * there. A run without resume has nothing left of either. */
static void test_kills(void **state)
{
    enum { OLD = 3, NEW = 5, MOST_STEPS = 500 };
    int ended = 0, replaced = 0, kept = 0;
    long steps = 0;

    (void)state;
    for (; steps < MOST_STEPS; steps++) {
        leave_unfinished(OLD, "o");
        const pid_t child = fork();

        assert_int_not_equal(child, -1);
        if (child == 0) {
            signal(SIGSEGV, SIG_DFL);
            steps_left = steps;
            _exit(do_again(NEW, true) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &ended, 0), child);
        if (WIFEXITED(ended))
            break;
        assert_int_equal(WTERMSIG(ended), SIGKILL);
        const int rows = check_rows();
        assert_true(rows == OLD || rows == NEW);

        if (steps % 2 == 0) {
            struct output_claim *claim = claim_take(true), *beside;
            const bool completed = check_rows() == NEW;

            assert_int_equal(output_claim_open_beside(claim, &beside), 0); /* the leftovers go */
            output_claim_close(&beside);
            output_claim_close(&claim);
            if (completed)
                check_new(NEW);
            else
                check_old(OLD);
            assert_true(completed || rows == OLD);
            replaced += completed;
            kept += !completed;
        }
        struct output_claim *claim = claim_take(false);
        assert_int_equal(output_claim_begin(claim), 0);
        assert_false(claim_has_file("binary") || claim_has_file("video") || claim_has_file(".sowlv2/again"));
        output_claim_close(&claim);
    }
    assert_int_equal(ended, 0);
    assert_true(replaced > 5 && kept > 5);
    check_new(NEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CLAIM_CASE(test_replacement), CLAIM_CASE(test_links), CLAIM_CASE(test_kills)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
