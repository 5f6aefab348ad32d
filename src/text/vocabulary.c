/* Checks of the vocabulary, and the byte alphabet. */
#include "text/vocabulary.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* -1 where the value is not an id. Python writes ids as integers; a file with a number beyond 64 bits
 * somewhere is read with every number as a real. */
static int32_t id_of(const json_t *value)
{
    if (json_is_integer(value)) {
        json_int_t id = json_integer_value(value);
        return id >= 0 && id < INT32_MAX ? (int32_t)id : -1;
    }
    if (json_is_real(value)) {
        double id = json_real_value(value);
        return id >= 0 && id < INT32_MAX && id == (double)(int32_t)id ? (int32_t)id : -1;
    }
    return -1;
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int check_unique(const struct vocabulary *vocabulary)
{
    if (vocabulary->count == 0)
        return 0;
    int32_t *ids = malloc(vocabulary->count * sizeof(*ids));
    if (!ids)
        return error_memory(vocabulary->file);
    size_t count = 0;
    const char *token;
    json_t *value;
    json_object_foreach(vocabulary->ids, token, value) ids[count++] = id_of(value);
    qsort(ids, count, sizeof(*ids), compare_ids);
    int status = 0;
    for (size_t i = 1; i < count && !status; i++)
        if (ids[i] == ids[i - 1])
            status = error_set(SOWLV2_ERROR_FORMAT, "%s: two tokens have the id %d: the file is damaged: get it again",
                               vocabulary->file, (int)ids[i]);
    free(ids);
    return status;
}

int vocabulary_open(const char *file, json_t *ids, struct vocabulary *out)
{
    *out = (struct vocabulary){.ids = ids, .file = file, .largest = -1};
    if (!json_is_object(ids))
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: the vocabulary is not an object of token and id: it is not a CLIP tokenizer's file",
                         file);
    out->count = json_object_size(ids);
    const char *token;
    json_t *value;
    json_object_foreach(ids, token, value)
    {
        int32_t id = id_of(value);
        if (id < 0)
            return error_set(SOWLV2_ERROR_FORMAT,
                             "%s: the id of token \"%.64s\" is not a whole number from 0 to %d: the file is damaged: "
                             "get it again",
                             file, token, INT32_MAX - 1);
        if (id > out->largest)
            out->largest = id;
    }
    return check_unique(out);
}

bool vocabulary_find(const struct vocabulary *vocabulary, const char *token, int32_t *id)
{
    const json_t *value = json_object_get(vocabulary->ids, token);
    if (value)
        *id = id_of(value);
    return value;
}

/* Writes the character that stands for `byte` in the vocabulary. Printable Latin-1 stands for itself,
 * the other 68 bytes are U+0100 and up, in order. */
static void byte_token(int byte, char token[8])
{
    int32_t point = 0x100;
    for (int b = 0; b <= byte; b++) {
        bool itself = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        if (b == byte && itself)
            point = b;
        else if (b < byte && !itself)
            point++;
    }
    utf8proc_ssize_t length = utf8proc_encode_char(point, (utf8proc_uint8_t *)token);
    token[length] = '\0';
}

int vocabulary_symbols(const struct vocabulary *vocabulary, const char *unknown, struct bpe *bpe)
{
    int32_t unknown_id = -1;
    (void)vocabulary_find(vocabulary, unknown, &unknown_id);
    for (int byte = 0; byte < 256; byte++) {
        char token[8];
        byte_token(byte, token);
        for (int last = 0; last < 2; last++) {
            int32_t id = unknown_id;
            if (last)
                strcat(token, "</w>");
            if (!vocabulary_find(vocabulary, token, &id) && unknown_id < 0)
                return error_set(SOWLV2_ERROR_FORMAT,
                                 "%s: neither the byte token \"%s\" nor the unknown token \"%.64s\" is there: it is "
                                 "not a CLIP tokenizer's file",
                                 vocabulary->file, token, unknown);
            *(last ? &bpe->last_symbol[byte] : &bpe->symbol[byte]) = id;
        }
    }
    return 0;
}
