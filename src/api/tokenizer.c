/* A tokenizer without a model's weights. */
#include "text/tokenizer.h"
#include "api/checks.h"
#include "base/error.h"
#include "base/log.h"
#include "weights/model_kind.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_TEXT = 1 << 16, LARGEST_VOCABULARY = 1 << 24 };

struct sowlv2_tokenizer {
    struct tokenizer *tokenizer;
    int64_t length;
};

/* The length of the text tower's input and its vocabulary, as config.json says or the reference defaults. */
static int read_config(const char *folder, int64_t *length, int64_t *vocabulary)
{
    struct config *config = NULL;
    const struct config_node *text = NULL;
    int status = config_open(folder, "config.json", &config);
    if (status == 0)
        status = model_kind_check_config(config, config_name(config), "tokenizer");
    if (status == 0)
        status = config_object(config, config_root(config), "text_config", &text);
    if (status == 0)
        status = config_int(config, text, "max_position_embeddings", 16, 2, LONGEST_TEXT, length);
    if (status == 0)
        status = config_int(config, text, "vocab_size", 49408, 1, LARGEST_VOCABULARY, vocabulary);
    config_close(&config);
    return status;
}

static int open_files(const char *folder, sowlv2_tokenizer *tokenizer)
{
    int64_t vocabulary = 0;
    int status = read_config(folder, &tokenizer->length, &vocabulary);
    if (status == 0)
        status = tokenizer_open(folder, &tokenizer->tokenizer);
    if (status != 0 || tokenizer_vocab_size(tokenizer->tokenizer) <= vocabulary)
        return status;
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: its tokenizer has ids up to %" PRId32 ", its config.json a vocabulary of %" PRId64
                     ": take both from the same model",
                     folder, tokenizer_vocab_size(tokenizer->tokenizer) - 1, vocabulary);
}

int sowlv2_tokenizer_open(const struct sowlv2_model_options *options, sowlv2_tokenizer **out)
{
    if (out)
        *out = NULL;
    if (!options || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_tokenizer_open: options and out are needed");
    sowlv2_tokenizer *tokenizer = calloc(1, sizeof(*tokenizer));
    if (!tokenizer)
        return error_memory("tokenizer");
    char *folder = NULL;
    int status = find_model("sowlv2_tokenizer_open", options, "tokenizer", &folder, NULL);
    if (status == 0)
        status = open_files(folder, tokenizer);
    free(folder);
    if (status != 0) {
        sowlv2_tokenizer_free(&tokenizer);
        return status;
    }
    *out = tokenizer;
    return 0;
}

void sowlv2_tokenizer_free(sowlv2_tokenizer **tokenizer)
{
    if (!tokenizer || !*tokenizer)
        return;
    tokenizer_free(&(*tokenizer)->tokenizer);
    free(*tokenizer);
    *tokenizer = NULL;
}

int sowlv2_tokenizer_length(const sowlv2_tokenizer *tokenizer)
{
    return tokenizer ? (int)tokenizer->length : 0;
}

int sowlv2_tokenizer_encode(const sowlv2_tokenizer *tokenizer, const char *text, int32_t *ids)
{
    bool truncated = false;
    if (!tokenizer || !text || !ids)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_tokenizer_encode: a tokenizer, a text and ids are needed");
    const int length = (int)tokenizer->length;
    const int status = tokenizer_encode(tokenizer->tokenizer, text, strlen(text), length, ids, &truncated);
    if (status == 0 && truncated)
        log_notice("%s: longer than %d tokens: it is cut off", text, length);
    return status;
}
