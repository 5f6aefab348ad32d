/* Why a checkpoint's tensors have other names or shapes than the model wants: how they were saved. */
#include "weights/checkpoint_entries.h"

#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 3 };

/* What saves all names with something before them. */
static const struct {
    const char *prefix, *who, *instead;
} wrappers[] = {
    {"module.", "torch's DataParallel saves them", "save the model inside it (model.module.save_pretrained())"},
    {"_orig_mod.", "torch.compile saves them", "save the model inside it (model._orig_mod.save_pretrained())"},
    {"base_model.model.", "peft saves them", "save what merge_and_unload() gives"},
};

/* Where `name` is an entry with something before it: that something; NULL: it is none. */
static const char *find_prefix(const struct checkpoint *checkpoint, const char *name, size_t *length)
{
    const size_t size = strlen(name);
    for (size_t i = 0; i < checkpoint->count; i++) {
        const char *entry = checkpoint->entries[i].name;
        const size_t whole = strlen(entry);
        if (whole > size + 1 && entry[whole - size - 1] == '.' && strcmp(entry + whole - size, name) == 0) {
            *length = whole - size;
            return entry;
        }
    }
    return NULL;
}

static bool explain_prefix(const struct checkpoint *checkpoint, const char *name, struct string *out)
{
    size_t length;
    const char *prefix = find_prefix(checkpoint, name, &length);
    if (!prefix)
        return false;
    for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
        /* More may follow it: the name of the model within a model that has heads. */
        if (strncmp(prefix, wrappers[i].prefix, strlen(wrappers[i].prefix)) != 0)
            continue;
        string_append_format(out, "the names begin with \"%s\", as %s: %s", wrappers[i].prefix, wrappers[i].who,
                             wrappers[i].instead);
        return true;
    }
    string_append_format(out,
                         "the names begin with \"%.*s\", the name that a program gave the model inside it: save that "
                         "model alone, with save_pretrained()",
                         (int)(length < 100 ? length : 100), prefix);
    return true;
}

/* Entries are named as the model's own part is, saved without what is around it. */
static bool explain_part(const struct checkpoint *checkpoint, const char *name, struct string *out)
{
    for (const char *dot = strchr(name, '.'); dot && strchr(dot + 1, '.'); dot = strchr(dot + 1, '.')) {
        if (checkpoint_index(checkpoint, dot + 1) < 0)
            continue;
        string_append_format(out,
                             "the names lack \"%.*s\", as where only that part of the model was saved, without its "
                             "heads: save the whole model",
                             (int)(dot + 1 - name), name);
        return true;
    }
    return false;
}

static bool any_entry_has(const struct checkpoint *checkpoint, const char *part)
{
    for (size_t i = 0; i < checkpoint->count; i++)
        if (strstr(checkpoint->entries[i].name, part))
            return true;
    return false;
}

/* Names that tell by themselves where they come from. */
static bool explain_origin(const struct checkpoint *checkpoint, struct string *out)
{
    static const struct {
        const char *part, *text;
    } origins[] = {
        {".lora_A.", "adapter layers (LoRA) are among them: save what merge_and_unload() of peft gives"},
        {".base_layer.", "adapter layers (LoRA) are among them: save what merge_and_unload() of peft gives"},
        {".qweight", "the weights are quantized (GPTQ or AWQ): give the model that it was made from"},
        {".absmax", "the weights are quantized (bitsandbytes): give the model that it was made from"},
        {".weight_scale", "the weights are quantized: give the model that it was made from"},
        {"sam_mask_decoder.", "the names are those of Meta's code: give a model as transformers saves it, such as "
                              "facebook/sam2.1-hiera-small"},
        {"image_encoder.trunk.", "the names are those of Meta's code: give a model as transformers saves it, such as "
                                 "facebook/sam2.1-hiera-small"},
    };
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        if (!any_entry_has(checkpoint, origins[i].part))
            continue;
        string_append_text(out, origins[i].text);
        return true;
    }
    return false;
}

/* The first names that have no place in the model, where they are about as many as what is missing. */
static bool explain_others(const struct checkpoint *checkpoint, const bool *used, size_t missing_count,
                           struct string *out)
{
    size_t others = 0, shown = 0;
    for (size_t i = 0; i < checkpoint->count; i++)
        others += !used[i];
    if (others == 0 || others < missing_count / 2)
        return false;
    string_append_text(out, "in their place there are");
    for (size_t i = 0; i < checkpoint->count && shown < EXAMPLES; i++)
        if (!used[i])
            string_append_format(out, "%s \"%.200s\"", shown++ ? "," : "", checkpoint->entries[i].name);
    string_append_format(out,
                         "%s, as another program or an unfinished release named them: save the model with a "
                         "current transformers",
                         others > shown ? ", ..." : "");
    return true;
}

void checkpoint_explain_names(const struct checkpoint *checkpoint, const char *missing, size_t missing_count,
                              const bool *used, struct string *out)
{
    if (missing && (explain_prefix(checkpoint, missing, out) || explain_part(checkpoint, missing, out)))
        return;
    if (explain_origin(checkpoint, out) || (missing && explain_others(checkpoint, used, missing_count, out)))
        return;
    string_append_text(out, "use the files of one model");
}
