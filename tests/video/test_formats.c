/* Files of many kinds, pixel by pixel and time by time against the ffmpeg and ffprobe programs. */
#include "base/test_folder.h"
#include "video/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct kind {
    const char *name;  /* of the file */
    const char *input; /* of ffmpeg */
    const char *output;
    int width, height, most; /* most: our chroma is filtered before turning, ffmpeg's after */
};

#define SOURCE "-f lavfi -i testsrc2=s=160x90:r=30:d=1"
#define X264 "-c:v libx264 -preset veryfast -pix_fmt "
#define RAW "-c:v ffv1 -pix_fmt "

static const struct kind kinds[] = {
    {"bframes.mp4", SOURCE, X264 "yuv420p -bf 3 -g 12", 160, 90, 0},
    {"open_gop.mkv", SOURCE, X264 "yuv420p -bf 3 -g 12 -x264-params open-gop=1", 160, 90, 0},
    {"odd.mkv", "-f lavfi -i testsrc=s=161x91:r=25:d=1", RAW "yuv420p", 161, 91, 0},
    {"odd444.mp4", "-f lavfi -i testsrc=s=161x91:r=25:d=1", X264 "yuv444p", 161, 91, 0},
    {"tiny.mkv", "-f lavfi -i testsrc=s=64x64:r=25:d=1", "-vf scale=1:1 " RAW "yuv444p", 1, 1, 0},
    {"ten.mp4", SOURCE, X264 "yuv420p10le", 160, 90, 0},
    {"ten422.mp4", SOURCE, X264 "yuv422p10le", 160, 90, 0},
    {"p422.mp4", SOURCE, X264 "yuv422p", 160, 90, 0},
    {"p444.mp4", SOURCE, X264 "yuv444p", 160, 90, 0},
    {"gray.mp4", SOURCE, X264 "gray", 160, 90, 0},
    {"gray.mkv", SOURCE, RAW "gray", 160, 90, 0},
    {"gray16.mkv", SOURCE, RAW "gray16le", 160, 90, 0},
    {"rgb.mkv", SOURCE, RAW "bgr0", 160, 90, 0},
    {"alpha.mkv", SOURCE, RAW "yuva420p", 160, 90, 0},
    {"full.mp4", SOURCE, "-vf scale=out_range=full " X264 "yuv420p -color_range pc", 160, 90, 0},
    {"mjpeg.avi", SOURCE, "-c:v mjpeg -q:v 3 -pix_fmt yuvj422p", 160, 90, 0},
    {"bt709.mp4", SOURCE, X264 "yuv420p -colorspace bt709 -color_primaries bt709 -color_trc bt709", 160, 90, 0},
    {"bt601.mp4", SOURCE, X264 "yuv420p -colorspace smpte170m", 160, 90, 0},
    {"bt2020.mp4", SOURCE, X264 "yuv420p10le -colorspace bt2020nc", 160, 90, 0},
    {"hd.mp4", "-f lavfi -i testsrc2=s=1280x720:r=5:d=1", X264 "yuv420p", 1280, 720, 0},
    {"mpeg2.ts", SOURCE, "-c:v mpeg2video -bf 2 -b:v 2M", 160, 90, 0},
    {"h264.ts", SOURCE, X264 "yuv420p -bf 2", 160, 90, 0},
    {"mpeg4.avi", SOURCE, "-c:v mpeg4 -q:v 3", 160, 90, 0},
    {"palette.gif", SOURCE, "", 160, 90, 0},
    {"a.apng", SOURCE, "-plays 0 -f apng", 160, 90, 0},
    {"apng.png", SOURCE, "-plays 0 -f apng", 160, 90, 0},
    {"a.mjpeg", SOURCE, "-c:v mjpeg -q:v 3", 160, 90, 0},
    {"a.mjpg", SOURCE, "-c:v mjpeg -q:v 3 -f mjpeg", 160, 90, 0},
    {"a.dv", "-f lavfi -i testsrc2=s=720x576:r=25:d=0.4", "-pix_fmt yuv420p", 768, 576, 0},
    {"a.rm", SOURCE, "-c:v rv20 -s 176x144", 176, 144, 0},
    {"a.obu", SOURCE, "-c:v libaom-av1 -cpu-used 8 -b:v 1M", 160, 90, 0},
    {"a.h263", SOURCE, "-c:v h263 -s 176x144", 192, 144, 0},
    {"a.m2ts", SOURCE, X264 "yuv420p -mpegts_m2ts_mode 1", 160, 90, 0},
    {"vfr.mp4", SOURCE, "-vf \"select='not(mod(n\\,3))+eq(n\\,4)+gt(n\\,25)'\" -fps_mode vfr " X264 "yuv420p", 160, 90,
     0},
    {"vfr.mkv", SOURCE, "-vf \"select='not(mod(n\\,7))+eq(n\\,4)'\" -fps_mode vfr " X264 "yuv420p", 160, 90, 0},
    {"late.mkv", SOURCE, "-output_ts_offset 3.5 " X264 "yuv420p", 160, 90, 0},
};

static void expect_same(const char *what, const struct clip *a, const struct clip *b)
{
    if (a->count != b->count || a->width != b->width || a->height != b->height ||
        memcmp(a->pixels, b->pixels, (size_t)a->count * (size_t)a->width * (size_t)a->height * 3) != 0)
        fail_msg("%s: %d frames, not %d, or other ones", what, b->count, a->count);
    for (int i = 0; i < a->count; i++)
        if (!(a->times[i] - b->times[i] < 1e-6 && b->times[i] - a->times[i] < 1e-6))
            fail_msg("%s: frame %d at %.6f, not %.6f", what, i, b->times[i], a->times[i]);
}

/* The same comes under a name that says nothing, and from a pipe, but for what goes back and forth. */
static void expect_elsewhere(const char *name, const char *path, const char *folder, const struct clip *clip)
{
    char *other = test_path(folder, "film"), *command;
    shell("cp '%s' '%s'", path, other);
    struct clip same = clip_read(other, NULL);
    expect_same(name, clip, &same);
    clip_free(&same);
    assert_true(asprintf(&command, "cat '%s'", path) > 0);
    if (!strstr(name, ".mp4") && !strstr(name, "png")) {
        int keep = standard_input_set(NULL, command);
        same = clip_read("-", NULL);
        standard_input_restore(keep);
        expect_same(name, clip, &same);
        clip_free(&same);
    }
    free(command);
    free(other);
}

/* DV's and H.263's pixels are not square: they are shown wider than they are stored. */
static void expect_shown(const struct clip *clip, const char *path, const struct kind *kind)
{
    char filter[128] = "";
    if (strcmp(kind->name, "a.dv") == 0 || strcmp(kind->name, "a.h263") == 0) {
        snprintf(filter, sizeof(filter),
                 "scale=%d:%d:flags=bicubic+accurate_rnd+full_chroma_int+bitexact,format=rgb24,", kind->width,
                 kind->height);
    }
    clip_expect_ffmpeg(clip, path, filter, kind->most);
}

static void test_kinds(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const struct kind *kind = &kinds[i];
        char *path = test_path(folder, kind->name);
        shell("ffmpeg -v error -nostdin -y %s %s '%s'", kind->input, kind->output, path);
        struct clip clip = clip_read(path, NULL);
        if (clip.width != kind->width || clip.height != kind->height)
            fail_msg("%s: %d x %d", kind->name, clip.width, clip.height);
        expect_shown(&clip, path, kind);
        clip_expect_times(&clip, path);
        assert_int_equal(clip.damage.skipped + clip.damage.concealed + clip.damage.repaired, 0);
        for (int k = 0; k < clip.count; k++)
            assert_int_equal(clip.numbers[k], k + 1);
        expect_elsewhere(kind->name, path, folder, &clip);
        clip_free(&clip);
        free(path);
    }
    test_folder_remove(folder);
}

/* Turned by metadata: 90, 180, 270 degrees, and mirrored, at odd and even sizes, against the picture that was not
 * turned, which ffmpeg's transposing filters turn. */
static void test_rotation(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    static const int angles[] = {90, 180, 270, -90};
    for (size_t i = 0; i < sizeof(angles) / sizeof(*angles); i++) {
        char *plain = test_path(folder, "plain.mp4"), *turned = test_path(folder, "turned.mp4");
        shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc=s=162x91:r=10:d=0.5 " X264 "yuv444p '%s'", plain);
        shell("ffmpeg -v error -nostdin -y -i '%s' -c copy -metadata:s:v:0 rotate=%d '%s'", plain, angles[i], turned);
        struct clip clip = clip_read(turned, NULL);
        bool upright = angles[i] == 180;
        assert_int_equal(clip.width, upright ? 162 : 91);
        assert_int_equal(clip.height, upright ? 91 : 162);
        clip_expect_ffmpeg(&clip, turned, "", 0);
        clip_free(&clip);
        free(plain);
        free(turned);
    }
    test_folder_remove(folder);
}

static void expect_sampled(const char *path, double fps, const char *filter)
{
    struct clip clip = clip_read(path, &(struct video_reader_options){.fps = fps});
    clip_expect_ffmpeg(&clip, path, filter, 0);
    for (int k = 0; k < clip.count; k++) {
        double tick = clip.times[k] * fps;
        assert_int_equal(clip.numbers[k], k + 1);
        if (!(tick - (double)(int64_t)(tick + 0.5) < 1e-6))
            fail_msg("%s: time %.9f is no multiple of 1/%g", path, clip.times[k], fps);
    }
    clip_free(&clip);
}

/* Frame k is the last one not after k / fps; ffmpeg's fps filter says the same with round=up, and gives frames twice
 * where mpdecimate would be needed, so rates are compared that need none. */
static void test_sampling(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mp4"), *milli = test_path(folder, "a.mkv");
    shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=64x48:r=30:d=3 " X264 "yuv420p '%s'", path);
    shell("ffmpeg -v error -nostdin -y -i '%s' -c copy '%s'", path, milli);
    expect_sampled(path, 24, "fps=24:round=up,");
    expect_sampled(path, 7, "fps=7:round=up,");
    expect_sampled(path, 0.5, "fps=0.5:round=up,");
    expect_sampled(path, 30, "");
    expect_sampled(milli, 30, ""); /* times rounded to milliseconds lose no frame */
    expect_sampled(milli, 15, "framestep=2,");

    struct clip more = clip_read(path, &(struct video_reader_options){.fps = 100}); /* none twice */
    assert_int_equal(more.count, 90);
    clip_free(&more);
    free(milli);
    free(path);
    test_folder_remove(folder);
}

struct range {
    struct video_reader_options options;
    int first, count; /* frames of the file, from 0 */
    int64_t number;   /* of the first one */
};

static void test_ranges(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mp4");
    shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=64x48:r=10:d=5 " X264 "yuv420p -bf 2 -g 8 '%s'", path);
    struct clip whole = clip_read(path, NULL);
    assert_int_equal(whole.count, 50);
    static const struct range ranges[] = {
        {{.start = 1}, 10, 40, 1},
        {{.start = 1.01}, 11, 39, 1},
        {{.end = 2}, 0, 20, 1},
        {{.start = 3.3, .end = 3.5}, 33, 2, 1},
        {{.frames.first = 5, .frames.last = 7}, 4, 3, 5},
        {{.frames.first = 49}, 48, 2, 49},
        {{.start = 2, .frames.first = 3, .frames.last = 3}, 22, 1, 3},
        {{.end = 100, .frames.last = 1000}, 0, 50, 1},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        struct clip clip = clip_read(path, &ranges[i].options);
        if (clip.count != ranges[i].count || clip.numbers[0] != ranges[i].number)
            fail_msg("range %zu: %d frames from number %d", i, clip.count, (int)clip.numbers[0]);
        assert_memory_equal(clip.pixels, clip_frame(&whole, ranges[i].first),
                            (size_t)clip.count * (size_t)clip.width * (size_t)clip.height * 3);
        for (int k = 0; k < clip.count; k++)
            assert_true(clip.times[k] == whole.times[ranges[i].first + k]);
        assert_in_range(clip.info.frames, clip.count, clip.count + 1);
        clip_free(&clip);
    }
    clip_free(&whole);
    free(path);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
