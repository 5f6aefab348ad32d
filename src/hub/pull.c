/* See pull.h. */
#include "hub/pull.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "hub/blob.h"
#include "hub/limits.h"
#include "hub/store.h"
#include "weights/checkpoint_files.h"
#include "weights/hub_snapshot.h"
#include "weights/model_kind.h"

#include <stdlib.h>
#include <string.h>

static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

struct pull {
    struct hub_session *session;
    const char *kind;
    char *commit, *folder;
    struct hub_file *files; /* [count] */
    size_t count, capacity;
    size_t side_count; /* how many come before the weights */
};

static void free_pull(struct pull *pull)
{
    for (size_t i = 0; i < pull->count; i++)
        hub_file_free(&pull->files[i]);
    free(pull->files);
    free(pull->commit);
    free(pull->folder);
}

/* Asks about a file at the commit and notes it; `*there` may be NULL. */
static int add_file(struct pull *pull, const char *name, bool *there)
{
    bool found = false;
    if (there)
        *there = false;
    if (pull->count == pull->capacity) {
        const size_t capacity = pull->capacity ? 2 * pull->capacity : 16;
        struct hub_file *larger = realloc(pull->files, capacity * sizeof(*larger));
        if (!larger)
            return error_memory("model files");
        pull->files = larger;
        pull->capacity = capacity;
    }
    int status = hub_file_describe(pull->session, pull->commit, name, &found, &pull->files[pull->count]);
    if (!status && found)
        status = hub_check_size(pull->session, name, pull->files[pull->count].size);
    if (status && found)
        hub_file_free(&pull->files[pull->count]);
    if (status || !found)
        return status;
    /* One commit all along, whatever the address leads to. */
    memcpy(pull->files[pull->count].commit, pull->commit, strlen(pull->commit) + 1);
    pull->count++;
    if (there)
        *there = true;
    return 0;
}

/* A repository without config.json: no model, but perhaps an adapter of one. */
static int report_no_config(struct hub_session *session)
{
    static const struct http_answer missing = {.code = 404};
    struct hub_file adapter;
    bool there;
    const int status = hub_file_describe(session, session->request->revision, "adapter_config.json", &there, &adapter);
    hub_file_free(&adapter);
    if (status)
        return status;
    if (!there)
        return hub_session_refused(session, "config.json", &missing);
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: is an adapter, not a whole model: merge it into the model that it was trained for with peft "
                     "(merge_and_unload(), then save_pretrained()) and give the resulting folder",
                     session->request->id);
}

/* The commit that the revision means, with config.json fetched. */
static int begin(struct pull *pull)
{
    struct hub_session *session = pull->session;
    struct hub_file config;
    bool there;
    int status = hub_file_describe(session, session->request->revision, "config.json", &there, &config);
    if (!status && !there)
        status = report_no_config(session);
    if (!status)
        status = hub_check_size(session, "config.json", config.size);
    if (status) {
        hub_file_free(&config);
        return status;
    }
    pull->commit = strdup(config.commit);
    pull->folder = hub_store_snapshot(session->request, config.commit);
    status = pull->commit && pull->folder ? hub_blob_fetch(session, &config) : error_memory("model files");
    hub_file_free(&config);
    return status;
}

/* Reads config.json: of what kind the model is, and whether that is wanted. */
static int check_kind(struct pull *pull)
{
    struct config *config = NULL;
    const char *type = "";
    int status = config_open(pull->folder, "config.json", &config);
    if (!status)
        status = model_kind_check_config(config, pull->session->request->id, pull->kind);
    if (!status)
        status = config_string(config, config_root(config), "model_type", "", &type);
    if (!status && !pull->kind)
        pull->kind = model_kind_of_type(type);
    config_close(&config);
    return status;
}

/* tokenizer.json holds what vocab.json and merges.txt do. */
static bool is_spare(const char *name, bool has_tokenizer)
{
    return has_tokenizer && (strcmp(name, "vocab.json") == 0 || strcmp(name, "merges.txt") == 0);
}

static int add_side_files(struct pull *pull)
{
    const char *const *names = hub_side_files(pull->kind);
    bool there, has_tokenizer = false;
    int status = 0;
    for (size_t i = 0; !status && names[i]; i++) {
        if (is_spare(names[i], has_tokenizer))
            continue;
        status = add_file(pull, names[i], &there);
        has_tokenizer |= there && strcmp(names[i], "tokenizer.json") == 0;
    }
    pull->side_count = pull->count;
    return status;
}

/* A model without safetensors: says what it has instead. */
static int report_no_weights(struct pull *pull)
{
    static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json", "flax_model.msgpack",
                                         "tf_model.h5", "model.onnx"};
    struct string list = {0};
    int status = 0;
    for (size_t i = 0; !status && i < sizeof(others) / sizeof(others[0]); i++) {
        struct hub_file file;
        bool there;
        status = hub_file_describe(pull->session, pull->commit, others[i], &there, &file);
        if (!status && there)
            string_append_format(&list, "%s%s", list.length > 0 ? ", " : "", others[i]);
        hub_file_free(&file);
    }
    if (!status)
        status = error_set(SOWLV2_ERROR_MODEL,
                           "%s: has no %s%s%s: take a revision or a copy of it with safetensors, or make one with "
                           "save_pretrained of transformers",
                           pull->session->request->id, single_name, list.length > 0 ? ", only " : "",
                           list.length > 0 ? list.data : "");
    string_free(&list);
    return status;
}

/* The index at once, since it names the shards. */
static int add_shards(struct pull *pull)
{
    struct string_list names = {0};
    json_t *map = NULL;
    int status = hub_blob_fetch(pull->session, &pull->files[pull->count - 1]);
    pull->files[pull->count - 1].cached = true;
    if (!status)
        status = checkpoint_files(pull->folder, &names, &map);
    for (size_t i = 0; !status && i < names.count; i++) {
        bool there;
        status = add_file(pull, names.items[i], &there);
        if (!status && !there)
            status = error_set(SOWLV2_ERROR_MODEL, "%s: lacks %s, which its %s names: take another revision",
                               pull->session->request->id, names.items[i], index_name);
    }
    json_decref(map);
    string_list_free(&names);
    return status;
}

static int add_weights(struct pull *pull)
{
    bool there;
    int status = add_file(pull, single_name, &there);
    if (status || there)
        return status;
    status = add_file(pull, index_name, &there);
    if (status)
        return status;
    return there ? add_shards(pull) : report_no_weights(pull);
}

/* Sums up what is to come, and refuses it where the disk has no room for it. */
static int measure(struct pull *pull)
{
    const struct hub_request *request = pull->session->request;
    int64_t total = 0, partial = 0;
    for (size_t i = 0; i < pull->count; i++) {
        const struct hub_file *file = &pull->files[i];
        if (file->cached || file->size < 0)
            continue;
        if (file->size > INT64_MAX / 2 - total)
            return error_set(SOWLV2_ERROR_IO, "%s: %s: the size that the hub gives is not possible: check HF_ENDPOINT",
                             request->id, file->name);
        total += file->size;
        partial += hub_blob_partial(pull->session, file);
    }
    const long long room = pull->session->settings->free_space(request->repository);
    if (room >= 0 && room < total - partial)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: needs %.1f MB on the disk of %s, which has %.1f MB left: make room, or give a folder on "
                         "another disk with --cache-dir or HF_HUB_CACHE",
                         request->id, (double)(total - partial) / 1e6, request->cache, (double)room / 1e6);
    pull->session->state.done = pull->session->state.resumed = 0;
    pull->session->state.total = total;
    return 0;
}

/* What is asked of a snapshot before it is used, of what the hub gave. */
static int check_complete(const struct pull *pull, bool weights)
{
    char *missing;
    int status = hub_snapshot_find_missing(pull->folder, pull->kind, weights, &missing);
    if (!status && missing)
        status = error_set(SOWLV2_ERROR_MODEL,
                           "%s: lacks %s, without which it cannot be used: take another revision or another copy of "
                           "the model, or ask its author for that file",
                           pull->session->request->id, missing);
    free(missing);
    return status;
}

static int fetch_all(struct pull *pull)
{
    int status = 0;
    for (size_t i = 0; !status && i <= pull->count; i++) {
        if (i == pull->side_count) /* before the weights, which are large */
            status = check_complete(pull, false);
        if (!status && i < pull->count)
            status = hub_blob_fetch(pull->session, &pull->files[i]);
    }
    return status ? status : check_complete(pull, true);
}

int hub_pull(struct hub_session *session, const char *kind, char **folder, int64_t *fetched)
{
    struct pull pull = {.session = session, .kind = kind};
    *folder = NULL;
    int status = hub_store_prepare(session->request);
    if (!status)
        status = begin(&pull);
    if (!status)
        status = check_kind(&pull);
    if (!status)
        status = add_side_files(&pull);
    if (!status && hub_needs_weights(pull.kind))
        status = add_weights(&pull);
    if (!status)
        status = measure(&pull);
    if (!status)
        status = fetch_all(&pull);
    if (!status)
        status = hub_store_ref(session->request, pull.commit);
    if (fetched)
        *fetched = session->state.done - session->state.resumed;
    if (!status) {
        *folder = pull.folder;
        pull.folder = NULL;
    }
    free_pull(&pull);
    return status;
}
