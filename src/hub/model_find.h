/* From what users call a model to a folder that holds it, downloaded where that is needed and allowed. */
#ifndef HUB_MODEL_FIND_H
#define HUB_MODEL_FIND_H

#include "sowlv2.h"

struct model_source {
    const char *model, *revision, *cache_dir; /* as hub_locate takes them */
    const char *kind;                  /* "owlv2", "sam2", "vjepa2", "tokenizer": what such a model does is wanted */
    bool offline;                      /* HF_HUB_OFFLINE says the same */
    sowlv2_download_callback download; /* NULL: none */
    void *download_user_data;
};

/* The folder of a model, freed by the caller: a local folder, a demo model, or a snapshot in the cache. A model that
 * is complete there is not asked for again; else the hub is asked, unless offline. Errors: those of hub_locate and
 * hub_pull. */
int model_find(const struct model_source *source, char **folder);

struct model_pulled {
    char *folder;  /* the caller's to free */
    int64_t bytes; /* what came; 0: everything was there */
};

/* Brings the cached model up to date: always asks the hub. `kind` may be NULL: any that can be used. Where the hub
 * cannot be reached and the model is complete in the cache, a warning says so and that is it. */
int model_pull(const struct model_source *source, struct model_pulled *out);

#endif
