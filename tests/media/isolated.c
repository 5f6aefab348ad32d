/* The functions that read images and videos, as tests of them call them, by decoders of their own processes: a test
 * that is compiled with these in the place of the true ones expects the same of both. */
#undef image_read
#undef image_read_with
#undef image_decode
#undef image_decode_with
#undef video_reader_open
#include "base/error.h"
#include "media/isolation.h"
#ifdef ISOLATED_VIDEOS
#include "video/input.h"
#include "video/video_in.h"
#endif

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct isolation *isolation;

static void end(void)
{
    isolation_free(&isolation);
}

static void begin(void)
{
    if (isolation_create(SOWLV2_TOOL, &isolation) || isolation_check(isolation)) {
        fprintf(stderr, "isolated: %s\n", error_message());
        exit(1);
    }
    atexit(end);
}

static struct isolation *get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, begin);
    return isolation;
}

int isolated_image_read(const char *path, int64_t max_pixels, struct image *out);
int isolated_image_read_with(const char *path, const struct image_options *options, struct image *out);
int isolated_image_decode(const char *name, const void *data, size_t size, int64_t max_pixels, struct image *out);
int isolated_image_decode_with(const char *name, const void *data, size_t size, const struct image_options *options,
                               struct image *out);

int isolated_image_read_with(const char *path, const struct image_options *options, struct image *out)
{
    struct image_options mine = *options;

    mine.isolation = get();
    return image_read_with(path, &mine, out);
}

int isolated_image_read(const char *path, int64_t max_pixels, struct image *out)
{
    struct image_options options = image_options_default();

    options.max_pixels = max_pixels;
    return isolated_image_read_with(path, &options, out);
}

int isolated_image_decode_with(const char *name, const void *data, size_t size, const struct image_options *options,
                               struct image *out)
{
    struct image_options mine = *options;

    mine.isolation = get();
    return image_decode_with(name, data, size, &mine, out);
}

int isolated_image_decode(const char *name, const void *data, size_t size, int64_t max_pixels, struct image *out)
{
    struct image_options options = image_options_default();

    options.max_pixels = max_pixels;
    return isolated_image_decode_with(name, data, size, &options, out);
}

#ifdef ISOLATED_VIDEOS
int isolated_video_reader_open(const char *source, const struct video_reader_options *options,
                               struct video_reader **out);

int isolated_video_reader_open(const char *source, const struct video_reader_options *options,
                               struct video_reader **out)
{
    struct video_reader_options mine = *options;

    if (!input_is_address(source) && !options->allow_playlists)
        mine.isolation = get();
    return video_reader_open(source, &mine, out);
}
#endif
