/* The verbs of the tool: what each is called, what its help says, what runs it. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/settings.h"

#include <stddef.h>

struct verb {
    const char *name;
    const char *summary;                   /* one line */
    unsigned options;                      /* enum option_verbs */
    const char *usage;                     /* without the program's name */
    const char *description;               /* paragraphs, wrapped by the help */
    const char *examples;                  /* as they are printed; NULL: none */
    int (*run)(struct settings *settings); /* gives an enum exit_status */
};

extern const struct verb verb_table[];
extern const size_t verb_count;

/* NULL: no verb of that name. */
const struct verb *verb_find(const char *name);

int verb_detect(struct settings *settings);
int verb_segment(struct settings *settings);
int verb_frames(struct settings *settings);
int verb_tokenize(struct settings *settings);
int verb_pull(struct settings *settings);
int verb_models(struct settings *settings);
int verb_devices(struct settings *settings);

/* Prints this thread's error message and gives `status` back. */
int verb_fail(int status);

#endif
