/* The files of a tokenizer, read and parsed but not yet understood. */
#ifndef TEXT_TOKENIZER_FILES_H
#define TEXT_TOKENIZER_FILES_H

#include <jansson.h>
#include <stddef.h>

/* One JSON file; `root` is NULL where the folder lacks it. */
struct tokenizer_json {
    char *path;
    json_t *root;
};

struct tokenizer_files {
    struct tokenizer_json tokenizer;  /* tokenizer.json; where it is there, the next two are not read */
    struct tokenizer_json vocabulary; /* vocab.json */
    char *merges_path;                /* merges.txt */
    char *merges;                     /* its text; NULL where it was not read */
    size_t merges_size;
    struct tokenizer_json config;      /* tokenizer_config.json */
    struct tokenizer_json special_map; /* special_tokens_map.json */
    struct tokenizer_json added;       /* added_tokens.json */
};

/* Reads what `folder` has. Errors: MODEL (neither tokenizer.json nor both of the others), FORMAT (not a
 * JSON object, over 64 MiB), IO, MEMORY; `*out` is empty then. */
int tokenizer_files_open(const char *folder, struct tokenizer_files *out);
void tokenizer_files_close(struct tokenizer_files *files);

/* Makes a tokenizer of files that were read, and leaves them to the caller: tokenizer_open() between
 * reading and closing. Errors: FORMAT, UNSUPPORTED, MEMORY; `*out` is NULL then. */
struct tokenizer;
int tokenizer_create(const struct tokenizer_files *files, struct tokenizer **out);

#endif
