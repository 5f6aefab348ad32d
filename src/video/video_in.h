/* Video in: files, URLs, pipes, cameras and folders of images to a sequence of RGB pictures with times.
 * Untrusted input. Memory does not grow with length.
 *
 * Pixels are those of `ffmpeg -i FILE -sws_flags bicubic+accurate_rnd+full_chroma_int+bitexact -pix_fmt rgb24`:
 * range and matrix are what the stream says; a stream that names no matrix is taken as BT.601, at every
 * size, as FFmpeg, OpenCV and what is built on them do (players take BT.709 from 720 lines on). Rotation
 * and mirroring from the display matrix are applied. Pixels that are not square are scaled to square ones, so that one
 * side grows. HDR (PQ, HLG) is brought to standard range: see tone.h.
 *
 * Times are seconds since the video's first frame and rise strictly. They come from the timestamps; where
 * one is missing or repeats, the frame is put close behind the one before it, and a jump back (or far ahead:
 * 10 s in broadcast streams, an hour elsewhere) is closed. */
#ifndef VIDEO_VIDEO_IN_H
#define VIDEO_VIDEO_IN_H

#include "media/image.h"
#include "sowlv2_run.h"

/* Rate at which a folder of images is shown when none is given: that of FFmpeg's image2. */
#define VIDEO_FOLDER_RATE 25

/* Not an error and not a frame: the sequence is over. */
#define VIDEO_END 1

/* All zero is the default. */
struct video_reader_options {
    /* Frames a second. 0: every frame, at its own time. Else frame k is the last one that is not after
     * start + k / fps, and that is its time; a frame is never given twice, so a rate above the source's gives each
     * frame once. For a folder: the rate at which its images follow each other. */
    double fps;
    double start, end;                /* seconds; frames with start <= time < end; end 0: to the end */
    struct sowlv2_frame_range frames; /* of the sampled sequence */
    int64_t max_pixels;               /* of a decoded picture; 0: IMAGE_DEFAULT_MAX_PIXELS */
    int threads;                      /* of the decoder; 0: one a core, at most 4 */
    bool allow_truncated;             /* of a folder of images, take what is there of those that were cut */
    bool allow_playlists;             /* open what lists other files and addresses, and them */
    bool check_length;                /* make sure that info.duration is no guess, and that of all pieces of a broadcast
                                         that was joined; else it is 0 */
    const struct sowlv2_frame_stream *stream; /* read the caller's frames; the source is only a name then; NULL: none */
    bool quiet;                               /* give no notices: another reader of the same source does */
    struct isolation *isolation; /* decodes it in a process of its own (see media/isolation.h), which an address and a
                                    camera cannot be given to; NULL: this process does */
    const int *descriptor;       /* of the source's open file or pipe, so that nothing is opened; NULL: by its name */

    /* Asked while reading waits (a URL, a camera, a pipe) and between packets; true ends the call with
     * SOWLV2_ERROR_CANCELLED. Called from the reading thread. NULL: never. */
    bool (*interrupted)(void *user_data);
    void *user_data;
};

struct video_info {
    int width, height; /* of every frame given, as shown: turned, in square pixels */
    double frame_rate; /* frames a second of the sampled sequence, on average; 0: unknown */
    double duration;   /* seconds of the whole source; 0: unknown */
    int64_t frames;    /* estimate of how many will be given, for a progress bar; 0: unknown */
    bool seekable;     /* video_reader_seek works */
    bool live;         /* a camera or an endless stream: what is not read in time is lost */
    bool again;        /* opened a second time it gives the same: a file, a folder, an address that is not live */
    bool has_audio;    /* a stream of sound is there */
    double origin;     /* the container's clock, in seconds, at time 0 (where the sound's clock is) */
    const char *codec; /* name of the codec, static storage; "images" for a folder */
};

/* What went wrong so far; complete when VIDEO_END was returned. */
struct video_damage {
    int64_t skipped;   /* packets or images that could not be decoded */
    int64_t concealed; /* frames given although parts of them were damaged */
    int64_t repaired;  /* timestamps that were repeated, out of order or jumped */
    int64_t joints;    /* places where a clock begins anew: pieces that were joined */
};

struct video_frame {
    struct image image;    /* RGB; memory is kept from call to call while the size stays */
    int64_t number;        /* from 1, in the sampled sequence that begins at `start` */
    double time;           /* seconds */
    double duration;       /* seconds that it is shown, as far as the stream says it; else a guess */
    int64_t source_number; /* from 1, of the source's own frame (image of a folder) that is shown; counted where reading
                              began with the first, else by its time and the frame rate */
    const char
        *source_name; /* of an image in a folder, below it; NULL: of no folder. Good until the reader is closed */
};

struct video_reader;

/* Opens a file, a URL ("scheme://"), "-" (standard input), a FIFO, a camera ("/dev/video0") or a folder of
 * images, and decodes up to its first frame. `*out` is closed by the caller. FFmpeg's own messages go to
 * log_debug: its log callback is set, once, for the process. A file or pipe opens no other file or address, unless
 * allow_playlists says so; an address whose name ends in .m3u8, .m3u or .mpd asks for a playlist by that.
 * Errors: IO (cannot be opened), FORMAT (damaged, no video stream, no frame at all), UNSUPPORTED (a codec
 * without a decoder, encrypted, a playlist, a camera in a build without libavdevice), ARGUMENT (options; more than
 * max_pixels; nothing in the range asked for), MEMORY, CANCELLED; each names the source. */
int video_reader_open(const char *source, const struct video_reader_options *options, struct video_reader **out);

/* Constant from open to close. */
const struct video_info *video_reader_info(const struct video_reader *reader);
const struct video_damage *video_reader_damage(const struct video_reader *reader);

/* Reads the next frame into `frame`, which starts as {0} and is freed with video_frame_free(). A picture
 * whose size changes in the middle is scaled to the first one's, with one notice. What cannot be decoded is
 * skipped, with one notice at the end. Data that break off end the sequence: see video_reader_broken().
 * Returns 0, VIDEO_END (again on every further call), or an error as above. */
int video_reader_next(struct video_reader *reader, struct video_frame *frame);

/* Whether VIDEO_END came before the source's own end: an error of reading, a file that was cut, encryption from some
 * place on. Returns 0, or sets this thread's message (name, time, reason) and returns IO, FORMAT or UNSUPPORTED. Frames
 * until then are good. */
int video_reader_broken(const struct video_reader *reader);

/* Goes to a frame that was given before (forward too), so that the next call gives it again: the same
 * number, time and pixels, and what follows it. Where timestamps cannot be relied on it decodes from
 * the beginning. Errors: UNSUPPORTED (not seekable: nothing has changed), else as above. */
int video_reader_seek(struct video_reader *reader, int64_t number, double time);

/* Closes and clears the pointer; NULL inside is fine. */
void video_reader_close(struct video_reader **reader);

void video_frame_free(struct video_frame *frame);

#endif
