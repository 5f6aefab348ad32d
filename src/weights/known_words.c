/* The words that a small model was taught. */
#include "weights/known_words.h"

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "weights/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_BYTES = 1 << 20 };

struct known_words {
    json_t *root; /* nouns: name -> list of texts; colours: likewise, may be missing */
};

/* Whether it is an object of lists of texts. */
static bool is_table(json_t *table)
{
    const char *key;
    json_t *list, *item;
    size_t i;

    if (!json_is_object(table))
        return false;
    json_object_foreach(table, key, list)
    {
        if (!json_is_array(list))
            return false;
        json_array_foreach(list, i, item) if (!json_is_string(item)) return false;
    }
    return true;
}

int known_words_open(const char *folder, struct known_words **out)
{
    char *path = path_join(folder, "known_words.json"), *text = NULL;
    size_t size = 0;
    int status = path ? 0 : error_memory("known words");

    *out = NULL;
    if (!status && !file_exists(path)) {
        free(path);
        return 0;
    }
    if (!status)
        status = file_read(path, MOST_BYTES, &text, &size);
    if (!status) {
        *out = calloc(1, sizeof(**out));
        status = *out ? json_parse_object(path, text, size, &(*out)->root) : error_memory("known words");
    }
    if (!status && (!is_table(json_object_get((*out)->root, "nouns")) ||
                    (json_object_get((*out)->root, "colours") && !is_table(json_object_get((*out)->root, "colours")))))
        status = error_set(SOWLV2_ERROR_FORMAT, "%s: it needs nouns, an object of lists of texts", path);
    if (status)
        known_words_free(out);
    free(text);
    free(path);
    return status;
}

void known_words_free(struct known_words **words)
{
    if (!*words)
        return;
    json_decref((*words)->root);
    free(*words);
    *words = NULL;
}

static bool list_has(const json_t *list, const char *text, size_t length)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));

        if (strlen(item) == length && strncasecmp(item, text, length) == 0)
            return true;
    }
    return false;
}

/* The noun that a text is, by its name or a synonym; NULL: none. */
static const char *find_noun(const struct known_words *words, const char *text)
{
    const char *noun;
    json_t *synonyms;

    json_object_foreach(json_object_get(words->root, "nouns"), noun, synonyms)
    {
        if (strcasecmp(noun, text) == 0 || list_has(synonyms, text, strlen(text)))
            return noun;
    }
    return NULL;
}

bool known_words_has(const struct known_words *words, const char *prompt)
{
    static const char *const articles[] = {"a ", "an ", "the "};
    const char *space, *noun;

    for (size_t i = 0; i < sizeof(articles) / sizeof(articles[0]); i++)
        if (strncasecmp(prompt, articles[i], strlen(articles[i])) == 0) {
            prompt += strlen(articles[i]);
            break;
        }
    if (find_noun(words, prompt))
        return true;
    space = strchr(prompt, ' ');
    noun = space ? find_noun(words, space + 1) : NULL;
    return noun &&
           list_has(json_object_get(json_object_get(words->root, "colours"), noun), prompt, (size_t)(space - prompt));
}

char *known_words_list(const struct known_words *words)
{
    struct string text = {0};
    const char *noun;
    json_t *synonyms;

    json_object_foreach(json_object_get(words->root, "nouns"), noun, synonyms)
    {
        string_append_format(&text, "%s%s", text.length > 0 ? ", " : "", noun);
    }
    if (text.failed) {
        string_free(&text);
        return NULL;
    }
    return text.data ? text.data : strdup("nothing");
}
