/* Decoders of their own processes when something goes wrong with them: killed, lying, missing. */
#include "base/error.h"
#include "base/sanitized.h"
#include "base/test_folder.h"
#include "media/isolation.h"
#include "media/isolation_image.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD TEST_DATA "/media/data/alpha.webp"

static void expect(int status, int wanted, const char *part)
{
    if (status != wanted || !strstr(error_message(), part))
        fail_msg("%d: %s, not %d: %s", status, error_message(), wanted, part);
}

static void expect_good(struct isolation *isolation)
{
    struct image_options options = image_options_default();
    struct image here, there;

    assert_int_equal(image_read_with(GOOD, &options, &here), 0);
    options.isolation = isolation;
    assert_int_equal(image_read_with(GOOD, &options, &there), 0);
    assert_int_equal(there.width, here.width);
    assert_int_equal(there.height, here.height);
    assert_memory_equal(there.pixels, here.pixels, 3 * (size_t)here.width * (size_t)here.height);
    image_free(&here);
    image_free(&there);
}

static struct isolation *make(void)
{
    struct isolation *isolation;

    assert_int_equal(isolation_create(SOWLV2_TOOL, &isolation), 0);
    assert_int_equal(isolation_check(isolation), 0);
    return isolation;
}

struct shot {
    pid_t process;
    int number;
};

static void *shoot(void *argument)
{
    const struct shot *const shot = argument;

    usleep(100 * 1000);
    kill(shot->process, shot->number);
    return NULL;
}

/* A decoder that waits for a pipe, and is shot meanwhile. */
static void check_killed(int number, int wanted, const char *part)
{
    struct isolation *isolation = make();
    struct isolation_message message = {.kind = ISOLATION_IMAGE};
    const struct isolation_image_request request = {.max_pixels = 1000};
    struct decoder_process *decoder;
    pthread_t thread;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(isolation_take(isolation, &decoder), 0);
    memcpy(message.body, &request, sizeof(request));
    struct shot shot = {decoder->worker.process, number};
    pthread_create(&thread, NULL, shoot, &shot);
    expect(isolation_ask(decoder, "victim.jpg", &message, ends, 1, NULL, NULL), wanted, part);
    pthread_join(thread, NULL);
    isolation_give(isolation, &decoder);
    assert_null(decoder);
    expect_good(isolation); /* another one has taken its place */
    isolation_free(&isolation);
    close(ends[0]);
    close(ends[1]);
}

static void test_one_that_crashes_costs_one_image(void **state)
{
    (void)state;
    if (SANITIZED) /* which end a process that crashes in their own way */
        skip();
    check_killed(SIGSEGV, SOWLV2_ERROR_FORMAT, "victim.jpg: the process that decodes it was ended by signal 11");
    check_killed(SIGABRT, SOWLV2_ERROR_FORMAT, "victim.jpg: the process that decodes it was ended by signal 6");
}

static void test_one_that_is_killed_costs_one_image(void **state)
{
    (void)state;
    check_killed(SIGKILL, SOWLV2_ERROR_IO, "victim.jpg: the process that decodes it was killed");
}

/* Between two images it costs none. */
static void test_one_that_ends_unasked_costs_nothing(void **state)
{
    struct isolation *isolation = make();
    struct decoder_process *decoder;

    (void)state;
    assert_int_equal(isolation_take(isolation, &decoder), 0);
    const pid_t process = decoder->worker.process;
    isolation_give(isolation, &decoder);
    kill(process, SIGKILL);
    siginfo_t end;
    assert_int_equal(waitid(P_PID, (id_t)process, &end, WEXITED | WNOWAIT), 0);
    expect_good(isolation);
    isolation_free(&isolation);
}

static bool always(void *user_data)
{
    (void)user_data;
    return true;
}

static void test_a_wait_can_be_ended(void **state)
{
    struct isolation *isolation = make();
    struct isolation_message message = {.kind = ISOLATION_IMAGE};
    struct decoder_process *decoder;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(isolation_take(isolation, &decoder), 0);
    expect(isolation_ask(decoder, "endless.jpg", &message, ends, 1, always, NULL), SOWLV2_ERROR_CANCELLED,
           "endless.jpg: interrupted");
    isolation_give(isolation, &decoder);
    expect_good(isolation);
    isolation_free(&isolation);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_program_that_is_none(void **state)
{
    struct isolation *isolation;

    (void)state;
    expect(isolation_create("/nonexistent/sowlv2", &isolation), SOWLV2_ERROR_IO,
           "/nonexistent/sowlv2: cannot be started as a separate decoder");
    assert_null(isolation);
    /* Whether it ends before it is greeted, or after: it is told in the same words. */
    for (int i = 0; i < 50; i++) {
        assert_int_equal(isolation_create("/bin/true", &isolation), 0);
        usleep(i % 2 ? 2000 : 0);
        expect(isolation_check(isolation), SOWLV2_ERROR_IO,
               "/bin/true: cannot be used as a separate decoder: it ended with status 0");
        isolation_free(&isolation);
    }
}

/* ---- answers of one that a file has taken over ---- */

/* A decoder whose other end is here. */
static struct decoder_process fake(int *other)
{
    struct decoder_process decoder = {.ready = true};
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    decoder.worker = (struct worker){.socket = ends[0]};
    decoder.memory[0] = memfd_create("pixels", MFD_CLOEXEC);
    decoder.memory[1] = memfd_create("pixels", MFD_CLOEXEC);
    assert_int_equal(ftruncate(decoder.memory[0], 3 * 100), 0);
    *other = ends[1];
    return decoder;
}

static void end_fake(struct decoder_process *decoder, int other)
{
    if (decoder->worker.socket >= 0)
        close(decoder->worker.socket);
    close(decoder->memory[0]);
    close(decoder->memory[1]);
    close(other);
}

static void check_answer(const struct isolation_message *answer, size_t size, int wanted, const char *part)
{
    int other;
    struct decoder_process decoder = fake(&other);
    struct isolation_message message = {.kind = ISOLATION_IMAGE};

    assert_int_equal(worker_send(other, answer, size, NULL, 0), 0);
    const int status = isolation_ask(&decoder, "evil.jpg", &message, NULL, 0, NULL, NULL);
    if (wanted)
        expect(status, wanted, part);
    else
        assert_int_equal(status, 0);
    end_fake(&decoder, other);
}

/* One that never answers. */
static void test_patience_ends(void **state)
{
    int other;
    struct decoder_process decoder = fake(&other);
    struct isolation_message message = {.kind = ISOLATION_IMAGE};

    (void)state;
    decoder.patience = 0.2;
    expect(isolation_ask(&decoder, "late.jpg", &message, NULL, 0, NULL, NULL), SOWLV2_ERROR_FORMAT,
           "late.jpg: the process that decodes it gave no answer for 0.2 s");
    assert_true(decoder.dead);
    end_fake(&decoder, other);
}

static void test_answers_are_not_believed(void **state)
{
    struct isolation_message answer = {.kind = ISOLATION_ANSWER};
    const void *pixels;
    int other;

    (void)state;
    check_answer(&answer, sizeof(answer), 0, "");
    check_answer(&answer, sizeof(answer) - 1, SOWLV2_ERROR_FORMAT, "evil.jpg: the process that decodes it gave");
    answer.status = -1000;
    check_answer(&answer, sizeof(answer), SOWLV2_ERROR_FORMAT, "makes no sense");
    answer.status = 1; /* the end of a film, which an image has none of */
    check_answer(&answer, sizeof(answer), SOWLV2_ERROR_FORMAT, "makes no sense");
    answer.status = SOWLV2_ERROR_FORMAT;
    strcpy(answer.text, "evil.jpg: it is \033[2Jdamaged");
    check_answer(&answer, sizeof(answer), SOWLV2_ERROR_FORMAT, "evil.jpg: it is ");
    assert_null(strchr(error_message(), '\033'));
    memset(answer.text, 'x', sizeof(answer.text));
    check_answer(&answer, sizeof(answer), SOWLV2_ERROR_FORMAT, "makes no sense");
    answer = (struct isolation_message){.kind = 77};
    check_answer(&answer, sizeof(answer), SOWLV2_ERROR_FORMAT, "makes no sense");

    struct decoder_process decoder = fake(&other);
    assert_int_equal(isolation_pixels(&decoder, "evil.jpg", 0, 300, &pixels), 0);
    assert_non_null(pixels);
    assert_int_equal(decoder.sizes[0], sysconf(_SC_PAGESIZE)); /* not all that it says there is */
    expect(isolation_pixels(&decoder, "evil.jpg", 0, 301, &pixels), SOWLV2_ERROR_FORMAT, "makes no sense");
    assert_null(pixels);
    assert_true(decoder.dead);
    expect(isolation_pixels(&decoder, "evil.jpg", 2, 1, &pixels), SOWLV2_ERROR_FORMAT, "makes no sense");
    expect(isolation_pixels(&decoder, "evil.jpg", -1, 1, &pixels), SOWLV2_ERROR_FORMAT, "makes no sense");
    munmap(decoder.mapped[0], decoder.sizes[0]);
    end_fake(&decoder, other);
}

/* What it maps here cannot be cut under it. */
static void test_shared_memory_only_grows(void **state)
{
    struct isolation *isolation = make();
    struct decoder_process *decoder;

    (void)state;
    assert_int_equal(isolation_take(isolation, &decoder), 0);
    assert_int_equal(ftruncate(decoder->memory[0], 4096), 0);
    assert_int_not_equal(ftruncate(decoder->memory[0], 0), 0);
    isolation_give(isolation, &decoder);
    isolation_free(&isolation);
}

/* Of descriptors and secrets it has none: what a running one holds open, by its own list. */
static void test_it_gets_nothing_else(void **state)
{
    struct isolation *isolation;
    struct decoder_process *decoder;
    char path[64], text[8192];

    (void)state;
    setenv("HF_TOKEN", "hf_secret", 1);
    const int kept = open(GOOD, O_RDONLY); /* without O_CLOEXEC, as a careless library opens files */
    isolation = make();
    assert_int_equal(isolation_take(isolation, &decoder), 0);
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)decoder->worker.process);
    const int file = open(path, O_RDONLY);
    if (file < 0)
        print_message("its environment cannot be read: it is not to be looked at\n");
    const ssize_t count = file >= 0 ? read(file, text, sizeof(text)) : 0;
    assert_null(memmem(text, count > 0 ? (size_t)count : 0, "hf_secret", 9));
    if (file >= 0)
        close(file);
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)decoder->worker.process);
    if (access(path, R_OK) == 0)
        assert_int_equal(test_count_entries(path), 6); /* /dev/null three times, the connection, memory twice */
    isolation_give(isolation, &decoder);
    isolation_free(&isolation);
    unsetenv("HF_TOKEN");
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_crashes_costs_one_image),
        cmocka_unit_test(test_one_that_is_killed_costs_one_image),
        cmocka_unit_test(test_one_that_ends_unasked_costs_nothing),
        cmocka_unit_test(test_a_wait_can_be_ended),
        cmocka_unit_test(test_a_program_that_is_none),
        cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_answers_are_not_believed),
        cmocka_unit_test(test_shared_memory_only_grows),
        cmocka_unit_test(test_it_gets_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
