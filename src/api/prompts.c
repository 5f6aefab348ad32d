/* Prompts of a detector. */
#include "api/types.h"
#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

/* What a small model was not taught it does not find. */
static void tell_unknown(const sowlv2_detector *detector, const char *const *prompts, size_t count)
{
    struct string unknown = {0};
    for (size_t i = 0; i < count && detector->words; i++)
        if (!known_words_has(detector->words, prompts[i]))
            string_append_format(&unknown, "%s\"%s\"", unknown.length > 0 ? ", " : "", prompts[i]);
    char *known = unknown.length > 0 ? known_words_list(detector->words) : NULL;
    if (known && !unknown.failed)
        log_notice("prompt %s: this small model was not trained on that: it knows %s", unknown.data, known);
    free(known);
    string_free(&unknown);
}

int sowlv2_prompts_encode(const sowlv2_detector *detector, const char *const *prompts, size_t count,
                          const struct sowlv2_prompt_options *options, sowlv2_prompts **out)
{
    const struct sowlv2_prompt_options defaults = sowlv2_prompt_options_default();
    struct sowlv2_prompt_options mine;
    if (out)
        *out = NULL;
    if (!detector || !prompts || !out || count < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_prompts_encode: a detector and at least one prompt are needed");
    enum { MAX_PROMPTS = 100000 };
    if (count > MAX_PROMPTS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompts: %zu are too many, at most %d", count, MAX_PROMPTS);
    for (size_t i = 0; i < count; i++)
        if (!prompts[i])
            return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_prompts_encode: prompt %zu is NULL", i);
    int status = OPTIONS_TAKE(prompt, options, &mine);
    if (status != 0)
        return status;
    const char *const template = mine.prompt_template ? mine.prompt_template : defaults.prompt_template;
    if (!strstr(template, "{}"))
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompt template \"%s\": has no {}, where the prompt goes", template);
    sowlv2_prompts *result = calloc(1, sizeof(*result));
    if (!result)
        return error_memory("prompts");
    result->detector = detector;
    if (!mine.quiet)
        tell_unknown(detector, prompts, count);
    status =
        detector_prompts_encode(detector->detector, prompts, (int64_t)count, template, mine.quiet, &result->prompts);
    if (status != 0) {
        free(result);
        return status;
    }
    *out = result;
    return 0;
}

void sowlv2_prompts_free(sowlv2_prompts **prompts)
{
    if (!prompts || !*prompts)
        return;
    detector_prompts_free(&(*prompts)->prompts);
    free(*prompts);
    *prompts = NULL;
}
