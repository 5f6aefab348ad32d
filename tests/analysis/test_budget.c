/* Frames for a budget. */
#include "analysis/budget.h"
#include "sowlv2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 200 };

static int64_t longest_gap(const bool *tracked, int64_t count)
{
    int64_t most = 0, gap = 0;
    for (int64_t i = 0; i < count; i++) {
        gap = tracked[i] ? 0 : gap + 1;
        most = gap > most ? gap : most;
    }
    return most;
}

static int64_t tracked_in(const bool *tracked, int64_t first, int64_t end)
{
    int64_t sum = 0;
    for (int64_t i = first; i < end; i++)
        sum += tracked[i];
    return sum;
}

static void keeps_to_the_fraction(void **state)
{
    (void)state;
    const double fractions[] = {1.0, 0.9, 0.75, 0.5, 0.25, 0.15, 0.01};
    float importance[COUNT];
    for (int i = 0; i < COUNT; i++)
        importance[i] = (float)((i * 37) % 101) / 100.0F;
    for (size_t k = 0; k < sizeof(fractions) / sizeof(*fractions); k++) {
        for (int flat = 0; flat < 2; flat++) {
            const struct budget budget = {fractions[k], 8};
            const struct budget_frames frames = {.count = COUNT, .importance = flat ? NULL : importance};
            bool tracked[COUNT];
            int64_t count = -1;
            assert_int_equal(budget_choose(&frames, &budget, tracked, &count), 0);
            assert_int_equal(count, tracked_in(tracked, 0, COUNT));
            const int64_t wanted = llround(fractions[k] * COUNT), least = (COUNT - 1) / 9 + 1;
            assert_int_equal(count, wanted > least ? wanted : least);
            assert_true(longest_gap(tracked, COUNT) <= 8);
            assert_true(tracked[0]);
        }
    }
}

static void spends_where_something_happens(void **state)
{
    (void)state;
    float importance[COUNT] = {0};
    for (int i = 80; i < 120; i++)
        importance[i] = 1.0F;
    const struct budget budget = {0.5, 8};
    const struct budget_frames frames = {.count = COUNT, .importance = importance};
    bool tracked[COUNT];
    assert_int_equal(budget_choose(&frames, &budget, tracked, NULL), 0);
    assert_true(tracked_in(tracked, 80, 120) >= 38);
    assert_in_range(tracked_in(tracked, 0, 80), 24, 36);
    assert_in_range(tracked_in(tracked, 120, COUNT), 24, 36);
}

static void leaves_least_change_of_all_choices(void **state)
{
    (void)state;
    /* Every choice of 12 frames is tried. */
    const float importance[12] = {0, 0.3F, 0.9F, 0.1F, 0, 0.6F, 0.2F, 0.2F, 0.7F, 0.05F, 0.4F, 0.1F};
    const bool starts[12] = {[7] = true};
    const struct budget_frames frames = {.count = 12, .importance = importance, .scene_start = starts};
    for (int wanted = 4; wanted <= 9; wanted++) {
        const struct budget budget = {wanted / 12.0, 4};
        bool tracked[12];
        int64_t count;
        assert_int_equal(budget_choose(&frames, &budget, tracked, &count), 0);
        double least = INFINITY, own = INFINITY;
        for (unsigned set = 0; set < 1U << 12; set++) {
            if (!(set & 1U) || !(set >> 7 & 1U) || __builtin_popcount(set) != wanted)
                continue;
            double cost = 0;
            int most = 0;
            bool same = true;
            for (int i = 0; i < 12; i++) {
                same = same && tracked[i] == (bool)(set >> i & 1U);
                double since = 0, until = 0;
                int gap = 0;
                for (int k = i; !(set >> k & 1U); k--) {
                    since += 0.25 + (double)importance[k];
                    gap++;
                }
                int k = i;
                while (k < 12 && !(set >> k & 1U)) {
                    k++;
                    until += k < 12 ? 0.25 + (double)importance[k] : 0;
                }
                cost += k == 12 || (k == 7 && i < 7) || since < until ? since : until;
                most = gap > most ? gap : most;
            }
            least = most <= 4 && cost < least ? cost : least;
            own = same ? cost : own;
        }
        assert_int_equal(count, wanted);
        print_message("%d frames: %.3f, the least is %.3f\n", wanted, own, least);
        assert_true(own <= least * 1.15 + 1e-6); /* numbers between two prices are filled up greedily */
    }
}

static void tracks_what_it_must(void **state)
{
    (void)state;
    bool must[COUNT] = {false}, starts[COUNT] = {false}, tracked[COUNT];
    must[33] = must[34] = must[35] = must[199] = true;
    starts[0] = starts[77] = starts[150] = true;
    const struct budget_frames frames = {.count = COUNT, .must = must, .scene_start = starts};
    const struct budget budget = {0.2, 8};
    int64_t count;
    assert_int_equal(budget_choose(&frames, &budget, tracked, &count), 0);
    for (int i = 0; i < COUNT; i++)
        assert_true(tracked[i] || !(must[i] || starts[i]));
    assert_int_equal(count, 40);
    for (int i = 0; i < COUNT; i++)
        must[i] = true;
    assert_int_equal(budget_choose(&frames, &budget, tracked, &count), 0);
    assert_int_equal(count, COUNT);
}

static void takes_little_and_odd_input(void **state)
{
    (void)state;
    const struct budget budget = {0.5, 8};
    struct budget_frames frames = {0};
    bool tracked[3];
    int64_t count = -1;
    assert_int_equal(budget_choose(&frames, &budget, tracked, &count), 0);
    assert_int_equal(count, 0);
    frames.count = 1;
    assert_int_equal(budget_choose(&frames, &budget, tracked, &count), 0);
    assert_int_equal(count, 1);
    const float odd[3] = {NAN, INFINITY, -4.0F};
    frames = (struct budget_frames){.count = 3, .importance = odd};
    assert_int_equal(budget_choose(&frames, &budget, tracked, &count), 0);
    assert_int_equal(count, 2);
    const struct budget bad[] = {{0, 8}, {-1, 8}, {1.5, 8}, {NAN, 8}, {0.5, 0}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct budget_stream stream;
        assert_int_equal(budget_choose(&frames, &bad[i], tracked, &count), SOWLV2_ERROR_ARGUMENT);
        assert_int_equal(budget_stream_open(&bad[i], &stream), SOWLV2_ERROR_ARGUMENT);
    }
}

static void streams_keep_to_the_fraction(void **state)
{
    (void)state;
    const double fractions[] = {1.0, 0.75, 0.5, 0.25};
    for (size_t k = 0; k < sizeof(fractions) / sizeof(*fractions); k++) {
        for (int kind = 0; kind < 3; kind++) {
            const struct budget budget = {fractions[k], 8};
            struct budget_stream stream;
            bool tracked[2000];
            assert_int_equal(budget_stream_open(&budget, &stream), 0);
            int64_t busy = 0;
            for (int i = 0; i < 2000; i++) {
                const bool is_busy = i % 200 >= 150;
                const float flat = 0.2F, value = kind == 0 ? flat : kind == 1 ? (is_busy ? 0.8F : 0.1F) : NAN;
                tracked[i] = budget_stream_next(&stream, value, i == 700);
                busy += is_busy && tracked[i];
            }
            const double share = (double)tracked_in(tracked, 0, 2000) / 2000.0;
            print_message("fraction %.2f kind %d: %.3f, busy %.3f\n", fractions[k], kind, share, (double)busy / 500.0);
            assert_true(fabs(share - fractions[k]) < 0.03);
            assert_true(longest_gap(tracked, 2000) <= 8);
            assert_true(tracked[0] && tracked[700]);
            if (kind == 1 && fractions[k] < 1)
                assert_true((double)busy / 500.0 > share * 1.03);
        }
    }
}

static void spreads_scores_by_time(void **state)
{
    (void)state;
    const double score_times[3] = {0.0, 1.0, 2.0}, times[7] = {0.0, 0.5, 0.9, 1.0, 1.6, 2.0, 3.0};
    const float scores[3] = {0.6F, 0.2F, 0.8F};
    float out[7];
    budget_spread(score_times, scores, 3, times, 7, false, out);
    const float plain[7] = {0.6F, 0.6F, 0.6F, 0.2F, 0.2F, 0.8F, 0.8F};
    const float shared[7] = {0.2F, 0.2F, 0.2F, 0.1F, 0.1F, 0.4F, 0.4F};
    for (int i = 0; i < 7; i++)
        assert_true(fabsf(out[i] - plain[i]) < 1e-6F);
    budget_spread(score_times, scores, 3, times, 7, true, out);
    for (int i = 0; i < 7; i++)
        assert_true(fabsf(out[i] - shared[i]) < 1e-6F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_the_fraction),
        cmocka_unit_test(spends_where_something_happens),
        cmocka_unit_test(leaves_least_change_of_all_choices),
        cmocka_unit_test(tracks_what_it_must),
        cmocka_unit_test(takes_little_and_odd_input),
        cmocka_unit_test(streams_keep_to_the_fraction),
        cmocka_unit_test(spreads_scores_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
