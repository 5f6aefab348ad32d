/* See foreign.h. */
#include "weights/foreign.h"

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "weights/config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Names of all tensors come before the tensors themselves, in PyTorch's files and in safetensors. */
enum { LOOK_BYTES = 1 << 20, LOOK_FILES = 64 };

/* A file that Meta or others publish, by its name without the ending. */
struct published {
    const char *stem;
    const char *what;
    const char *model; /* the hub's id of the same weights in a form that is read; NULL: none is computed here */
};

static const struct published published[] = {
    {"sam2.1_hiera_tiny", "SAM 2.1 tiny", "facebook/sam2.1-hiera-tiny"},
    {"sam2.1_hiera_small", "SAM 2.1 small", "facebook/sam2.1-hiera-small"},
    {"sam2.1_hiera_base_plus", "SAM 2.1 base-plus", "facebook/sam2.1-hiera-base-plus"},
    {"sam2.1_hiera_large", "SAM 2.1 large", "facebook/sam2.1-hiera-large"},
    {"sam2_hiera_tiny", "SAM 2 tiny", "facebook/sam2-hiera-tiny"},
    {"sam2_hiera_small", "SAM 2 small", "facebook/sam2-hiera-small"},
    {"sam2_hiera_base_plus", "SAM 2 base-plus", "facebook/sam2-hiera-base-plus"},
    {"sam2_hiera_large", "SAM 2 large", "facebook/sam2-hiera-large"},
    {"sam2.1_t", "SAM 2.1 tiny", "facebook/sam2.1-hiera-tiny"},
    {"sam2.1_s", "SAM 2.1 small", "facebook/sam2.1-hiera-small"},
    {"sam2.1_b", "SAM 2.1 base-plus", "facebook/sam2.1-hiera-base-plus"},
    {"sam2.1_l", "SAM 2.1 large", "facebook/sam2.1-hiera-large"},
    {"sam2_t", "SAM 2 tiny", "facebook/sam2-hiera-tiny"},
    {"sam2_s", "SAM 2 small", "facebook/sam2-hiera-small"},
    {"sam2_b", "SAM 2 base-plus", "facebook/sam2-hiera-base-plus"},
    {"sam2_l", "SAM 2 large", "facebook/sam2-hiera-large"},
    {"vitl", "V-JEPA 2 ViT-L", "facebook/vjepa2-vitl-fpc64-256"},
    {"vith", "V-JEPA 2 ViT-H", "facebook/vjepa2-vith-fpc64-256"},
    {"vitg", "V-JEPA 2 ViT-g", "facebook/vjepa2-vitg-fpc64-256"},
    {"vitg-384", "V-JEPA 2 ViT-g at 384 pixels", "facebook/vjepa2-vitg-fpc64-384"},
    {"sam_vit_b_01ec64", "SAM 1", NULL},
    {"sam_vit_l_0b3195", "SAM 1", NULL},
    {"sam_vit_h_4b8939", "SAM 1", NULL},
    {"sam3", "SAM 3", NULL},
    {"sam3.1", "SAM 3.1", NULL},
    {"vjepa2_1_vitb_dist_vitG_384", "V-JEPA 2.1", NULL},
    {"vjepa2_1_vitl_dist_vitG_384", "V-JEPA 2.1", NULL},
    {"vjepa2_1_vitg_384", "V-JEPA 2.1", NULL},
    {"vjepa2_1_vitG_384", "V-JEPA 2.1", NULL},
    {"vjepa2-ac-vitg", "V-JEPA 2-AC", NULL},
};

static const char *const endings[] = {".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".onnx", ".h5", ".msgpack"};

/* Length of `name` without an ending that weights have; all of it where it has none. */
static size_t stem_length(const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        const size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            return length - ending;
    }
    return length;
}

static bool has_ending(const char *name)
{
    return name[stem_length(name)] != '\0';
}

/* By a file's name, where "-fp16" and the like may follow the stem. */
static const struct published *find_by_name(const char *name)
{
    const size_t length = stem_length(name);
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        const size_t stem = strlen(published[i].stem);
        const char *rest = name + stem;
        if (length >= stem && strncmp(name, published[i].stem, stem) == 0 &&
            (length == stem || strncmp(rest, "-fp", 3) == 0 || strncmp(rest, "_fp", 3) == 0))
            return &published[i];
    }
    return NULL;
}

static const struct published *find_by_model(const char *model)
{
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++)
        if (published[i].model && strcmp(published[i].model, model) == 0)
            return &published[i];
    return NULL;
}

/* The beginning of a file. */
struct beginning {
    char *bytes; /* NULL: it cannot be read */
    size_t size;
};

static struct beginning look_into(const char *path)
{
    struct beginning out = {0};
    struct stat status;
    /* Nothing that could block. */
    FILE *file = stat(path, &status) == 0 && S_ISREG(status.st_mode) ? fopen(path, "rbe") : NULL;
    if (!file)
        return out;
    out.bytes = malloc(LOOK_BYTES);
    if (out.bytes)
        out.size = fread(out.bytes, 1, LOOK_BYTES, file);
    fclose(file);
    return out;
}

static bool holds(const struct beginning *in, const char *text)
{
    return in->bytes && memmem(in->bytes, in->size, text, strlen(text));
}

/* PyTorch's files are zip archives with a pickle in them, or, older ones, pickles. */
static bool is_pytorch(const struct beginning *in)
{
    if (!in->bytes || in->size < 4)
        return false;
    if (memcmp(in->bytes, "PK\3\4", 4) == 0)
        return holds(in, "data.pkl");
    return (unsigned char)in->bytes[0] == 0x80 && in->bytes[1] >= 2 && in->bytes[1] <= 5;
}

/* By the names of the tensors: SAM 2 as Meta's code names them; which size, says the number of its last block. */
static const struct published *find_by_content(const struct beginning *in)
{
    static const struct {
        const char *last_block, *new_model, *old_model;
    } sizes[] = {
        {"image_encoder.trunk.blocks.47.", "facebook/sam2.1-hiera-large", "facebook/sam2-hiera-large"},
        {"image_encoder.trunk.blocks.23.", "facebook/sam2.1-hiera-base-plus", "facebook/sam2-hiera-base-plus"},
        {"image_encoder.trunk.blocks.15.", "facebook/sam2.1-hiera-small", "facebook/sam2-hiera-small"},
        {"image_encoder.trunk.blocks.11.", "facebook/sam2.1-hiera-tiny", "facebook/sam2-hiera-tiny"},
    };
    if (!holds(in, "sam_mask_decoder."))
        return NULL;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (holds(in, sizes[i].last_block))
            return find_by_model(holds(in, "no_obj_embed_spatial") ? sizes[i].new_model : sizes[i].old_model);
    return NULL;
}

static int report_published(const char *what, const struct published *known)
{
    if (!known->model)
        return error_set(SOWLV2_ERROR_MODEL, "%s: is %s, which sowlv2 cannot run", what, known->what);
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: is %s as Meta's code saves it, but sowlv2 reads models as transformers saves them: give %s, "
                     "which has the published weights, or convert weights that you trained with the conversion script "
                     "in the sources of transformers",
                     what, known->what, known->model);
}

/* Weights that lack what belongs to them, or that have it beside them. */
static int report_safetensors(const char *path)
{
    char *folder = path_base(path) > path ? strndup(path, (size_t)(path_base(path) - path)) : strdup(".");
    char *config = folder ? path_join(folder, "config.json") : NULL;
    int status;
    if (!config)
        status = error_memory(path);
    else if (file_exists(config))
        status = error_set(SOWLV2_ERROR_MODEL, "%s: is a file: give the folder it is in, %s", path, folder);
    else
        status = error_set(SOWLV2_ERROR_MODEL,
                           "%s: is only weights: give a folder that also holds config.json and the files of the "
                           "model's processor",
                           path);
    free(config);
    free(folder);
    return status;
}

int foreign_report_file(const char *path)
{
    const char *name = path_base(path);
    struct beginning beginning = look_into(path);
    const struct published *known = find_by_content(&beginning);
    const bool pytorch = is_pytorch(&beginning);
    free(beginning.bytes);
    if (!known && (pytorch || has_ending(name)))
        known = find_by_name(name);
    if (known)
        return report_published(path, known);
    if (pytorch)
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: is a file of PyTorch, and reading such a file can run programs in it, which sowlv2 does "
                         "not: give the folder of a model saved with save_pretrained of transformers",
                         path);
    if (strcmp(name + stem_length(name), ".safetensors") == 0)
        return report_safetensors(path);
    return error_set(SOWLV2_ERROR_MODEL, "%s: is a file: give the folder of a model", path);
}

/* The first file of weights in the folder that is known; `*name` is its name, freed by the caller. */
static const struct published *find_in_folder(const char *folder, char **name)
{
    const struct published *known = NULL;
    DIR *directory = opendir(folder);
    *name = NULL;
    if (!directory)
        return NULL;
    int looked = 0;
    for (const struct dirent *entry; !known && looked < LOOK_FILES && (entry = readdir(directory));) {
        if (!has_ending(entry->d_name))
            continue;
        looked++;
        char *path = path_join(folder, entry->d_name);
        struct beginning beginning = path ? look_into(path) : (struct beginning){0};
        known = find_by_content(&beginning);
        if (!known)
            known = find_by_name(entry->d_name);
        if (known)
            *name = strdup(entry->d_name);
        free(beginning.bytes);
        free(path);
    }
    closedir(directory);
    return *name ? known : NULL;
}

int foreign_find_adapter(const char *folder, bool *there)
{
    char *path = path_join(folder, "adapter_config.json");
    *there = path && file_exists(path);
    const int status = path ? 0 : error_memory(folder);
    free(path);
    return status;
}

static int report_adapter(const char *folder)
{
    struct config *file = NULL;
    const char *base = NULL, *type = NULL;
    if (config_open(folder, "adapter_config.json", &file) == 0) {
        config_string(file, config_root(file), "base_model_name_or_path", NULL, &base);
        config_string(file, config_root(file), "peft_type", NULL, &type);
    }
    const int status =
        error_set(SOWLV2_ERROR_MODEL,
                  "%s: is an adapter%s%s%s, trained for %s, not a whole model: merge the two with peft "
                  "(merge_and_unload(), then save_pretrained()) and give the resulting folder",
                  folder, type ? " (" : "", type ? type : "", type ? ")" : "", base ? base : "another model");
    config_close(&file);
    return status;
}

bool foreign_is_known_folder(const char *folder)
{
    char *name = NULL;
    bool adapter;
    const bool known = foreign_find_adapter(folder, &adapter) == 0 && (adapter || find_in_folder(folder, &name));
    free(name);
    return known;
}

int foreign_report_folder(const char *folder)
{
    char *name;
    bool adapter;
    int status = foreign_find_adapter(folder, &adapter);
    if (status || adapter)
        return status ? status : report_adapter(folder);
    const struct published *known = find_in_folder(folder, &name);
    char *path = known ? path_join(folder, name) : NULL;
    if (path)
        status = report_published(path, known);
    else
        status = error_set(SOWLV2_ERROR_MODEL, "%s: holds no config.json: give the folder of a complete model", folder);
    free(path);
    free(name);
    return status;
}

bool foreign_is_file_name(const char *name)
{
    const char *base = path_base(name);
    return has_ending(base) || (base == name && find_by_name(base));
}

int foreign_report_name(const char *name)
{
    const struct published *known = find_by_name(path_base(name));
    if (file_exists(name) && !file_is_directory(name)) /* where an id alone will do */
        return foreign_report_file(name);
    if (!known)
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: no such file, and files of weights are not read by themselves: give the folder of a "
                         "model, or an id of the hub such as google/owlv2-base-patch16-ensemble",
                         name);
    if (!known->model)
        return report_published(name, known);
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: is what Meta calls %s: on the hub, in the form that sowlv2 reads, it is %s", name,
                     known->what, known->model);
}
