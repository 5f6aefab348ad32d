/* What is not opened, and what is said of it: playlists, other formats, encryption, an index that cannot be reached. */
#include "base/error.h"
#include "base/test_folder.h"
#include "video/film_server.h"
#include "video/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOURCE "-f lavfi -i testsrc2=s=160x120:r=25:d=2 "
#define X264 "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 20 "

static void expect_refused(const char *source, int status, const char *text)
{
    struct clip clip;
    int result = clip_try(source, NULL, &clip);
    if (result != status || !strstr(error_message(), text))
        fail_msg("%s: %d, not %d with \"%s\": %s", source, result, status, text, error_message());
    clip_free(&clip);
}

/* Whatever their names are: they would read other files. Asked for, they are read. */
static void test_playlists(void **state)
{
    (void)state;
    need_ffmpeg();
    static const char *const lists[][2] = {
        {"concat.mp4", "ffconcat version 1.0\nfile other.ts\nfile other.ts\n"},
        {"concat.txt", "ffconcat version 1.0\nfile other.ts\n"},
        {"hls.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n"},
        {"hls.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n"},
        {"dash.mp4", "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>\n"},
    };
    const struct video_reader_options allowed = {.allow_playlists = true};
    char *folder = test_folder_make(), *other = film_make(folder, "other.ts", SOURCE X264);
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        char *path = test_path(folder, lists[i][0]), *command;
        test_write_text(folder, lists[i][0], lists[i][1]);
        expect_refused(path, SOWLV2_ERROR_UNSUPPORTED, "--allow-playlists");
        assert_true(asprintf(&command, "cat '%s'", path) > 0);
        int keep = standard_input_set(NULL, command);
        expect_refused("-", SOWLV2_ERROR_UNSUPPORTED, "--allow-playlists");
        standard_input_restore(keep);
        free(command);
        free(path);
    }
    char *concat = test_path(folder, "concat.mp4"), *hls = test_path(folder, "hls.m3u8");
    struct clip clip = clip_read(concat, &allowed);
    assert_int_equal(clip.count, 100);
    clip_free(&clip);
    clip = clip_read(hls, &allowed);
    assert_int_equal(clip.count, 50);
    clip_free(&clip);
    free(hls);
    free(concat);
    free(other);
    test_folder_remove(folder);
}

/* A server's file that turns out to be a playlist; one whose name says so is asked for by that. */
static void test_playlist_of_a_server(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = test_path(folder, "list");
    test_write_text(folder, "list", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nb.ts\n#EXT-X-ENDLIST\n");
    struct film_server *server = film_server_start(path, 0);
    char *film = film_server_url(server, "a.mp4"), *list = film_server_url(server, "a.m3u8");
    expect_refused(film, SOWLV2_ERROR_UNSUPPORTED, "--allow-playlists");
    struct clip clip;
    assert_true(clip_try(list, NULL, &clip) < 0); /* its piece is no film here */
    assert_null(strstr(error_message(), "--allow-playlists"));
    clip_free(&clip);
    free(list);
    free(film);
    film_server_stop(server);
    free(path);
    test_folder_remove(folder);
}

/* Text that FFmpeg would draw, a pattern of images, an address of another kind. */
static void test_others(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make(), *text = test_path(folder, "picture.nfo");
    test_write_text(folder, "picture.nfo", "some text\nand more of it\n");
    expect_refused(text, SOWLV2_ERROR_FORMAT, "cannot open as video: it is text");
    expect_refused("gopher://127.0.0.1/a", SOWLV2_ERROR_UNSUPPORTED, "unknown protocol 'gopher'");
    expect_refused("concat://a|b", SOWLV2_ERROR_UNSUPPORTED, "unknown protocol 'concat'");

    /* It is the name of one file, not of a1.gif. */
    char *pattern = film_make(folder, "b%%d.gif", SOURCE "-r 5"), *mine = test_path(folder, "a%d.gif");
    char *first = film_make(folder, "a1.gif", SOURCE "-frames:v 1"), *url;
    shell("mv '%s' '%s'", pattern, mine);
    struct clip clip = clip_read(mine, NULL);
    assert_in_range(clip.count, 10, 11);
    clip_free(&clip);
    assert_true(asprintf(&url, "file://%s", first) > 0);
    clip = clip_read(url, NULL);
    assert_int_equal(clip.count, 1);
    clip_free(&clip);
    free(url);
    free(first);
    free(mine);
    free(pattern);
    free(text);
    test_folder_remove(folder);
}

/* What is no video at all is told by what it is, as a file and from a pipe. */
static void test_no_video(void **state)
{
    static const char zeros[100000];
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *why, *why_of_pipe;
    } rows[] = {
        {"empty.mp4", "", 0, ": the file is empty: replace it", "it is empty: nothing came in"},
        {"zeros.mp4", zeros, sizeof(zeros), "it begins with nothing but zeros", "nothing but zeros"},
        {"short.mkv", zeros, 20, "it begins with nothing but zeros", "nothing but zeros"},
        {"text.mp4", "hello\n", 6, "cannot open as video: it is text", "it is text"},
        {"page.mp4", "\n<!DOCTYPE html><title>404</title>", 34, "it is a web page", "it is a web page"},
        {"noise.mp4", "\x01\x02\x03\xff\xfe\x80", 6, "not a known format", "not a format that can be read"},
    };
    char *folder = test_folder_make();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *path = test_path(folder, rows[i].name), *command;
        test_write(folder, rows[i].name, rows[i].bytes, rows[i].size);
        expect_refused(path, SOWLV2_ERROR_FORMAT, rows[i].why);
        int keep = standard_input_set(path, NULL);
        expect_refused("-", SOWLV2_ERROR_FORMAT, rows[i].why);
        assert_int_equal(strncmp(error_message(), "standard input: ", 16), 0);
        standard_input_restore(keep);
        assert_true(asprintf(&command, "cat '%s'", path) > 0);
        keep = standard_input_set(NULL, command);
        expect_refused("-", SOWLV2_ERROR_FORMAT, rows[i].why_of_pipe);
        standard_input_restore(keep);
        free(command);
        free(path);
    }
    test_folder_remove(folder);
}

static void test_encrypted(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *mp4 = film_make(folder, "a.mp4",
                          SOURCE X264 "-encryption_scheme cenc-aes-ctr -encryption_key "
                                      "76a6c65c5ea762046bd749a2e632ccbb -encryption_kid "
                                      "a7e61c373e219033c21091fa607bf3b8");
    char *clear = film_make(folder, "a.ts", SOURCE X264), *scrambled = test_path(folder, "scrambled.ts");
    expect_refused(mp4, SOWLV2_ERROR_UNSUPPORTED, "it is encrypted");

    /* A broadcast: the marks of scrambling, and bytes that make no sense. */
    static unsigned char bytes[1 << 21];
    FILE *file = fopen(clear, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    for (size_t at = 0; at + 188 <= size; at += 188) {
        unsigned char *packet = bytes + at;
        if (((packet[1] & 0x1F) << 8 | packet[2]) < 0x20 || packet[1] >= 0x50) /* tables */
            continue;
        packet[3] |= 0x80;
        for (size_t i = packet[3] & 0x20 ? 5u + packet[4] : 4; i < 188; i++)
            packet[i] ^= 0x5A;
    }
    test_write(folder, "scrambled.ts", bytes, size);
    expect_refused(scrambled, SOWLV2_ERROR_UNSUPPORTED, "it is encrypted");
    free(scrambled);
    free(clear);
    free(mp4);
    test_folder_remove(folder);
}

/* An mp4 from a server that gives no parts: with its index in front it is read; with the index behind it is said. */
static void test_index_behind(void **state)
{
    (void)state;
    need_ffmpeg();
    char *folder = test_folder_make();
    char *behind = film_make(folder, "behind.mp4", "-f lavfi -i mandelbrot=s=320x240 -t 2 " X264 "-crf 8");
    char *front = film_make(folder, "front.mp4", SOURCE X264 "-movflags +faststart");
    struct film_server *server = film_server_start(behind, 0);
    char *url = film_server_url(server, "behind.mp4");
    expect_refused(url, SOWLV2_ERROR_FORMAT, "its index is at its end");
    free(url);
    film_server_stop(server);

    server = film_server_start(front, 0);
    url = film_server_url(server, "front.mp4");
    struct clip clip = clip_read(url, NULL);
    assert_int_equal(clip.count, 50);
    assert_int_equal(clip.broken, 0);
    assert_false(clip.info.seekable);
    assert_true(clip.info.again);
    clip_free(&clip);
    free(url);
    film_server_stop(server);
    free(front);
    free(behind);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_playlists), cmocka_unit_test(test_playlist_of_a_server),
        cmocka_unit_test(test_others),    cmocka_unit_test(test_no_video),
        cmocka_unit_test(test_encrypted), cmocka_unit_test(test_index_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
