/* What a model is by the model_type of its config.json, and whether it is the right one for a job. */
#ifndef WEIGHTS_MODEL_KIND_H
#define WEIGHTS_MODEL_KIND_H

#include "weights/config.h"

/* The kind ("owlv2", "sam2", "vjepa2") that reads models of this type; NULL: none does. */
const char *model_kind_of_type(const char *model_type);

/* What users do with models of a kind: "detection", "segmentation", "key frames". */
const char *model_kind_task(const char *kind);

/* Error MODEL unless a model of `model_type` does what `kind` does ("tokenizer": "owlv2"; NULL: any of them). `what`
 * names the config.json or the hub id. The message says what the model is, what the job needs and what the model
 * would be good for. */
int model_kind_check(const char *what, const char *model_type, const char *kind);

/* The same for an open config.json, whose other fields may also say that it is no such model: V-JEPA 2.1 under another
 * name, weights (where the job needs them) that are quantized. Errors: MODEL, FORMAT (a field of another type), MEMORY.
 */
int model_kind_check_config(const struct config *file, const char *what, const char *kind);

/* The kind that a folder's config.json says; NULL: none that can be used. */
const char *model_kind_of_folder(const char *folder);

#endif
