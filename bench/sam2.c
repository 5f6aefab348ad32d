/* Our side of tools/parity_sam2.py: encodes one raw RGB image and decodes boxes, writes the results as raw f32 and
 * prints the times.
 *
 *   bench_sam2 MODEL THREADS IMAGE.rgb WIDTH HEIGHT BOXES.f32 COUNT RUNS OUTPUT_FOLDER
 *
 * OUTPUT_FOLDER/{image_embedding,s0,s1,masks,iou,object}.f32; masks without alternatives. */
#include "models/sam2/sam2.h"

#include "base/error.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void check(int status)
{
    if (status != 0) {
        fprintf(stderr, "%s\n", error_message());
        exit(1);
    }
}

/* Bytes; getrusage would count what the program that started this one had. */
static long peak_resident(void)
{
    char line[256];
    long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kilobytes == 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmHWM: %ld", &kilobytes) != 1)
            kilobytes = 0;
    if (file)
        fclose(file);
    return kilobytes * 1024L;
}

static void write_floats(const char *folder, const char *name, const float *values, size_t count)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s.f32", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(values, sizeof(*values), count, file) != count || fclose(file) != 0) {
        fprintf(stderr, "%s: cannot be written\n", path);
        exit(1);
    }
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

static void dump(struct compute *compute, const char *name, struct tensor tensor, void *folder)
{
    if (strcmp(name, "image_embedding") == 0 || strcmp(name, "s0") == 0 || strcmp(name, "s1") == 0) {
        float *values = allocate((size_t)tensor_count(&tensor) * sizeof(*values));
        op_download(compute, tensor, values);
        if (compute_finish(compute) != 0) {
            fprintf(stderr, "%s\n", sowlv2_error_message());
            exit(1);
        }
        write_floats(folder, name, values, (size_t)tensor_count(&tensor));
        free(values);
    }
}

/* Runs of one thing, the wall and processor time of the fastest. */
struct timing {
    double wall, processor;
};

static struct timing start(void)
{
    return (struct timing){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static void stop(struct timing started, struct timing *best)
{
    const double wall = seconds(CLOCK_MONOTONIC) - started.wall;
    const double processor = seconds(CLOCK_PROCESS_CPUTIME_ID) - started.processor;
    best->wall = best->wall > 0.0 && best->wall < wall ? best->wall : wall;
    best->processor = best->processor > 0.0 && best->processor < processor ? best->processor : processor;
}

static void decode(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                   const float *boxes, int64_t count, int runs, const char *folder)
{
    const int64_t area = sam2_get_config(model)->mask_side * sam2_get_config(model)->mask_side;
    struct sowlv2_segment_prompt *prompts = calloc((size_t)count, sizeof(*prompts));
    const struct sam2_output out = {allocate((size_t)(count * area) * sizeof(float)),
                                    allocate((size_t)count * sizeof(float)), allocate((size_t)count * sizeof(float)),
                                    NULL};
    struct timing best = {0};
    for (int64_t i = 0; prompts && i < count; i++)
        prompts[i].box = boxes + 4 * i;
    for (int i = 0; i < runs; i++) {
        const struct timing started = start();
        check(sam2_decode(model, compute, features, prompts, count, false, 0, NULL, NULL, &out));
        stop(started, &best);
    }
    printf("decode %.4f %.4f\n", best.wall, best.processor);
    write_floats(folder, "masks", out.masks, (size_t)(count * area));
    write_floats(folder, "iou", out.iou, (size_t)count);
    write_floats(folder, "object", out.object_score, (size_t)count);
    free(out.masks);
    free(out.iou);
    free(out.object_score);
    free(prompts);
}

int main(int count, char **arguments)
{
    if (count != 10) {
        fprintf(stderr, "usage: %s MODEL THREADS IMAGE.rgb WIDTH HEIGHT BOXES.f32 COUNT RUNS OUTPUT_FOLDER\n",
                arguments[0]);
        return 2;
    }
    const char *folder = arguments[9];
    const int width = atoi(arguments[4]), height = atoi(arguments[5]), boxes = atoi(arguments[7]);
    const int runs = atoi(arguments[8]);
    struct device *device;
    struct compute *compute;
    struct sam2 *model;
    struct sam2_features *features;
    char *pixels, *box_file;
    size_t pixel_bytes, box_bytes;
    struct timing open = {0}, encode = {0};
    struct timing started = start();
    check(device_open(&(struct device_options){.threads = atoi(arguments[2])}, &device));
    check(compute_create(device, &compute));
    check(sam2_open(arguments[1], device, &model));
    stop(started, &open);
    check(sam2_features_create(model, &features));
    check(file_read(arguments[3], INT32_MAX, &pixels, &pixel_bytes));
    check(file_read(arguments[6], INT32_MAX, &box_file, &box_bytes));
    const struct sowlv2_image image = {
        .pixels = (const uint8_t *)pixels, .width = width, .height = height, .stride = (size_t)width * 3};
    const size_t needed = (size_t)boxes * 4 * sizeof(float);
    if (width < 1 || height < 1 || boxes < 1 || pixel_bytes != (size_t)width * (size_t)height * 3 ||
        box_bytes != needed) {
        fprintf(stderr, "the image or the boxes have another size\n");
        return 2;
    }
    float *box_values = allocate(needed);
    memcpy(box_values, box_file, needed);
    char folder_copy[4096];
    snprintf(folder_copy, sizeof(folder_copy), "%s", folder);
    const struct model_trace trace = {dump, folder_copy};
    check(sam2_encode(model, compute, &image, NULL, &trace, NULL, features));
    for (int i = 0; i < runs; i++) {
        started = start();
        check(sam2_encode(model, compute, &image, NULL, NULL, NULL, features));
        stop(started, &encode);
    }
    printf("open %.4f %.4f\nencode %.4f %.4f\n", open.wall, open.processor, encode.wall, encode.processor);
    decode(model, compute, features, box_values, boxes, runs, folder);
    printf("scratch %zu\nresident %ld\n", compute_peak_scratch(compute), peak_resident());
    free(box_values);
    free(pixels);
    free(box_file);
    sam2_features_free(&features);
    sam2_free(&model);
    compute_free(&compute);
    device_close(&device);
    return 0;
}
