/* Prompts of a job for its detector, and what is wrong with a mark, in the user's words. */
#include "pipeline/prompts.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int prompts_encode(const struct sowlv2_run_options *job, const sowlv2_detector *detector, atomic_bool *told,
                   sowlv2_prompts **out)
{
    struct sowlv2_prompt_options options = sowlv2_prompt_options_default();

    options.quiet = told && atomic_exchange(told, true);
    if (job->prompt_template)
        options.prompt_template = job->prompt_template;
    return sowlv2_prompts_encode(detector, job->prompts, job->prompt_count, &options, out);
}

int marks_explain(int status, const char *name, const struct sowlv2_run_options *job, size_t index)
{
    const size_t count = job->mark_count;
    static const char word[] = "prompt";
    char *const message = strdup(error_message()), *rest = message;

    if (!message || status != SOWLV2_ERROR_ARGUMENT || strncmp(message, word, sizeof(word) - 1) != 0) {
        free(message);
        return status;
    }
    rest += sizeof(word) - 1;
    if (*rest == ' ') {
        const unsigned long number = strtoul(rest, &rest, 10);

        if (number >= 1 && number <= count && index >= count)
            index = number - 1;
    }
    if (strncmp(rest, ": ", 2) == 0 && index < count) {
        rest += 2;
        if (!job->marks[index].box)
            error_set(status, "%s: --point: %s", name, rest);
        else if (count == 1)
            error_set(status, "%s: --box: %s", name, rest);
        else
            error_set(status, "%s: --box number %zu: %s", name, index + 1, rest);
    }
    free(message);
    return status;
}
