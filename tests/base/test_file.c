/* Files: mapping, reading whole, folders, and writing complete or not at all. */
#include "base/error.h"
#include "base/file.h"
#include "base/file_part.h"
#include "base/test_folder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void read_takes_the_whole_file(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "f"), *text;
    size_t size;
    test_write(folder, "f", "12345", 5);
    assert_int_equal(file_read(path, 5, &text, &size), 0);
    assert_int_equal(size, 5);
    assert_string_equal(text, "12345");
    free(text);
    assert_int_equal(file_read(path, 4, &text, &size), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), path));
    assert_null(text);
    test_write(folder, "f", "", 0);
    assert_int_equal(file_read(path, 0, &text, &size), 0);
    assert_string_equal(text, "");
    free(text);
    free(path);
    test_folder_remove(folder);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *missing = test_path(folder, "missing"), *pipe = test_path(folder, "pipe"),
         *text;
    const char *const paths[] = {missing, folder, pipe, "/dev/null"};
    struct file_part part;
    size_t size;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(file_part_open(paths[i], &part), SOWLV2_ERROR_IO);
        assert_non_null(strstr(error_message(), paths[i]));
        assert_int_equal(file_read(paths[i], 100, &text, &size), SOWLV2_ERROR_IO);
        assert_non_null(strstr(error_message(), paths[i]));
    }
    assert_false(file_exists(missing));
    assert_true(file_exists(folder));
    assert_true(file_is_directory(folder));
    assert_false(file_is_directory(pipe));
    free(missing);
    free(pipe);
    test_folder_remove(folder);
}

/* A part that is large enough for several threads: every byte, and a file that ends too soon. */
static void large_parts_are_read_whole(void **state)
{
    enum { BEGIN = 17, BYTES = (3 << 20) + 4321, FIRST = 1000 };
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "f");
    uint8_t *bytes = malloc(BEGIN + BYTES);
    struct file_part part;
    assert_non_null(bytes);
    for (size_t i = 0; i < BEGIN + BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 24);
    test_write(folder, "f", bytes, BEGIN + BYTES);
    assert_int_equal(file_part_open(path, &part), 0);
    assert_int_equal(file_part_begin(&part, BEGIN), 0);
    assert_int_equal(file_part_read(&part, part.data + FIRST, BYTES - FIRST), 0);
    assert_memory_equal(part.data + FIRST, bytes + BEGIN + FIRST, BYTES - FIRST);
    assert_int_equal(truncate(path, BYTES / 2), 0);
    assert_int_equal(file_part_read(&part, part.data, BYTES), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "became shorter"));
    file_part_close(&part);
    free(bytes);
    free(path);
    test_folder_remove(folder);
}

static void folders_are_made_with_parents(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *deep = test_path(folder, "a/b//c/"), *below = test_path(folder, "f/x/y");
    assert_int_equal(file_make_directories(deep), 0);
    assert_true(file_is_directory(deep));
    assert_int_equal(file_make_directories(deep), 0);
    test_write(folder, "f", "", 0);
    assert_int_equal(file_make_directories(below), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "/f: "));
    assert_int_equal(file_make_directories(""), SOWLV2_ERROR_IO);
    free(deep);
    free(below);
    test_folder_remove(folder);
}

/* A link where a folder is to be made: what it leads to is named, since nobody sees a file of that name. */
static void links_in_the_way_are_named(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *below = test_path(folder, "link/x"), *loop = test_path(folder, "loop"),
         *file = test_path(folder, "file"), *link = test_path(folder, "link");
    int descriptor;
    size_t size;
    test_link("/nonexistent/disk", folder, "link");
    assert_int_equal(file_make_directories(below), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "/link: cannot make this folder: it is a link to /nonexistent/disk, which "
                                            "is not there: make that folder, or remove the link"));
    assert_int_equal(file_open_regular(link, &descriptor, &size), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "/link: cannot open: it is a broken link"));
    test_link("loop", folder, "loop");
    assert_int_equal(file_open_regular(loop, &descriptor, &size), SOWLV2_ERROR_IO);
    assert_null(strstr(error_message(), "not there"));
    assert_int_equal(file_make_directories(loop), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "/loop: cannot make this folder: it is a link that leads back to itself"));
    test_write_text(folder, "f", "");
    test_link("f", folder, "file");
    assert_int_equal(file_make_directories(file), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "a file of that name is in the way"));
    free(below);
    free(loop);
    free(file);
    free(link);
    test_folder_remove(folder);
}

/* The reason is the one for which it could not be made, not that it is not there. */
static void why_a_folder_is_not_made(void **state)
{
    (void)state;
    const uid_t user = geteuid();
    char *folder = test_folder_make(), *below = test_path(folder, "new/folder");
    assert_int_equal(chmod(folder, 0555), 0);
    if (user == 0)
        assert_int_equal(seteuid(65534), 0); /* root may write anywhere */
    assert_int_equal(file_make_directories(below), SOWLV2_ERROR_IO);
    assert_int_equal(seteuid(user), 0);
    assert_non_null(strstr(error_message(), "/new: cannot make this folder: Permission denied"));
    assert_int_equal(chmod(folder, 0700), 0);
    free(below);
    test_folder_remove(folder);
}

static void committed_file_is_complete(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "out"), *text;
    size_t size;
    struct file_writer writer;
    struct stat status;
    test_write(folder, "out", "old", 3);
    assert_int_equal(file_writer_open(path, &writer), 0);
    fputs("new text", writer.stream);
    fflush(writer.stream);
    assert_int_equal(file_read(path, 100, &text, &size), 0);
    assert_string_equal(text, "old"); /* until the commit */
    free(text);
    assert_int_equal(file_writer_commit(&writer), 0);
    file_writer_abort(&writer);
    assert_int_equal(file_read(path, 100, &text, &size), 0);
    assert_string_equal(text, "new text");
    free(text);
    assert_int_equal(test_count_entries(folder), 1);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(file_writer_open(path, &writer), 0);
    assert_int_equal(fstat(writer.descriptor, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0666 & ~mask); /* as any other file, not as mkstemp's */
    file_writer_abort(&writer);
    free(path);
    test_folder_remove(folder);
}

static void aborted_file_leaves_nothing(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "out");
    struct file_writer writer, second;
    assert_int_equal(file_writer_open(path, &writer), 0);
    assert_int_equal(file_writer_open(path, &second), 0); /* two at once do not collide */
    fputs("half", writer.stream);
    file_writer_abort(&writer);
    file_writer_abort(&writer);
    file_writer_abort(&second);
    assert_int_equal(test_count_entries(folder), 0);
    assert_int_equal(file_writer_commit(&writer), SOWLV2_ERROR_ARGUMENT);
    free(path);
    test_folder_remove(folder);
}

static void failed_commit_leaves_nothing(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "out");
    struct file_writer writer;
    assert_int_equal(file_writer_open(path, &writer), 0);
    assert_int_equal(mkdir(path, 0777), 0); /* the name is taken meanwhile */
    assert_int_equal(file_writer_commit(&writer), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), path));
    assert_int_equal(test_count_entries(folder), 1);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(file_writer_open(path, &writer), 0);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC); /* a full disk */
    assert_int_equal(dup2(full, writer.descriptor), writer.descriptor);
    close(full);
    fputs("data", writer.stream);
    assert_int_equal(file_writer_commit(&writer), SOWLV2_ERROR_IO);
    assert_non_null(strstr(error_message(), "No space"));
    assert_int_equal(test_count_entries(folder), 0);
    free(path);
    test_folder_remove(folder);
}

/* A writer of another process: 'w' written to it makes it die, nothing more does. */
static pid_t start_writer(const char *path, int *control)
{
    int down[2], up[2];
    char byte;
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct file_writer writer;
        bool good = file_writer_open(path, &writer) == 0 && fputs("half", writer.stream) >= 0;
        if (write(up[1], good ? "y" : "n", 1) == 1 && read(down[0], &byte, 1) == 1)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(read(up[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(up[0]);
    close(up[1]);
    close(down[0]);
    *control = down[1];
    return child;
}

static void leftovers_are_removed(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "out"), *other = test_path(folder, "other"), *text;
    static const char *const kept[] = {".sowlv2-1-x.part", ".sowlv2-1-2.part.png", ".sowlv2-1-2.parts", "a.part"};
    struct file_writer writer;
    size_t size;
    int control;
    pid_t child = start_writer(other, &control);
    test_write(folder, ".sowlv2-1-2.part", "old", 3); /* left by a killed run, or before there were locks */
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        test_write(folder, kept[i], "mine", 4);
    test_link("out", folder, ".sowlv2-3-4.part");
    assert_int_equal(file_writer_open(path, &writer), 0);
    assert_int_equal(test_count_entries(folder), 8);
    file_remove_leftovers(folder); /* those of two living writers stay, and what only looks alike */
    assert_int_equal(test_count_entries(folder), 7);
    fputs("whole", writer.stream);
    assert_int_equal(file_writer_commit(&writer), 0);
    file_remove_leftovers(folder);
    assert_int_equal(test_count_entries(folder), 7);
    assert_int_equal(file_read(path, 100, &text, &size), 0);
    assert_string_equal(text, "whole");
    free(text);
    assert_int_equal(write(control, "w", 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(test_count_entries(folder), 7);
    file_remove_leftovers(folder);
    assert_int_equal(test_count_entries(folder), 6);
    file_remove_leftovers(other); /* no folder: nothing happens */
    close(control);
    free(path);
    free(other);
    test_folder_remove(folder);
}

static void impossible_targets_are_refused(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *below = test_path(folder, "none/out"), *name_is_missing = test_path(folder, "");
    struct file_writer writer;
    const char *const paths[] = {below, name_is_missing, folder, "/dev/null"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(file_writer_open(paths[i], &writer), SOWLV2_ERROR_IO);
        assert_non_null(strstr(error_message(), paths[i]));
        file_writer_abort(&writer);
    }
    free(below);
    free(name_is_missing);
    test_folder_remove(folder);
}

static void check_join(const char *folder, const char *name, const char *expected)
{
    char *path = path_join(folder, name);
    assert_string_equal(path, expected);
    free(path);
}

static void paths_are_joined(void **state)
{
    (void)state;
    check_join("a", "b", "a/b");
    check_join("a/", "b", "a/b");
    check_join("/", "b", "/b");
    check_join("", "b", "b");
    assert_string_equal(path_base("a/b/c.png"), "c.png");
    assert_string_equal(path_base("c.png"), "c.png");
    assert_string_equal(path_base("a/"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_takes_the_whole_file),      cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(large_parts_are_read_whole),     cmocka_unit_test(folders_are_made_with_parents),
        cmocka_unit_test(links_in_the_way_are_named),     cmocka_unit_test(why_a_folder_is_not_made),
        cmocka_unit_test(committed_file_is_complete),     cmocka_unit_test(aborted_file_leaves_nothing),
        cmocka_unit_test(failed_commit_leaves_nothing),   cmocka_unit_test(leftovers_are_removed),
        cmocka_unit_test(impossible_targets_are_refused), cmocka_unit_test(paths_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
