/* The reference's splitting pattern through PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "text/words.h"

#include "base/error.h"
#include "text/unicode.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The class's pattern. Its \s is a plain space here: normalised text has no other white space, and
 * PCRE2's \s counts U+180E. */
static const char pattern[] = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|"
                              "[\\p{L}]+|[\\p{N}]|[^ \\p{L}\\p{N}]+";

/* No alternative backtracks: these stop a fault, not a text. */
enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 1000 };

struct word_splitter {
    pcre2_code *code;
    pcre2_match_context *limits;
};

int word_splitter_create(struct word_splitter **out)
{
    *out = NULL;
    struct word_splitter *splitter = calloc(1, sizeof(*splitter));
    if (!splitter)
        return error_memory("word pattern");
    int error = 0;
    PCRE2_SIZE offset = 0;
    splitter->code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &offset, NULL);
    splitter->limits = pcre2_match_context_create(NULL);
    if (!splitter->code || !splitter->limits) {
        bool unsupported = !splitter->code && error != PCRE2_ERROR_HEAP_FAILED;
        word_splitter_free(&splitter);
        if (!unsupported)
            return error_memory("word pattern");
        PCRE2_UCHAR reason[128] = {0};
        pcre2_get_error_message(error, reason, sizeof(reason));
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "tokenizer: PCRE2 refuses the word pattern: %s: install a PCRE2 built with Unicode",
                         (const char *)reason);
    }
    pcre2_set_match_limit(splitter->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(splitter->limits, DEPTH_LIMIT);
    /* Systems that forbid writable code pages refuse this; the interpreter then does the same work. */
    (void)pcre2_jit_compile(splitter->code, PCRE2_JIT_COMPLETE);
    *out = splitter;
    return 0;
}

void word_splitter_free(struct word_splitter **splitter)
{
    if (!*splitter)
        return;
    pcre2_code_free((*splitter)->code);
    pcre2_match_context_free((*splitter)->limits);
    free(*splitter);
    *splitter = NULL;
}

/* What stands in for a character whose class PCRE2 may not know: one of the right class that every
 * version knows, of the same length, so that offsets stay. */
static const char *stand_in(enum unicode_class class, size_t length)
{
    static const char *const letters[] = {"\xC3\xA6", "\xE4\xB8\x80", "\xF0\xA0\x80\x80"};
    static const char *const numbers[] = {"\xC2\xBC", "\xE2\x85\xA0", "\xF0\x9D\x9F\x98"};
    static const char *const others[] = {"\xC2\xA9", "\xE2\x98\x85", "\xF0\x9F\x98\x80"};
    const char *const *row = class == UNICODE_LETTER ? letters : class == UNICODE_NUMBER ? numbers : others;
    return row[length - 2];
}

/* `*shadow` is NULL where the text can be matched as it is, else a copy with stand-ins, to be freed. */
static int make_shadow(const char *text, size_t size, char **shadow)
{
    *shadow = NULL;
    for (size_t at = 0; at < size;) {
        int32_t point;
        size_t length = unicode_read(text + at, size - at, &point);
        enum unicode_class class = unicode_class(point);
        if (class != UNICODE_AS_LIBRARY) {
            if (!*shadow) {
                *shadow = malloc(size);
                if (!*shadow)
                    return error_memory("text");
                memcpy(*shadow, text, size);
            }
            memcpy(*shadow + at, stand_in(class, length), length);
        }
        at += length;
    }
    return 0;
}

/* The reference splits each word once more with GPT-2's pattern, which takes only these two apart. */
static int emit_word(const char *word, size_t size, word_callback callback, void *context)
{
    static const char start[] = "<|startoftext|>", end[] = "<|endoftext|>";
    bool whole = (size == sizeof(start) - 1 && !memcmp(word, start, size)) ||
                 (size == sizeof(end) - 1 && !memcmp(word, end, size));
    if (!whole)
        return callback(context, word, size);
    int status = callback(context, word, 2);
    if (!status)
        status = callback(context, word + 2, size - 4);
    return status ? status : callback(context, word + size - 2, 2);
}

int word_splitter_run(const struct word_splitter *splitter, const char *text, size_t size, word_callback callback,
                      void *context)
{
    char *shadow;
    int status = make_shadow(text, size, &shadow);
    if (status)
        return status;
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (!match)
        status = error_memory("text");

    PCRE2_SPTR subject = (PCRE2_SPTR)(shadow ? shadow : text);
    for (PCRE2_SIZE at = 0; !status && at < size;) {
        /* The text is known to be valid: PCRE2's own check would cover all of it for every word. */
        int found = pcre2_match(splitter->code, subject, size, at, PCRE2_NO_UTF_CHECK, match, splitter->limits);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found < 0) {
            status = found == PCRE2_ERROR_NOMEMORY
                         ? error_memory("text")
                         : error_set(SOWLV2_ERROR_FORMAT, "text: cannot be split into words: PCRE2 error %d", found);
            break;
        }
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
        status = emit_word(text + span[0], span[1] - span[0], callback, context);
        at = span[1];
    }
    pcre2_match_data_free(match);
    free(shadow);
    return status;
}
