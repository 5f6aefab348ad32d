/* A temporary folder for tests that write files. */
#include "base/test_folder.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char *test_folder_make(void)
{
    const char *parent = getenv("TMPDIR");
    char *folder;
    assert_true(asprintf(&folder, "%s/sowlv2-test-XXXXXX", parent && *parent ? parent : "/tmp") > 0);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void test_folder_remove(char *folder)
{
    assert_int_equal(nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(folder);
}

char *test_path(const char *folder, const char *name)
{
    char *path;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

/* Makes the folders above the last part of `path`. */
static void make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
}

void test_write(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = test_path(folder, name);
    make_parents(path);
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    if (size > 0)
        assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
    free(path);
}

void test_write_text(const char *folder, const char *name, const char *text)
{
    test_write(folder, name, text, strlen(text));
}

size_t test_count_entries(const char *folder)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

void test_link(const char *target, const char *folder, const char *name)
{
    char *path = test_path(folder, name);
    make_parents(path);
    assert_int_equal(symlink(target, path), 0);
    free(path);
}
