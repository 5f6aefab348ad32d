/* A detector's prompts: template, tokens, encoding. */
#include "engine/detector_parts.h"

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

/* `text` with every "{}" of the template replaced by the prompt. */
static int fill_template(const char *template, const char *prompt, struct string *text)
{
    string_clear(text);
    for (const char *slot; (slot = strstr(template, "{}")); template = slot + 2) {
        string_append(text, template, (size_t)(slot - template));
        string_append_text(text, prompt);
    }
    string_append_text(text, template);
    return text->failed ? error_memory("prompt") : 0;
}

/* Texts whose ends are left out: how many, and the first ones for a message. */
struct cut {
    int64_t count;
    struct string named;
};

static void note_cut(struct cut *cut, const char *text)
{
    enum { MOST_NAMED = 5 };

    if (cut->count < MOST_NAMED)
        string_append_format(&cut->named, "%s\"%s\"", cut->count > 0 ? ", " : "", text);
    else if (cut->count == MOST_NAMED)
        string_append_text(&cut->named, ", ...");
    cut->count++;
}

static void tell_cut(const struct detector *detector, const struct cut *cut)
{
    if (cut->count == 1 && !cut->named.failed)
        log_notice("prompt %s: longer than the model's %d tokens, it is cut off", cut->named.data,
                   detector->info.text_length);
    else if (cut->count > 0)
        log_notice("%lld prompts are longer than the model's %d tokens and are cut off: %s", (long long)cut->count,
                   detector->info.text_length, cut->named.failed ? "" : cut->named.data);
}

static int tokenize_all(const struct detector *detector, const char *const *texts, int64_t count, const char *template,
                        bool quiet, int32_t *ids)
{
    struct string text = {0};
    struct cut cut = {0};
    int status = 0;
    for (int64_t i = 0; i < count && status == 0; i++) {
        bool is_cut = false;
        status = fill_template(template, texts[i], &text);
        if (status == 0)
            status = detector_tokenize_quietly(detector, text.data ? text.data : "",
                                               ids + i * detector->info.text_length, &is_cut);
        if (status == 0 && is_cut)
            note_cut(&cut, text.data);
    }
    if (status == 0 && !quiet)
        tell_cut(detector, &cut);
    string_free(&cut.named);
    string_free(&text);
    return status;
}

static int encode(const struct detector *detector, const int32_t *ids, struct detector_prompts *prompts)
{
    struct compute *compute = NULL;
    int status = compute_create(detector->device, &compute);
    if (status == 0)
        status = detector->model->prompts_create(detector->weights, compute, ids, prompts->count, &prompts->encoded);
    compute_free(&compute);
    return status;
}

int detector_prompts_encode(const struct detector *detector, const char *const *texts, int64_t count,
                            const char *template, bool quiet, struct detector_prompts **out)
{
    *out = NULL;
    struct detector_prompts *prompts = calloc(1, sizeof(*prompts));
    int32_t *const ids = calloc((size_t)count * (size_t)detector->info.text_length, sizeof(*ids));
    int status = prompts && ids ? 0 : error_memory("prompts");
    if (status == 0) {
        *prompts = (struct detector_prompts){.detector = detector, .count = count};
        status = tokenize_all(detector, texts, count, template, quiet, ids);
    }
    if (status == 0)
        status = encode(detector, ids, prompts);
    free(ids);
    if (status != 0) {
        free(prompts);
        return status;
    }
    *out = prompts;
    return 0;
}

void detector_prompts_free(struct detector_prompts **prompts)
{
    struct detector_prompts *old = *prompts;
    if (!old)
        return;
    old->detector->model->prompts_free(old->detector->weights, old->encoded);
    free(old);
    *prompts = NULL;
}
