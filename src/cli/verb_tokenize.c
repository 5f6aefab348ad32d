/* sowlv2 tokenize: the token ids of texts, from the tokenizer files and config.json alone. */
#include "base/error.h"
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int print_ids(const sowlv2_tokenizer *tokenizer, const char *text, int32_t *ids)
{
    const int status = sowlv2_tokenizer_encode(tokenizer, text, ids);

    for (int i = 0; !status && i < sowlv2_tokenizer_length(tokenizer); i++)
        printf("%s%" PRId32, i > 0 ? " " : "", ids[i]);
    if (!status)
        putchar('\n');
    return status;
}

static int print_all(const struct settings *settings, const sowlv2_tokenizer *tokenizer)
{
    int32_t *ids = calloc((size_t)sowlv2_tokenizer_length(tokenizer), sizeof(*ids));
    int status = ids ? 0 : error_memory("tokens");

    for (size_t i = 0; !status && i < settings->texts.count; i++)
        status = print_ids(tokenizer, settings->texts.items[i], ids);
    free(ids);
    return status ? verb_fail(EXIT_ALL_FAILED) : EXIT_DONE;
}

int verb_tokenize(struct settings *settings)
{
    sowlv2_tokenizer *tokenizer = NULL;
    struct sowlv2_model_options options = sowlv2_model_options_default();
    struct download download = {0};
    int result;

    if (settings->texts.count == 0) {
        error_set(SOWLV2_ERROR_ARGUMENT, "tokenize: no text: give one or more, see 'sowlv2 tokenize --help'");
        return verb_fail(EXIT_USAGE);
    }
    download_options(settings, settings->owl_model, settings->revision, &download, &options);
    result = sowlv2_tokenizer_open(&options, &tokenizer);
    download_end(&download);
    result = result ? verb_fail(EXIT_NO_MODEL) : print_all(settings, tokenizer);
    sowlv2_tokenizer_free(&tokenizer);
    return result;
}
