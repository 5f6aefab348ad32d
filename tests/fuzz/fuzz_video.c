/* Fuzzes films as files: opening, the frames, going back to one, whether the film broke off. */
#include "video/video_in.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_FRAMES = 24, MOST_PIXELS = 1 << 20 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_frames(struct video_reader *reader)
{
    const struct video_info *const info = video_reader_info(reader);
    struct video_frame frame = {0};
    double first = -1, last = -1;
    int64_t number = 0, sum = 0;
    int status = 0, count = 0;

    check(info->width > 0 && info->height > 0);
    while (count < MOST_FRAMES && (status = video_reader_next(reader, &frame)) == 0) {
        check(frame.image.width == info->width && frame.image.height == info->height);
        check(frame.number == number + 1 && frame.time > last); /* numbers and times rise */
        first = count++ == 0 ? frame.time : first;
        number = frame.number;
        last = frame.time;
        for (size_t i = 0; i < (size_t)info->width * (size_t)info->height * 3; i++)
            sum += frame.image.pixels[i];
    }
    check(sum >= 0 && (status <= VIDEO_END));
    if (count > 0 && info->seekable && video_reader_seek(reader, 1, first) == 0 &&
        video_reader_next(reader, &frame) == 0)
        check(frame.number == 1);
    (void)video_reader_broken(reader);
    video_frame_free(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct video_reader_options options = {.max_pixels = MOST_PIXELS, .threads = 1};
    struct video_reader *reader;
    char path[64];
    const int file = memfd_create("film", MFD_CLOEXEC);

    if (file < 0 || write(file, data, size) != (ssize_t)size)
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    sowlv2_set_log(NULL, NULL);
    const int status = video_reader_open(path, &options, &reader);
    check(status <= 0 && (status == 0) == (reader != NULL));
    if (reader)
        read_frames(reader);
    video_reader_close(&reader);
    close(file);
    return 0;
}
