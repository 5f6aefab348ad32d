/* The table of verbs. */
#include "cli/verbs.h"

#include "base/error.h"
#include "cli/options.h"
#include "cli/terminal.h"

#include <string.h>

const struct verb verb_table[] = {
    {.name = "detect",
     .summary = "find what is named in plain words, in images",
     .options = FOR_DETECT,
     .usage = "--prompt TEXT... --input PATH [--output DIR] [OPTION...]",
     .description =
         "Finds the things that the prompts name in one image or in all images of a folder, with the OWLv2 "
         "detector. sowlv2-detect is the same command.\n"
         "\n"
         "DIR/results.jsonl gets one JSON object a line for each image, in natural order of the names: its size, and "
         "for each object its number, prompt, score and box [x0, y0, x1, y1] in pixels. "
         "DIR/overlay/merged/NAME_merged_overlay.png is the image with the results drawn in. An image that cannot be "
         "read is named, and the others are done. Ctrl-C ends after the images in hand; a second one ends at once.",
     .examples = "  sowlv2 detect --prompt cat \"a red bicycle\" --input photo.jpg\n"
                 "  sowlv2 detect --prompt person --input photos/ --output out/ --threshold 0.2\n"
                 "  sowlv2 detect --config run.yaml --input photos/ --no-overlay\n"
                 "\n"
                 "  A configuration file, run.yaml:\n"
                 "    prompt: [cat, a red bicycle]\n"
                 "    threshold: 0.2\n"
                 "    owl-model: models/owlv2-base\n",
     .run = verb_detect},
    {.name = "segment",
     .summary = "cut out what boxes or points mark",
     .description = "Turns boxes, points or masks given by the user into masks, with SAM 2.1."},
    {.name = "frames",
     .summary = "say which frames of a video matter",
     .description = "Scores the frames of a video with V-JEPA 2, chooses some, writes features."},
    {.name = "tokenize",
     .summary = "show the token ids of texts",
     .options = FOR_TOKENIZE,
     .usage = "[--owl-model MODEL] [OPTION...] TEXT...",
     .description = "Prints the token ids of each TEXT, one line a text, padded as the model sees them. TEXT is taken "
                    "as given, without a prompt template. The weights are not read. Write -- before a TEXT that "
                    "begins with a dash.",
     .examples = "  sowlv2 tokenize --owl-model models/owlv2-base \"a photo of a cat\"\n",
     .run = verb_tokenize},
    {.name = "pull", .summary = "fetch models ahead of time", .description = "Fetches models into the hub cache."},
    {.name = "models",
     .summary = "list the models that are there",
     .description = "Lists the models in the hub cache."},
    {.name = "bench", .summary = "measure speed", .description = "Measures how fast the models run on this machine."},
    {.name = "serve", .summary = "answer requests over HTTP", .description = "Answers requests over HTTP."},
    {.name = "export",
     .summary = "write models for other runtimes",
     .description = "Writes models in the formats of other runtimes."},
    {.name = "quantize", .summary = "make models smaller and faster", .description = "Makes int8 versions of models."},
};

const size_t verb_count = sizeof(verb_table) / sizeof(verb_table[0]);

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < verb_count; i++)
        if (strcmp(verb_table[i].name, name) == 0)
            return &verb_table[i];
    return NULL;
}

int verb_fail(int status)
{
    terminal_error(error_message());
    return status;
}
