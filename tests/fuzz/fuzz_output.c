/* Fuzzes what is read of an earlier run in an output folder: the journal, which is that of a video done again beside it
 * too, and behind a line of "==" the results.jsonl. Gone on with, read as a video's, and begun anew; a file beside the
 * folder must stay. */
#include "base/log.h"
#include "output/claim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/fuzz-output-XXXXXX";
static char output[64]; /* the folder "out" in it */

/* A path in the root; good until the next call. */
static const char *below(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void remove_root(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    if (system(command) != 0)
        abort();
}

static void write_file(const char *name, const uint8_t *data, size_t size)
{
    const int file = open(below(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    close(file);
}

/* The files in the folder "out", and one beside it. */
static void write_folder(const uint8_t *data, size_t size)
{
    const uint8_t *rows = size > 0 ? memmem(data, size, "\n==\n", 4) : NULL;
    const size_t journal = rows ? (size_t)(rows - data) + 1 : size;

    mkdir(below("out"), 0700);
    mkdir(below("out/.sowlv2"), 0700);
    mkdir(below("out/crops"), 0700);
    write_file("out/.sowlv2/journal", data, journal);
    if (rows)
        write_file("out/results.jsonl", rows + 4, size - journal - 3);
    else
        unlink(below("out/results.jsonl"));
    write_file("out/crops/a.png", data, size);
    mkdir(below("out/.sowlv2/again"), 0700);
    mkdir(below("out/.sowlv2/again/.sowlv2"), 0700);
    mkdir(below("out/.sowlv2/again/crops"), 0700);
    write_file("out/.sowlv2/again/.sowlv2/journal", data, journal);
    write_file("out/.sowlv2/again/crops/b.png", data, size);
    write_file("victim", data, size);
}

static void go_on(const char *name, const char *path)
{
    const struct output_claim_options options = {.folder = output, .resume = true};
    struct output_identity identity = {.path = strdup(path), .size = 1, .modified = 1};
    struct string_list stems = {0};
    struct output_claim *claim;

    /* Where what is beside cannot be read there is no claim. */
    if (output_claim_open(&options, &claim) == 0 && output_claim_load(claim) == 0) {
        output_claim_find(claim, name, &identity);
        output_claim_has_name(claim, name);
        output_claim_stems(claim, &stems);
        output_claim_begin(claim);
    }
    output_claim_close(&claim);
    output_identity_free(&identity);
    string_list_free(&stems);
}

static void read_as_video(void)
{
    struct output_video video;
    bool whole;

    if (output_video_read(output, &video) == 0 && video.name)
        (void)output_video_is_whole(output, &video, &whole);
    output_video_free(&video);
}

static void begin_anew(void)
{
    const struct output_claim_options options = {.folder = output};
    struct output_claim *claim;

    if (output_claim_open(&options, &claim) != 0)
        abort();
    (void)output_claim_begin(claim);
    output_claim_close(&claim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;

    if (!ready) {
        if (!mkdtemp(root))
            abort();
        snprintf(output, sizeof(output), "%s/out", root);
        atexit(remove_root);
        sowlv2_set_log(NULL, NULL);
        ready = true;
    }
    write_folder(data, size);
    read_as_video();
    go_on("a.png", "/x/a.png");
    write_folder(data, size);
    begin_anew();
    if (access(below("victim"), F_OK) != 0)
        abort();
    return 0;
}
