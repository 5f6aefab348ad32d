/* Video out: pictures with times to H.264 in mp4 that browsers and phones play, or lossless FFV1 in mkv.
 *
 * While running, the file is "NAME.unfinished.SUFFIX" beside its final name: for mp4 as fragments, one a frame,
 * so that after a kill everything encoded so far plays. Closing copies it, with the sound, into a plain mp4
 * with its index in front, and renames that. */
#ifndef VIDEO_VIDEO_OUT_H
#define VIDEO_VIDEO_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum video_codec {
    VIDEO_CODEC_H264,  /* yuv420p by libx264, in mp4; MPEG-4 with a notice where libx264 is not built in */
    VIDEO_CODEC_FFV1,  /* lossless, in mkv: gray for 1 channel, RGB (bgr0) for 3 */
    VIDEO_CODEC_MPEG4, /* MPEG-4 part 2, yuv420p, in mp4 */
};

/* ".mp4" or ".mkv". */
const char *video_codec_suffix(enum video_codec codec);

/* "dir/name.unfinished.mp4" of "dir/name.mp4"; freed by the caller; NULL: out of memory. */
char *video_running_name(const char *path);

struct video_writer_options {
    int width, height; /* of the pictures given; H.264 and MPEG-4 repeat the last column and row to
                          even sizes */
    int channels;      /* 1 (grey, 0 to 255) or 3 (RGB) */
    double frame_rate; /* expected, from video_info; 0: unknown. Only a hint: times rule */
    enum video_codec codec;
    int quality;        /* x264's crf, or MPEG-4's quantiser / 1, 1 (best) to 51; 0: 18 (MPEG-4: 3) */
    const char *preset; /* x264's; NULL: "veryfast" */
    int threads;        /* of the encoder; 0: 1 */
    bool keep;          /* an error leaves the pictures until then under the final name: see close */

    /* The file whose sound is copied, from the first picture's time to the end of the last one; NULL: none. Sound that
     * mp4 does not take, or that cannot be read again (a pipe), is left out with a notice. */
    const char *audio_source;
    double audio_origin;  /* video_info.origin of that file */
    bool audio_quiet;     /* without those notices: another writer gives them */
    bool audio_playlists; /* the source may be a playlist, as in struct video_reader_options */
};

struct video_writer;

/* Opens `path`; its suffix should be the codec's. The options are copied. `*out` is closed by the caller.
 * Errors: IO (cannot be written), ARGUMENT (options), UNSUPPORTED (no encoder), MEMORY. */
int video_writer_open(const char *path, const struct video_writer_options *options, struct video_writer **out);

/* Adds a picture of options.height rows of width x channels bytes, `stride` bytes from row to row, shown from
 * `time` on (seconds; the first one's becomes 0 in the file; resolution 1/120000 s in mp4, 1 ms in mkv, and
 * pictures closer than that are moved apart).
 * Errors: IO (disk full; the message names the file), ARGUMENT (times that do not rise, or a gap of more than 10000 s),
 * MEMORY. After an error only abort helps, or close with options.keep. */
int video_writer_add(struct video_writer *writer, const uint8_t *pixels, size_t stride, double time);

/* Says how long the last picture so far is shown (seconds), which counts if no other follows. */
void video_writer_hold(struct video_writer *writer, double duration);

/* The file gets another final name in the same folder; what it is called while running stays. Errors: MEMORY. */
int video_writer_rename(struct video_writer *writer, const char *path);

/* Writes what is still in the encoder, finishes the file under its final name, frees all and clears the
 * pointer. The last picture lasts as video_writer_hold() said, else as long as the one before it. Where only the copy
 * with the index in front fails, the running file takes the final name, with a notice: it plays too. Without any
 * picture no file appears. On an error nothing is left behind; with options.keep, on an error of its own or of an add
 * before (which it does not give again), the running file up to there takes the final name, with a notice, if there is
 * a picture in it. */
int video_writer_close(struct video_writer **writer);

/* Removes what was written, frees all and clears the pointer; harmless after close. */
void video_writer_abort(struct video_writer **writer);

#endif
