/* Going back and forth gives the same frames again, in every kind of file. */
#include "base/error.h"
#include "base/test_folder.h"
#include "video/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOURCE "-f lavfi -i testsrc2=s=96x64:r=30:d=4 "
#define X264 "-c:v libx264 -preset veryfast -pix_fmt yuv420p "

static const char *const kinds[][2] = {
    {"closed.mp4", SOURCE X264 "-bf 3 -g 25"},
    {"open.mp4", SOURCE X264 "-bf 3 -g 25 -x264-params open-gop=1"},
    {"open.mkv", SOURCE X264 "-bf 3 -g 25 -x264-params open-gop=1"},
    {"refresh.mkv", SOURCE X264 "-g 25 -x264-params intra-refresh=1"},
    {"one_key.mp4", SOURCE X264 "-g 1000"},
    {"a.ts", SOURCE X264 "-bf 2 -g 25"},
    {"mpeg2.ts", SOURCE "-c:v mpeg2video -bf 2 -g 15 -q:v 2"},
    {"a.avi", SOURCE "-c:v mpeg4 -g 25"},
    {"vfr.mkv", SOURCE "-vf \"select='not(mod(n\\,3))+eq(n\\,4)'\" -fps_mode vfr " X264 "-g 15"},
    {"raw.h264", SOURCE X264 "-bf 2 -g 25"},
    {"a.gif", SOURCE},
};

static void expect_frame(struct video_reader *reader, struct video_frame *frame, const struct clip *clip, int index,
                         const char *what)
{
    int status = video_reader_next(reader, frame);
    if (index >= clip->count) {
        assert_int_equal(status, VIDEO_END);
        return;
    }
    if (status)
        fail_msg("%s: frame %d: %d: %s", what, index, status, error_message());
    if (frame->number != clip->numbers[index] || frame->time != clip->times[index])
        fail_msg("%s: frame %d is number %d at %.6f", what, index, (int)frame->number, frame->time);
    if (memcmp(frame->image.pixels, clip_frame(clip, index), (size_t)clip->width * (size_t)clip->height * 3) != 0)
        fail_msg("%s: frame %d has other pixels", what, index);
}

static void visit(const char *what, const char *path, const struct video_reader_options *options)
{
    struct clip clip = clip_read(path, options);
    struct video_reader *reader;
    struct video_frame frame = {0};
    assert_int_equal(video_reader_open(path, options, &reader), 0);
    assert_true(video_reader_info(reader)->seekable);
    expect_frame(reader, &frame, &clip, 0, what);
    int order[] = {clip.count - 1, 0, clip.count / 2, clip.count / 2 - 1, 7, 1, clip.count - 2, clip.count / 3};
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        int index = order[i] < 0 ? 0 : order[i] >= clip.count ? clip.count - 1 : order[i];
        if (video_reader_seek(reader, clip.numbers[index], clip.times[index]) != 0)
            fail_msg("%s: %s", what, error_message());
        for (int k = 0; k < 4; k++)
            expect_frame(reader, &frame, &clip, index + k < clip.count ? index + k : clip.count, what);
    }
    video_frame_free(&frame);
    video_reader_close(&reader);
    clip_free(&clip);
}

static void test_kinds(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        char *path = test_path(folder, kinds[i][0]);
        shell("ffmpeg -v error -nostdin -y %s '%s'", kinds[i][1], path);
        if (strcmp(kinds[i][0], "raw.h264") == 0 || strcmp(kinds[i][0], "a.gif") == 0) {
            struct clip clip = clip_read(path, NULL);
            assert_true(clip.count > 100);
            assert_int_equal(clip.damage.repaired, 0);
            clip_free(&clip);
        }
        visit(kinds[i][0], path, &(struct video_reader_options){0});
        visit(kinds[i][0], path, &(struct video_reader_options){.fps = 12});
        visit(kinds[i][0], path, &(struct video_reader_options){.start = 1.5, .fps = 7, .frames.first = 3});
        free(path);
    }
    char *images = test_path(folder, "images");
    shell("mkdir '%s' && ffmpeg -v error -nostdin -f lavfi -i testsrc2=s=32x24:r=10:d=2 '%s/%%d.png'", images, images);
    visit("images", images, &(struct video_reader_options){0});
    visit("images", images, &(struct video_reader_options){.start = 0.3, .fps = 10});
    free(images);
    test_folder_remove(folder);
}

/* Reads all frames of the source's numbers first, first + step, ... */
static void expect_sources(const char *path, const struct video_reader_options *options, int64_t first, int64_t step,
                           double step_seconds)
{
    struct video_reader *reader;
    struct video_frame frame = {0};
    assert_int_equal(video_reader_open(path, options, &reader), 0);
    for (int64_t i = 0; i < 8; i++) {
        assert_int_equal(video_reader_next(reader, &frame), 0);
        assert_int_equal(frame.number, i + 1);
        assert_int_equal(frame.source_number, first + i * step);
    }
    assert_int_equal(video_reader_seek(reader, 3, options->start + 2 * step_seconds), 0);
    assert_int_equal(video_reader_next(reader, &frame), 0);
    assert_int_equal(frame.source_number, first + 2 * step);
    video_frame_free(&frame);
    video_reader_close(&reader);
}

static void test_source_numbers(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make(), *path = test_path(folder, "a.mkv"), *images = test_path(folder, "images");
    shell("ffmpeg -v error -nostdin -y " SOURCE X264 "-bf 3 -g 25 '%s'", path);
    expect_sources(path, &(struct video_reader_options){0}, 1, 1, 1.0 / 30);
    expect_sources(path, &(struct video_reader_options){.fps = 6}, 1, 5, 1.0 / 6);
    expect_sources(path, &(struct video_reader_options){.fps = 6, .start = 2}, 61, 5, 1.0 / 6);
    shell("mkdir '%s' && ffmpeg -v error -nostdin -f lavfi -i testsrc2=s=32x24:r=10:d=2 '%s/%%d.png'", images, images);
    expect_sources(images, &(struct video_reader_options){.fps = 10}, 1, 1, 0.1);
    expect_sources(images, &(struct video_reader_options){.fps = 10, .start = 0.5}, 6, 1, 0.1);
    free(images);
    free(path);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_source_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
