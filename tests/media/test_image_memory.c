/* Memory that runs out while an image is read. The answer is the picture, with every pixel right, or the error MEMORY:
 * a file is never called damaged for it, and the process stays. */
#include "base/error.h"
#include "base/file.h"
#include "base/shortage.h"
#include "media/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DATA TEST_DATA "/media/data/"
#define SLOW TEST_DATA "/media/slow/"

#ifdef SHORTAGE
/* Whether that is a right answer, which it prints otherwise. */
static bool is_right(const char *path, const char *when, int status, const struct image *image,
                     const struct image *whole)
{
    bool same = !status && image->width == whole->width && image->height == whole->height &&
                memcmp(image->pixels, whole->pixels, (size_t)image->width * (size_t)image->height * 3) == 0;
    if (same || status == SOWLV2_ERROR_MEMORY)
        return true;
    print_error("%s: %s: %s\n", path, when, status ? error_message() : "another picture");
    return false;
}

struct sample {
    const char *path;
    char *data;
    size_t size;
    struct image whole;
};

/* False: a library that this build lacks. */
static bool read_sample(const char *path, struct sample *out)
{
    *out = (struct sample){.path = path};
    assert_int_equal(file_read(path, 1 << 20, &out->data, &out->size), 0);
    if (strstr(path, "larger.heic")) { /* the size that its stream has, and the file denies */
        char *size = memmem(out->data, out->size, "ispe\0\0\0\0\0\0\0\x40\0\0\0\x40", 16);
        assert_non_null(size);
        memcpy(size + 8, "\0\0\x10\0\0\0\x10\0", 8);
    }
    int status = image_decode("photo", out->data, out->size, IMAGE_DEFAULT_MAX_PIXELS, &out->whole);
    if (status && status != SOWLV2_ERROR_UNSUPPORTED)
        fail_msg("%s: %s", path, error_message());
    if (status)
        free(out->data);
    return !status;
}

static void free_sample(struct sample *sample)
{
    image_free(&sample->whole);
    free(sample->data);
}

static int in_child(bool (*run)(const void *, long), const struct sample *sample, long number)
{
    const int ended = shortage_in_child(run, sample, number);
    if (WIFSIGNALED(ended))
        print_error("%s: %ld: signal %d\n", sample->path, number, WTERMSIG(ended));
    return ended != 0;
}

/* With the n-th allocation failing until none is left to fail. */
static bool survives_each(const void *data, long lasting)
{
    const struct sample *const sample = data;
    for (long n = 0;; n++) {
        struct image image;
        char when[64];
        shortage.refused = 0;
        shortage.wanted = n;
        shortage.lasting = lasting;
        shortage.armed = true;
        int status = image_decode("photo", sample->data, sample->size, IMAGE_DEFAULT_MAX_PIXELS, &image);
        shortage.armed = false;
        if (shortage.refused == 0)
            return true;
        snprintf(when, sizeof(when), "allocation %ld%s", n, lasting ? " and on" : "");
        if (!is_right(sample->path, when, status, &image, &sample->whole))
            return false;
        image_free(&image);
    }
}

/* Libraries that tell when they get no memory: each allocation fails in turn, that one alone, or it and all that come
 * after it. */
static void test_every_allocation(void **state)
{
    static const char *const samples[] = {
        DATA "quality_75.jpg",   DATA "progressive_0.jpg",       DATA "ycck.jpg",   DATA "exif_split.jpg",
        DATA "type2_depth8.png", DATA "type6_depth16.png",       DATA "deep12.png", DATA "type3_depth4_interlaced.png",
        DATA "exif_text.png",    DATA "exif_xmp_compressed.png", DATA "rgb24.bmp",  DATA "rle8.bmp",
        DATA "bits8.gif",        DATA "animation.gif",
    };
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
        struct sample sample;
        if (!read_sample(samples[i], &sample))
            continue;
        wrong += in_child(survives_each, &sample, 0);
        wrong += in_child(survives_each, &sample, 1);
        free_sample(&sample);
    }
    assert_int_equal(wrong, 0);
}

/* With `more` kilobytes of addresses beyond those in use. */
static bool survives_limit(const void *data, long more)
{
    const struct sample *const sample = data;
    char when[64];
    struct image image;
    if (!shortage_limit(more))
        return false;
    snprintf(when, sizeof(when), "%ld KB more", more);
    int status = image_decode("photo", sample->data, sample->size, IMAGE_DEFAULT_MAX_PIXELS, &image);
    return is_right(sample->path, when, status, &image, &sample->whole);
}

/* Libraries that crash or end the process: memory is asked for before they are called. */
static void test_limits(void **state)
{
    static const char *const samples[] = {
        DATA "rgb_le.tif",        DATA "tiles_deflate.tif", DATA "planes.tif",     DATA "jpeg_ycc.tif",
        DATA "ycc_420.tif",       DATA "zstd.tif",          DATA "lzma.tif",       DATA "palette8.tif",
        DATA "quality_80.webp",   DATA "lossless.webp",     DATA "animation.webp", DATA "large.webp",
        DATA "lossless.avif",     DATA "alpha.avif",        DATA "lossless.heic",  DATA "turned.heic",
        DATA "progressive_0.jpg", DATA "deep12.png",        SLOW "tiles.webp",     SLOW "larger.heic",
        SLOW "flat.avif",         DATA "full_444.heic",
    };
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
        struct sample sample;
        if (!read_sample(samples[i], &sample))
            continue;
        size_t pixels = (size_t)sample.whole.width * (size_t)sample.whole.height;
        long most = 12 * 1024 + (long)(pixels * 20 / 1024);
        for (long more = 0; more < most; more += more < 1024 ? 128 : more < 12 * 1024 ? 512 : 16 * 1024)
            wrong += in_child(survives_limit, &sample, more);
        free_sample(&sample);
    }
    assert_int_equal(wrong, 0);
}
#else
static void test_every_allocation(void **state)
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
        cmocka_unit_test(test_every_allocation),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
