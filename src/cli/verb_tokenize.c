/* sowlv2 tokenize: the token ids of texts, from the tokenizer files and config.json alone. */
#include "base/error.h"
#include "base/log.h"
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/verbs.h"
#include "hub/model_find.h"
#include "text/tokenizer.h"
#include "weights/model_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_TEXT = 1 << 16, LARGEST_VOCABULARY = 1 << 24 };

/* The length of the text tower's input and its vocabulary, as config.json says or the reference defaults. */
static int read_config(const char *folder, int64_t *length, int64_t *vocabulary)
{
    struct config *config = NULL;
    const struct config_node *text = NULL;
    int status = config_open(folder, "config.json", &config);

    if (!status)
        status = model_kind_check_config(config, config_name(config), "tokenizer");
    if (!status)
        status = config_object(config, config_root(config), "text_config", &text);
    if (!status)
        status = config_int(config, text, "max_position_embeddings", 16, 2, LONGEST_TEXT, length);
    if (!status)
        status = config_int(config, text, "vocab_size", 49408, 1, LARGEST_VOCABULARY, vocabulary);
    config_close(&config);
    return status;
}

static int print_ids(const struct tokenizer *tokenizer, const char *text, int32_t *ids, int length)
{
    bool truncated = false;
    int status = tokenizer_encode(tokenizer, text, strlen(text), length, ids, &truncated);

    if (status)
        return status;
    if (truncated)
        log_notice("%s: longer than %d tokens: its end is left out", text, length);
    for (int i = 0; i < length; i++)
        printf("%s%" PRId32, i > 0 ? " " : "", ids[i]);
    putchar('\n');
    return 0;
}

static int print_all(const struct settings *settings, const struct tokenizer *tokenizer, int64_t length)
{
    int32_t *ids = calloc((size_t)length, sizeof(*ids));
    int status = ids ? 0 : error_memory("tokens");

    for (size_t i = 0; !status && i < settings->texts.count; i++)
        status = print_ids(tokenizer, settings->texts.items[i], ids, (int)length);
    free(ids);
    return status ? verb_fail(EXIT_ALL_FAILED) : EXIT_DONE;
}

int verb_tokenize(struct settings *settings)
{
    char *folder = NULL;
    struct tokenizer *tokenizer = NULL;
    int64_t length = 0, vocabulary = 0;
    struct download download = {0};
    const struct model_source source = {.model = settings->owl_model,
                                        .revision = settings->revision,
                                        .cache_dir = settings->cache_dir,
                                        .kind = "tokenizer",
                                        .offline = settings->offline,
                                        .download = download_update,
                                        .download_user_data = &download};
    int result, status;

    if (settings->texts.count == 0) {
        error_set(SOWLV2_ERROR_ARGUMENT, "tokenize: no text: give one or more, see 'sowlv2 tokenize --help'");
        return verb_fail(EXIT_USAGE);
    }
    status = model_find(&source, &folder);
    download_end(&download);
    if (!status)
        status = read_config(folder, &length, &vocabulary);
    if (!status)
        status = tokenizer_open(folder, &tokenizer);
    if (!status && tokenizer_vocab_size(tokenizer) > vocabulary)
        status = error_set(SOWLV2_ERROR_MODEL,
                           "%s: its tokenizer has ids up to %" PRId32 ", its config.json a vocabulary of %" PRId64
                           ": take both from the same model",
                           folder, tokenizer_vocab_size(tokenizer) - 1, vocabulary);
    result = status ? verb_fail(EXIT_NO_MODEL) : print_all(settings, tokenizer, length);
    tokenizer_free(&tokenizer);
    free(folder);
    return result;
}
