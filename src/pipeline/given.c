/* What is wrong with an object that was marked, in the user's words. */
#include "pipeline/given.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int given_explain(int status, const char *name, const struct sowlv2_segment_prompt *given, size_t count, size_t index)
{
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
        if (!given[index].box)
            error_set(status, "%s: --point: %s", name, rest);
        else if (count == 1)
            error_set(status, "%s: --box: %s", name, rest);
        else
            error_set(status, "%s: --box number %zu: %s", name, index + 1, rest);
    }
    free(message);
    return status;
}
