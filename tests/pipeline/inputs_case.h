/* A folder of tiny pictures, and what the values of --input make of it. Every function asserts that it worked. */
#ifndef TESTS_PIPELINE_INPUTS_CASE_H
#define TESTS_PIPELINE_INPUTS_CASE_H

#include <stdbool.h>
#include <stddef.h>

extern char *folder;
extern size_t notices; /* since the folder was made */

/* Set-up and tear-down of a test. */
int make_folder(void **state);
int remove_folder(void **state);

/* Writes folder/NAME, a picture of one pixel. */
void add_picture(const char *name);

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Lists `given`, paths below the folder (or "-"), and compares the names; "PATH/x" stands for the whole path of x. */
void expect_names(const char *const *given, bool recursive, const char *const *names);

#endif
