/* JSON values as text. */
#include "output/json_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { FLOAT_DIGITS = 9 }; /* always enough for a float32 to read back */

/* Splits `value` (finite, >= 0) into decimal digits d.ddd x 10^exponent; returns how many digits. */
static int shortest_digits(float value, char digits[FLOAT_DIGITS + 1], int *exponent)
{
    int count = 0;

    for (int precision = 0; precision < FLOAT_DIGITS; precision++) {
        char text[32];
        const char *at = text;

        snprintf(text, sizeof(text), "%.*e", precision, (double)value);
        if (precision < FLOAT_DIGITS - 1 && !(strtof(text, NULL) == value))
            continue;
        /* The locale may have put another sign for the point: take the digits only. */
        for (count = 0; *at && *at != 'e'; at++)
            if (*at >= '0' && *at <= '9')
                digits[count++] = *at;
        *exponent = *at == 'e' ? (int)strtol(at + 1, NULL, 10) : 0;
        break;
    }
    return count;
}

void json_append_float(struct string *string, float value)
{
    char digits[FLOAT_DIGITS + 1];
    int exponent = 0;
    int count;

    if (!isfinite(value)) {
        string_append_text(string, "null");
        return;
    }
    count = shortest_digits(fabsf(value), digits, &exponent);
    if (signbit(value) && value != 0.0f) /* minus zero is zero to every reader of boxes */
        string_append_text(string, "-");
    if (exponent < -5 || exponent > 15) {
        string_append(string, digits, 1);
        string_append_text(string, ".");
        if (count > 1)
            string_append(string, digits + 1, (size_t)(count - 1));
        else
            string_append_text(string, "0");
        string_append_format(string, "e%d", exponent);
    } else if (exponent < 0) {
        string_append_text(string, "0.");
        for (int zero = exponent + 1; zero < 0; zero++)
            string_append_text(string, "0");
        string_append(string, digits, (size_t)count);
    } else {
        for (int place = 0; place <= exponent; place++)
            string_append(string, place < count ? digits + place : "0", 1);
        string_append_text(string, ".");
        if (count > exponent + 1)
            string_append(string, digits + exponent + 1, (size_t)(count - exponent - 1));
        else
            string_append_text(string, "0");
    }
}

void json_append_seconds(struct string *string, double seconds)
{
    int64_t total, part;
    int digits = 6;

    if (!(fabs(seconds) <= 1e12)) {
        string_append_text(string, "null");
        return;
    }
    total = (int64_t)llround(fabs(seconds) * 1e6);
    part = total % 1000000;
    while (digits > 1 && part % 10 == 0) {
        part /= 10;
        digits--;
    }
    string_append_format(string, "%s%" PRId64 ".%0*" PRId64, seconds < 0 && total > 0 ? "-" : "", total / 1000000,
                         digits, part);
}

/* Appends `text` with every byte that does not belong to a UTF-8 character replaced by U+FFFD. */
static void append_valid_utf8(struct string *string, const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);

    while (left > 0) {
        utf8proc_int32_t character;
        utf8proc_ssize_t size = utf8proc_iterate(at, left, &character);

        if (size > 0) {
            string_append(string, (const char *)at, (size_t)size);
        } else {
            string_append_text(string, "\xEF\xBF\xBD");
            size = 1;
        }
        at += size;
        left -= size;
    }
}

void json_append_string(struct string *string, const char *text)
{
    struct string valid = {0};
    json_t *value;
    char *encoded = NULL;

    append_valid_utf8(&valid, text);
    if (!valid.failed) {
        value = json_stringn(valid.data ? valid.data : "", valid.length);
        encoded = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
        json_decref(value);
    }
    if (encoded)
        string_append_text(string, encoded);
    else
        string->failed = true;
    free(encoded);
    string_free(&valid);
}

void json_append_row_end(struct string *string, const char *job)
{
    string_append_text(string, "]");
    if (job) {
        string_append_text(string, ",\"job\":");
        json_append_string(string, job);
    }
    string_append_text(string, "}\n");
}
