/* What a file is, by its content: films of every container that ffmpeg writes, pictures, and neither. */
#include "base/file.h"
#include "base/test_folder.h"
#include "media/listing.h"
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLES TEST_DATA "/media/data/"

static char *folder;

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

/* The kind of folder/NAME, by how it begins and as if it were called `called`. */
static enum listing_kind kind_as(const char *name, const char *called)
{
    char *path = test_path(folder, name), *bytes;
    enum listing_kind kind;
    size_t size;

    assert_int_equal(file_read(path, 1 << 28, &bytes, &size), 0);
    kind = listing_kind_of(called, (const uint8_t *)bytes, size < LISTING_HEAD ? size : LISTING_HEAD);
    free(bytes);
    free(path);
    return kind;
}

static enum listing_kind kind_in_folder(const char *name)
{
    char *path = test_path(folder, name);
    const enum listing_kind kind = listing_kind_in_folder(path);

    free(path);
    return kind;
}

#define CIF "-s 352x288 "

static const struct {
    const char *name, *arguments;
    bool headless; /* nothing at its beginning says what it is: its suffix does, or trying */
} films[] = {
    {"a.mp4", "", false},
    {"a.mov", "", false},
    {"a.3gp", CIF "-c:v h263", false},
    {"a.3g2", CIF "-c:v h263", false},
    {"a.m4v", "-f ipod", false},
    {"a.mkv", "", false},
    {"a.webm", "-c:v libvpx", false},
    {"a.avi", "", false},
    {"a.divx", "-c:v mpeg4 -f avi", false},
    {"a.asf", "", false},
    {"a.wmv", "", false},
    {"a.flv", "", false},
    {"a.ogv", "-c:v libtheora", false},
    {"a.mpg", "", false},
    {"a.vob", "", false},
    {"a.m2v", "", false},
    {"a.ts", "", false},
    {"a.m2ts", "-f mpegts -mpegts_m2ts_mode 1", false},
    {"a.mxf", "-r 25", false},
    {"a.rm", CIF "-c:v rv20", false},
    {"a.dv", "-s 720x576 -pix_fmt yuv420p -r 25 -f dv", false},
    {"a.y4m", "-pix_fmt yuv420p", false},
    {"a.h264", "", false},
    {"a.hevc", "-x265-params log-level=error", false},
    {"a.h263", CIF "-f h263", false},
    {"a.ivf", "-c:v libvpx", false},
    {"a.nut", "", false},
    {"a.mjpeg", "", true},
    {"a.mjpg", "-f mjpeg", true},
};

/* Films are films by their names in a folder; behind other names, without one, and from a pipe by their content. */
static void test_films(void **state)
{
    (void)state;
    need_ffmpeg();
    for (size_t i = 0; i < sizeof(films) / sizeof(films[0]); i++) {
        const char *const name = films[i].name;

        shell("cd '%s' && ffmpeg -v error -y -f lavfi -i testsrc2=s=160x120:r=25:d=0.2 %s %s && cp %s %s.bin && "
              "cp %s %s_",
              folder, films[i].arguments, name, name, name, name, name + 2);
        char other[32], bare[32];
        snprintf(other, sizeof(other), "%s.bin", name);
        snprintf(bare, sizeof(bare), "%s_", name + 2);
        if (kind_in_folder(name) != LISTING_VIDEO || kind_as(name, name) != LISTING_VIDEO)
            fail_msg("%s is no film", name);
        if (films[i].headless)
            continue;
        if (kind_in_folder(other) != LISTING_VIDEO || kind_in_folder(bare) != LISTING_VIDEO)
            fail_msg("%s is no film in a folder under other names", name);
        if (kind_as(name, "") != LISTING_VIDEO || kind_as(name, "x.jpg") != LISTING_VIDEO)
            fail_msg("%s is no film by its content", name);
    }
}

/* Raw AV1, which not every ffmpeg can write: its first units are always the same. */
static void test_raw_av1(void **state)
{
    (void)state;
    test_write(folder, "a.obu", "\x12\0\x0a\x0a\0\0\0\x02\xaf\xff\x9b\x5f", 12);
    assert_int_equal(kind_as("a.obu", ""), LISTING_VIDEO);
    assert_int_equal(kind_in_folder("a.obu"), LISTING_VIDEO);
}

/* Pictures are pictures, whatever they are called; but a GIF that is called a film is one. */
static void test_pictures(void **state)
{
    static const char *const samples[] = {"quality_95.jpg", "exif_6.webp", "rgb24.bmp",
                                          "bits8.gif",      "exif_8.tif",  "type2_depth8.png"};

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        shell("cp '" SAMPLES "%s' '%s/bare' && cp '%s/bare' '%s/copy.bak2'", samples[i], folder, folder, folder);
        assert_int_equal(kind_as("bare", ""), LISTING_IMAGE);
        assert_int_equal(kind_as("bare", "x.unknown"), LISTING_IMAGE);
        assert_int_equal(kind_in_folder("bare"), LISTING_IMAGE);
        assert_int_equal(kind_in_folder("copy.bak2"), LISTING_OTHER);
        assert_int_equal(kind_as("bare", "x.mp4"), i == 3 ? LISTING_VIDEO : LISTING_IMAGE);
    }
    shell("cp '" SAMPLES "quality_95.jpg' '%s/bare'", folder);
    assert_int_equal(kind_as("bare", "x.mjpeg"), LISTING_VIDEO);
}

/* What is known to be neither is told so by the images' reader; what nobody knows is tried as a film. */
static void test_others(void **state)
{
    static const struct {
        const char *name;
        size_t size;
        const char *bytes;
        enum listing_kind kind;
    } others[] = {
        {"notes.md", 6, "Great\n", LISTING_IMAGE}, /* G is how a transport stream begins */
        {"empty", 0, "", LISTING_IMAGE},
        {"paper.pdf", 9, "%PDF-1.4\xff", LISTING_IMAGE},
        {"raw.cr3", 16,
         "\0\0\0\x18"
         "ftypcrx \0\0\0\1",
         LISTING_IMAGE},
        {"icon.ico", 8, "\0\0\1\0\1\0\x10\x10", LISTING_IMAGE},
        {"unknown.bin", 8, "\x01\x99\x02\x98\x03\x97\x04\x96", LISTING_VIDEO},
        {"list.m3u8", 8, "#EXTM3U\n", LISTING_VIDEO},
        {"code.ts", 20, "export const a = 1;\n", LISTING_VIDEO}, /* it was named, and is called a film */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        test_write(folder, others[i].name, others[i].bytes, others[i].size);
        assert_int_equal(kind_as(others[i].name, others[i].name), others[i].kind);
        assert_int_equal(kind_in_folder(others[i].name), LISTING_OTHER);
    }
    /* What lies beside films and pictures and begins as they do. */
    static const char *const beside[] = {"a.m4a", "a.thm", "a.part", "a.mp4~", "a.mka"};
    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        test_write(folder, beside[i],
                   "\0\0\0\x18"
                   "ftypmp42\0\0\0\0",
                   16);
        assert_int_equal(kind_in_folder(beside[i]), LISTING_OTHER);
    }
}

static void test_stills(void **state)
{
    static const struct {
        const char *name;
        bool still;
    } samples[] = {{"animation.gif", false}, {"animation.png", false},   {"animation.webp", false},
                   {"quality_95.jpg", true}, {"type2_depth8.png", true}, {"exif_6.webp", true},
                   {"rgb24.bmp", true},      {"exif_8.tif", true}};

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        char path[512];

        snprintf(path, sizeof(path), SAMPLES "%s", samples[i].name);
        if (listing_is_still(path) != samples[i].still)
            fail_msg("%s is taken for the other", samples[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_films, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_raw_av1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pictures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others, set_up, tear_down),
        cmocka_unit_test(test_stills),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
