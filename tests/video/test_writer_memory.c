/* Memory that runs out while a film is written. The answer is a film with every picture, or an error that says that
 * memory is short and no file of the film's name that does not play. */
#include "base/error.h"
#include "base/file.h"
#include "base/shortage.h"
#include "base/test_folder.h"
#include "video/support.h"
#include "video/video_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef SHORTAGE
enum { WIDTH = 64, HEIGHT = 48, PICTURES = 6 };

struct film {
    char *path, *sound; /* sound NULL: none */
    enum video_codec codec;
};

static int add_pictures(struct video_writer *writer)
{
    uint8_t pixels[HEIGHT][WIDTH][3];
    int status = 0;

    for (int i = 0; i < PICTURES && !status; i++) {
        memset(pixels, 20 + 30 * i, sizeof(pixels));
        status = video_writer_add(writer, pixels[0][0], sizeof(pixels[0]), i / 10.0);
    }
    return status;
}

static int write_film(const struct film *film)
{
    const struct video_writer_options options = {.width = WIDTH,
                                                 .height = HEIGHT,
                                                 .channels = 3,
                                                 .frame_rate = 10,
                                                 .codec = film->codec,
                                                 .audio_source = film->sound};
    struct video_writer *writer;
    int status = video_writer_open(film->path, &options, &writer);

    if (status)
        return status;
    status = add_pictures(writer);
    if (status) {
        video_writer_abort(&writer);
        return status;
    }
    return video_writer_close(&writer);
}

static int count_pictures(const char *path)
{
    struct clip clip;
    const int status = clip_try(path, NULL, &clip), count = clip.count;

    clip_free(&clip);
    return status == VIDEO_END ? count : -1;
}

static bool is_right(const struct film *film, int status)
{
    char why[512];

    snprintf(why, sizeof(why), "%s", error_message());
    const int pictures = file_exists(film->path) ? count_pictures(film->path) : 0;
    if (status == 0 ? pictures == PICTURES : status == SOWLV2_ERROR_MEMORY && pictures == 0)
        return true;
    print_error("%s: %d, %d pictures: %s\n", path_base(film->path), status, pictures, why);
    return false;
}

static bool with_failing(const void *data, long number)
{
    const struct film *const film = data;

    unlink(film->path);
    shortage.wanted = number;
    shortage.armed = true;
    const int status = write_film(film);
    shortage.armed = false;
    return is_right(film, status);
}

static bool with_limit(const void *data, long more)
{
    const struct film *const film = data;

    unlink(film->path);
    if (!shortage_limit(more))
        return false;
    const int status = write_film(film);
    return status == 0 || is_right(film, status); /* reading it would need more */
}

static long count_allocations(const struct film *film)
{
    enum { MANY = 1 << 30 };

    shortage.wanted = MANY;
    shortage.lasting = false;
    shortage.armed = true;
    write_film(film);
    shortage.armed = false;
    return MANY - shortage.wanted;
}

/* x264 and FFmpeg's muxers crash at some of single allocations, which nobody outside can mend. */
static void check(const struct film *film)
{
    enum { MOST_RUNS = 60, MOST_CRASHES = 10 };
    const long all = count_allocations(film), step = all / MOST_RUNS + 1;
    int crashed = 0, wrong = 0;

    assert_true(is_right(film, 0));
    for (long n = 0; n < 2 * all; n += step) {
        shortage.lasting = n >= all;
        const int ended = shortage_in_child(with_failing, film, n % all);
        crashed += WIFSIGNALED(ended);
        wrong += !WIFSIGNALED(ended) && ended != 0;
    }
    print_message("%s: %ld allocations, %d crashes\n", path_base(film->path), all, crashed);
    assert_int_equal(wrong, 0);
    assert_true(crashed <= MOST_CRASHES);
    for (long more = 0; more < 65536; more += 2048)
        if (shortage_in_child(with_limit, film, more) != 0)
            fail_msg("%s: %ld kB more", film->path, more);
}

static void test_films(void **state)
{
    char *folder = test_folder_make();
    struct film film = {.path = test_path(folder, "h264.mp4"), .codec = VIDEO_CODEC_H264};

    (void)state;
    need_ffmpeg();
    check(&film);
    free(film.path);
    film = (struct film){.path = test_path(folder, "ffv1.mkv"), .codec = VIDEO_CODEC_FFV1};
    check(&film);
    free(film.path);
    film = (struct film){.path = test_path(folder, "sound.mp4"), .codec = VIDEO_CODEC_H264};
    film.sound = film_make(folder, "source.mp4",
                           "-f lavfi -i testsrc2=s=64x48:r=10:d=0.6 -f lavfi -i sine=d=0.6 -c:v libx264 -c:a aac");
    check(&film);
    free(film.sound);
    free(film.path);
    test_folder_remove(folder);
}
#else
static void test_films(void **state)
{
    (void)state;
    skip(); /* the sanitizers have allocators of their own */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_films)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
