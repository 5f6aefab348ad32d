/* Videos out: what ffprobe and ffmpeg say of them, sound, interruption, and disks that are full. */
#include "base/error.h"
#include "base/test_folder.h"
#include "video/support.h"
#include "video/video_out.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A disc that moves over a gradient; masks: the disc alone. */
static void paint(uint8_t *pixels, int width, int height, int channels, int index)
{
    double x0 = width * (0.3 + 0.01 * index), y0 = height * 0.5, radius = height * 0.3;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            bool inside = (x - x0) * (x - x0) + (y - y0) * (y - y0) < radius * radius;
            uint8_t *pixel = pixels + ((size_t)y * (size_t)width + (size_t)x) * (size_t)channels;
            if (channels == 1) {
                pixel[0] = inside ? 255 : 0;
            } else {
                pixel[0] = inside ? 220 : (uint8_t)(255 * x / width);
                pixel[1] = inside ? 40 : (uint8_t)(255 * y / height);
                pixel[2] = inside ? 30 : 128;
            }
        }
    }
}

struct drawing {
    struct video_writer_options options;
    const double *times;
    int count;
};

/* Said of a drawing's last picture, in seconds; 0: nothing is. */
static double hold;

static int draw(const char *path, const struct drawing *drawing)
{
    const struct video_writer_options *options = &drawing->options;
    int width = options->width, height = options->height, channels = options->channels;
    uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
    assert_non_null(pixels);
    struct video_writer *writer;
    int status = video_writer_open(path, options, &writer);
    for (int i = 0; i < drawing->count && !status; i++) {
        paint(pixels, width, height, channels, i);
        double time = drawing->times ? drawing->times[i] : 5 + i / options->frame_rate;
        status = video_writer_add(writer, pixels, (size_t)width * (size_t)channels, time);
        if (!status && hold > 0)
            video_writer_hold(writer, i == drawing->count - 1 ? hold : 7); /* the last word counts */
    }
    free(pixels);
    if (!status)
        return video_writer_close(&writer);
    video_writer_abort(&writer);
    assert_null(writer);
    return status;
}

static void expect_probe(const char *path, const char *entries, const char *expected)
{
    size_t size;
    char *text = shell_output(
        &size, "ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=%s -of csv=p=0 '%s'", entries,
        path);
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, expected) != 0)
        fail_msg("%s: %s is %s, not %s", path, entries, text, expected);
    free(text);
}

/* The index comes before the data, and the file is not in fragments. */
static void expect_fast_start(const char *path)
{
    FILE *file = fopen(path, "rb");
    static char bytes[1 << 22];
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    char *index = memmem(bytes, size, "moov", 4), *data = memmem(bytes, size, "mdat", 4);
    assert_true(index && data && index < data);
    assert_null(memmem(bytes, size, "moof", 4));
}

#define SHAPE "codec_name,width,height,pix_fmt,color_range,color_space,nb_read_frames"

static void test_h264(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a b%d.mp4");
    for (int channels = 1; channels <= 3; channels += 2) {
        for (int odd = 0; odd < 2; odd++) {
            struct drawing drawing = {
                {.width = 160 + odd, .height = 90 + odd, .channels = channels, .frame_rate = 30}, NULL, 45};
            assert_int_equal(draw(path, &drawing), 0);
            assert_int_equal(test_count_entries(folder), 1);
            expect_probe(path, SHAPE, odd ? "h264,162,92,yuv420p,tv,bt709,45" : "h264,160,90,yuv420p,tv,bt709,45");
            expect_probe(path, "start_time,duration,r_frame_rate", "30/1,0.000000,1.500000");
            expect_fast_start(path);
            /* Close to what was drawn, by our reader and by ffmpeg's own conversion. */
            struct clip clip = clip_read(path, NULL);
            clip_expect_ffmpeg(&clip, path, "", 0);
            uint8_t *drawn = malloc((size_t)(161 * 91 * 3));
            assert_non_null(drawn);
            double worst = 0;
            int64_t wrong = 0, pixels = 0;
            for (int i = 0; i < clip.count; i++) {
                paint(drawn, 160 + odd, 90 + odd, channels, i);
                double sum = 0;
                for (int y = 0; y < clip.height; y++) {
                    for (int x = 0; x < clip.width; x++) {
                        int from_x = x < 160 + odd ? x : 159 + odd, from_y = y < 90 + odd ? y : 89 + odd;
                        const uint8_t *want = drawn + (from_y * (160 + odd) + from_x) * channels;
                        const uint8_t *have = clip_frame(&clip, i) + (y * clip.width + x) * 3;
                        for (int c = 0; c < 3; c++)
                            sum += abs(have[c] - want[channels == 3 ? c : 0]);
                        wrong += channels == 1 && (have[0] > 127) != (want[0] > 127);
                        pixels++;
                    }
                }
                double mean = sum / (3.0 * clip.width * clip.height);
                worst = mean > worst ? mean : worst;
            }
            if (!(worst < 3.5) || wrong * 500 > pixels)
                fail_msg("%d channels: mean difference %.2f, %d wrong", channels, worst, (int)wrong);
            free(drawn);
            clip_free(&clip);
        }
    }
    free(path);
    test_folder_remove(folder);
}

/* Every time of a variable rate comes back, first one at 0. */
static void test_times(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    static const double times[] = {2,   2.0333, 2.04,    2.5,   2.500001, 3.75, 7, 7 + 1001 / 30000.0,
                                   7.1, 7.2,    100.125, 100.2, 100.3};
    static const enum video_codec codecs[] = {VIDEO_CODEC_H264, VIDEO_CODEC_MPEG4, VIDEO_CODEC_FFV1};
    static const double units[] = {1.0 / 120000, 1.0 / 60000, 1e-3};
    int count = (int)(sizeof(times) / sizeof(*times));
    for (int i = 0; i < 3; i++) {
        char *path = test_path(folder, codecs[i] == VIDEO_CODEC_FFV1 ? "a.mkv" : "a.mp4");
        struct drawing drawing = {{.width = 32, .height = 16, .channels = 1, .codec = codecs[i]}, times, count};
        assert_int_equal(draw(path, &drawing), 0);
        struct clip clip = clip_read(path, NULL);
        assert_int_equal(clip.count, count);
        for (int k = 0; k < count; k++)
            if (!(fabs(clip.times[k] - (times[k] - 2)) <= units[i] * 1.01))
                fail_msg("codec %d: frame %d at %.6f", i, k, clip.times[k]);
        clip_expect_times(&clip, path);
        clip_free(&clip);
        free(path);
    }
    /* One picture lasts as long as the rate says. */
    char *path = test_path(folder, "one.mp4");
    struct drawing one = {{.width = 1, .height = 1, .channels = 3, .frame_rate = 25}, NULL, 1};
    assert_int_equal(draw(path, &one), 0);
    expect_probe(path, "width,height,duration,nb_read_frames", "2,2,0.040000,1");
    free(path);
    test_folder_remove(folder);
}

static void test_lossless(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mkv");
    for (int channels = 1; channels <= 3; channels += 2) {
        struct drawing drawing = {
            {.width = 101, .height = 67, .channels = channels, .frame_rate = 25, .codec = VIDEO_CODEC_FFV1}, NULL, 10};
        assert_int_equal(draw(path, &drawing), 0);
        expect_probe(path, "codec_name,width,height,pix_fmt,nb_read_frames",
                     channels == 1 ? "ffv1,101,67,gray,10" : "ffv1,101,67,bgr0,10");
        struct clip clip = clip_read(path, NULL);
        uint8_t *drawn = malloc((size_t)(101 * 67 * 3));
        assert_non_null(drawn);
        for (int i = 0; i < 10; i++) {
            paint(drawn, 101, 67, channels, i);
            for (int p = 0; p < 101 * 67 * 3; p++)
                assert_int_equal(clip_frame(&clip, i)[p], drawn[channels == 3 ? p : p / 3]);
        }
        free(drawn);
        clip_free(&clip);
    }
    assert_string_equal(video_codec_suffix(VIDEO_CODEC_FFV1), ".mkv");
    assert_string_equal(video_codec_suffix(VIDEO_CODEC_H264), ".mp4");
    free(path);
    test_folder_remove(folder);
}

static void test_mpeg4(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mp4");
    struct drawing drawing = {
        {.width = 65, .height = 33, .channels = 3, .frame_rate = 24000 / 1001.0, .codec = VIDEO_CODEC_MPEG4}, NULL, 24};
    assert_int_equal(draw(path, &drawing), 0);
    expect_probe(path, "codec_name,width,height,pix_fmt,nb_read_frames", "mpeg4,66,34,yuv420p,24");
    expect_fast_start(path);
    free(path);
    test_folder_remove(folder);
}

static char *probe_sound(const char *path, const char *entries)
{
    size_t size;
    char *text =
        shell_output(&size, "ffprobe -v error -select_streams a -show_entries %s -of csv=p=0 '%s'", entries, path);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* After a long gap the last picture is shown as long as is said, with and without pictures that are stored in another
 * order. */
static void test_last_picture(void **state)
{
    (void)state;
    need_ffmpeg();
    static const double times[] = {0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 3};
    static const char *const presets[] = {"veryfast", "ultrafast", NULL};
    char *folder = test_folder_make();
    for (size_t i = 0; i < 3; i++) {
        const bool lossless = !presets[i];
        char *path = test_path(folder, lossless ? "a.mkv" : "a.mp4");
        struct drawing drawing = {{.width = 64,
                                   .height = 48,
                                   .channels = 3,
                                   .frame_rate = 25,
                                   .preset = presets[i],
                                   .codec = lossless ? VIDEO_CODEC_FFV1 : VIDEO_CODEC_H264},
                                  times,
                                  8};
        hold = 0.04;
        assert_int_equal(draw(path, &drawing), 0);
        hold = 0;
        size_t size;
        char *text = shell_output(&size, "ffprobe -v error -show_entries format=duration -of csv=p=0 '%s'", path);
        if (!(fabs(atof(text) - 3.04) < 2e-3))
            fail_msg("%s: %s s", lossless ? "ffv1" : presets[i], text);
        free(text);
        struct clip clip = clip_read(path, NULL);
        assert_int_equal(clip.count, 8);
        assert_true(fabs(clip.times[7] - 3) < 2e-3);
        clip_free(&clip);
        free(path);
    }
    test_folder_remove(folder);
}

/* The beep that begins at 2 s of the source is at 2 s less the first picture's time in the copy. */
static void test_sound(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    static const char *const codecs[] = {"aac source.mp4",     "libmp3lame source.mp4", "ac3 source.mp4",
                                         "libopus source.mkv", "aac source.ts",         "flac source.mkv"};
    char *copy = test_path(folder, "copy.mp4");
    for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
        const char *space = strchr(codecs[i], ' ');
        char *source = test_path(folder, space + 1);
        shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=64x48:r=10:d=4 -f lavfi -i "
              "\"aevalsrc='if(between(t,2,2.5),sin(2000*t),0)':s=48000:d=4\" -c:v libx264 -preset veryfast -bf 2 "
              "-pix_fmt yuv420p -c:a %.*s '%s'",
              (int)(space - codecs[i]), codecs[i], source);
        struct video_reader *reader;
        assert_int_equal(video_reader_open(source, &(struct video_reader_options){0}, &reader), 0);
        assert_true(video_reader_info(reader)->has_audio);
        static const double times[] = {1.5, 1.6, 1.7, 2.0, 2.5, 2.9};
        struct drawing drawing = {{.width = 64,
                                   .height = 48,
                                   .channels = 1,
                                   .frame_rate = 10,
                                   .audio_source = source,
                                   .audio_origin = video_reader_info(reader)->origin},
                                  times,
                                  6};
        video_reader_close(&reader);
        notices_begin();
        assert_int_equal(draw(copy, &drawing), 0);
        if (notices_count() > 0)
            fail_msg("%s: %s", codecs[i], notices());
        notices_end();
        expect_probe(copy, "nb_read_frames", "6");
        expect_fast_start(copy);
        /* Decoded: silent before 0.5 s, loud after, silent from 1 s on, and no longer than the picture. */
        size_t size;
        char *sound = shell_output(
            &size, "ffmpeg -v error -nostdin -i '%s' -af aresample=async=1:first_pts=0 -ac 1 -ar 48000 -f s16le -",
            copy);
        int first = -1, last = -1, samples = (int)(size / 2);
        for (int k = 0; k < samples; k++) {
            int16_t value;
            memcpy(&value, sound + (size_t)k * 2, 2);
            if (abs(value) > 8000) {
                first = first < 0 ? k : first;
                last = k;
            }
        }
        if (abs(first - 24000) > 2400 || abs(last - 48000) > 2400 || abs(samples - 86400) > 6000)
            fail_msg("%s: sound from %d to %d of %d", codecs[i], first, last, samples);
        free(sound);
        free(source);
    }
    /* What does not fit, or is not there. */
    char *wave = test_path(folder, "wave.mkv"), *silent = test_path(folder, "silent.mkv");
    shell("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=64x48:d=1 -f lavfi -i sine=d=1 -c:v ffv1 -c:a pcm_s16le "
          "'%s'",
          wave);
    shell("ffmpeg -v error -nostdin -y -i '%s' -c copy -an '%s'", wave, silent);
    const char *const sources[] = {wave, silent, "-", "/nonexistent.mp4"};
    static const char *const texts[] = {"pcm_s16le does not fit", "", "standard input", "No such file"};
    for (size_t i = 0; i < 4; i++) {
        struct drawing drawing = {
            {.width = 64, .height = 48, .channels = 1, .frame_rate = 10, .audio_source = sources[i]}, NULL, 5};
        notices_begin();
        assert_int_equal(draw(copy, &drawing), 0);
        assert_int_equal(notices_count(), *texts[i] != '\0');
        assert_non_null(strstr(notices(), texts[i]));
        notices_end();
        char *codec = probe_sound(copy, "stream=codec_name");
        assert_string_equal(codec, "");
        free(codec);
    }
    free(wave);
    free(silent);
    free(copy);
    test_folder_remove(folder);
}

/* Killed in the middle: the running file plays, and holds all but what the encoder still had. */
static void test_killed(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    static const enum video_codec codecs[] = {VIDEO_CODEC_H264, VIDEO_CODEC_FFV1};
    static const int least[] = {75, 99};
    for (int i = 0; i < 2; i++) {
        char *path = test_path(folder, codecs[i] == VIDEO_CODEC_FFV1 ? "a.mkv" : "a.mp4");
        char *running = test_path(folder, codecs[i] == VIDEO_CODEC_FFV1 ? "a.unfinished.mkv" : "a.unfinished.mp4");
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            static uint8_t pixels[160 * 90 * 3];
            struct video_writer_options options = {
                .width = 160, .height = 90, .channels = 3, .frame_rate = 30, .codec = codecs[i]};
            struct video_writer *writer;
            if (video_writer_open(path, &options, &writer) != 0)
                _exit(1);
            for (int k = 0; k < 100; k++) {
                paint(pixels, 160, 90, 3, k);
                if (video_writer_add(writer, pixels, 160 * 3, k / 30.0) != 0)
                    _exit(1);
            }
            kill(getpid(), SIGKILL);
        }
        int result;
        assert_int_equal(waitpid(child, &result, 0), child);
        assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
        assert_int_equal(access(path, F_OK), -1);
        struct clip clip = clip_read(running, NULL);
        if (clip.count < least[i])
            fail_msg("%s: %d frames", running, clip.count);
        clip_expect_ffmpeg(&clip, running, "", 0);
        clip_expect_times(&clip, running);
        clip_free(&clip);
        /* The next run takes its place. */
        struct drawing drawing = {
            {.width = 32, .height = 32, .channels = 1, .frame_rate = 10, .codec = codecs[i]}, NULL, 3};
        assert_int_equal(draw(path, &drawing), 0);
        assert_int_equal(access(running, F_OK), -1);
        free(running);
        free(path);
    }
    assert_int_equal(test_count_entries(folder), 2);
    test_folder_remove(folder);
}

/* The limit on a file's size stands for a full disk. */
static void test_full_disk(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    struct rlimit keep, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &keep), 0);
    signal(SIGXFSZ, SIG_IGN);
    static const enum video_codec codecs[] = {VIDEO_CODEC_H264, VIDEO_CODEC_FFV1, VIDEO_CODEC_MPEG4};
    static const rlim_t limits[] = {0, 1000, 20000};
    for (int i = 0; i < 9; i++) {
        char *path = test_path(folder, "full.video");
        struct drawing drawing = {
            {.width = 320, .height = 200, .channels = 3, .frame_rate = 30, .codec = codecs[i % 3]}, NULL, 60};
        small = keep;
        small.rlim_cur = limits[i / 3];
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        int status = draw(path, &drawing);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &keep), 0);
        if (status != SOWLV2_ERROR_IO || !strstr(error_message(), path) || !strstr(error_message(), "File too large"))
            fail_msg("codec %d: %d: %s", i % 3, status, error_message());
        assert_int_equal(test_count_entries(folder), 0);
        free(path);
    }
    test_folder_remove(folder);
}

/* Room for the running file but not for the copy: the running file is the result. */
static void test_no_room_for_copy(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mp4");
    uint8_t *pixels = calloc(64, 64);
    assert_non_null(pixels);
    struct video_writer *writer;
    struct video_writer_options options = {.width = 64, .height = 64, .channels = 1, .frame_rate = 30};
    assert_int_equal(video_writer_open(path, &options, &writer), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(video_writer_add(writer, pixels, 64, i / 30.0), 0);
    /* No new file can be made once all descriptors are taken but the one that the muxer holds. */
    struct rlimit keep, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &keep), 0);
    few = keep;
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    notices_begin();
    int status = video_writer_close(&writer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &keep), 0);
    assert_int_equal(status, 0);
    assert_non_null(strstr(notices(), "left as it was written"));
    notices_end();
    expect_probe(path, "codec_name,nb_read_frames", "h264,40");
    assert_int_equal(test_count_entries(folder), 1);
    free(pixels);
    free(path);
    test_folder_remove(folder);
}

static void test_misuse(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    char *path = test_path(folder, "a.mp4"), *inside = test_path(folder, "none/a.mp4");
    uint8_t pixels[16 * 16] = {0};
    struct video_writer_options good = {.width = 16, .height = 16, .channels = 1, .frame_rate = 25};
    struct video_writer *writer;
    assert_int_equal(video_writer_open(inside, &good, &writer), SOWLV2_ERROR_IO);
    assert_int_equal(video_writer_open(folder, &good, &writer), SOWLV2_ERROR_IO);
    assert_int_equal(video_writer_open("/dev/full", &good, &writer), SOWLV2_ERROR_IO);
    struct video_writer_options bad = good;
    bad.channels = 2;
    assert_int_equal(video_writer_open(path, &bad, &writer), SOWLV2_ERROR_ARGUMENT);
    bad = good;
    bad.width = 0;
    assert_int_equal(video_writer_open(path, &bad, &writer), SOWLV2_ERROR_ARGUMENT);
    bad.width = bad.height = 1 << 20;
    assert_int_equal(video_writer_open(path, &bad, &writer), SOWLV2_ERROR_ARGUMENT);
    bad.width = 0x7fffffff;
    assert_int_equal(video_writer_open(path, &bad, &writer), SOWLV2_ERROR_ARGUMENT);
    bad = good;
    bad.preset = "nosuchpreset";
    assert_int_equal(video_writer_open(path, &bad, &writer), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(test_count_entries(folder), 0);

    assert_int_equal(video_writer_open(path, &good, &writer), 0);
    assert_int_equal(video_writer_add(writer, pixels, 16, 1), 0);
    assert_int_equal(video_writer_add(writer, pixels, 16, 1), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(video_writer_add(writer, pixels, 16, 1e9), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(video_writer_add(writer, pixels, 16, NAN), SOWLV2_ERROR_ARGUMENT);
    video_writer_abort(&writer);
    video_writer_abort(&writer);
    assert_int_equal(test_count_entries(folder), 0);
    assert_int_equal(video_writer_open(path, &good, &writer), 0); /* no picture: no file */
    assert_int_equal(video_writer_close(&writer), 0);
    assert_null(writer);
    assert_int_equal(test_count_entries(folder), 0);
    free(inside);
    free(path);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h264),      cmocka_unit_test(test_times),
        cmocka_unit_test(test_lossless),  cmocka_unit_test(test_mpeg4),
        cmocka_unit_test(test_sound),     cmocka_unit_test(test_killed),
        cmocka_unit_test(test_full_disk), cmocka_unit_test(test_no_room_for_copy),
        cmocka_unit_test(test_misuse),    cmocka_unit_test(test_last_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
