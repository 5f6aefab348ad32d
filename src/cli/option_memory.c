/* From the text of a value to an amount of memory. */
#include "base/error.h"
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "", K, M, G or T, a B or iB behind it as people write it: all are of 1024, as GPUs are sold. */
static bool read_unit(const char *text, double *out)
{
    static const char letters[] = "KMGT";
    const char *const letter = *text ? strchr(letters, *text >= 'a' ? *text - 'a' + 'A' : *text) : NULL;

    *out = 1;
    if (!letter || !*letter)
        return !*text || strcasecmp(text, "B") == 0;
    for (long i = letter - letters; i >= 0; i--)
        *out *= 1024;
    return !text[1] || strcasecmp(text + 1, "B") == 0 || strcasecmp(text + 1, "iB") == 0;
}

int option_read_memory(const char *where, const char *text, struct memory_limit *out)
{
    static const double most = (double)(INT64_MAX / 2);
    const size_t digits = strspn(text, "0123456789.");
    char *end = NULL;
    double unit;
    /* Decimal notation only: strtod would also take "nan", "inf", "0x1p3" and leading spaces. */
    const double value = digits > 0 ? strtod(text, &end) : 0;

    *out = (struct memory_limit){0};
    if (digits > 0 && end == text + digits && value > 0) {
        if (strcmp(end, "%") == 0 && value <= 100) {
            out->fraction = value / 100;
            return 0;
        }
        if (read_unit(end, &unit) && value * unit >= 1 && value * unit <= most) {
            out->bytes = (int64_t)(value * unit);
            return 0;
        }
    }
    return error_set(SOWLV2_ERROR_ARGUMENT,
                     "%s: '%s' is not an amount of memory: give a size, such as 4G or 800M, or a part, such as 50%%",
                     where, text);
}
