/* The table of verbs. */
#include "cli/verbs.h"

#include "base/error.h"
#include "cli/options.h"
#include "cli/terminal.h"

#include <string.h>

const struct verb verb_table[] = {
    {.name = "detect",
     .summary = "find, cut out and follow what words name, in images and videos",
     .options = FOR_DETECT,
     .usage = "--prompt TEXT... --input PATH [--output DIR] [OPTION...]",
     .description =
         "Finds the things that the prompts name in images and videos, with the OWLv2 detector, cuts each of them out "
         "with "
         "SAM 2.1, and follows it through video. sowlv2-detect is the same command.\n"
         "\n"
         "DIR/results.jsonl gets one JSON object a line for each image, in natural order of the names: its size, and "
         "for each object its number, prompt, score, box [x0, y0, x1, y1] in pixels, and of its mask the score, the "
         "area "
         "in pixels and the file.\n"
         "\n"
         "DIR/binary/frames/NAME_obj1_cat_mask.png is an object's mask, 255 and 0; DIR/overlay/frames/ has the image "
         "with each object drawn in; binary/merged/ and overlay/merged/ show all objects of an image together. An "
         "image that cannot be "
         "read is named, and the others are done. Ctrl-C ends after the images in hand; a second one ends at once.\n"
         "\n"
         "A video (a file, a URL, a camera, - for standard input, or with --as-video a folder of frames or a GIF) has "
         "a "
         "row for each frame, with the objects that are followed, and DIR/video/ with what is drawn as videos. The "
         "detector "
         "looks until it has found something, where a scene begins, every two seconds (--detect-every) and where what "
         "is "
         "followed becomes doubtful; --enable-vjepa2 --use-temporal-detection looks ahead and follows both ways. Of "
         "several videos each has a folder in DIR.",
     .examples = "  sowlv2 detect --prompt cat \"a red bicycle\" --input photo.jpg\n"
                 "  sowlv2 detect --prompt person --input photos/ --output out/ --threshold 0.2\n"
                 "  sowlv2 detect --prompts-file classes.txt --input 'photos/**/*.jpg'\n"
                 "  sowlv2 detect --config run.yaml --input photos/ --no-overlay\n"
                 "  sowlv2 detect --prompt person dog --input film.mp4 --detect-every 1s\n"
                 "\n"
                 "  A configuration file, run.yaml:\n"
                 "    prompt: [cat, a red bicycle]\n"
                 "    threshold: 0.2\n"
                 "    owl-model: models/owlv2-base\n",
     .run = verb_detect},
    {.name = "segment",
     .summary = "cut out what boxes or points mark, and follow it through video",
     .options = FOR_SEGMENT,
     .usage = "--input PATH (--box BOX | --point POINT)... [OPTION...]",
     .description =
         "Cuts out with SAM 2.1 what boxes and points mark. Each --box is one object; points after it belong to it. "
         "Points without any --box are one object together. A folder of images gets the same boxes in every image; in "
         "a "
         "video they mark objects on its first frame (see --start), which are then followed.\n"
         "\n"
         "The results are those of detect, without prompts and their scores: DIR/results.jsonl, binary/, overlay/. "
         "Where no box was given, an object's box is that around its mask.",
     .examples = "  sowlv2 segment --input photo.jpg --box 40,60,380,420 --output out/\n"
                 "  sowlv2 segment --input photo.jpg --point 200,150 --point 20,30,0\n"
                 "  sowlv2 segment --input photo.jpg --box 40,60,380,420 --point 90,90,0 --crops\n",
     .run = verb_segment},
    {.name = "frames",
     .summary = "say which frames of a video matter",
     .options = FOR_FRAMES,
     .usage = "--input PATH [OPTION...]",
     .description =
         "Shows a video, or a folder of images, to V-JEPA 2 and prints the frames where most happens, one a line: "
         "number, time in seconds, score from 0 to 1. Frames are counted at --vjepa2-fps, from 1. With --labels, lines "
         "of each clip follow: the word clip, its first and last time, a class's score, the class.",
     .examples = "  sowlv2 frames --input film.mp4\n"
                 "  sowlv2 frames --input film.mp4 --target-frames 12 --save-frames keys/\n"
                 "  sowlv2 frames --input film.mp4 --scores scores.csv --plot plot.png\n",
     .run = verb_frames},
    {.name = "tokenize",
     .summary = "show the token ids of texts",
     .options = FOR_TOKENIZE,
     .usage = "[--owl-model MODEL] [OPTION...] TEXT...",
     .description = "Prints the token ids of each TEXT, one line a text, padded as the model sees them. TEXT is taken "
                    "as given, without a prompt template. The weights are not read. Write -- before a TEXT that "
                    "begins with a dash.",
     .examples = "  sowlv2 tokenize --owl-model models/owlv2-base \"a photo of a cat\"\n",
     .run = verb_tokenize},
    {.name = "pull",
     .summary = "fetch models ahead of time",
     .options = FOR_PULL,
     .usage = "[OPTION...] ID...",
     .description =
         "Downloads models from the Hugging Face hub into its cache, the one that huggingface_hub uses: only the files "
         "that are needed, and only those that are not there or have changed. A download that was cut short goes on "
         "where it was. ID is org/name or org/name@revision. Prints the folder of each model.\n"
         "\n"
         "The environment decides, as for huggingface_hub: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT (a mirror), HF_TOKEN, "
         "HF_HUB_OFFLINE, HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT, proxies, certificates.",
     .examples = "  sowlv2 pull google/owlv2-base-patch16-ensemble facebook/sam2.1-hiera-small\n"
                 "  sowlv2 pull facebook/sam2.1-hiera-large@main --cache-dir /big/disk\n",
     .run = verb_pull},
    {.name = "models",
     .summary = "list the models that are there",
     .options = FOR_MODELS,
     .usage = "[OPTION...]",
     .description = "Lists the models in the hub cache that sowlv2 can use: id, revision (or commit), size, what it is "
                    "for (detection, segmentation, key frames), and whether it is complete. After them come the small "
                    "models that are installed with the program, under the name that they are asked for: demo.",
     .examples = "  sowlv2 models\n",
     .run = verb_models},
    {.name = "devices",
     .summary = "list what there is to compute on",
     .options = FOR_DEVICES,
     .usage = "[OPTION...]",
     .description =
         "Lists the devices that --device takes, the one that auto takes first, and what each is; where there "
         "is no GPU to use, it says why on standard error.",
     .examples = "  sowlv2 devices\n",
     .run = verb_devices},
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
