/* Running the real tool in tests. */
#include "tool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_ARGUMENTS = 64 };

static pid_t start(const char *name, const char *const *arguments, int out, int err)
{
    char *words[MOST_ARGUMENTS + 2];
    size_t count = 0;
    pid_t process;

    words[count++] = strdup(name);
    for (; *arguments; arguments++) {
        assert_true(count < MOST_ARGUMENTS);
        words[count++] = strdup(*arguments);
    }
    words[count] = NULL;
    process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        const char *input = getenv("SOWLV2_TEST_STDIN"); /* a file to be standard input */

        dup2(open(input ? input : "/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        setenv("HF_HUB_CACHE", "/nonexistent/hub", 1);
        setenv("HF_HUB_OFFLINE", getenv("SOWLV2_TEST_ONLINE") ? "0" : "1", 1);
        setenv("LSAN_OPTIONS", "suppressions=" TEST_DATA "/lsan.supp:print_suppressions=0", 1);
        execv(SOWLV2_TOOL, words);
        _exit(127);
    }
    for (size_t i = 0; i < count; i++)
        free(words[i]);
    return process;
}

int tool_wait(pid_t process)
{
    int status;

    assert_int_equal(waitpid(process, &status, 0), process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *read_back(FILE *file)
{
    long size;
    char *text;

    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    rewind(file);
    text = calloc(1, (size_t)size + 1);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    return text;
}

struct tool_result tool_run_as(const char *name, const char *const *arguments)
{
    FILE *out = tmpfile(), *err = tmpfile();
    struct tool_result result;

    assert_non_null(out);
    assert_non_null(err);
    result.status = tool_wait(start(name, arguments, fileno(out), fileno(err)));
    result.out = read_back(out);
    result.err = read_back(err);
    return result;
}

struct tool_result tool_run(const char *const *arguments)
{
    return tool_run_as("sowlv2", arguments);
}

void tool_free(struct tool_result *result)
{
    free(result->out);
    free(result->err);
}

pid_t tool_start(const char *const *arguments)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid_t process = start("sowlv2", arguments, nowhere, nowhere);

    close(nowhere);
    return process;
}

void tool_expect(int status, const char *part, const char *const *arguments)
{
    struct tool_result result = tool_run(arguments);

    if (result.status != status || (part ? !strstr(result.err, part) : *result.err != '\0'))
        print_error("status %d, standard error: %s\n", result.status, result.err);
    assert_int_equal(result.status, status);
    if (part)
        assert_non_null(strstr(result.err, part));
    else
        assert_string_equal(result.err, "");
    tool_free(&result);
}
