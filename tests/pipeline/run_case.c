/* A folder of pictures and a run of the pipeline over it. */
#include "run_case.h"

#include "base/file.h"
#include "base/test_folder.h"
#include "fake_detector.h"
#include "media/image.h"
#include "media/png.h"
#include "output/claim.h"
#include "pipeline/inputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *const run_prompts[2] = {"cat", "dog"};

struct run_messages messages;

static void take_message(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)user_data;
    messages.notices += level == SOWLV2_LOG_NOTICE;
    if (level == SOWLV2_LOG_WARNING) {
        messages.warnings++;
        snprintf(messages.last_warning, sizeof(messages.last_warning), "%s", message);
    }
}

struct run_case *open_case(void)
{
    struct run_case *run = calloc(1, sizeof(*run));

    fake_detector_reset();
    memset(&messages, 0, sizeof(messages));
    sowlv2_set_log(take_message, NULL);
    run->folder = test_folder_make();
    run->photos = test_path(run->folder, "photos");
    run->output = test_path(run->folder, "out/put");
    run->input = run->photos;
    run->devices = 1;
    test_write_text(run->folder, "photos/.keep", "");
    run->detect = (struct sowlv2_detect_options){.threshold = 0.1f, .clip = true};
    run->job = (struct sowlv2_run_options){.prompts = run_prompts,
                                           .prompt_count = 2,
                                           .inputs = &run->input,
                                           .input_count = 1,
                                           .output = run->output,
                                           .detect = &run->detect,
                                           .segment = &run->segment,
                                           .masks = true,
                                           .merged = true,
                                           .draw = SOWLV2_DRAW_BOXES | SOWLV2_DRAW_LABELS,
                                           .batch_size = 4,
                                           .io_threads = 4,
                                           .max_pixels = IMAGE_DEFAULT_MAX_PIXELS,
                                           .stop = &fake_detector.interrupted};
    run->options.job = &run->job;
    return run;
}

void close_case(struct run_case *run)
{
    for (size_t i = 0; i < run->row_count; i++)
        json_decref(run->rows[i]);
    sowlv2_set_log(NULL, NULL);
    test_folder_remove(run->folder);
    free(run->photos);
    free(run->output);
    free(run);
}

/* Writes photos/NAME, a grey picture. */
void add_picture(const struct run_case *run, const char *name, int width, int height)
{
    char *path = test_path(run->photos, name);
    uint8_t *pixels = calloc((size_t)width * (size_t)height, 3);

    assert_int_equal(png_write(path, pixels, width, height, 3, (size_t)width * 3), 0);
    free(pixels);
    free(path);
}

/* 1.png, 2.png, ... of widths 11, 12, ... */
void add_pictures(const struct run_case *run, int count)
{
    for (int i = 1; i <= count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%d.png", i);
        add_picture(run, name, 10 + i, 8);
    }
}

int process_images(struct run_case *run, struct detect_images_report *report)
{
    const struct inputs_options wanted = {
        .given = run->job.inputs, .count = run->job.input_count, .output = run->job.output};
    const struct output_claim_options folder = {.folder = run->job.output, .resume = run->job.resume};
    struct inputs inputs = {0};
    struct output_claim *claim = NULL;
    int status = inputs_list(&wanted, &inputs);

    *report = (struct detect_images_report){0};
    if (!status)
        status = output_claim_open(&folder, &claim);
    if (!status && run->job.resume)
        status = output_claim_load(claim);
    run->options.inputs = &inputs;
    run->options.claim = claim;
    struct sowlv2_run_models models[RUN_DEVICES] = {{0}};
    for (size_t i = 0; i < run->devices; i++)
        models[i].segmenter = run->segmenter;
    if (!status)
        status = detect_images(models, run->devices, &run->options, report);
    output_claim_close(&claim);
    inputs_free(&inputs);
    return status;
}

/* Runs it and reads the rows. */
int process(struct run_case *run)
{
    char *path = test_path(run->output, "results.jsonl"), *text = NULL;
    size_t size;
    int status = process_images(run, &run->report);

    for (size_t i = 0; i < run->row_count; i++)
        json_decref(run->rows[i]);
    run->row_count = 0;
    if (file_read(path, 1 << 24, &text, &size) == 0) {
        assert_true(size == 0 || text[size - 1] == '\n');
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

            assert_non_null(row);
            assert_true(run->row_count < sizeof(run->rows) / sizeof(run->rows[0]));
            run->rows[run->row_count++] = row;
        }
    }
    free(text);
    free(path);
    return status;
}

const char *row_name(const struct run_case *run, size_t index)
{
    return json_string_value(json_object_get(run->rows[index], "image"));
}
