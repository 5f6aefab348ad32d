/* Timestamps that are good, missing, repeated, out of order and jumping. */
#include "video/frame_clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST = 16 };

struct sequence {
    const char *what;
    int64_t stamps[MOST]; /* in 1/10 s */
    double times[MOST];
    int count, repaired;
};

#define NONE FRAME_CLOCK_MISSING

static const struct sequence sequences[] = {
    {"regular from 5 s", {50, 51, 52}, {0, 0.1, 0.2}, 3, 0},
    {"variable", {0, 3, 4, 100}, {0, 0.3, 0.4, 10}, 4, 0},
    {"none at all", {NONE, NONE, NONE}, {0, 0.1, 0.2}, 3, 3},
    {"first one missing", {NONE, 7, 8}, {0, 0.1, 0.2}, 3, 1},
    {"one missing", {0, NONE, 2}, {0, 0.1, 0.2}, 3, 1},
    {"repeated, then on", {0, 1, 1, 1, 2, 3}, {0, 0.1, 0.125, 0.15, 0.2, 0.3}, 6, 2},
    {"out of order", {0, 2, 1, 3}, {0, 0.2, 0.225, 0.3}, 4, 1},
    {"began anew", {0, 20, 0, 1, 2}, {0, 2, 2.1, 2.2, 2.3}, 5, 1},
    {"jump ahead", {0, 1, 100000, 100001}, {0, 0.1, 0.2, 0.3}, 4, 1},
    {"below zero at once", {0, 1, -100000, -99999}, {0, 0.1, 0.2, 0.3}, 4, 1},
    {"the ends of the range", {INT64_MAX, INT64_MIN + 1, 0, INT64_MAX}, {0, 0.1, 0.2, 0.225}, 4, 3},
    {"far beyond", {0, INT64_MAX, 2, 3}, {0, 0.1, 0.2, 0.3}, 4, 1},
};

static void test_sequences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
        const struct sequence *sequence = &sequences[i];
        struct frame_clock clock;
        frame_clock_start(&clock, 0.1, 0.1, 100);
        for (int k = 0; k < sequence->count; k++) {
            double time = frame_clock_next(&clock, sequence->stamps[k]);
            if (!(fabs(time - sequence->times[k]) < 1e-9))
                fail_msg("%s: time %d is %.6f, not %.6f", sequence->what, k, time, sequence->times[k]);
        }
        if (clock.repaired != sequence->repaired)
            fail_msg("%s: %d repaired, not %d", sequence->what, (int)clock.repaired, sequence->repaired);
    }
}

/* After a seek the same stamps give the same times. */
static void test_resume(void **state)
{
    (void)state;
    struct frame_clock clock;
    frame_clock_start(&clock, 1.0 / 90000, 0.04, 3600);
    double times[100];
    for (int k = 0; k < 100; k++)
        times[k] = frame_clock_next(&clock, 126000 + k * 3003);
    for (int k = 99; k >= 0; k -= 7) {
        frame_clock_resume(&clock);
        assert_true(frame_clock_next(&clock, 126000 + k * 3003) == times[k]);
    }
    assert_int_equal(clock.repaired, 0);
}

/* Any stamps: the times rise strictly and stay finite. */
static void test_any(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int run = 0; run < 200; run++) {
        struct frame_clock clock;
        frame_clock_start(&clock, run % 2 ? 0.001 : 1, 0.04, run % 3 ? 10 : 3600);
        double last = -1;
        for (int k = 0; k < 200; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            double time = frame_clock_next(&clock, (int64_t)random >> (random >> 33) % 60);
            if (!(time > last && time < 1e10))
                fail_msg("run %d: %.9f follows %.9f", run, time, last);
            last = time;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
