/* Prompts: template, tokens, queries. */
#include "api/types.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

/* `text` with every "{}" of the template replaced by the prompt. */
static int fill_template(const char *template, const char *prompt, struct string *text)
{
    string_clear(text);
    for (const char *slot; (slot = strstr(template, "{}")) != NULL; template = slot + 2) {
        string_append(text, template, (size_t)(slot - template));
        string_append_text(text, prompt);
    }
    string_append_text(text, template);
    return text->failed ? error_memory("prompt") : 0;
}

static int tokenize_all(const sowlv2_detector *detector, const char *const *prompts, size_t count, const char *template,
                        int32_t *ids)
{
    const int length = sowlv2_detector_text_length(detector);
    struct string text = {0};
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = fill_template(template, prompts[i], &text);
        if (status == 0)
            status = sowlv2_detector_tokenize(detector, text.data != NULL ? text.data : "", ids + i * (size_t)length);
    }
    string_free(&text);
    return status;
}

/* What a small model was not taught it does not find. */
static void tell_unknown(const sowlv2_detector *detector, const char *const *prompts, size_t count)
{
    struct string unknown = {0};
    for (size_t i = 0; i < count && detector->words != NULL; i++)
        if (!known_words_has(detector->words, prompts[i]))
            string_append_format(&unknown, "%s\"%s\"", unknown.length > 0 ? ", " : "", prompts[i]);
    char *known = unknown.length > 0 ? known_words_list(detector->words) : NULL;
    if (known != NULL && !unknown.failed)
        log_notice("prompt %s: this small model was not taught that: it knows %s", unknown.data, known);
    free(known);
    string_free(&unknown);
}

static int encode(const sowlv2_detector *detector, const int32_t *ids, size_t count, sowlv2_prompts *prompts)
{
    struct compute *compute = NULL;
    int status = compute_create(detector->device, &compute);
    if (status == 0)
        status = owlv2_encode_text(detector->model, compute, ids, (int64_t)count, NULL, &prompts->queries);
    compute_free(&compute);
    return status;
}

int sowlv2_prompts_encode(const sowlv2_detector *detector, const char *const *prompts, size_t count,
                          const struct sowlv2_prompt_options *options, sowlv2_prompts **out)
{
    const struct sowlv2_prompt_options defaults = sowlv2_prompt_options_default();
    if (detector == NULL || prompts == NULL || out == NULL || count < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_prompts_encode: a detector and at least one prompt are needed");
    enum { MAX_PROMPTS = 100000 };
    if (count > MAX_PROMPTS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompts: %zu are too many, at most %d", count, MAX_PROMPTS);
    const char *template =
        options != NULL && options->prompt_template != NULL ? options->prompt_template : defaults.prompt_template;
    if (strstr(template, "{}") == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompt template \"%s\": has no {}, where the prompt goes", template);
    const struct owlv2_config *config = owlv2_get_config(detector->model);
    sowlv2_prompts *result = calloc(1, sizeof(*result));
    int32_t *ids = calloc(count * (size_t)config->text_length, sizeof(*ids));
    int status = 0;
    if (result != NULL)
        result->detector = detector;
    if (result == NULL || ids == NULL)
        status = error_memory("prompts");
    tell_unknown(detector, prompts, count);
    if (status == 0)
        status = tokenize_all(detector, prompts, count, template, ids);
    if (status == 0)
        status = encode(detector, ids, count, result);
    free(ids);
    if (status != 0) {
        sowlv2_prompts_free(&result);
        return status;
    }
    *out = result;
    return 0;
}

void sowlv2_prompts_free(sowlv2_prompts **prompts)
{
    if (prompts == NULL || *prompts == NULL)
        return;
    owlv2_queries_free((*prompts)->detector->model, &(*prompts)->queries);
    free(*prompts);
    *prompts = NULL;
}
