/* Masks between tracked frames: drawn scenes whose masks are known at every moment. */
#include "masks/between.h"
#include "masks/masks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 360 };

/* How the object, an ellipse with a bite, lies at one moment. */
struct pose {
    double x, y, size, turn;
    double bar;   /* left edge of a bar that stands in front; below -1000: none */
    double light; /* of the whole picture */
    bool gone;    /* there is no object */
};

static const struct pose START = {.x = 250, .y = 170, .size = 70, .bar = -2000, .light = 1.0};

/* Smooth noise, 0 to 1, from a hash of the lattice; drawn anew everywhere, so nothing is resampled. */
static double lattice(int x, int y, unsigned seed)
{
    unsigned h = (unsigned)x * 374761393U + (unsigned)y * 668265263U + seed * 2246822519U;
    h = (h ^ (h >> 13)) * 1274126177U;
    return (double)((h ^ (h >> 16)) & 0xFFFF) / 65535.0;
}

static double noise(double x, double y, unsigned seed)
{
    const int left = (int)floor(x), top = (int)floor(y);
    const double u = x - left, v = y - top, a = u * u * (3 - 2 * u), b = v * v * (3 - 2 * v);
    const double upper = lattice(left, top, seed) * (1 - a) + lattice(left + 1, top, seed) * a;
    const double lower = lattice(left, top + 1, seed) * (1 - a) + lattice(left + 1, top + 1, seed) * a;
    return upper * (1 - b) + lower * b;
}

/* A scene's frame, its picture and the object's mask. */
struct scene {
    struct between_picture picture;
    struct sowlv2_mask mask;
};

static void draw(const struct pose *pose, struct scene *out)
{
    uint8_t *rgb = malloc((size_t)WIDTH * HEIGHT * 3), *pixels = calloc(WIDTH, HEIGHT);
    assert_non_null(rgb);
    assert_non_null(pixels);
    const double c = cos(pose->turn) / pose->size, s = sin(pose->turn) / pose->size;
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            const double dx = x - pose->x, dy = y - pose->y, u = c * dx + s * dy, v = -s * dx + c * dy;
            const bool bar = x >= pose->bar && x < pose->bar + 60;
            const bool object = !pose->gone && !bar && u * u + 2 * v * v < 1 && !(u > 0.3 && v > 0.1);
            double grey = 60 + 80 * noise(x / 9.0, y / 9.0, 1);
            grey = object ? 110 + 120 * noise(u * 7, v * 7, 2) : grey;
            grey = bar ? 40 + 30 * noise((x - pose->bar) / 12.0, y / 12.0, 3) : grey;
            grey *= pose->light;
            pixels[y * WIDTH + x] = object;
            memset(rgb + ((size_t)y * WIDTH + (size_t)x) * 3, (int)(grey < 255 ? grey : 255), 3);
        }
    }
    *out = (struct scene){0};
    assert_int_equal(between_picture_make(rgb, WIDTH, HEIGHT, 0, &out->picture), 0);
    assert_int_equal(mask_set_pixels(&out->mask, pixels, WIDTH, HEIGHT), 0);
    free(rgb);
    free(pixels);
}

static void scene_free(struct scene *scene)
{
    between_picture_free(&scene->picture);
    sowlv2_masks_free(&scene->mask, 1);
}

/* Fills the frame between and compares: at least `least`, while the better of the neighbours' own masks, taken as they
 * are, is at most `naive`: the case would otherwise prove nothing. */
static void check(const struct pose *before, const struct pose *now, const struct pose *after, double position,
                  double least, double naive)
{
    struct scene scenes[3] = {0};
    draw(before, &scenes[0]);
    draw(now, &scenes[1]);
    if (after)
        draw(after, &scenes[2]);
    const struct between_frames frames = {&scenes[0].picture, &scenes[1].picture, after ? &scenes[2].picture : NULL,
                                          position};
    struct sowlv2_mask out;
    assert_int_equal(masks_between(&frames, &scenes[0].mask, after != NULL ? &scenes[2].mask : NULL, &out), 0);
    const double iou = sowlv2_mask_iou(&out, &scenes[1].mask);
    const double copy = fmax(sowlv2_mask_iou(&scenes[0].mask, &scenes[1].mask),
                             after ? sowlv2_mask_iou(&scenes[2].mask, &scenes[1].mask) : 0.0);
    print_message("IoU %.3f, a copy %.3f\n", iou, copy);
    assert_true(iou >= least);
    assert_true(copy <= naive);
    assert_int_equal(out.width, WIDTH);
    assert_int_equal(out.height, HEIGHT);
    assert_null(out.pixels);
    sowlv2_masks_free(&out, 1);
    for (int i = 0; i < 3; i++)
        scene_free(&scenes[i]);
}

static void follows_a_step(void **state)
{
    (void)state;
    struct pose now = START, after = START;
    now.x += 44;
    now.y -= 18;
    after.x += 60; /* not evenly */
    after.y -= 36;
    check(&START, &now, &after, 0.5, 0.96, 0.75);
    check(&START, &now, NULL, 0, 0.95, 0.5);
}

static void follows_a_large_step(void **state)
{
    (void)state;
    struct pose now = START, after = START;
    now.x += 150;
    after.x += 230;
    check(&START, &now, &after, 0.6, 0.95, 0.4);
}

static void follows_scale(void **state)
{
    (void)state;
    struct pose now = START, after = START;
    now.size = 92;
    after.size = 120;
    check(&START, &now, &after, 0.5, 0.95, 0.65);
    check(&START, &now, NULL, 0, 0.94, 0.65);
}

static void follows_a_turn(void **state)
{
    (void)state;
    struct pose now = START, after = START;
    now.turn = 0.45;
    now.x += 8;
    after.turn = 0.9;
    after.x += 16;
    check(&START, &now, &after, 0.5, 0.95, 0.82);
}

static void sees_through_light(void **state)
{
    (void)state;
    struct pose now = START, after = START;
    now.x += 30;
    now.light = 1.15;
    after.x += 60;
    after.light = 0.9;
    check(&START, &now, &after, 0.5, 0.94, 0.7);
}

/* A bar comes in front, faster than time says: what the frame shows decides. */
static void finds_the_edge_of_what_is_in_front(void **state)
{
    (void)state;
    struct pose before = START, now = START, after = START;
    before.bar = 120;
    now.bar = 255;
    after.bar = 270;
    now.x += 6;
    after.x += 12;
    check(&before, &now, &after, 0.2, 0.85, 0.7);
}

static void follows_out_of_the_frame(void **state)
{
    (void)state;
    struct pose before = START, now = START, after = START;
    before.x = 60;
    now.x = 30;
    after.x = 0;
    check(&before, &now, &after, 0.5, 0.93, 0.7);
    check(&after, &now, &before, 0.5, 0.93, 0.7);
}

static void shows_what_one_side_sees_only_where_it_is(void **state)
{
    (void)state;
    struct pose none = START, now = START, after = START;
    none.gone = true;
    now.x += 30;
    check(&none, &now, &after, 0.5, 0.85, 0.6); /* it is there already */
    check(&START, &now, &none, 0.3, 0.85, 0.6);

    struct scene scenes[3];
    draw(&none, &scenes[0]);
    draw(&none, &scenes[1]);
    draw(&after, &scenes[2]);
    const struct between_frames frames = {&scenes[0].picture, &scenes[1].picture, &scenes[2].picture, 0.5};
    struct sowlv2_mask out;
    assert_int_equal(masks_between(&frames, &scenes[0].mask, &scenes[2].mask, &out), 0);
    assert_true(out.area < scenes[2].mask.area / 20); /* not yet */
    sowlv2_masks_free(&out, 1);
    assert_int_equal(masks_between(&frames, NULL, NULL, &out), 0);
    assert_int_equal(out.area, 0);
    assert_int_equal(out.width, WIDTH);
    assert_int_equal(out.run_count, 1);
    sowlv2_masks_free(&out, 1);
    for (int i = 0; i < 3; i++)
        scene_free(&scenes[i]);
}

static void mixes_scores_and_takes_pixels(void **state)
{
    (void)state;
    struct scene scene;
    draw(&START, &scene);
    const struct between_frames frames = {&scene.picture, &scene.picture, &scene.picture, 0.25};
    struct sowlv2_mask before = scene.mask, after = {0}, out;
    before.mask_score = 0.8F;
    before.object_score = 4.0F;
    after.pixels = malloc((size_t)WIDTH * HEIGHT);
    assert_non_null(after.pixels);
    assert_int_equal(sowlv2_mask_to_pixels(&scene.mask, after.pixels), 0);
    after.width = WIDTH;
    after.height = HEIGHT;
    after.area = scene.mask.area;
    after.mask_score = 0.4F;
    after.object_score = 8.0F;
    assert_int_equal(masks_between(&frames, &before, &after, &out), 0);
    assert_true(fabsf(out.mask_score - 0.7F) < 1e-5F);
    assert_true(fabsf(out.object_score - 5.0F) < 1e-5F);
    assert_true(sowlv2_mask_iou(&out, &scene.mask) > 0.98);
    sowlv2_masks_free(&out, 1);
    after.width--;
    assert_int_equal(masks_between(&frames, &before, &after, &out), SOWLV2_ERROR_ARGUMENT);
    sowlv2_masks_free(&out, 1);
    sowlv2_masks_free(&after, 1);
    scene_free(&scene);
}

/* Pictures of every odd size, and masks that fill them, touch their corners or are one pixel. */
static void takes_any_size(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 400}, {700, 2}, {13, 17}, {321, 11}, {2000, 1500}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const int w = sizes[i][0], h = sizes[i][1];
        const size_t count = (size_t)w * (size_t)h;
        uint8_t *rgb = malloc(count * 3), *pixels = malloc(count);
        assert_non_null(rgb);
        assert_non_null(pixels);
        for (size_t k = 0; k < count * 3; k++)
            rgb[k] = (uint8_t)(k * 2654435761U >> 24);
        struct between_picture picture = {0};
        assert_int_equal(between_picture_make(rgb, w, h, 0, &picture), 0);
        assert_true(picture.level[0].width <= BETWEEN_SIDE && picture.level[0].height <= BETWEEN_SIDE);
        for (int kind = 0; kind < 3; kind++) {
            memset(pixels, kind == 0, count);
            pixels[kind == 1 ? 0 : count - 1] = 1;
            struct sowlv2_mask mask = {0}, out;
            assert_int_equal(mask_set_pixels(&mask, pixels, w, h), 0);
            const struct between_frames frames = {&picture, &picture, &picture, 0.5};
            assert_int_equal(masks_between(&frames, &mask, &mask, &out), 0);
            if (kind == 0)
                assert_true(sowlv2_mask_iou(&out, &mask) > 0.99);
            sowlv2_masks_free(&out, 1);
            sowlv2_masks_free(&mask, 1);
        }
        between_picture_free(&picture);
        free(rgb);
        free(pixels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_step),
        cmocka_unit_test(follows_a_large_step),
        cmocka_unit_test(follows_scale),
        cmocka_unit_test(follows_a_turn),
        cmocka_unit_test(sees_through_light),
        cmocka_unit_test(finds_the_edge_of_what_is_in_front),
        cmocka_unit_test(follows_out_of_the_frame),
        cmocka_unit_test(shows_what_one_side_sees_only_where_it_is),
        cmocka_unit_test(mixes_scores_and_takes_pixels),
        cmocka_unit_test(takes_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
