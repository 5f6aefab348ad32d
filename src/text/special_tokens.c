/* The reference's rules for special and added tokens:
 * - tokenizer_config.json names the special tokens; what it leaves out has the class's defaults;
 * - where it lists "added_tokens_decoder", that list holds the added tokens;
 * - else special_tokens_map.json overrides the names, and added_tokens.json and tokenizer.json list
 *   the added tokens, by id;
 * - special tokens that are not in the list are added after it. */
#include "text/special_tokens.h"

#include "base/error.h"
#include "text/special_files.h"

#include <stdlib.h>
#include <string.h>

/* The list of added tokens in the making. */
struct listing {
    const struct special_reading *reading;
    struct special_tokens *out;
    struct special_description *unlisted; /* those that the files' list does not have, as described */
    size_t count, capacity;
};

static bool is_listed(const struct special_reading *reading, const char *content)
{
    for (size_t i = 0; i < reading->listed_count; i++)
        if (!strcmp(reading->listed[i].description.token.content, content))
            return true;
    return false;
}

static bool is_named(const struct special_reading *reading, const char *content)
{
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (reading->named[i].token.content && !strcmp(reading->named[i].token.content, content))
            return true;
    for (size_t i = 0; i < reading->extra_count; i++)
        if (!strcmp(reading->extra[i].description.token.content, content))
            return true;
    return false;
}

static bool is_normalized(const struct special_description *description, bool special)
{
    return description->normalized_given ? description->token.normalized : !special;
}

static bool is_same(const struct special_description *a, const struct special_description *b)
{
    const struct added_token *x = &a->token, *y = &b->token;
    return a->plain == b->plain && !strcmp(x->content, y->content) && x->single_word == y->single_word &&
           x->lstrip == y->lstrip && x->rstrip == y->rstrip && x->special == y->special &&
           is_normalized(a, x->special) == is_normalized(b, y->special);
}

static int append_added(struct special_tokens *out, const struct special_description *description, bool special)
{
    if (out->added_count == out->added_capacity) {
        size_t capacity = out->added_capacity < 16 ? 16 : out->added_capacity * 2;
        struct added_token *added = realloc(out->added, capacity * sizeof(*added));
        if (!added)
            return error_memory("added tokens");
        out->added = added;
        out->added_capacity = capacity;
    }
    struct added_token *token = &out->added[out->added_count++];
    *token = description->token;
    token->special = token->special || special;
    token->normalized = is_normalized(description, token->special);
    return 0;
}

/* One token that the files' list does not have. The same content may come with other flags, which then
 * count; the very same description does not count again. */
static int append_unlisted(struct listing *listing, const struct special_description *description, bool special)
{
    if (!description->token.content || is_listed(listing->reading, description->token.content))
        return 0;
    for (size_t i = 0; i < listing->count; i++)
        if (is_same(&listing->unlisted[i], description))
            return 0;
    if (listing->count == ADDED_TOKENS_MAX)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: more than %d special tokens: it is not a CLIP tokenizer's file",
                         listing->out->file, ADDED_TOKENS_MAX);
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity < 16 ? 16 : listing->capacity * 2;
        struct special_description *unlisted = realloc(listing->unlisted, capacity * sizeof(*unlisted));
        if (!unlisted)
            return error_memory("added tokens");
        listing->unlisted = unlisted;
        listing->capacity = capacity;
    }
    listing->unlisted[listing->count++] = *description;
    return append_added(listing->out, description, special);
}

/* The tokens of one field, a list or an object. */
static int append_extra_list(struct listing *listing, const struct tokenizer_json *file, const char *field)
{
    const char *key;
    json_t *extra = json_object_get(file->root, field), *value;
    struct special_description description;
    int status = 0;
    json_object_foreach(extra, key, value)
    {
        if (!status)
            status = special_describe(file->path, field, value, &description);
        if (!status)
            status = append_unlisted(listing, &description, true);
    }
    for (size_t i = 0; i < json_array_size(extra) && !status; i++) {
        status = special_describe(file->path, field, json_array_get(extra, i), &description);
        if (!status)
            status = append_unlisted(listing, &description,
                                     description.plain || is_named(listing->reading, description.token.content));
    }
    return status;
}

static int check_side(const char *file, const json_t *object, const char *key)
{
    const char *side = json_string_value(json_object_get(object, key));
    if (side && (!strcmp(side, "left") || !strcmp(side, "Left")))
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: \"%s\" is \"%s\": OWLv2 needs prompts that begin with the start token", file, key, side);
    return 0;
}

static int check_sides(const struct tokenizer_files *files)
{
    const struct tokenizer_json *config = &files->config, *tokenizer = &files->tokenizer;
    int status = check_side(config->path, config->root, "padding_side");
    if (!status)
        status = check_side(config->path, config->root, "truncation_side");
    if (!status && !json_object_get(config->root, "padding_side"))
        status = check_side(tokenizer->path, json_object_get(tokenizer->root, "padding"), "direction");
    if (!status && !json_object_get(config->root, "truncation_side"))
        status = check_side(tokenizer->path, json_object_get(tokenizer->root, "truncation"), "direction");
    return status;
}

/* "extra_special_tokens" and its older name, which counts only where nothing else does. */
static int append_extra_lists(struct listing *listing, const struct tokenizer_files *files, bool with_map)
{
    static const char extra[] = "extra_special_tokens", older[] = "additional_special_tokens";
    const json_t *list = json_object_get(files->config.root, extra);
    bool empty = json_object_size(list) == 0 && json_array_size(list) == 0;
    bool given = list || json_object_get(files->config.root, older);
    int status = append_extra_list(listing, &files->config, empty ? older : extra);
    if (status || !with_map)
        return status;
    if (json_object_get(files->special_map.root, extra))
        return append_extra_list(listing, &files->special_map, extra);
    return given ? 0 : append_extra_list(listing, &files->special_map, older);
}

static int append_all(struct listing *listing, const struct tokenizer_files *files)
{
    const struct special_reading *reading = listing->reading;
    int status = 0;
    for (size_t i = 0; i < reading->listed_count && !status; i++) {
        const struct special_description *description = &reading->listed[i].description;
        status = append_added(listing->out, description, is_named(reading, description->token.content));
    }
    for (int i = 0; i < SPECIAL_COUNT && !status; i++)
        status = append_unlisted(listing, &reading->named[i], true);
    for (size_t i = 0; i < reading->extra_count && !status; i++)
        status = append_unlisted(listing, &reading->extra[i].description, true);
    bool with_map = !json_object_get(files->config.root, "added_tokens_decoder");
    return status ? status : append_extra_lists(listing, files, with_map);
}

static int finish_names(const struct special_reading *reading, struct special_tokens *out)
{
    static const int needed[] = {SPECIAL_START, SPECIAL_END, SPECIAL_UNKNOWN, SPECIAL_PAD};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        const char *content = reading->named[needed[i]].token.content;
        if (!content || content[0] == '\0')
            return error_set(SOWLV2_ERROR_FORMAT, "%s: \"%s\" is empty: the text tower needs it", out->file,
                             special_names[needed[i]]);
    }
    out->start = reading->named[SPECIAL_START].token.content;
    out->end = reading->named[SPECIAL_END].token.content;
    out->unknown = reading->named[SPECIAL_UNKNOWN].token.content;
    out->pad = reading->named[SPECIAL_PAD].token.content;
    return 0;
}

/* The file that messages about the tokens as a whole name. */
static const char *main_file(const struct tokenizer_files *files)
{
    const struct tokenizer_json *const order[] = {&files->config, &files->special_map, &files->tokenizer};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (order[i]->root)
            return order[i]->path;
    return files->vocabulary.path;
}

int special_tokens_read(const struct tokenizer_files *files, struct special_tokens *out)
{
    *out = (struct special_tokens){.file = main_file(files)};
    static const struct special_description start = {.token = {.content = "<|startoftext|>"}, .plain = true};
    static const struct special_description end = {.token = {.content = "<|endoftext|>"}, .plain = true};
    struct special_reading reading = {
        .named = {[SPECIAL_START] = start, [SPECIAL_END] = end, [SPECIAL_UNKNOWN] = end, [SPECIAL_PAD] = end},
    };
    struct listing listing = {.reading = &reading, .out = out};

    int status = check_sides(files);
    if (!status)
        status = special_files_read(files, &reading);
    if (!status)
        status = finish_names(&reading, out);
    if (!status)
        status = append_all(&listing, files);
    if (!status)
        status = special_flag(files->config.path, files->config.root, "split_special_tokens", &out->split);
    special_reading_free(&reading);
    free(listing.unlisted);
    if (status)
        special_tokens_free(out);
    return status;
}

void special_tokens_free(struct special_tokens *special)
{
    free(special->added);
    *special = (struct special_tokens){0};
}
