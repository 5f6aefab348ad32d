/* Tracking a film whose decoder, a process of its own that the film has taken over, lies about times, numbers and
 * lengths: rows go on in order, or end in order with an error. This program is that decoder too. */
#include "base/test_folder.h"
#include "media/isolation.h"
#include "movie.h"
#include "video/isolation_film.h"
#include "video/libav.h"
#include "video/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FRAMES = 24, TRUE_UNTIL = 10 /* pictures; it lies from the next one on */ };

/* ---- the decoder ---- */

/* What it is called says what it lies about. */
static const char *lie = "";
static int pictures; /* since it was opened, or sought in */
static bool sought;

static bool lies(const char *about)
{
    return strcmp(lie, about) == 0;
}

static void change_picture(struct isolation_film_answer *answer)
{
    static double last;

    if (++pictures <= TRUE_UNTIL) {
        last = answer->time;
        return;
    }
    if (lies("repeat"))
        answer->time = last;
    if (lies("back"))
        answer->time = last - 0.3;
    if (lies("below"))
        answer->time = -1;
    if (lies("nan"))
        answer->time = NAN;
    if (lies("endless"))
        answer->time = INFINITY;
    if (lies("duration"))
        answer->duration = -5;
    if (lies("negative"))
        answer->number = -3;
    if (lies("number"))
        answer->number = 2;
}

static void change_description(struct isolation_film_answer *answer)
{
    if (lies("many"))
        answer->info.frames = INT64_MAX;
    if (lies("few"))
        answer->info.frames = 3;
    if (lies("long"))
        answer->info.duration = 1e11;
    if (lies("less"))
        answer->info.frames = -1;
}

static int answer_as(int32_t kind, unsigned char *body, const char *name, const int *descriptors, size_t count)
{
    struct isolation_film_answer answer;
    int status = 0;

    for (size_t i = 0; i < isolation_film_handler_count; i++)
        if (isolation_film_handlers[i]->kind == kind)
            status = isolation_film_handlers[i]->answer(body, name, descriptors, count);
    memcpy(&answer, body, sizeof(answer));
    if (kind == ISOLATION_FILM_SEEK) {
        pictures = 0;
        sought = true;
    }
    if (kind == ISOLATION_FILM_READ && lies("shorter") && sought && pictures >= 2)
        return VIDEO_END;
    if (kind == ISOLATION_FILM_READ && !status)
        change_picture(&answer);
    if (status >= 0)
        change_description(&answer);
    memcpy(body, &answer, sizeof(answer));
    return status;
}

#define HANDLER(name, kind)                                                                                            \
    static int answer_##name(unsigned char *body, const char *input, const int *descriptors, size_t count)             \
    {                                                                                                                  \
        return answer_as(kind, body, input, descriptors, count);                                                       \
    }                                                                                                                  \
    static const struct isolation_handler name##_handler = {kind, answer_##name};

HANDLER(open, ISOLATION_FILM_OPEN)
HANDLER(read, ISOLATION_FILM_READ)
HANDLER(convert, ISOLATION_FILM_CONVERT)
HANDLER(seek, ISOLATION_FILM_SEEK)
HANDLER(close, ISOLATION_FILM_CLOSE)

static void prepare(void)
{
    libav_start("decoder");
}

static int decode(const char *name)
{
    static const struct isolation_handler *const handlers[] = {&open_handler, &read_handler, &convert_handler,
                                                               &seek_handler, &close_handler};

    lie = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    return isolation_serve(handlers, sizeof(handlers) / sizeof(*handlers), prepare);
}

/* ---- the tests ---- */

static const struct movie movie = {.frames = FRAMES,
                                   .things = {{.look = 1, .first = 1, .last = FRAMES, .x = 4, .y = 4, .speed = 1},
                                              {.look = 2, .first = 4, .last = FRAMES, .x = 60, .y = 30}}};

/* Tracks the movie by a decoder that lies so. The rows' numbers and times rise, which reading them asserts. */
static struct movie_run *track(const char *about, const struct track_plan *plan, int *status)
{
    struct movie_run *const run = movie_open(&movie);
    char *const program = test_path(run->folder, about);
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    struct isolation *isolation;

    assert_true(length > 0);
    self[length] = '\0';
    assert_int_equal(symlink(self, program), 0);
    assert_int_equal(isolation_create(program, &isolation), 0);
    assert_int_equal(isolation_check(isolation), 0);
    run->options.reader.isolation = isolation;
    run->options.plan = plan;
    notices_begin();
    *status = movie_track(run);
    notices_end();
    isolation_free(&isolation);
    free(program);
    return run;
}

static int64_t rows(const struct movie_run *run)
{
    return (int64_t)json_array_size(run->rows);
}

/* As long as it does not lie. */
static void test_honest(void **state)
{
    int status;
    struct movie_run *const run = track("honest", NULL, &status);

    (void)state;
    assert_int_equal(status, 0);
    assert_int_equal(rows(run), FRAMES);
    movie_expect_all(run, 1, FRAMES, 1, &movie.things[0]);
    movie_close(run);
}

/* Times that cannot be end the film there: what came before is tracked and written, and it counts as broken. */
static void test_times(void **state)
{
    static const char *const abouts[] = {"repeat", "back", "below", "nan", "endless", "duration", "negative"};
    double times[] = {5.0 / MOVIE_RATE, 20.0 / MOVIE_RATE};
    const struct track_plan plan = {.key_times = times, .key_count = 2};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(abouts) / sizeof(*abouts); i++) {
        const char *const about = abouts[i / 2];
        int status;
        struct movie_run *const run = track(about, i % 2 ? &plan : NULL, &status);

        if (status != SOWLV2_ERROR_FORMAT || !run->report.broken || rows(run) != TRUE_UNTIL ||
            run->report.frames != TRUE_UNTIL)
            fail_msg("%s, %s: %d: %s: %d rows", about, i % 2 ? "two passes" : "one pass", status,
                     sowlv2_error_message(), (int)rows(run));
        assert_non_null(strstr(sowlv2_error_message(), "clip.mkv"));
        movie_expect_all(run, 1, TRUE_UNTIL, 1, &movie.things[0]);
        movie_close(run);
    }
}

/* What it says of the length changes nothing in the rows, and frames are counted here. */
static void test_lengths(void **state)
{
    static const char *const abouts[] = {"many", "few", "long", "number"};

    (void)state;
    for (size_t i = 0; i < sizeof(abouts) / sizeof(*abouts); i++) {
        int status;
        struct movie_run *const run = track(abouts[i], NULL, &status);

        if (status != 0 || rows(run) != FRAMES)
            fail_msg("%s: %d: %s: %d rows", abouts[i], status, sowlv2_error_message(), (int)rows(run));
        for (int64_t frame = 1; frame <= FRAMES; frame++)
            assert_int_equal(json_integer_value(json_object_get(json_array_get(run->rows, (size_t)frame - 1), "frame")),
                             frame);
        movie_expect_all(run, 1, FRAMES, 1, &movie.things[0]);
        movie_close(run);
    }
}

/* A length that cannot be. */
static void test_impossible(void **state)
{
    int status;
    struct movie_run *const run = track("less", NULL, &status);

    (void)state;
    assert_int_equal(status, SOWLV2_ERROR_FORMAT);
    assert_int_equal(run->report.frames, 0);
    movie_close(run);
}

/* Read a second time, it has fewer frames than the first pass was given. */
static void test_second_time(void **state)
{
    double times[] = {18.0 / MOVIE_RATE};
    const struct track_plan plan = {.key_times = times, .key_count = 1};
    int status;
    struct movie_run *const run = track("shorter", &plan, &status);

    (void)state;
    assert_int_equal(status, SOWLV2_ERROR_IO);
    if (!strstr(sowlv2_error_message(), "cannot be read a second time"))
        fail_msg("%s", sowlv2_error_message());
    movie_close(run);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest),     cmocka_unit_test(test_times),       cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_impossible), cmocka_unit_test(test_second_time),
    };

    if (argc == 2 && strcmp(argv[1], DECODER_ARGUMENT) == 0)
        return decode(argv[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
