/* Labels when memory or threads are short: the process stays, the picture is written, and a notice says what became of
 * its text. Each case in a process of its own, before any font was looked up. */
#include "base/error.h"
#include "base/sanitized.h"
#include "output/overlay.h"
#include "output/plain_face.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WIDTH = 320, HEIGHT = 240 };

static atomic_int told;

static void count_notices(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)level;
    (void)user_data;
    told += strstr(message, "small built-in font") != NULL;
}

/* 0: drawn as it should be, with fonts; 1: with the plain face, and one notice; 2: short of memory; else wrong. */
static int draw_labels(void)
{
    static _Thread_local uint8_t pixels[WIDTH * HEIGHT * 3];
    static const struct overlay_item items[] = {
        {{20, 60, 90, 110}, "cat 0.83", 3},
        {{120, 60, 190, 110}, "\xd9\x82\xd8\xb7\xd8\xa9 0.77", 4},
        {{20, 160, 90, 210}, "\xe7\x8c\xab 0.5", 3},
        {{120, 160, 190, 210}, "\xf0\x9f\x90\xb1 caf\xc3\xa9 0.5", 4},
    };
    for (int i = 0; i < 3; i++) {
        int status = overlay_draw(pixels, WIDTH, HEIGHT, items, 4, OVERLAY_BOXES | OVERLAY_LABELS);
        if (status)
            return status == SOWLV2_ERROR_MEMORY ? 2 : 3;
    }
    int ink = 0;
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        ink += pixels[3 * i] > 200 && pixels[3 * i + 1] > 200 && pixels[3 * i + 2] > 200; /* white on blue */
    return ink < 20 ? 4 : told > 1 ? 5 : told;
}

static int run(void (*shorten)(long), int (*draw)(void), long amount)
{
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        sowlv2_set_log(count_notices, NULL);
        shorten(amount);
        _exit(draw());
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) > 2)
        fail_msg("with %ld: signal %d, result %d", amount, WIFSIGNALED(ended) ? WTERMSIG(ended) : 0,
                 WEXITSTATUS(ended));
    return WEXITSTATUS(ended);
}

static void nothing(long amount)
{
    (void)amount;
}

/* Leaves `amount` megabytes of addresses. */
static void limit_memory(long amount)
{
    long pages = 0;
    FILE *stream = fopen("/proc/self/statm", "r");
    if (!stream || fscanf(stream, "%ld", &pages) != 1)
        _exit(9);
    fclose(stream);
    rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)amount << 20);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) != 0)
        _exit(9);
}

/* Leaves so many threads, also for root, whom the limit does not concern; two draw at once. */
static void limit_threads(long amount)
{
    const rlim_t most = (rlim_t)amount + 1;
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        _exit(9);
    if (setrlimit(RLIMIT_NPROC, &(struct rlimit){most, most}) != 0)
        _exit(9);
}

static void *draw_beside(void *result)
{
    *(int *)result = draw_labels();
    return NULL;
}

static int draw_twice(void)
{
    int beside = 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, draw_beside, &beside) != 0)
        return draw_labels();
    const int here = draw_labels();
    pthread_join(thread, NULL);
    return here > beside ? here : beside;
}

static void test_enough(void **state)
{
    (void)state;
    assert_int_equal(run(nothing, draw_labels, 0), 0);
}

static void test_short_of_memory(void **state)
{
    int results[3] = {0};
    (void)state;
#if SANITIZED
    skip(); /* the sanitizers take all addresses */
#endif
    for (long megabytes = 0; megabytes < 512; megabytes += megabytes < 64 ? 2 : 8)
        results[run(limit_memory, draw_labels, megabytes)]++;
    assert_true(results[0] > 0 && results[1] > 0);
    assert_true(results[2] < 3); /* where not even the labels' own memory is there */
}

/* From ENOUGH on both have their threads; ThreadSanitizer takes two for itself. */
enum { ENOUGH = 17 + (SANITIZED_THREADS ? 2 : 0) };

static void test_short_of_threads(void **state)
{
    (void)state;
    assert_int_equal(run(limit_threads, draw_labels, 0), 1);
    if (geteuid() == 0) /* else the user's other threads count */
        for (long threads = 1; threads < 30; threads++)
            for (int again = 0; again < 3; again++)
                assert_int_equal(run(limit_threads, draw_twice, threads), threads < ENOUGH);
}

struct drawing {
    char rows[PLAIN_DOTS_HIGH][64];
};

static void put_dot(void *user_data, int x, int y)
{
    struct drawing *drawing = user_data;
    assert_true(x >= 0 && x < 63 && y >= 0 && y < PLAIN_DOTS_HIGH);
    drawing->rows[y][x] = '#';
}

/* `rows` with blanks at their ends left out. */
static void expect_drawing(const char *text, size_t most, const char *const rows[PLAIN_DOTS_HIGH])
{
    struct drawing drawing;
    struct plain_line line;
    plain_line_set(&line, text);
    plain_line_fit(&line, most);
    memset(&drawing, ' ', sizeof(drawing));
    plain_line_draw(&line, put_dot, &drawing);
    for (int y = 0; y < PLAIN_DOTS_HIGH; y++) {
        char *end = drawing.rows[y] + 63;
        *end = '\0';
        while (end > drawing.rows[y] && end[-1] == ' ')
            *--end = '\0';
        if (strcmp(drawing.rows[y], rows[y]) != 0)
            fail_msg("\"%s\", row %d: \"%s\" instead of \"%s\"", text, y, drawing.rows[y], rows[y]);
    }
}

static void test_plain_face(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "#####        ###",
        "#   #       #   #",
        "#   #       #   #",
        "#   #        ###",
        "#   #       #   #",
        "#   #       #   #",
        "#####        ###",
        "",
        "",
    };
    static const char *const shortened[] = {
        " ###  ####                      #",
        "#   # #   #                    ##",
        "#   # #   #                     #",
        "##### ####                      #",
        "#   # #   #                     #",
        "#   # #   #                     #",
        "#   # ####    #     #     #    ###",
        "",
        "",
    };
    expect_drawing("\xe7\x8c\xab 8", 99, unknown);
    expect_drawing("ABCDEFGHI1", 6, shortened);

    struct plain_line accents, letters, combining;
    plain_line_set(&accents, "caf\xc3\xa9");
    plain_line_set(&letters, "cafe");
    plain_line_set(&combining, "cafe\xcc\x81");
    assert_int_equal(accents.count, 4);
    assert_memory_equal(accents.pictures, letters.pictures, 4);
    assert_int_equal(combining.count, 4);
    plain_line_set(&letters, "");
    assert_int_equal(plain_line_width(&letters), 0);
    char long_text[3000];
    memset(long_text, 'w', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    plain_line_set(&letters, long_text);
    assert_int_equal(letters.count, PLAIN_LINE_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_of_threads),
        cmocka_unit_test(test_short_of_memory),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_plain_face),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
