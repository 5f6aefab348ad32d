/* Running the real tool in tests and looking at what it printed. */
#ifndef TESTS_CLI_TOOL_H
#define TESTS_CLI_TOOL_H

#include <sys/types.h>

/* The tiny OWLv2 model with random weights that the reference generator made. */
#define TINY_MODEL TEST_DATA "/models/data/owlv2_tiny"
/* The same of SAM 2. */
#define TINY_SEGMENTER TEST_DATA "/models/data/sam2_tiny"

/* What the model sees of it is what it sees of an empty text, which the tool refuses: the end comes first. */
#define EMPTY_PROMPT "<|endoftext|>"

struct tool_result {
    int status; /* exit status; 128 + signal where one ended it */
    char *out, *err;
};

/* Runs build/sowlv2 with these arguments (a NULL-terminated list), without any hub cache, and waits. It does not use
 * the network unless the test set SOWLV2_TEST_ONLINE. */
struct tool_result tool_run(const char *const *arguments);
/* The same under another name as argv[0]. */
struct tool_result tool_run_as(const char *name, const char *const *arguments);
void tool_free(struct tool_result *result);

/* A tool that runs beside the test, its output thrown away. */
pid_t tool_start(const char *const *arguments);
/* Its exit status, as in struct tool_result. */
int tool_wait(pid_t process);

/* Runs it and asserts the exit status and that standard error contains `part` (NULL: is empty). */
void tool_expect(int status, const char *part, const char *const *arguments);

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
