/* The palette: every two colours stay apart for people with each kind of colour blindness, and text on
 * each can be read. */
#include "output/palette.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Linear RGB as seen with no, a red, a green and a blue deficiency (Machado, Oliveira and Fernandes 2009,
 * severity 1). */
static const double sights[4][3][3] = {
    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
    {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
};

static void multiply(const double matrix[3][3], const double from[3], double to[3])
{
    for (int i = 0; i < 3; i++)
        to[i] = matrix[i][0] * from[0] + matrix[i][1] * from[1] + matrix[i][2] * from[2];
}

static void linear(struct colour colour, double out[3])
{
    const uint8_t values[3] = {colour.red, colour.green, colour.blue};
    for (int i = 0; i < 3; i++) {
        double v = values[i] / 255.0;
        out[i] = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
    }
}

static void oklab(struct colour colour, const double sight[3][3], double out[3])
{
    static const double to_cones[3][3] = {{0.4122214708, 0.5363325363, 0.0514459929},
                                          {0.2119034982, 0.6806995451, 0.1073969566},
                                          {0.0883024619, 0.2817188376, 0.6299787005}};
    static const double to_lab[3][3] = {{0.2104542553, 0.7936177850, -0.0040720468},
                                        {1.9779984951, -2.4285922050, 0.4505937099},
                                        {0.0259040371, 0.7827717662, -0.8086757660}};
    double light[3], seen[3], cones[3];
    linear(colour, light);
    multiply(sight, light, seen);
    for (int i = 0; i < 3; i++)
        seen[i] = fmin(fmax(seen[i], 0.0), 1.0);
    multiply(to_cones, seen, cones);
    for (int i = 0; i < 3; i++)
        cones[i] = cbrt(cones[i]);
    multiply(to_lab, cones, out);
}

static void test_colours_stay_apart(void **state)
{
    (void)state;
    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < PALETTE_COLOURS; i++) {
            for (int j = 0; j < i; j++) {
                double a[3], b[3];
                oklab(palette_colour(i), sights[s], a);
                oklab(palette_colour(j), sights[s], b);
                double distance = sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
                /* Okabe and Ito's own colours come as close as 0.076. */
                if (!(distance >= 0.075))
                    fail_msg("colours %d and %d are %.3f apart with sight %d", j, i, distance, s);
            }
        }
    }
}

static void test_any_index(void **state)
{
    (void)state;
    static const int indices[] = {-1, -16, -17, 16, 31, 32, 2147483647, -2147483647 - 1};
    static const int same[] = {15, 0, 15, 0, 15, 0, 15, 0};
    for (int i = 0; i < 8; i++) {
        struct colour a = palette_colour(indices[i]), b = palette_colour(same[i]);
        assert_true(a.red == b.red && a.green == b.green && a.blue == b.blue);
    }
}

static void test_text_can_be_read(void **state)
{
    (void)state;
    for (int i = 0; i < PALETTE_COLOURS; i++) {
        double light[3];
        linear(palette_colour(i), light);
        double luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
        double contrast =
            palette_wants_black_text(palette_colour(i)) ? (luminance + 0.05) / 0.05 : 1.05 / (luminance + 0.05);
        assert_true(contrast >= 4.5); /* WCAG AA */
    }
    assert_true(palette_wants_black_text((struct colour){255, 255, 255}));
    assert_false(palette_wants_black_text((struct colour){0, 0, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_colours_stay_apart),
        cmocka_unit_test(test_any_index),
        cmocka_unit_test(test_text_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
