/* Where the results of each video go, and which are there already. */
#ifndef RUN_PLACES_H
#define RUN_PLACES_H

#include "output/claim.h"
#include "pipeline/inputs.h"

struct run_place {
    char *folder; /* in the output folder; NULL: the output folder itself */
    bool done;    /* by an earlier run, with all it left */
};

/* One place a video; `*out` is given to run_places_free() in any case. A video alone has the output folder for itself,
 * one of several a folder in it. With resume a video that an earlier run began has the place that it had then, and no
 * other takes that. `sound`: one whose films lack theirs is not done. Errors: ARGUMENT (resume of one that was tracked
 * with other options), IO, FORMAT, MEMORY. */
int run_places_find(const struct inputs *inputs, const struct output_claim *claim, const struct string_list *job,
                    bool sound, struct run_place **out);
void run_places_free(struct run_place *places, size_t count);

#endif
