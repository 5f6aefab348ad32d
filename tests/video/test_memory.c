/* Memory that runs out while a film is read. The answer is the film, with every picture right, or the error
 * MEMORY: a film is never called damaged for it, nor do pictures go missing without a word. */
#include "base/error.h"
#include "base/file.h"
#include "base/shortage.h"
#include "base/test_folder.h"
#include "video/support.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <zlib.h>

#include <cmocka.h>

#ifdef SHORTAGE
/* What reading a film gave. */
struct answer {
    int status;
    int count;
    double last_time;
    uLong sum; /* of all pixels */
    struct video_damage damage;
    int broken;
};

static struct answer read_film(const char *path, int threads)
{
    const struct video_reader_options options = {.threads = threads};
    struct video_reader *reader;
    struct video_frame frame = {0};
    struct answer answer = {.status = video_reader_open(path, &options, &reader)};
    if (answer.status)
        return answer;
    while ((answer.status = video_reader_next(reader, &frame)) == 0) {
        answer.count++;
        answer.last_time = frame.time;
        answer.sum =
            crc32_z(answer.sum, frame.image.pixels, (size_t)frame.image.width * (size_t)frame.image.height * 3);
    }
    answer.damage = *video_reader_damage(reader);
    answer.broken = answer.status == VIDEO_END ? video_reader_broken(reader) : 0;
    video_frame_free(&frame);
    video_reader_close(&reader);
    return answer;
}

struct sample {
    char *path;
    int threads;
    struct answer whole;
};

static bool is_right(const struct sample *sample, const struct answer *answer, const char *how, long number)
{
    const struct answer *whole = &sample->whole;
    if (answer->status == SOWLV2_ERROR_MEMORY)
        return true;
    if (answer->status == VIDEO_END && answer->count == whole->count && answer->sum == whole->sum &&
        answer->last_time == whole->last_time && !answer->broken &&
        memcmp(&answer->damage, &whole->damage, sizeof(answer->damage)) == 0)
        return true;
    print_error("%s, %d threads, %ld %s: %d, %d pictures: %s\n", path_base(sample->path), sample->threads, number, how,
                answer->status, answer->count, error_message());
    return false;
}

/* How many allocations reading it makes. */
static long count_allocations(const struct sample *sample)
{
    enum { MANY = 1 << 30 };
    shortage.wanted = MANY;
    shortage.lasting = false;
    shortage.armed = true;
    read_film(sample->path, sample->threads);
    shortage.armed = false;
    return MANY - shortage.wanted;
}

/* The ways memory runs out; false: the answer was not right, which is printed. */
static bool with_failing(const void *data, long number)
{
    const struct sample *const sample = data;
    shortage.wanted = number;
    shortage.armed = true;
    const struct answer answer = read_film(sample->path, sample->threads);
    shortage.armed = false;
    return is_right(sample, &answer, shortage.lasting ? "allocation and all after it" : "allocation", number);
}

static bool with_limit(const void *data, long more)
{
    const struct sample *const sample = data;
    if (!shortage_limit(more))
        return false;
    const struct answer answer = read_film(sample->path, sample->threads);
    return is_right(sample, &answer, "KB more", more);
}

enum outcome { RIGHT, WRONG, CRASHED };

static enum outcome in_child(bool (*read)(const void *, long), const struct sample *sample, long number)
{
    const int ended = shortage_in_child(read, sample, number);
    if (WIFSIGNALED(ended) && WTERMSIG(ended) != SIGALRM)
        return CRASHED;
    if (WIFSIGNALED(ended))
        print_error("%s, %d threads, %ld: it hangs\n", path_base(sample->path), sample->threads, number);
    return ended != 0 ? WRONG : RIGHT;
}

#define SOURCE(size) "-f lavfi -i testsrc2=s=" size ":r=10:d=0.8 "
struct film {
    const char *name, *arguments;
};

static struct sample make_sample(const char *folder, const struct film *film, int threads)
{
    char *path = film_make(folder, film->name, film->arguments);
    const struct sample sample = {path, threads, read_film(path, threads)};
    assert_int_equal(sample.whole.status, VIDEO_END);
    assert_int_equal(sample.whole.count, 8);
    return sample;
}

enum { MOST_RUNS = 60 };

/* Lets allocations of reading it fail, a stride apart: one, or with `lasting` it and all after it. Returns how many
 * answers were wrong; crashes are counted. */
static int with_each(const struct sample *sample, bool lasting, int *crashed)
{
    const long all = count_allocations(sample), step = all / MOST_RUNS + 1;
    int wrong = 0;
    shortage.lasting = lasting;
    for (long n = 0; n < all; n += step) {
        const enum outcome outcome = in_child(with_failing, sample, n);
        wrong += outcome == WRONG;
        *crashed += outcome == CRASHED;
    }
    return wrong;
}

/* One allocation fails, or it and all that come after it. A single one that fails while the rest is there makes some
 * of FFmpeg's demuxers and decoders crash, which nobody outside can mend; the limits below are what a short memory is
 * like. With threads, those of the codec lack memory where nobody sees their errors. */
static void test_allocations(void **state)
{
    static const struct film films[] = {
        {"h264.mp4", SOURCE("96x64") "-c:v libx264 -g 4 -bf 2 -pix_fmt yuv420p"},
        {"h264.ts", SOURCE("96x64") "-c:v libx264 -g 4 -pix_fmt yuv420p"},
        {"ffv1.mkv", SOURCE("64x48") "-c:v ffv1"},
        {"mpeg4.avi", SOURCE("64x48") "-c:v mpeg4 -bf 2"},
        {"vp9.webm", SOURCE("64x48") "-c:v libvpx-vp9 -b:v 100k"},
        {"hevc.mp4", SOURCE("64x48") "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p"},
    };
    enum { MOST_CRASHES = 6, MOST_CRASHES_OF_THREADS = 20 };
    char *folder = test_folder_make();
    int wrong = 0;
    (void)state;
    need_ffmpeg();
    for (size_t i = 0; i < sizeof(films) / sizeof(*films); i++)
        for (int threads = 1; threads <= 3; threads += 2) {
            const struct sample sample = make_sample(folder, &films[i], threads);
            int crashed = 0;
            wrong += with_each(&sample, false, &crashed);
            wrong += with_each(&sample, true, &crashed);
            print_message("%s, %d threads: %d crashes\n", path_base(sample.path), threads, crashed);
            if (crashed > (threads > 1 ? MOST_CRASHES_OF_THREADS : MOST_CRASHES))
                fail_msg("%s, %d threads: %d crashes", sample.path, threads, crashed);
            free(sample.path);
        }
    assert_int_equal(wrong, 0);
    test_folder_remove(folder);
}

static void test_limits(void **state)
{
    static const struct film films[] = {
        {"large.mp4", SOURCE("640x480") "-c:v libx264 -g 4 -bf 2 -pix_fmt yuv420p"},
        {"large.webm", SOURCE("640x480") "-c:v libvpx-vp9 -b:v 100k"},
        {"large.mkv", SOURCE("640x480") "-c:v ffv1"},
    };
    char *folder = test_folder_make();
    int wrong = 0;
    (void)state;
    need_ffmpeg();
    for (size_t i = 0; i < sizeof(films) / sizeof(*films); i++)
        for (int threads = 1; threads <= 2; threads++) {
            const struct sample sample = make_sample(folder, &films[i], threads);
            for (long more = 0; more < 65536; more += more < 16384 ? 1024 : 4096)
                wrong += in_child(with_limit, &sample, more) != RIGHT;
            free(sample.path);
        }
    assert_int_equal(wrong, 0);
    test_folder_remove(folder);
}
#else
static void test_allocations(void **state)
{
    (void)state;
    skip(); /* the sanitizers have allocators of their own */
}

static void test_limits(void **state)
{
    (void)state;
    skip(); /* and take all addresses */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
