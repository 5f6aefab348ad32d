/* The caller's own sinks: what was found, handed to his functions. */
#include "run/sink_callers.h"
#include "base/error.h"
#include "run/run.h"

#include <stdlib.h>

static bool is_wanted(const struct sink_context *context)
{
    const struct sowlv2_run *const run = context->options.more_data;

    return run->options.sink_count > 0;
}

static int open_callers(struct sink_context *context, void **state)
{
    *state = context;
    return 0;
}

static struct sowlv2_run_object make_object(const struct sink_context *context, const struct output_object *object)
{
    const char *const prompt = sink_prompt(context, object->prompt);

    return (struct sowlv2_run_object){.number = object->id,
                                      .prompt = prompt,
                                      .prompt_index = prompt ? object->prompt : -1,
                                      .score = object->score,
                                      .objectness = object->objectness,
                                      .box = output_object_box(object),
                                      .mask = context->masks ? &object->mask : NULL,
                                      .lost = object->lost,
                                      .interpolated = object->interpolated};
}

/* A caller's error may be without a message of ours. */
static int check(struct sowlv2_run *run, int status, const char *what)
{
    if (status == 0)
        return 0;
    run->sink_status = status < 0 ? status : SOWLV2_ERROR_ARGUMENT;
    return error_set(run->sink_status, "%s: a sink of the calling program ended the run", what);
}

static int give_frame(void *state, const struct output_frame *frame)
{
    const struct sink_context *const context = state;
    struct sowlv2_run *const run = context->options.more_data;
    struct sowlv2_run_object *const objects = calloc(frame->count + 1, sizeof(*objects));
    const struct sowlv2_run_frame given = {.input = frame->name,
                                           .is_video = context->video,
                                           .number = frame->number,
                                           .time = frame->time,
                                           .duration = frame->duration,
                                           .picture = image_view(&frame->image),
                                           .objects = objects,
                                           .count = frame->count};
    int status = objects ? 0 : error_memory("objects");

    for (size_t i = 0; !status && i < frame->count; i++)
        objects[i] = make_object(context, &frame->objects[i]);
    pthread_mutex_lock(&run->giving);
    for (size_t i = 0; !status && i < run->options.sink_count; i++)
        if (run->sinks[i].frame)
            status = check(run, run->sinks[i].frame(&given, run->sinks[i].user_data), frame->name);
    pthread_mutex_unlock(&run->giving);
    free(objects);
    return status;
}

static int end_object(void *state, int64_t number)
{
    const struct sink_context *const context = state;
    struct sowlv2_run *const run = context->options.more_data;
    int status = 0;

    pthread_mutex_lock(&run->giving);
    for (size_t i = 0; !status && i < run->options.sink_count; i++)
        if (run->sinks[i].object_end)
            status =
                check(run, run->sinks[i].object_end(context->video, number, run->sinks[i].user_data), context->video);
    pthread_mutex_unlock(&run->giving);
    return status;
}

const struct sink_kind sink_callers = {
    .name = "the caller's",
    .needs_pixels = true,
    .wanted = is_wanted,
    .open = open_callers,
    .frame = give_frame,
    .end_object = end_object,
};

int run_end_input(struct sowlv2_run *run, const char *input, bool whole)
{
    int status = 0;

    pthread_mutex_lock(&run->giving);
    for (size_t i = 0; !status && i < run->options.sink_count; i++)
        if (run->sinks[i].input_end)
            status = check(run, run->sinks[i].input_end(input, whole, run->sinks[i].user_data), input);
    pthread_mutex_unlock(&run->giving);
    return status;
}
