/* Where films end: cut ones are known as such, in files, pipes and from servers, and whole ones are not; pieces that
 * were joined play one after another. */
#include "base/error.h"
#include "base/test_folder.h"
#include "video/film_server.h"
#include "video/support.h"
#include "video/video_out.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define SOURCE "-f lavfi -i testsrc2=s=160x120:r=25:d=2 "
#define X264 "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 20 "

/* An error of the disk: from so many bytes on, regular files cannot be read. FFmpeg's reads come here. */
static long good_bytes = -1;

__attribute__((visibility("default"))) ssize_t read(int descriptor, void *bytes, size_t size)
{
    struct stat state;
    if (good_bytes >= 0 && fstat(descriptor, &state) == 0 && S_ISREG(state.st_mode) &&
        lseek(descriptor, 0, SEEK_CUR) >= good_bytes) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_read, descriptor, bytes, size);
}

struct kind {
    const char *name, *arguments;
    bool pipe; /* can be read from one */
};

static const struct kind kinds[] = {
    {"a.mkv", SOURCE X264, true},
    {"a.webm", SOURCE "-c:v libvpx", true},
    {"a.mp4", SOURCE X264 "-movflags +faststart", true},
    {"fragments.mp4", SOURCE X264 "-movflags +frag_keyframe+empty_moov", true},
    {"a.mov", SOURCE "-c:v mjpeg -movflags +faststart", true},
    {"a.avi", SOURCE "-c:v mpeg4", true},
    {"a.flv", SOURCE "-c:v flv", true},
    {"a.ts", SOURCE X264, true},
    {"a.m2ts", SOURCE X264 "-mpegts_m2ts_mode 1", true},
    {"a.mpg", SOURCE "-c:v mpeg1video", true},
    {"a.vob", SOURCE "-c:v mpeg2video -f vob", true},
    {"a.wmv", SOURCE "-c:v wmv2", true},
    {"a.ogv", SOURCE "-c:v libtheora", true},
    {"a.mxf", SOURCE "-c:v mpeg2video", true},
    {"a.rm", SOURCE "-c:v rv20 -s 176x144", true},
    {"a.ivf", SOURCE "-c:v libvpx", true},
    {"a.y4m", SOURCE "-pix_fmt yuv420p", true},
    {"a.dv", "-f lavfi -i testsrc2=s=720x576:r=25:d=0.4 -pix_fmt yuv420p", true},
    {"a.h264", SOURCE X264, true},
    {"a.h263", SOURCE "-c:v h263 -s 176x144", true},
    {"a.m2v", SOURCE "-c:v mpeg2video", true},
    {"a.mjpeg", SOURCE "-c:v mjpeg -q:v 3", true},
    {"a.apng", SOURCE "-r 5 -plays 0 -f apng", false},
};

static struct clip read_pipe(const char *path)
{
    char *command;
    assert_true(asprintf(&command, "cat '%s'", path) > 0);
    int keep = standard_input_set(NULL, command);
    struct clip clip = clip_read("-", NULL);
    standard_input_restore(keep);
    free(command);
    return clip;
}

static void expect_whole(const char *what, const struct clip *clip, int count)
{
    if (clip->broken || clip->count != count)
        fail_msg("%s: %d frames, not %d: %s", what, clip->count, count, clip->reason);
}

static void expect_cut(const char *what, const struct clip *clip, int count)
{
    if (clip->broken != SOWLV2_ERROR_FORMAT || clip->count < 1 || clip->count >= count)
        fail_msg("%s: %d: %d frames of %d: %s", what, clip->broken, clip->count, count, clip->reason);
    assert_non_null(strstr(clip->reason, "breaks off at "));
    assert_true(clip->info.frames == 0 || clip->info.frames <= count);
}

static void test_cut(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        char *path = film_make(folder, kinds[i].name, kinds[i].arguments);
        struct clip whole = clip_read(path, NULL), piped = {0};
        int count = whole.count;
        assert_in_range(count, 10, 50);
        expect_whole(kinds[i].name, &whole, count);
        if (kinds[i].pipe) {
            piped = read_pipe(path);
            expect_whole("by pipe", &piped, count);
            clip_free(&piped);
        }
        shell("truncate -s $(( $(stat -c %%s '%s') * 57 / 100 / 2 * 2 + 1 )) '%s'", path, path);
        struct clip cut = clip_read(path, NULL);
        expect_cut(kinds[i].name, &cut, count);
        if (kinds[i].pipe) {
            piped = read_pipe(path);
            expect_cut(kinds[i].name, &piped, count);
            clip_free(&piped);
        }
        clip_free(&cut);
        clip_free(&whole);
        free(path);
    }
    test_folder_remove(folder);
}

/* A range that ends before the place does not meet it; one that reaches it does. */
static void test_range_before_cut(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make(), *path = film_make(folder, "a.mkv", SOURCE X264);
    shell("truncate -s $(( $(stat -c %%s '%s') / 2 )) '%s'", path, path);
    struct clip clip = clip_read(path, &(struct video_reader_options){.frames.last = 10});
    expect_whole("a range", &clip, 10);
    clip_free(&clip);
    clip = clip_read(path, &(struct video_reader_options){.fps = 5});
    assert_int_equal(clip.broken, SOWLV2_ERROR_FORMAT);
    clip_free(&clip);
    free(path);
    test_folder_remove(folder);
}

/* Errors of reading are no end, whatever the format makes of them. */
static void test_unreadable(void **state)
{
    (void)state;
#ifdef VIDEO_ISOLATED
    skip(); /* another process reads */
#endif
    need_ffmpeg();
    static const char *const formats[] = {"a.mp4", "a.mkv", "a.ts", "a.avi", "a.h264", "a.vob", "a.ogv"};
    char *folder = test_folder_make();
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        char *path = test_path(folder, formats[i]);
        struct stat info;
        shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=640x480:r=25:d=2 %s '%s'",
              i < 5 ? "-q:v 2 -crf 10 -movflags +faststart" : "-q:v 2", path);
        assert_int_equal(stat(path, &info), 0);
        good_bytes = (long)(info.st_size * 6 / 10);
        struct clip clip;
        int status = clip_try(path, NULL, &clip);
        good_bytes = -1;
        if (status != VIDEO_END || clip.broken != SOWLV2_ERROR_IO || clip.count < 5 || clip.count > 45 ||
            !strstr(clip.reason, "Input/output error"))
            fail_msg("%s: %d, %d: %d frames: %s", path, status, clip.broken, clip.count, clip.reason);
        clip_free(&clip);
        free(path);
    }
    test_folder_remove(folder);
}

static void test_server_hangs_up(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make(), *path = film_make(folder, "a.mkv", SOURCE X264);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    struct film_server *server = film_server_start(path, (size_t)info.st_size / 2);
    char *url = film_server_url(server, "a.mkv");
    struct clip clip = clip_read(url, NULL);
    if (clip.broken != SOWLV2_ERROR_IO || clip.count < 5 || clip.count > 45)
        fail_msg("%d: %d frames: %s", clip.broken, clip.count, clip.reason);
    clip_free(&clip);
    free(url);
    film_server_stop(server);
    free(path);
    test_folder_remove(folder);
}

/* Pieces shorter and longer than a second, whose clocks all begin anew: all of their length is there, and of their
 * sound. */
static void test_joined(void **state)
{
    (void)state;
    need_ffmpeg();
    static const char *const lengths[] = {"0.4", "2"};
    char *folder = test_folder_make();
    for (size_t i = 0; i < 2; i++) {
        char *all = test_path(folder, "all.ts"), *out = test_path(folder, "out.mp4");
        shell("cd '%s' && rm -f all.ts && for i in 1 2 3; do ffmpeg -v error -nostdin -y -f lavfi -i "
              "testsrc2=s=96x64:r=25 -f lavfi -i sine -t %s " X264 "-c:a aac p.ts && cat p.ts >>all.ts; done",
              folder, lengths[i]);
        struct clip clip = clip_read(all, NULL);
        const int count = (int)(3 * 25 * atof(lengths[i]) + 0.5);
        assert_int_equal(clip.count, count);
        assert_int_equal(clip.damage.joints, 2);
        assert_int_equal(clip.damage.repaired, 0);
        for (int k = 0; k < count; k++)
            if (!(clip.times[k] > k * 0.04 - 1e-3 && clip.times[k] < k * 0.04 + 1e-3))
                fail_msg("frame %d at %.3f s", k, clip.times[k]);

        struct video_reader *reader;
        assert_int_equal(video_reader_open(all, &(struct video_reader_options){.check_length = true}, &reader), 0);
        assert_true(video_reader_info(reader)->duration == 0);
        video_reader_close(&reader);

        /* A part of it begins where it should: its times are no places. */
        const double start = 0.04 * (count * 2 / 3) + 0.01;
        struct clip part = clip_read(all, &(struct video_reader_options){.start = start});
        assert_int_equal(part.count, count - count * 2 / 3 - 1);
        assert_memory_equal(part.pixels, clip_frame(&clip, count - part.count),
                            (size_t)part.count * (size_t)clip.width * (size_t)clip.height * 3);
        clip_free(&part);

        struct video_writer *writer;
        const struct video_writer_options options = {.width = clip.width,
                                                     .height = clip.height,
                                                     .channels = 3,
                                                     .frame_rate = 25,
                                                     .audio_source = all,
                                                     .audio_origin = clip.info.origin};
        assert_int_equal(video_writer_open(out, &options, &writer), 0);
        for (int k = 0; k < count; k++)
            assert_int_equal(video_writer_add(writer, clip_frame(&clip, k), (size_t)clip.width * 3, clip.times[k]), 0);
        assert_int_equal(video_writer_close(&writer), 0);
        size_t size;
        char *text = shell_output(
            &size, "ffprobe -v error -select_streams a:0 -show_entries stream=duration -of csv=p=0 '%s'", out);
        if (!(fabs(atof(text) - count * 0.04) < 0.1))
            fail_msg("sound of %s s", text);
        free(text);
        clip_free(&clip);
        free(out);
        free(all);
    }
    test_folder_remove(folder);
}

/* Formats that leave out times, begin in the middle of a group of pictures, or in which pictures are packed. */
static void test_healthy(void **state)
{
    (void)state;
    need_ffmpeg();
    static const char *const healthy[][2] = {
        {"xvid.avi", SOURCE "-c:v libxvid -bf 2"},
        {"unpacked.avi", SOURCE "-c:v libxvid -bf 2 -bsf:v mpeg4_unpack_bframes"},
        {"divx.avi", SOURCE "-c:v mpeg4 -bf 2 -vtag DIVX"},
        {"a.mpg", SOURCE "-c:v mpeg2video -bf 2 -g 12"},
        {"pulldown.mpg", "-f lavfi -i testsrc2=s=160x120:r=24000/1001:d=2 -vf telecine -c:v mpeg2video"},
        {"a.vob", SOURCE "-c:v mpeg2video -bf 2 -f vob"},
        {"a.m2v", SOURCE "-c:v mpeg2video -bf 2"},
        {"a.h264", SOURCE X264},
        {"open.ts", SOURCE "-c:v libx264 -bf 3 -x264-params open-gop=1:keyint=12"},
    };
    char *folder = test_folder_make();
    for (size_t i = 0; i < sizeof(healthy) / sizeof(*healthy); i++) {
        char *path = film_make(folder, healthy[i][0], healthy[i][1]);
        notices_begin();
        struct clip clip = clip_read(path, NULL);
        if (notices_count() > 0 || clip.broken || clip.count < 48)
            fail_msg("%s: %d frames: %s%s", path, clip.count, notices(), clip.reason);
        notices_end();
        clip_free(&clip);
        free(path);
    }
    char *whole = film_make(folder, "whole.mpg", SOURCE "-c:v mpeg2video -bf 2 -g 12");
    char *middle = test_path(folder, "middle.mpg");
    shell("ffmpeg -v error -nostdin -y -ss 1 -i '%s' -c copy '%s'", whole, middle);
    notices_begin();
    struct clip clip = clip_read(middle, NULL);
    if (strstr(notices(), "damaged") || clip.broken)
        fail_msg("%s: %s%s", middle, notices(), clip.reason);
    notices_end();
    clip_free(&clip);
    free(middle);
    free(whole);
    test_folder_remove(folder);
}

/* How long the last frame is shown: what the stream says, or a step of its rate. */
static void test_last_frame(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    /* Frames 0, 1, 2 and 40 of 50: each but the last is followed by a gap. */
    char *path =
        film_make(folder, "vfr.mp4", SOURCE "-vf \"select='lt(n\\,3)+eq(n\\,40)'\" -fps_mode vfr -c:v libx264 -bf 0");
    struct clip clip = clip_read(path, NULL);
    assert_int_equal(clip.count, 4);
    assert_true(clip.last > 0.039 && clip.last < 0.041);
    clip_free(&clip);
    clip = clip_read(path, &(struct video_reader_options){.fps = 0.9});
    assert_int_equal(clip.count, 2); /* at 0 and 1.11 s, of which the latter ends with the film, at 1.64 s */
    assert_true(clip.last > 0.52 && clip.last < 0.54);
    clip_free(&clip);
    free(path);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),        cmocka_unit_test(test_range_before_cut),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_server_hangs_up),
        cmocka_unit_test(test_joined),     cmocka_unit_test(test_healthy),
        cmocka_unit_test(test_last_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
