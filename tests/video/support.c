/* The ffmpeg programs, and reading videos whole. */
#include "video/support.h"

#include "base/error.h"
#include "base/strings.h"
#include "base/test_folder.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void need_ffmpeg(void)
{
    if (system("command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null") != 0)
        skip();
}

static char *format_command(const char *format, va_list arguments)
{
    char *command;
    assert_true(vasprintf(&command, format, arguments) > 0);
    return command;
}

void shell(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *command = format_command(format, arguments);
    va_end(arguments);
    int result = system(command);
    if (result != 0)
        fail_msg("%s: ended with %d", command, WEXITSTATUS(result));
    free(command);
}

char *shell_output(size_t *size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *command = format_command(format, arguments);
    va_end(arguments);
    FILE *stream = popen(command, "r");
    assert_non_null(stream);
    struct string output = {0};
    char part[65536];
    for (size_t count; (count = fread(part, 1, sizeof(part), stream)) > 0;)
        string_append(&output, part, count);
    string_append(&output, "", 0);
    assert_false(output.failed);
    int result = pclose(stream);
    if (result != 0)
        fail_msg("%s: ended with %d", command, WEXITSTATUS(result));
    free(command);
    *size = output.length;
    return output.data ? output.data : calloc(1, 1);
}

char *film_make(const char *folder, const char *name, const char *arguments)
{
    char *path = test_path(folder, name);
    shell("ffmpeg -v error -nostdin -y %s '%s'", arguments, path);
    return path;
}

static FILE *printing;

int standard_input_set(const char *path, const char *command)
{
    int keep = dup(STDIN_FILENO);
    assert_true(keep >= 0);
    if (command) {
        printing = popen(command, "r");
        assert_non_null(printing);
        assert_int_equal(dup2(fileno(printing), STDIN_FILENO), STDIN_FILENO);
    } else {
        int file = open(path, O_RDONLY);
        assert_true(file >= 0);
        assert_int_equal(dup2(file, STDIN_FILENO), STDIN_FILENO);
        close(file);
    }
    return keep;
}

void standard_input_restore(int keep)
{
    dup2(keep, STDIN_FILENO);
    close(keep);
    if (printing)
        pclose(printing);
    printing = NULL;
}

static void clip_add(struct clip *clip, const struct video_frame *frame)
{
    size_t bytes = (size_t)clip->width * (size_t)clip->height * 3, count = (size_t)clip->count + 1;
    assert_int_equal(frame->image.width, clip->width);
    assert_int_equal(frame->image.height, clip->height);
    clip->pixels = realloc(clip->pixels, bytes * count);
    clip->times = realloc(clip->times, count * sizeof(*clip->times));
    clip->numbers = realloc(clip->numbers, count * sizeof(*clip->numbers));
    assert_true(clip->pixels && clip->times && clip->numbers);
    memcpy(clip->pixels + bytes * (size_t)clip->count, frame->image.pixels, bytes);
    clip->times[clip->count] = frame->time;
    clip->numbers[clip->count] = frame->number;
    if (clip->count > 0 && !(frame->time > clip->times[clip->count - 1]))
        fail_msg("time %.9f follows %.9f", frame->time, clip->times[clip->count - 1]);
    clip->count++;
}

int clip_try(const char *source, const struct video_reader_options *options, struct clip *out)
{
    static const struct video_reader_options none;
    struct video_reader *reader;
    struct video_frame frame = {0};
    *out = (struct clip){0};
    int status = video_reader_open(source, options ? options : &none, &reader);
    if (status) {
        assert_null(reader);
        return status;
    }
    out->info = *video_reader_info(reader);
    out->width = out->info.width;
    out->height = out->info.height;
    while ((status = video_reader_next(reader, &frame)) == 0)
        clip_add(out, &frame);
    if (status == VIDEO_END)
        assert_int_equal(video_reader_next(reader, &frame), VIDEO_END);
    out->damage = *video_reader_damage(reader);
    out->broken = video_reader_broken(reader);
    if (out->broken)
        snprintf(out->reason, sizeof(out->reason), "%s", error_message());
    out->last = frame.duration;
    video_frame_free(&frame);
    video_reader_close(&reader);
    assert_null(reader);
    return status;
}

struct clip clip_read(const char *source, const struct video_reader_options *options)
{
    struct clip clip;
    int status = clip_try(source, options, &clip);
    if (status != VIDEO_END)
        fail_msg("%s: %d: %s", source, status, error_message());
    return clip;
}

void clip_free(struct clip *clip)
{
    free(clip->pixels);
    free(clip->times);
    free(clip->numbers);
    *clip = (struct clip){0};
}

const uint8_t *clip_frame(const struct clip *clip, int index)
{
    assert_true(index >= 0 && index < clip->count);
    return clip->pixels + (size_t)index * (size_t)clip->width * (size_t)clip->height * 3;
}

void clip_expect_ffmpeg(const struct clip *clip, const char *path, const char *filter, int most)
{
    size_t size, frame = (size_t)clip->width * (size_t)clip->height * 3;
    char *expected = shell_output(&size,
                                  "ffmpeg -v fatal -nostdin -i '%s' -map 0:v:0 -vf "
                                  "%sscale=flags=bicubic+accurate_rnd+full_chroma_int+bitexact,format=rgb24 "
                                  "-fps_mode passthrough -f rawvideo -",
                                  path, filter);
    if (size != frame * (size_t)clip->count)
        fail_msg("%s: %d frames, ffmpeg has %.2f", path, clip->count, (double)size / (double)frame);
    int worst = 0;
    size_t where = 0;
    for (size_t i = 0; i < size; i++) {
        int difference = abs((int)clip->pixels[i] - (int)(uint8_t)expected[i]);
        if (difference > worst) {
            worst = difference;
            where = i;
        }
    }
    free(expected);
    if (worst > most)
        fail_msg("%s: frame %zu differs by %d", path, where / frame, worst);
}

void clip_expect_times(const struct clip *clip, const char *path)
{
    size_t size;
    char *text = shell_output(&size,
                              "ffprobe -v fatal -select_streams v:0 -show_entries frame=best_effort_timestamp_time "
                              "-of csv=p=0 '%s'",
                              path);
    char *next = text;
    double first = 0;
    for (int i = 0; i < clip->count; i++) {
        char *end;
        double time = strtod(next, &end);
        if (end == next)
            fail_msg("%s: ffprobe has only %d times, not %d", path, i, clip->count);
        next = end + strcspn(end, "\n") + 1;
        if (i == 0)
            first = time;
        if (!(fabs(clip->times[i] - (time - first)) < 2e-6))
            fail_msg("%s: frame %d at %.6f, ffprobe has %.6f", path, i, clip->times[i], time - first);
    }
    if (strpbrk(next < text + size ? next : "", "0123456789"))
        fail_msg("%s: %d frames, but ffprobe has more: %s", path, clip->count, next);
    free(text);
}

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct string log_text;
static int log_lines;

static void take_line(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)user_data;
    if (level == SOWLV2_LOG_DEBUG)
        return;
    pthread_mutex_lock(&log_lock);
    string_append_text(&log_text, message);
    string_append_text(&log_text, "\n");
    log_lines++;
    pthread_mutex_unlock(&log_lock);
}

void notices_begin(void)
{
    string_clear(&log_text);
    log_lines = 0;
    sowlv2_set_log(take_line, NULL);
}

const char *notices(void)
{
    return log_text.data ? log_text.data : "";
}

int notices_count(void)
{
    return log_lines;
}

void notices_end(void)
{
    sowlv2_set_log(NULL, NULL);
    string_free(&log_text);
    log_text = (struct string){0};
}
