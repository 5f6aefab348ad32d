/* Pipes, folders, and files that are damaged, cut off, empty or no videos. */
#include "base/error.h"
#include "base/test_folder.h"
#include "media/png.h"
#include "video/support.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define X264 "-c:v libx264 -preset veryfast -pix_fmt yuv420p"

static void expect_same(const struct clip *a, const struct clip *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_memory_equal(a->pixels, b->pixels, (size_t)a->count * (size_t)a->width * (size_t)a->height * 3);
    for (int i = 0; i < a->count; i++)
        assert_true(a->times[i] == b->times[i]);
}

/* Opens `source` and expects `status` and a message that has the name and `text`. */
static void expect_error(const char *source, const struct video_reader_options *options, int status, const char *text)
{
    struct clip clip;
    int result = clip_try(source, options, &clip);
    if (result != status || !strstr(error_message(), text) || !strstr(error_message(), source))
        fail_msg("%s: %d, not %d with \"%s\": %s", source, result, status, text, error_message());
    clip_free(&clip);
}

static void test_standard_input(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make(), *command;
    char *path = film_make(folder, "a.mkv", "-f lavfi -i testsrc2=s=64x48:r=10:d=2 " X264);
    char *back = film_make(folder, "back.mp4", "-f lavfi -i mandelbrot=s=320x240 -t 3 " X264 " -crf 10");
    struct clip whole = clip_read(path, NULL);
    assert_true(whole.info.seekable);
    assert_int_equal(whole.count, 20);

    assert_true(asprintf(&command, "cat '%s'", path) > 0);
    int keep = standard_input_set(NULL, command);
    struct clip piped = clip_read("-", NULL);
    standard_input_restore(keep);
    expect_same(&piped, &whole);
    assert_false(piped.info.seekable);
    free(command);

    keep = standard_input_set(path, NULL);
    struct clip file = clip_read("-", NULL);
    standard_input_restore(keep);
    expect_same(&file, &whole);
    assert_true(file.info.seekable);

    /* An mp4 with its index behind cannot come from a pipe. */
    assert_true(asprintf(&command, "cat '%s'", back) > 0);
    keep = standard_input_set(NULL, command);
    struct clip none;
    assert_int_equal(clip_try("-", NULL, &none), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), "standard input: "));
    assert_non_null(strstr(error_message(), "pipe"));
    standard_input_restore(keep);
    clip_free(&none);
    free(command);

    keep = standard_input_set("/dev/null", NULL);
    assert_int_equal(clip_try("-", NULL, &none) < 0, 1);
    standard_input_restore(keep);
    clip_free(&none);
    clip_free(&file);
    clip_free(&piped);
    clip_free(&whole);
    free(back);
    free(path);
    test_folder_remove(folder);
}

static bool after_some_calls(void *user_data)
{
    int *calls = user_data;
    return ++*calls > 3;
}

/* Nobody ever writes: only the interrupt ends it. */
static void test_interrupt(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "pipe");
    int calls = 0;
    assert_int_equal(mkfifo(path, 0600), 0);
    struct video_reader_options options = {.interrupted = after_some_calls, .user_data = &calls};
    time_t begin = time(NULL);
    expect_error(path, &options, SOWLV2_ERROR_CANCELLED, "interrupted");
    assert_true(time(NULL) - begin < 5);
    free(path);
    test_folder_remove(folder);
}

static void put_picture(const char *folder, const char *name, int width, int height, int value)
{
    char *path = test_path(folder, name);
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(pixels);
    memset(pixels, value, (size_t)width * (size_t)height * 3);
    assert_int_equal(png_write(path, pixels, width, height, 3, (size_t)width * 3), 0);
    free(pixels);
    free(path);
}

static void test_images(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    expect_error(folder, NULL, SOWLV2_ERROR_FORMAT, "no images");
    test_write_text(folder, "f0.png", "no picture");
    notices_begin();
    expect_error(folder, NULL, SOWLV2_ERROR_FORMAT, "none of its 1 images");
    notices_end();
    put_picture(folder, "f2.png", 7, 5, 20);
    put_picture(folder, "f10.png", 14, 10, 100); /* scaled to the first one's size */
    put_picture(folder, "f1.png", 7, 5, 10);
    test_write_text(folder, "f3.png", "no picture");

    notices_begin();
    struct clip clip = clip_read(folder, &(struct video_reader_options){.fps = 10});
    assert_int_equal(clip.count, 3);
    assert_int_equal(clip.info.frames, 5);
    static const int values[] = {10, 20, 100};
    static const double times[] = {0.1, 0.2, 0.4}; /* an image that cannot be read keeps its time */
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 7 * 5 * 3; k++)
            assert_int_equal(clip_frame(&clip, i)[k], values[i]);
        assert_int_equal(clip.numbers[i], i + 1);
        assert_true(clip.times[i] > times[i] - 1e-9 && clip.times[i] < times[i] + 1e-9);
    }
    assert_int_equal(clip.damage.skipped, 2);
    assert_non_null(strstr(notices(), "f3.png"));
    assert_non_null(strstr(notices(), "14 x 10 after 7 x 5"));
    notices_end();
    clip_free(&clip);
    test_folder_remove(folder);
}

static void flip_text(const char *from_path, const char *to_path, const char *from, const char *to)
{
    FILE *file = fopen(from_path, "rb");
    assert_non_null(file);
    static char bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof(bytes), file), length = strlen(from);
    fclose(file);
    char *place = memmem(bytes, size, from, length);
    assert_non_null(place);
    memcpy(place, to, length);
    file = fopen(to_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void test_no_video(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *sound = film_make(folder, "sound.mp4", "-f lavfi -i sine=d=1 -c:a aac");
    char *cover = film_make(folder, "cover.mp3",
                            "-f lavfi -i sine=d=1 -f lavfi -i color=s=32x32:d=0.1 -map 0 -map 1 -frames:v 1 -c:v png "
                            "-disposition:v attached_pic -c:a libmp3lame");
    char *none = film_make(folder, "none.mp4", "-f lavfi -i testsrc2=d=1 -frames:v 0 " X264);
    char *ffv1 = film_make(folder, "ffv1.mkv", "-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v ffv1");
    char *unknown = test_path(folder, "unknown.mkv"), *empty = test_path(folder, "empty.mp4");
    char *text = test_path(folder, "text.mp4"), *missing = test_path(folder, "missing.mp4");
    char *playlist = test_path(folder, "list.m3u8");
    flip_text(ffv1, unknown, "FFV1", "NONE");
    test_write_text(folder, "empty.mp4", "");
    test_write_text(folder, "text.mp4", "this is not a video at all\n");
    test_write_text(folder, "list.m3u8", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n");
    expect_error(sound, NULL, SOWLV2_ERROR_FORMAT, "no video stream");
    expect_error(cover, NULL, SOWLV2_ERROR_FORMAT, "no video stream");
    expect_error(unknown, NULL, SOWLV2_ERROR_UNSUPPORTED, "no decoder");
    expect_error(empty, NULL, SOWLV2_ERROR_FORMAT, "");
    expect_error(text, NULL, SOWLV2_ERROR_FORMAT, "");
    expect_error(missing, NULL, SOWLV2_ERROR_IO, "No such file");
    struct clip clip;
    assert_int_equal(clip_try(none, NULL, &clip), SOWLV2_ERROR_FORMAT); /* no frame, perhaps no stream */
    assert_true(clip_try(playlist, NULL, &clip) < 0);
    expect_error("nonsense://host/a.mp4", NULL, SOWLV2_ERROR_UNSUPPORTED, "unknown protocol 'nonsense'");
#ifdef VIDEO_ISOLATED
    expect_error("/dev/null", NULL, SOWLV2_ERROR_UNSUPPORTED, "is a device");
#else
    expect_error("/dev/null", NULL, SOWLV2_ERROR_IO, "");
#endif

    expect_error(ffv1, &(struct video_reader_options){.max_pixels = 3000}, SOWLV2_ERROR_ARGUMENT, "64 x 48");
    expect_error(ffv1, &(struct video_reader_options){.start = 50}, SOWLV2_ERROR_ARGUMENT, "no frame in the range");
    expect_error(ffv1, &(struct video_reader_options){.frames.first = 50}, SOWLV2_ERROR_ARGUMENT, "no frame");
    expect_error(ffv1, &(struct video_reader_options){.fps = -1}, SOWLV2_ERROR_ARGUMENT, "frames a second");
    expect_error(ffv1, &(struct video_reader_options){.fps = 0.0 / 0.0}, SOWLV2_ERROR_ARGUMENT, "frames a second");
    expect_error(ffv1, &(struct video_reader_options){.start = 2, .end = 1}, SOWLV2_ERROR_ARGUMENT, "not after");
    expect_error(ffv1, &(struct video_reader_options){.frames.first = 3, .frames.last = 2}, SOWLV2_ERROR_ARGUMENT,
                 "A:B");
    free(sound);
    free(cover);
    free(none);
    free(ffv1);
    free(unknown);
    free(empty);
    free(text);
    free(missing);
    free(playlist);
    test_folder_remove(folder);
}

/* Flips `count` bits of a copy, in its last three quarters. */
static void flip_bits(const char *from, const char *to, unsigned seed, int count)
{
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    static uint8_t bytes[1 << 21];
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_in_range(size, 1000, sizeof(bytes) - 1);
    uint64_t random = seed;
    for (int i = 0; i < count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t place = size / 4 + (size_t)(random >> 20) % (size - size / 4);
        bytes[place] ^= (uint8_t)(1 << (random >> 60) % 8);
    }
    file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Whatever is broken: frames come to the end, times rise, and one notice tells of it. */
static void test_flipped_bits(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    static const char *const kinds[][2] = {
        {"a.mp4", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 " X264 " -bf 2 -g 20 -movflags +faststart"},
        {"a.ts", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 " X264 " -bf 2 -g 20"},
        {"a.mkv", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 -c:v ffv1 -level 3 -slicecrc 1"},
        {"a.avi", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 -c:v mpeg4"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        char *path = film_make(folder, kinds[i][0], kinds[i][1]);
        int64_t damaged = 0;
        for (unsigned seed = 1; seed <= 6; seed++) {
            char *broken = test_path(folder, "broken");
            flip_bits(path, broken, seed, 30);
            struct clip clip;
            notices_begin();
            int status = clip_try(broken, NULL, &clip);
            int64_t damage = clip.damage.skipped + clip.damage.concealed;
            damaged += damage + clip.damage.repaired;
            if (status == VIDEO_END) {
                assert_true(clip.count > 0);
                int lines = 0;
                for (const char *at = notices(); (at = strstr(at, "damaged: ")); at++)
                    lines++;
                assert_int_equal(lines, damage > 0);
            } else {
                assert_true(status == SOWLV2_ERROR_FORMAT || status == SOWLV2_ERROR_ARGUMENT);
            }
            notices_end();
            clip_free(&clip);
            free(broken);
        }
        if (damaged == 0)
            fail_msg("%s: nothing was broken: the test tests nothing", kinds[i][0]);
        free(path);
    }
    test_folder_remove(folder);
}

static void test_truncated(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    static const char *const kinds[][2] = {
        {"a.mp4", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 " X264 " -bf 2 -g 20 -movflags +faststart"},
        {"a.ts", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 " X264 " -g 20"},
        {"a.mkv", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 " X264 " -g 20"},
        {"a.avi", "-f lavfi -i testsrc2=s=160x120:r=30:d=3 -c:v mpeg4"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        char *path = film_make(folder, kinds[i][0], kinds[i][1]);
        struct clip whole = clip_read(path, NULL);
        shell("truncate -s $(( $(stat -c %%s '%s') * 6 / 20 * 2 + 1 )) '%s'", path, path); /* within a packet */
        notices_begin();
        struct clip cut = clip_read(path, NULL);
        notices_end();
        if (whole.count != 90 || cut.count < 36 || cut.count > 75)
            fail_msg("%s: %d frames of %d", kinds[i][0], cut.count, whole.count);
        assert_true(cut.broken < 0 && whole.broken == 0);
        /* All but the last packet is whole. */
        assert_memory_equal(cut.pixels, whole.pixels,
                            (size_t)(cut.count - 5) * (size_t)cut.width * (size_t)cut.height * 3);
        clip_free(&whole);
        clip_free(&cut);
        free(path);
    }
    char *back = film_make(folder, "back.mp4", "-f lavfi -i testsrc2=s=160x120:r=30:d=1 " X264);
    shell("truncate -s 5000 '%s'", back);
    expect_error(back, NULL, SOWLV2_ERROR_FORMAT, "cut off before its index");
    free(back);
    test_folder_remove(folder);
}

/* Two broadcast pieces joined: the size changes and the clock begins anew. */
static void test_changes(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *a = film_make(folder, "a.ts", "-f lavfi -i color=red:s=160x120:r=10:d=2 " X264);
    char *b = film_make(folder, "b.ts", "-f lavfi -i color=blue:s=320x180:r=10:d=2 " X264);
    char *both = test_path(folder, "both.ts");
    shell("cat '%s' '%s' >'%s'", a, b, both);
    notices_begin();
    struct clip clip = clip_read(both, NULL);
    assert_int_equal(clip.count, 40);
    assert_int_equal(clip.width, 160);
    assert_int_equal(clip.height, 120);
    assert_non_null(strstr(notices(), "160 x 120 to 320 x 180"));
    assert_int_equal(clip.damage.joints, 1);
    assert_int_equal(clip.damage.repaired, 0);
    for (int i = 0; i < 40; i++) {
        const uint8_t *pixel = clip_frame(&clip, i) + (60 * 160 + 80) * 3;
        assert_true(i < 20 ? pixel[0] > 200 && pixel[2] < 50 : pixel[0] < 50 && pixel[2] > 200);
        if (!(clip.times[i] > i * 0.1 - 1e-3 && clip.times[i] < i * 0.1 + 1e-3))
            fail_msg("frame %d at %.3f s", i, clip.times[i]);
    }
    notices_end();
    clip_free(&clip);
    free(a);
    free(b);
    free(both);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard_input), cmocka_unit_test(test_interrupt),    cmocka_unit_test(test_images),
        cmocka_unit_test(test_no_video),       cmocka_unit_test(test_flipped_bits), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
