/* Finding and reading the files of a tokenizer. */
#include "text/tokenizer_files.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/json.h"

#include <stdlib.h>

enum { FILE_LIMIT = 64 << 20 };

static int read_json(const char *folder, const char *name, struct tokenizer_json *out)
{
    out->path = path_join(folder, name);
    if (!out->path)
        return error_memory(name);
    if (!file_exists(out->path))
        return 0;
    char *text;
    size_t size;
    int status = file_read(out->path, FILE_LIMIT, &text, &size);
    if (status)
        return status;
    status = json_parse_object(out->path, text, size, &out->root);
    free(text);
    return status;
}

/* tokenizer.json comes first, as in the reference: its vocabulary wins where a folder has both. */
static int read_vocabulary(const char *folder, struct tokenizer_files *out)
{
    int status = read_json(folder, "tokenizer.json", &out->tokenizer);
    if (status || out->tokenizer.root)
        return status;
    status = read_json(folder, "vocab.json", &out->vocabulary);
    if (status)
        return status;
    out->merges_path = path_join(folder, "merges.txt");
    if (!out->merges_path)
        return error_memory("merges.txt");
    bool merges = file_exists(out->merges_path);
    if (!out->vocabulary.root || !merges)
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: no %s: a model folder needs tokenizer.json, or vocab.json and merges.txt", folder,
                         out->vocabulary.root ? "merges.txt"
                         : merges             ? "vocab.json"
                                              : "tokenizer files");
    return file_read(out->merges_path, FILE_LIMIT, &out->merges, &out->merges_size);
}

int tokenizer_files_open(const char *folder, struct tokenizer_files *out)
{
    *out = (struct tokenizer_files){0};
    int status = read_vocabulary(folder, out);
    if (!status)
        status = read_json(folder, "tokenizer_config.json", &out->config);
    if (!status)
        status = read_json(folder, "special_tokens_map.json", &out->special_map);
    if (!status)
        status = read_json(folder, "added_tokens.json", &out->added);
    if (status)
        tokenizer_files_close(out);
    return status;
}

static void close_json(struct tokenizer_json *file)
{
    free(file->path);
    json_decref(file->root);
}

void tokenizer_files_close(struct tokenizer_files *files)
{
    close_json(&files->tokenizer);
    close_json(&files->vocabulary);
    close_json(&files->config);
    close_json(&files->special_map);
    close_json(&files->added);
    free(files->merges_path);
    free(files->merges);
    *files = (struct tokenizer_files){0};
}
