/* Choosing frames by their scores. */
#include "analysis/importance.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    float score;
    int64_t frame;
};

/* The better one first, of equal ones the earlier. */
static int compare(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

enum mark { FREE, NEAR, CHOSEN }; /* NEAR: too near to a chosen frame */

struct selection {
    int64_t count; /* frames there are */
    int64_t left;  /* frames still wanted */
    int64_t spacing;
    unsigned char *marks; /* [count] */
};

static void mark_near(struct selection *selection, int64_t frame)
{
    const int64_t reach = selection->spacing - 1;
    const int64_t first = frame > reach ? frame - reach : 0;
    const int64_t last = selection->count - 1 - frame > reach ? frame + reach : selection->count - 1;
    for (int64_t i = first; i <= last; i++)
        selection->marks[i] = selection->marks[i] == CHOSEN ? CHOSEN : NEAR;
}

static void choose(struct selection *selection, int64_t frame)
{
    selection->marks[frame] = CHOSEN;
    selection->left--;
    mark_near(selection, frame);
}

/* Half the spacing, from the frames chosen so far. */
static void relax(struct selection *selection)
{
    selection->spacing /= 2;
    for (int64_t i = 0; i < selection->count; i++)
        selection->marks[i] = selection->marks[i] == CHOSEN ? CHOSEN : FREE;
    for (int64_t i = 0; i < selection->count; i++)
        if (selection->marks[i] == CHOSEN)
            mark_near(selection, i);
}

static float score_of(const float *scores, int64_t frame)
{
    return isnan(scores[frame]) ? -INFINITY : scores[frame];
}

/* The best frame of each scene, the best scenes first. `best` has room for as many as there are frames. */
static void choose_scenes(struct selection *selection, const float *scores, const struct importance_choice *choice,
                          struct candidate *best)
{
    int64_t scenes = 0, end = selection->count;
    for (int64_t s = choice->scene_count - 1; s >= 0; s--) {
        const int64_t first = choice->scenes[s] > 0 ? choice->scenes[s] : 0;
        if (first >= end)
            continue; /* an empty scene */
        struct candidate candidate = {score_of(scores, first), first};
        for (int64_t i = first + 1; i < end; i++)
            if (score_of(scores, i) > candidate.score)
                candidate = (struct candidate){scores[i], i};
        best[scenes++] = candidate;
        end = first;
    }
    qsort(best, (size_t)scenes, sizeof(*best), compare);
    for (int64_t s = 0; s < scenes && selection->left > 0; s++)
        choose(selection, best[s].frame);
}

static void choose_best(struct selection *selection, const struct candidate *order)
{
    while (selection->left > 0) {
        for (int64_t i = 0; i < selection->count && selection->left > 0; i++)
            if (selection->marks[order[i].frame] == FREE)
                choose(selection, order[i].frame);
        relax(selection);
    }
}

int importance_select(const float *scores, int64_t count, const struct importance_choice *choice, int64_t *chosen,
                      int64_t *chosen_count)
{
    *chosen_count = 0;
    if (count < 1 || choice->wanted < 1)
        return 0;
    const int64_t spacing = choice->spacing < 1 ? 1 : choice->spacing;
    struct selection selection = {.count = count,
                                  .left = choice->wanted < count ? choice->wanted : count,
                                  .spacing = spacing < count ? spacing : count};
    struct candidate *order =
        (uint64_t)count > SIZE_MAX / sizeof(*order) ? NULL : malloc((size_t)count * sizeof(*order));
    selection.marks = calloc((size_t)count, 1);
    if (!order || !selection.marks) {
        free(order);
        free(selection.marks);
        return error_memory("the choice of frames");
    }
    if (choice->scenes)
        choose_scenes(&selection, scores, choice, order);
    for (int64_t i = 0; i < count; i++)
        order[i] = (struct candidate){score_of(scores, i), i};
    qsort(order, (size_t)count, sizeof(*order), compare);
    choose_best(&selection, order);
    for (int64_t i = 0; i < count; i++)
        if (selection.marks[i] == CHOSEN)
            chosen[(*chosen_count)++] = i;
    free(order);
    free(selection.marks);
    return 0;
}

int64_t importance_uniform(int64_t count, int64_t wanted, int64_t *chosen)
{
    const int64_t total = wanted < count ? wanted : count;
    for (int64_t i = 0; i < total; i++)
        chosen[i] = (int64_t)(((double)i + 0.5) * (double)count / (double)total);
    return total > 0 ? total : 0;
}
