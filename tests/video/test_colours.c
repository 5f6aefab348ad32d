/* Colours and shapes as a screen shows them: HDR in standard range against zscale (zimg) and the published formulas,
 * matrices and ranges against zscale, pixels that are not square against ffmpeg's scaling. */
#include "base/test_folder.h"
#include "video/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

enum { PATCH = 32 };

static void need_zscale(void)
{
    need_ffmpeg();
    if (system("ffmpeg -hide_banner -filters 2>/dev/null | grep -q ' zscale '") != 0)
        skip();
}

/* Writes a video of one frame that is a row of patches, each with a Y, Cb and Cr of 10 bits. */
static void write_patches(const char *folder, const char *path, const uint16_t (*yuv)[3], size_t count,
                          const char *encoder)
{
    char *raw = test_path(folder, "patches.yuv");
    FILE *file = fopen(raw, "wb");
    assert_non_null(file);
    for (int plane = 0; plane < 3; plane++)
        for (int y = 0; y < PATCH; y++)
            for (size_t x = 0; x < count * PATCH; x++)
                assert_int_equal(fwrite(&yuv[x / PATCH][plane], 2, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    shell("ffmpeg -v error -nostdin -y -f rawvideo -pix_fmt yuv444p10le -s %zux%d -i '%s' -pix_fmt yuv444p10le "
          "-color_range tv -colorspace bt2020nc -color_primaries bt2020 %s '%s'",
          count * PATCH, PATCH, raw, encoder, path);
    free(raw);
}

static void expect_patches(const char *path, const uint8_t (*rgb)[3], size_t count)
{
    struct clip clip = clip_read(path, NULL);
    const uint8_t *row = clip_frame(&clip, 0) + (size_t)(PATCH / 2) * (size_t)clip.width * 3;
    assert_int_equal(clip.width, count * PATCH);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pixel = row + (i * PATCH + PATCH / 2) * 3;
        for (int c = 0; c < 3; c++)
            if (abs(pixel[c] - rgb[i][c]) > 1)
                fail_msg("%s: patch %zu is %d %d %d, not %d %d %d", path, i, pixel[0], pixel[1], pixel[2], rgb[i][0],
                         rgb[i][1], rgb[i][2]);
    }
    clip_free(&clip);
}

static void expect_greys(const char *path, const uint8_t *grey, size_t count)
{
    uint8_t rgb[16][3];
    assert_true(count <= LENGTH(rgb));
    for (size_t i = 0; i < count; i++)
        rgb[i][0] = rgb[i][1] = rgb[i][2] = grey[i];
    expect_patches(path, rgb, count);
}

/* 1, 5, 10, 50, 90, 150, 203, 300, 400, 600, 800 and 1000 nits, and sRGB of what BT.2390's EETF makes of them (computed
 * from the formulas in double precision) for videos whose brightest have 1000, 400 and 4000. */
static const uint16_t pq_greys[][3] = {{195, 512, 512}, {281, 512, 512}, {327, 512, 512}, {450, 512, 512},
                                       {500, 512, 512}, {545, 512, 512}, {573, 512, 512}, {609, 512, 512},
                                       {636, 512, 512}, {674, 512, 512}, {701, 512, 512}, {723, 512, 512}};
static const uint8_t at_1000[] = {15, 43, 63, 136, 178, 213, 229, 243, 250, 254, 255, 255};
static const uint8_t at_400[] = {15, 43, 63, 136, 178, 223, 244, 254, 255, 255, 255, 255};
static const uint8_t at_4000[] = {15, 43, 63, 135, 168, 194, 208, 223, 232, 242, 247, 250};

#define PQ "-color_trc smpte2084 "
#define HLG "-color_trc arib-std-b67 -c:v ffv1"
#define X265 "-c:v libx265 -preset ultrafast -x265-params log-level=none:lossless=1:"

static void test_pq_curve(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "plain.mkv");
    write_patches(folder, path, pq_greys, LENGTH(pq_greys), PQ "-c:v ffv1");
    notices_begin();
    expect_greys(path, at_1000, LENGTH(at_1000));
    assert_int_equal(notices_count(), 1);
    assert_non_null(strstr(notices(), "HDR video (PQ, up to 1000 nits)"));
    notices_end();
    free(path);
    if (system("ffmpeg -hide_banner -encoders 2>/dev/null | grep -q libx265") != 0) {
        print_message("no libx265: brightness that the file tells is left out\n");
    } else {
        char *content = test_path(folder, "content.mp4"), *screen = test_path(folder, "screen.mp4");
        write_patches(folder, content, pq_greys, LENGTH(pq_greys), PQ X265 "max-cll=400,100");
        expect_greys(content, at_400, LENGTH(at_400));
        write_patches(folder, screen, pq_greys, LENGTH(pq_greys),
                      PQ X265 "'master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)'");
        expect_greys(screen, at_4000, LENGTH(at_4000));
        free(content);
        free(screen);
    }
    test_folder_remove(folder);
}

/* Below the bend of the curve all is as bright as it was: there zscale, which bends nothing, must agree. */
static void test_pq_colours(void **state)
{
    (void)state;
    need_zscale();
    static const char *const formats[] = {"yuv444p10le", "yuv420p10le", "yuv444p12le"};
    char *folder = test_folder_make();
    for (size_t i = 0; i < 2 * LENGTH(formats); i++) {
        const char *range = i % 2 ? "full" : "limited";
        char *path = test_path(folder, "dark.mkv");
        shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=160x90:r=5:d=1,format=gbrp -vf "
              "zscale=pin=709:tin=iec61966-2-1:min=gbr:rin=full:p=2020:t=smpte2084:m=2020_ncl:r=%s:npl=80,format=%s "
              "-c:v ffv1 '%s'",
              range, formats[i / 2], path);
        struct clip clip = clip_read(path, NULL);
        size_t size, wrong = 0;
        uint8_t *expected = (uint8_t *)shell_output(
            &size,
            "ffmpeg -v fatal -nostdin -i '%s' -vf "
            "scale=in_range=%s:out_range=%s:flags=bicubic+accurate_rnd+full_chroma_int+bitexact,format=%s,"
            "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=709:t=iec61966-2-1:m=gbr:r=full,format=gbrp,"
            "format=rgb24 -f rawvideo -",
            path, range, range, strstr(formats[i / 2], "420") ? "yuv444p10le" : formats[i / 2]);
        assert_int_equal(size, (size_t)clip.count * 160 * 90 * 3);
        /* At edges of colour, the two interpolate chroma in other places. */
        bool interpolated = strstr(formats[i / 2], "420");
        int most = interpolated ? 3 : 2;
        for (size_t k = 0; k < size; k++)
            wrong += abs(clip.pixels[k] - expected[k]) > most;
        if (wrong > (interpolated ? size / 50 : 0))
            fail_msg("%s, %s: %zu of %zu bytes differ by more than %d", formats[i / 2], range, wrong, size, most);
        free(expected);
        clip_free(&clip);
        free(path);
    }
    test_folder_remove(folder);
}

/* Greys of 1, 5, 10, 50, 90 and 1000 nits on a screen of 1000, and colours by the formulas of BT.2100, whose OOTF goes
 * by the luminance (zscale's goes by each colour alone). */
static void test_hlg(void **state)
{
    (void)state;
    need_ffmpeg();
    static const uint16_t yuv[][3] = {{149, 512, 512}, {231, 512, 512}, {287, 512, 512}, {499, 512, 512},
                                      {599, 512, 512}, {940, 512, 512}, {308, 474, 646}, {417, 415, 388},
                                      {255, 646, 501}, {486, 378, 523}, {444, 448, 583}};
    static const uint8_t rgb[][3] = {{15, 15, 15},    {44, 44, 44},    {63, 63, 63},  {136, 136, 136},
                                     {178, 178, 178}, {255, 255, 255}, {153, 28, 48}, {0, 140, 36},
                                     {36, 47, 124},   {140, 137, 33},  {168, 103, 77}};
    char *folder = test_folder_make();
    char *path = test_path(folder, "hlg.mkv");
    write_patches(folder, path, yuv, LENGTH(yuv), HLG);
    notices_begin();
    expect_patches(path, rgb, LENGTH(rgb));
    assert_int_equal(notices_count(), 1);
    assert_non_null(strstr(notices(), "HDR video (HLG)"));
    notices_end();
    free(path);
    test_folder_remove(folder);
}

/* Standard range: what the stream says of matrix and range, against another library than the one that converts. */
static void test_matrices(void **state)
{
    (void)state;
    need_zscale();
    static const char *const matrices[] = {"709", "170m", "470bg", "2020_ncl"};
    static const char *const formats[] = {"yuv444p", "yuv444p10le"};
    char *folder = test_folder_make();
    for (size_t i = 0; i < LENGTH(matrices) * LENGTH(formats) * 2; i++) {
        const char *matrix = matrices[i / 4], *format = formats[i / 2 % 2], *range = i % 2 ? "full" : "limited";
        char *path = test_path(folder, "a.mkv");
        shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=160x90:r=5:d=1,format=gbrp -vf "
              "zscale=min=gbr:rin=full:m=%s:r=%s,format=%s -c:v ffv1 '%s'",
              matrix, range, format, path);
        notices_begin();
        struct clip clip = clip_read(path, NULL);
        assert_int_equal(notices_count(), 0);
        notices_end();
        size_t size;
        uint8_t *expected = (uint8_t *)shell_output(
            &size, "ffmpeg -v fatal -nostdin -i '%s' -vf zscale=m=gbr:r=full,format=gbrp,format=rgb24 -f rawvideo -",
            path);
        assert_int_equal(size, (size_t)clip.count * 160 * 90 * 3);
        for (size_t k = 0; k < size; k++)
            if (abs(clip.pixels[k] - expected[k]) > 2)
                fail_msg("%s %s %s: byte %zu is %d, not %d", matrix, format, range, k, clip.pixels[k], expected[k]);
        free(expected);
        clip_free(&clip);
        free(path);
    }
    test_folder_remove(folder);
}

/* A matrix that nothing here knows is no silent change of colours. */
static void test_unknown_matrix(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mkv");
    shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=64x48:r=5:d=1 -pix_fmt yuv444p -colorspace ycgco "
          "-c:v ffv1 '%s'",
          path);
    notices_begin();
    struct clip clip = clip_read(path, NULL);
    if (!strstr(notices(), "colour matrix (ycgco) is not supported"))
        fail_msg("%s", notices());
    notices_end();
    clip_free(&clip);
    free(path);
    test_folder_remove(folder);
}

struct shape {
    const char *aspect;
    int width, height; /* as shown, of 160 x 90 */
    const char *turned;
};

static void test_shapes(void **state)
{
    (void)state;
    need_ffmpeg();
    static const struct shape shapes[] = {
        {"64/45", 228, 90, ""}, {"8/9", 160, 101, ""},    {"2/1", 320, 90, ""},
        {"1/1", 160, 90, ""},   {"405/404", 160, 90, ""}, {"32/27", 190, 90, "rotate=90"},
    };
    char *folder = test_folder_make();
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        const struct shape *shape = &shapes[i];
        char *path = test_path(folder, "a.mp4"), *turned = test_path(folder, "b.mp4"), filter[160];
        shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=160x90:r=10:d=0.5 -vf setsar=%s -c:v libx264 "
              "-preset veryfast -pix_fmt yuv444p '%s'",
              shape->aspect, path);
        bool turn = *shape->turned != '\0';
        if (turn)
            shell("ffmpeg -v error -nostdin -y -i '%s' -c copy -metadata:s:v:0 %s '%s'", path, shape->turned, turned);
        struct clip clip = clip_read(turn ? turned : path, NULL);
        int width = turn ? shape->height : shape->width, height = turn ? shape->width : shape->height;
        if (clip.width != width || clip.height != height)
            fail_msg("%s: %d x %d, not %d x %d", shape->aspect, clip.width, clip.height, width, height);
        if (!turn) {
            /* One conversion, as ours is. */
            snprintf(filter, sizeof(filter),
                     "scale=%d:%d:flags=bicubic+accurate_rnd+full_chroma_int+bitexact,format=rgb24,", width, height);
            clip_expect_ffmpeg(&clip, path, filter, 0);
        }
        clip_free(&clip);
        free(path);
        free(turned);
    }
    test_folder_remove(folder);
}

/* A shape that would make a picture of absurd size is not believed, with a notice. */
static void test_absurd_shape(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mp4");
    shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=160x90:r=10:d=0.2 -vf setsar=1000/1 -c:v libx264 "
          "-pix_fmt yuv420p '%s'",
          path);
    notices_begin();
    struct clip clip = clip_read(path, NULL);
    assert_int_equal(clip.width, 160);
    assert_int_equal(notices_count(), 1);
    assert_non_null(strstr(notices(), "makes no sense"));
    notices_end();
    clip_free(&clip);
    free(path);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pq_curve),       cmocka_unit_test(test_pq_colours), cmocka_unit_test(test_hlg),
        cmocka_unit_test(test_matrices),       cmocka_unit_test(test_shapes),     cmocka_unit_test(test_absurd_shape),
        cmocka_unit_test(test_unknown_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
