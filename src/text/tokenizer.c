/* The tokenizer: what a model folder's files give, and the way of a text through its stages. */
#include "text/tokenizer.h"

#include "base/error.h"
#include "base/strings.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalize.h"
#include "text/special_tokens.h"
#include "text/tokenizer_files.h"
#include "text/vocabulary.h"
#include "text/words.h"

#include <stdlib.h>
#include <string.h>

struct tokenizer {
    struct bpe bpe;
    struct added_tokens *added;
    struct word_splitter *splitter;
    int32_t vocab_size;
    int32_t start, end, pad;
};

/* ---- loading -------------------------------------------------------------------------------- */

static int load_vocabulary(const struct tokenizer_files *files, struct vocabulary *vocabulary)
{
    if (!files->tokenizer.root)
        return vocabulary_open(files->vocabulary.path, files->vocabulary.root, vocabulary);
    const json_t *model = json_object_get(files->tokenizer.root, "model");
    const json_t *type = json_object_get(model, "type");
    if (!json_is_object(model) || (type && (!json_is_string(type) || strcmp(json_string_value(type), "BPE") != 0)))
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: \"model\" is not a byte-pair model: it is not a CLIP tokenizer's file",
                         files->tokenizer.path);
    return vocabulary_open(files->tokenizer.path, json_object_get(model, "vocab"), vocabulary);
}

static int load_merges(const struct tokenizer_files *files, const struct vocabulary *vocabulary, struct bpe *bpe)
{
    if (!files->tokenizer.root)
        return vocabulary_merges_from_text(vocabulary, files->merges_path, files->merges, files->merges_size, bpe);
    const json_t *model = json_object_get(files->tokenizer.root, "model");
    return vocabulary_merges_from_list(vocabulary, files->tokenizer.path, json_object_get(model, "merges"), bpe);
}

/* Adds the special tokens and looks up the ids of those that the model sees. */
static int load_special(struct tokenizer *tokenizer, const struct vocabulary *vocabulary,
                        const struct special_tokens *special)
{
    int status = 0;
    for (size_t i = 0; i < special->added_count && !status; i++)
        status = added_tokens_add(tokenizer->added, vocabulary, special->file, &special->added[i]);
    if (!status)
        status = added_tokens_compile(tokenizer->added, special->split);
    if (status)
        return status;
    if (!added_tokens_find(tokenizer->added, vocabulary, special->start, &tokenizer->start) ||
        !added_tokens_find(tokenizer->added, vocabulary, special->end, &tokenizer->end) ||
        !added_tokens_find(tokenizer->added, vocabulary, special->pad, &tokenizer->pad))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: a special token has no id", special->file);
    int32_t largest = added_tokens_largest(tokenizer->added);
    if (largest < vocabulary->largest)
        largest = vocabulary->largest;
    tokenizer->vocab_size = largest + 1;
    return 0;
}

static int load(struct tokenizer *tokenizer, const struct tokenizer_files *files)
{
    struct vocabulary vocabulary;
    struct special_tokens special = {0};
    int status = load_vocabulary(files, &vocabulary);
    if (!status)
        status = special_tokens_read(files, &special);
    if (!status)
        status = vocabulary_symbols(&vocabulary, special.unknown, &tokenizer->bpe);
    if (!status)
        status = load_merges(files, &vocabulary, &tokenizer->bpe);
    if (!status)
        status = load_special(tokenizer, &vocabulary, &special);
    special_tokens_free(&special);
    return status;
}

int tokenizer_create(const struct tokenizer_files *files, struct tokenizer **out)
{
    *out = NULL;
    struct tokenizer *tokenizer = calloc(1, sizeof(*tokenizer));
    if (!tokenizer)
        return error_memory("tokenizer");
    tokenizer->added = added_tokens_create();
    int status = tokenizer->added ? load(tokenizer, files) : error_memory("tokenizer");
    if (!status)
        status = word_splitter_create(&tokenizer->splitter);
    if (status)
        tokenizer_free(&tokenizer);
    *out = tokenizer;
    return status;
}

int tokenizer_open(const char *folder, struct tokenizer **out)
{
    *out = NULL;
    struct tokenizer_files files;
    int status = tokenizer_files_open(folder, &files);
    if (status)
        return status;
    status = tokenizer_create(&files, out);
    tokenizer_files_close(&files);
    return status;
}

void tokenizer_free(struct tokenizer **tokenizer)
{
    if (!*tokenizer)
        return;
    bpe_free(&(*tokenizer)->bpe);
    added_tokens_free(&(*tokenizer)->added);
    word_splitter_free(&(*tokenizer)->splitter);
    free(*tokenizer);
    *tokenizer = NULL;
}

int32_t tokenizer_vocab_size(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab_size;
}

int32_t tokenizer_start_id(const struct tokenizer *tokenizer)
{
    return tokenizer->start;
}

int32_t tokenizer_end_id(const struct tokenizer *tokenizer)
{
    return tokenizer->end;
}

int32_t tokenizer_pad_id(const struct tokenizer *tokenizer)
{
    return tokenizer->pad;
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* Returned by the stages when the ids are full: more text cannot change them. */
enum { FULL = 1 };

struct encoding {
    const struct tokenizer *tokenizer;
    int32_t *ids; /* behind the start token */
    int count, limit;
    struct string normalized;
    struct bpe_workspace workspace;
};

static int emit(struct encoding *encoding, int32_t id)
{
    if (encoding->count == encoding->limit)
        return FULL;
    encoding->ids[encoding->count++] = id;
    return 0;
}

static int encode_word(void *context, const char *word, size_t size)
{
    struct encoding *encoding = context;
    int status = bpe_encode(&encoding->tokenizer->bpe, word, size, &encoding->workspace);
    for (size_t i = 0; i < encoding->workspace.id_count && !status; i++)
        status = emit(encoding, encoding->workspace.ids[i]);
    return status;
}

static int encode_normalized(void *context, const char *text, size_t size, int32_t id)
{
    struct encoding *encoding = context;
    if (id >= 0)
        return emit(encoding, id);
    return word_splitter_run(encoding->tokenizer->splitter, text, size, encode_word, encoding);
}

static int encode_raw(void *context, const char *text, size_t size, int32_t id)
{
    struct encoding *encoding = context;
    if (id >= 0)
        return emit(encoding, id);
    string_clear(&encoding->normalized);
    int status = text_normalize(text, size, &encoding->normalized);
    if (status)
        return status;
    return added_tokens_split(encoding->tokenizer->added, true, encoding->normalized.data, encoding->normalized.length,
                              encode_normalized, encoding);
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size, int length, int32_t *ids,
                     bool *truncated)
{
    struct encoding encoding = {.tokenizer = tokenizer, .ids = ids + 1, .limit = length - 2};
    struct string repaired = {0};
    text_repair(text, size, &repaired);
    int status = repaired.failed ? error_memory("text")
                                 : added_tokens_split(tokenizer->added, false, repaired.data, repaired.length,
                                                      encode_raw, &encoding);
    string_free(&repaired);
    string_free(&encoding.normalized);
    bpe_workspace_free(&encoding.workspace);
    if (status < 0)
        return status;

    if (truncated)
        *truncated = status == FULL;
    ids[0] = tokenizer->start;
    ids[1 + encoding.count] = tokenizer->end;
    for (int i = encoding.count + 2; i < length; i++)
        ids[i] = tokenizer->pad;
    return 0;
}
