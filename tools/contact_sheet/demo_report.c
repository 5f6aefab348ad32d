/* demo_report SAMPLES RESULTS CELLS WORD...: compares what `make demo` found for WORDs, RESULTS/pictures and
 * RESULTS/videos, with the truth of the samples in folder SAMPLES. Prints a table of it: right, wrong and why, missed.
 * Writes to the file CELLS what contact_sheet is to show, a PICTURE=CAPTION a line. */
#include <jansson.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64, MOST_FRAMES = 4096, PATH_SIZE = 4096, TITLE_SIZE = 512, FAULT_SIZE = 96 };

/* IoU of boxes from which a find is at an object's place. */
static const double SAME_PLACE = 0.5;
/* Part of the most pixels that a frame shows of an object, from which it is there to be found. */
static const double SHOWN = 0.1;

struct thing {
    int64_t id;
    const char *name;
    double box[4], score;
    int answer;  /* of a find: the index of the true object that it finds; of an object: that of its find; -1: none */
    bool wanted; /* of a true object: it was asked for */
    char fault[FAULT_SIZE]; /* of a find that is not right */
};

struct things {
    struct thing items[MOST];
    size_t count;
};

struct tally {
    int right, missed, wrong;
};

struct job {
    const char *samples, *results;
    const char *const *words;
    size_t word_count;
    FILE *cells;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "demo_report: %s: %s\n", what, why);
    exit(1);
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *const root = json_load_file(path, 0, &error);

    if (!root)
        fail(path, error.text);
    return root;
}

/* A JSON object a line. */
static json_t *load_rows(const char *path)
{
    json_t *const rows = json_array();
    FILE *const file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    json_error_t error;

    if (!file || !rows)
        fail(path, "cannot be read");
    while (getline(&line, &room, file) > 0) {
        json_t *const row = json_loads(line, 0, &error);

        if (!row || json_array_append_new(rows, row))
            fail(path, error.text);
    }
    free(line);
    fclose(file);
    return rows;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *const value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static double box_iou(const double *a, const double *b)
{
    const double left = a[0] > b[0] ? a[0] : b[0], top = a[1] > b[1] ? a[1] : b[1];
    const double right = a[2] < b[2] ? a[2] : b[2], bottom = a[3] < b[3] ? a[3] : b[3];
    const double both = right > left && bottom > top ? (right - left) * (bottom - top) : 0;
    const double either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;

    return either > 0 ? both / either : 0;
}

static struct thing *add(struct things *things, const json_t *object, const char *name)
{
    const json_t *const box = json_object_get(object, "box");
    struct thing *const thing = &things->items[things->count];

    if (things->count == MOST)
        fail("objects", "more on a picture than this program holds");
    if (json_array_size(box) != 4)
        return NULL; /* out of sight */
    *thing = (struct thing){
        .id = (int64_t)number(object, "id"), .name = name, .score = number(object, "score"), .answer = -1};
    for (size_t i = 0; i < 4; i++)
        thing->box[i] = json_number_value(json_array_get(box, i));
    things->count++;
    return thing;
}

static bool is_asked_for(const struct job *job, const char *name)
{
    for (size_t i = 0; i < job->word_count; i++)
        if (strcmp(job->words[i], name) == 0)
            return true;
    return false;
}

/* Pairs finds with the objects that they name rightly, the largest overlap first, and says what is wrong with the
 * others. */
static struct tally judge(struct things *truth, struct things *found)
{
    struct tally tally = {0};

    for (;;) {
        struct thing *best_object = NULL, *best_find = NULL;
        double best = SAME_PLACE;

        for (size_t i = 0; i < truth->count; i++)
            for (size_t k = 0; k < found->count; k++) {
                const double iou = box_iou(truth->items[i].box, found->items[k].box);

                if (truth->items[i].answer >= 0 || found->items[k].answer >= 0 || iou < best ||
                    strcmp(truth->items[i].name, found->items[k].name) != 0)
                    continue;
                best = iou;
                best_object = &truth->items[i];
                best_find = &found->items[k];
            }
        if (!best_object)
            break;
        best_object->answer = (int)(best_find - found->items);
        best_find->answer = (int)(best_object - truth->items);
        tally.right++;
    }
    for (size_t k = 0; k < found->count; k++) {
        struct thing *const find = &found->items[k];
        const struct thing *there = NULL;
        double best = SAME_PLACE;

        if (find->answer >= 0)
            continue;
        for (size_t i = 0; i < truth->count; i++) {
            const double iou = box_iou(truth->items[i].box, find->box);

            if (iou >= best) {
                best = iou;
                there = &truth->items[i];
            }
        }
        tally.wrong++;
        if (!there)
            snprintf(find->fault, FAULT_SIZE, "no object there");
        else if (strcmp(there->name, find->name) == 0)
            snprintf(find->fault, FAULT_SIZE, "found twice");
        else
            snprintf(find->fault, FAULT_SIZE, "is: %s", there->name);
    }
    for (size_t i = 0; i < truth->count; i++)
        tally.missed += truth->items[i].answer < 0 && truth->items[i].wanted;
    return tally;
}

/* contact_sheet draws a caption that begins with "+" as good, one with "-" as bad. */
static void write_cell(const struct job *job, const char *picture, const char *name, struct tally tally)
{
    fprintf(job->cells, "%s=%c%s: %d found", picture, tally.missed + tally.wrong ? '-' : '+', name, tally.right);
    if (tally.missed)
        fprintf(job->cells, ", %d missed", tally.missed);
    if (tally.wrong)
        fprintf(job->cells, ", %d wrong", tally.wrong);
    fprintf(job->cells, "\n");
}

static struct tally report_picture(const struct job *job, const json_t *row, const json_t *truth)
{
    const char *const name = text(row, "image");
    struct things objects = {0}, found = {0};
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(truth, "objects"), i, item)
    {
        struct thing *const thing = add(&objects, item, text(item, "noun"));

        if (thing)
            thing->wanted = is_asked_for(job, thing->name);
    }
    json_array_foreach(json_object_get(row, "objects"), i, item) add(&found, item, text(item, "prompt"));

    const struct tally tally = judge(&objects, &found);
    char picture[PATH_SIZE], title[TITLE_SIZE];
    const int stem = (int)strcspn(name, ".");

    for (i = 0; i < found.count; i++) {
        const struct thing *const find = &found.items[i];

        printf("%-14s %-12s %6.2f  %6.1f %6.1f %6.1f %6.1f  %s%s\n", name, find->name, find->score, find->box[0],
               find->box[1], find->box[2], find->box[3], find->fault[0] ? "WRONG, " : "right", find->fault);
    }
    for (i = 0; i < objects.count; i++)
        if (objects.items[i].wanted && objects.items[i].answer < 0)
            printf("%-14s %-12s %6s  %6.1f %6.1f %6.1f %6.1f  MISSED\n", name, objects.items[i].name, "-",
                   objects.items[i].box[0], objects.items[i].box[1], objects.items[i].box[2], objects.items[i].box[3]);
    snprintf(picture, sizeof(picture), "%s/pictures/overlay/merged/%.*s_merged_overlay.png", job->results, stem, name);
    snprintf(title, sizeof(title), "%.*s", stem, name);
    write_cell(job, picture, title, tally);
    return tally;
}

static void report_pictures(const struct job *job)
{
    char path[PATH_SIZE];
    struct tally sum = {0};
    size_t r, t;
    const json_t *row, *image;

    snprintf(path, sizeof(path), "%s/truth.json", job->samples);
    json_t *const truth = load(path);
    snprintf(path, sizeof(path), "%s/pictures/results.jsonl", job->results);
    json_t *const rows = load_rows(path);

    printf("%-14s %-12s %6s  %-27s  %s\n", "picture", "thing", "score", "box", "compared with the truth");
    json_array_foreach(rows, r, row) json_array_foreach(json_object_get(truth, "images"), t, image)
    {
        if (strcmp(text(row, "image"), text(image, "image")) == 0) {
            const struct tally one = report_picture(job, row, image);

            sum.right += one.right;
            sum.missed += one.missed;
            sum.wrong += one.wrong;
        }
    }
    printf("Pictures: %d found, %d missed, %d wrong\n\n", sum.right, sum.missed, sum.wrong);
    json_decref(rows);
    json_decref(truth);
}

/* One number of a film, or one of its true objects, over all frames. */
struct life {
    int64_t id;
    const char *name;
    double score, largest;
    int first, last, seen, right;
    struct {
        char what[FAULT_SIZE];
        int frames;
    } faults[8]; /* those that come first */
};

struct lives {
    struct life items[MOST];
    size_t count;
};

static struct life *life_of(struct lives *lives, int64_t id)
{
    for (size_t i = 0; i < lives->count; i++)
        if (lives->items[i].id == id)
            return &lives->items[i];
    if (lives->count == MOST)
        fail("objects", "more in a video than this program holds");
    lives->items[lives->count] = (struct life){.id = id};
    return &lives->items[lives->count++];
}

static void live(struct lives *lives, const struct thing *thing, int frame)
{
    struct life *const life = life_of(lives, thing->id);

    life->name = thing->name;
    life->score = thing->score;
    if (life->seen++ == 0)
        life->first = frame;
    life->last = frame;
    life->right += thing->answer >= 0;
    for (size_t i = 0; thing->fault[0] && i < sizeof(life->faults) / sizeof(life->faults[0]); i++) {
        if (life->faults[i].frames && strcmp(life->faults[i].what, thing->fault) != 0)
            continue;
        memcpy(life->faults[i].what, thing->fault, FAULT_SIZE);
        life->faults[i].frames++;
        break;
    }
}

static const char *noun_of(const json_t *truth, int64_t id)
{
    const json_t *object;
    size_t i;

    json_array_foreach(json_object_get(truth, "objects"), i,
                       object) if ((int64_t)number(object, "id") == id) return text(object, "noun");
    return "";
}

/* The most pixels that a frame shows of each object. */
static void measure(const json_t *truth, struct lives *lives)
{
    const json_t *frame, *object;
    size_t f, i;

    json_array_foreach(json_object_get(truth, "frames"), f, frame)
        json_array_foreach(json_object_get(frame, "objects"), i, object)
    {
        struct life *const life = life_of(lives, (int64_t)number(object, "id"));

        if (number(object, "area") > life->largest)
            life->largest = number(object, "area");
    }
}

static void print_lives(const struct job *job, const char *clip, const struct lives *tracks,
                        const struct lives *objects, struct tally *sum)
{
    for (size_t i = 0; i < tracks->count; i++) {
        const struct life *const life = &tracks->items[i];
        const bool right = 2 * life->right >= life->seen;

        printf("%-8s %-4lld %-12s %6.2f  %3d of %3d to %3d  %4d  %s", clip, (long long)life->id, life->name,
               life->score, life->seen, life->first, life->last, life->right, right ? "right" : "WRONG");
        for (size_t k = 0; k < sizeof(life->faults) / sizeof(life->faults[0]) && life->faults[k].frames; k++)
            printf(", %s (%d)", life->faults[k].what, life->faults[k].frames);
        printf("\n");
        sum->wrong += !right;
    }
    for (size_t i = 0; i < objects->count; i++) {
        const struct life *const life = &objects->items[i];

        if (!is_asked_for(job, life->name))
            continue;
        if (2 * life->right >= life->seen) {
            sum->right++;
            continue;
        }
        printf("%-8s %-4s %-12s %6s  %3d of %3d to %3d  %4d  MISSED\n", clip, "-", life->name, "-", life->seen,
               life->first, life->last, life->right);
        sum->missed++;
    }
}

/* The first and the last frame, the best one and the worst one. */
static void write_cells(const struct job *job, const char *clip, const struct tally *frames, size_t count)
{
    size_t best = 0, worst = 0;

    for (size_t i = 0; i < count; i++) {
        const int faults = frames[i].missed + frames[i].wrong;

        if (faults > frames[worst].missed + frames[worst].wrong)
            worst = i;
        if (frames[i].right - faults > frames[best].right - frames[best].missed - frames[best].wrong)
            best = i;
    }
    for (size_t i = 0; i < count; i++) {
        char picture[PATH_SIZE], title[TITLE_SIZE];

        if (i != 0 && i != count - 1 && i != best && i != worst)
            continue;
        snprintf(picture, sizeof(picture), "%s/videos/%s/overlay/merged/%06zu_merged_overlay.png", job->results, clip,
                 i + 1);
        snprintf(title, sizeof(title), "%s, frame %zu", clip, i + 1);
        write_cell(job, picture, title, frames[i]);
    }
}

static void report_clip(const struct job *job, const char *clip, struct tally *sum)
{
    static struct tally frames[MOST_FRAMES];
    struct lives *const tracks = calloc(1, sizeof(*tracks)), *const objects = calloc(1, sizeof(*objects));
    char path[PATH_SIZE];
    const json_t *row, *item;
    size_t r, i, count = 0;

    if (!tracks || !objects)
        fail(clip, "out of memory");
    snprintf(path, sizeof(path), "%s/%s.json", job->samples, clip);
    json_t *const truth = load(path);
    snprintf(path, sizeof(path), "%s/videos/%s/results.jsonl", job->results, clip);
    json_t *const rows = load_rows(path);

    measure(truth, objects);
    json_array_foreach(rows, r, row)
    {
        struct things there = {0}, found = {0};

        if (count == MOST_FRAMES)
            break;
        json_array_foreach(json_object_get(json_array_get(json_object_get(truth, "frames"), r), "objects"), i, item)
        {
            const int64_t id = (int64_t)number(item, "id");
            struct thing *const thing = number(item, "area") >= SHOWN * life_of(objects, id)->largest
                                            ? add(&there, item, noun_of(truth, id))
                                            : NULL;

            if (thing)
                thing->wanted = is_asked_for(job, thing->name);
        }
        json_array_foreach(json_object_get(row, "objects"), i, item) add(&found, item, text(item, "prompt"));
        frames[count++] = judge(&there, &found);
        for (i = 0; i < found.count; i++)
            live(tracks, &found.items[i], (int)r + 1);
        for (i = 0; i < there.count; i++)
            live(objects, &there.items[i], (int)r + 1);
    }
    print_lives(job, clip, tracks, objects, sum);
    write_cells(job, clip, frames, count);
    json_decref(rows);
    json_decref(truth);
    free(tracks);
    free(objects);
}

static int is_clip(const struct dirent *entry)
{
    return strncmp(entry->d_name, "clip_", 5) == 0;
}

int main(int argc, char **argv)
{
    char path[PATH_SIZE];
    struct dirent **clips;
    struct tally sum = {0};

    if (argc < 5) {
        fprintf(stderr, "usage: demo_report SAMPLES RESULTS CELLS WORD...\n");
        return 2;
    }
    const struct job job = {.samples = argv[1],
                            .results = argv[2],
                            .words = (const char *const *)argv + 4,
                            .word_count = (size_t)argc - 4,
                            .cells = fopen(argv[3], "w")};

    if (!job.cells)
        fail(argv[3], "cannot be written");
    report_pictures(&job);
    snprintf(path, sizeof(path), "%s/videos", job.results);
    const int count = scandir(path, &clips, is_clip, alphasort);

    printf("%-8s %-4s %-12s %6s  %-17s %5s  %s\n", "video", "id", "thing", "score", "seen on frames", "right",
           "compared with the truth (frames)");
    for (int i = 0; i < count; i++) {
        report_clip(&job, clips[i]->d_name, &sum);
        free(clips[i]);
    }
    if (count >= 0)
        free(clips);
    printf("Videos: %d objects found, %d missed, %d numbers wrong\n", sum.right, sum.missed, sum.wrong);
    return fclose(job.cells) ? 1 : 0;
}
