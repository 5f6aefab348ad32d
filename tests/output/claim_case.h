/* An output folder for the tests of claims on it. */
#ifndef TESTS_OUTPUT_CLAIM_CASE_H
#define TESTS_OUTPUT_CLAIM_CASE_H

#include "base/test_folder.h"
#include "output/claim.h"

/* A folder of its own, the output folder "new/out" in it, which is not there yet, and the notices since. */
extern char *claim_root, *claim_output;
extern size_t claim_notices;

int claim_set_up(void **state);
int claim_tear_down(void **state);
#define CLAIM_CASE(name) cmocka_unit_test_setup_teardown(name, claim_set_up, claim_tear_down)

/* Claims the output folder; claim_take() asserts that it worked. */
int claim_try(bool resume, const struct string_list *job, struct output_claim **claim);
struct output_claim *claim_take(bool resume);

void claim_expect_message(const char *part);
/* Whether it is in the output folder, also as a link to nowhere. */
bool claim_has_file(const char *name);
void claim_expect_text(const char *path, const char *expected);

#define CLAIM_LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
struct string_list claim_list(const char *const *items);

/* Puts an image into the folder; `files` are made, and its row (NULL: none) has `mask`. */
void claim_write_image(struct output_claim *claim, const char *name, const char *const *files, const char *mask);

#endif
