/* A build that finds FFmpeg, libheif and the like when they are needed, on a machine that lacks them. */
#include "base/error.h"
#include "base/optional.h"
#include "base/test_folder.h"
#include "media/image.h"
#include "video/video_in.h"
#include "video/video_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *missing; /* the library that is not there */

/* What such a build brings along. */
const char *sowlv2_lazy_missing(const char *library)
{
    return missing && strcmp(library, missing) == 0 ? "libthat.so.9" : NULL;
}

static void expect(int status, const char *needs)
{
    assert_int_equal(status, SOWLV2_ERROR_UNSUPPORTED);
    if (!strstr(error_message(), needs) || !strstr(error_message(), "libthat.so.9 is not there"))
        fail_msg("not \"%s\": %s", needs, error_message());
}

static void test_videos(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *film = test_path(folder, "film.mp4");
    const struct video_writer_options wanted = {.width = 16, .height = 16, .channels = 3, .frame_rate = 25};
    const struct video_reader_options every = {0};
    struct video_reader *reader;
    struct video_writer *writer;

    missing = "ffmpeg";
    expect(video_reader_open(film, &every, &reader), "film.mp4: needs FFmpeg's libraries");
    assert_null(reader);
    expect(video_writer_open(film, &wanted, &writer), "film.mp4: needs FFmpeg's libraries");
    assert_null(writer);
    missing = NULL;
    assert_int_equal(video_reader_open(film, &every, &reader), SOWLV2_ERROR_IO); /* there, but not this film */
    assert_int_equal(video_writer_open(film, &wanted, &writer), 0);
    video_writer_abort(&writer);
    free(film);
    test_folder_remove(folder);
}

static void test_images(void **state)
{
    (void)state;
    static const struct {
        const char *library, *needs, head[13];
    } cases[] = {{"heif", "needs libheif",
                  "\0\0\0\x18"
                  "ftypheic"},
                 {"avif", "needs libavif",
                  "\0\0\0\x18"
                  "ftypavif"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char data[64] = {0};
        struct image image;
        int status;

        memcpy(data, cases[i].head, 12);
        missing = cases[i].library;
        status = image_decode("picture", data, sizeof(data), IMAGE_DEFAULT_MAX_PIXELS, &image);
        if (status == SOWLV2_ERROR_UNSUPPORTED && strstr(error_message(), "not built"))
            continue; /* this build has no such images at all */
        expect(status, cases[i].needs);
        missing = NULL;
        assert_int_not_equal(image_decode("picture", data, sizeof(data), IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
        assert_null(strstr(error_message(), "libthat.so.9"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_videos),
        cmocka_unit_test(test_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
