/* Where the results of each video go, and which are there already. */
#include "run/places.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"
#include "output/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A folder in which an earlier run has left a video. */
struct found {
    char *folder; /* below the output folder; NULL: the output folder itself */
    struct output_video video;
    bool used; /* one of the inputs is that video */
};

struct search {
    const struct inputs *inputs;
    const struct output_claim *claim;
    const struct string_list *job;
    bool sound;               /* films are to have it */
    struct run_place *places; /* [inputs->video_paths.count] */
    struct found *found;      /* [count], the output folder's own first */
    size_t count, capacity;
    struct string_list taken; /* folders that no other video gets */
};

static int look_into(struct search *search, const char *below)
{
    const char *output = output_claim_folder(search->claim);
    char *folder = below ? path_join(output, below) : strdup(output);
    struct found found = {.folder = below ? strdup(below) : NULL};
    int status = folder && (found.folder || !below) ? 0 : error_memory(output);

    if (!status && below)
        status = output_recover(folder);
    if (!status)
        status = output_video_read(folder, &found.video);

    if (!status && below && listing_is_output(folder))
        status = string_list_append(&search->taken, below);
    free(folder);
    if (!status && search->count == search->capacity) {
        const size_t capacity = search->capacity > 0 ? 2 * search->capacity : 16;
        struct found *grown = realloc(search->found, capacity * sizeof(*grown));

        if (grown) {
            search->found = grown;
            search->capacity = capacity;
        } else {
            status = error_memory("videos");
        }
    }
    if (!status && found.video.name) {
        search->found[search->count++] = found;
        return 0;
    }
    free(found.folder);
    output_video_free(&found.video);
    return status;
}

/* What earlier runs have left in the output folder and right below it. */
static int look_around(struct search *search)
{
    const char *output = output_claim_folder(search->claim);
    int status = look_into(search, NULL);
    DIR *stream = status ? NULL : opendir(output);
    const struct dirent *entry;

    if (!status && !stream)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot be listed: %s", output, strerror(errno));
    while (!status && (entry = readdir(stream)))
        if (entry->d_name[0] != '.' && (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN))
            status = look_into(search, entry->d_name);
    if (stream)
        closedir(stream);
    return status;
}

static int match_earlier(struct search *search, size_t index, struct found **found, enum output_match *match)
{
    struct output_identity identity;
    const int status = output_identity_of(search->inputs->video_paths.items[index], &identity);

    *match = OUTPUT_OTHER;
    for (size_t i = 0; !status && *match == OUTPUT_OTHER && i < search->count; i++) {
        *found = &search->found[i];
        if (!(*found)->used)
            *match = output_identity_compare(&(*found)->video.identity, (*found)->video.name, &identity,
                                             search->inputs->video_names.items[index]);
    }
    output_identity_free(&identity);
    return status;
}

/* One that an earlier run has begun in `folder`. */
static int go_on(const struct search *search, struct run_place *place, const char *name, const char *folder,
                 const struct output_video *video)
{
    int status = output_job_check(folder, &video->job, search->job);

    if (!status)
        status = output_video_is_whole(folder, video, &place->done);
    if (status)
        return status;
    if (place->done && video->lacks_sound && search->sound) {
        place->done = false;
        log_notice("%s: the earlier run wrote its films without sound, because of --isolate: starting it again; its "
                   "results stay until the new ones are there",
                   name);
    } else if (!place->done) {
        log_notice("%s: the earlier run did not finish it, or part of it is gone: starting it again; its results stay "
                   "until the new ones are there",
                   name);
    }
    return 0;
}

static int find_earlier(struct search *search, size_t index, bool *has_place)
{
    const char *name = search->inputs->video_names.items[index];
    struct run_place *place = &search->places[index];
    struct found *found = NULL;
    enum output_match match;
    char *folder;
    int status = match_earlier(search, index, &found, &match);

    if (status || match == OUTPUT_OTHER)
        return status;
    *has_place = found->used = true;
    if (match == OUTPUT_CHANGED)
        log_notice(found->video.identity.path
                       ? "%s: it has changed since it was done: starting it again"
                       : "%s: it is not known whether it is what was done before: starting it again",
                   name);
    place->folder = found->folder ? strdup(found->folder) : NULL;
    folder = found->folder ? path_join(output_claim_folder(search->claim), found->folder)
                           : strdup(output_claim_folder(search->claim));
    if (!folder || (found->folder && !place->folder))
        status = error_memory("videos");
    else if (match == OUTPUT_SAME)
        status = go_on(search, place, name, folder, &found->video);
    free(folder);
    return status;
}

/* Gives the videos that have no place yet a folder. */
static int name_folders(struct search *search, const bool *has_place)
{
    const struct string_list *names = &search->inputs->video_names;
    struct string_list wanted = {0}, folders = {0};
    size_t next = 0;
    int status = 0;

    for (size_t i = 0; !status && i < names->count; i++)
        if (!has_place[i])
            status = string_list_append(&wanted, names->items[i]);
    if (!status)
        status = names_folders((const char *const *)wanted.items, wanted.count, &search->taken, &folders);
    for (size_t i = 0; !status && i < names->count; i++) {
        if (has_place[i])
            continue;
        search->places[i].folder = strdup(folders.items[next++]);
        if (!search->places[i].folder)
            status = error_memory("videos");
    }
    string_list_free(&wanted);
    string_list_free(&folders);
    return status;
}

static int find_places(struct search *search, bool *has_place)
{
    const struct inputs *inputs = search->inputs;
    const bool alone = inputs->video_paths.count == 1 && inputs->paths.count == 0;
    const bool resume = output_claim_resumes(search->claim);
    int status = resume ? look_around(search) : 0;

    for (size_t i = 0; !status && resume && i < inputs->video_paths.count; i++)
        status = find_earlier(search, i, &has_place[i]);
    if (!status && alone && !has_place[0] && !(resume && output_claim_has_results(search->claim)))
        has_place[0] = true;
    return status ? status : name_folders(search, has_place);
}

int run_places_find(const struct inputs *inputs, const struct output_claim *claim, const struct string_list *job,
                    bool sound, struct run_place **out)
{
    struct search search = {.inputs = inputs, .claim = claim, .job = job, .sound = sound};
    bool *has_place = calloc(inputs->video_paths.count + 1, sizeof(*has_place));
    int status;

    search.places = *out = calloc(inputs->video_paths.count + 1, sizeof(**out));
    status = has_place && *out ? find_places(&search, has_place) : error_memory("videos");
    for (size_t i = 0; i < search.count; i++) {
        free(search.found[i].folder);
        output_video_free(&search.found[i].video);
    }
    free(search.found);
    string_list_free(&search.taken);
    free(has_place);
    return status;
}

void run_places_free(struct run_place *places, size_t count)
{
    for (size_t i = 0; places && i < count; i++)
        free(places[i].folder);
    free(places);
}
