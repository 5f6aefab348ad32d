/* A temporary folder for tests that write files. Every function asserts that it worked. */
#ifndef TESTS_BASE_TEST_FOLDER_H
#define TESTS_BASE_TEST_FOLDER_H

#include <stddef.h>

/* A new folder, to be given to test_folder_remove, which removes all in it and frees the name. */
char *test_folder_make(void);
void test_folder_remove(char *folder);

/* `folder`/`name`, freed by the caller. */
char *test_path(const char *folder, const char *name);

/* Writes `folder`/`name` (making the folders of `name`). */
void test_write(const char *folder, const char *name, const void *bytes, size_t size);
void test_write_text(const char *folder, const char *name, const char *text);

/* Number of entries of a folder, without "." and "..". */
size_t test_count_entries(const char *folder);

/* Makes `folder`/`name` a link to `target`. */
void test_link(const char *target, const char *folder, const char *name);

#endif
