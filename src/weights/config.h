/* JSON files of a model folder (config.json, processor_config.json): typed fields with the
 * reference's defaults, ranges, and errors that name the file and the field. Untrusted input. */
#ifndef WEIGHTS_CONFIG_H
#define WEIGHTS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;      /* one parsed file */
struct config_node; /* an object inside it; NULL stands for an object that is absent, all defaults */

/* Reads `folder`/`name`. Errors: MODEL (no such file), FORMAT (not JSON, not an object, nested too
 * deeply, duplicate keys), IO, MEMORY. */
int config_open(const char *folder, const char *name, struct config **out);

/* What messages call the file. */
const char *config_name(const struct config *config);
/* The same from memory; `name` is what messages call it. */
int config_parse(const char *name, const char *text, size_t size, struct config **out);
void config_close(struct config **config);

const struct config_node *config_root(const struct config *config);

/* The object `key`, or NULL where it is absent or null. FORMAT where it is something else. */
int config_object(const struct config *config, const struct config_node *node, const char *key,
                  const struct config_node **out);

bool config_has(const struct config_node *node, const char *key);     /* present and not null */
bool config_is_null(const struct config_node *node, const char *key); /* present and null */

/* Each getter gives `fallback` where the key is absent or null; FORMAT, naming file and field, where
 * the type is wrong or the value is outside [minimum, maximum]. A JSON integer is fine as a number,
 * and 12.0 as a whole number. */
int config_int(const struct config *config, const struct config_node *node, const char *key, int64_t fallback,
               int64_t minimum, int64_t maximum, int64_t *out);
int config_number(const struct config *config, const struct config_node *node, const char *key, double fallback,
                  double minimum, double maximum, double *out);
int config_bool(const struct config *config, const struct config_node *node, const char *key, bool fallback, bool *out);
/* The string lives as long as the config. `fallback` may be NULL. */
int config_string(const struct config *config, const struct config_node *node, const char *key, const char *fallback,
                  const char **out);
/* A switch as Python takes it: null is off. */
int config_switch(const struct config *config, const struct config_node *node, const char *key, bool fallback,
                  bool *out);
/* A list of exactly `count` numbers, or one that stands for all. `fallback` may be NULL: then the field is required. */
int config_numbers(const struct config *config, const struct config_node *node, const char *key, size_t count,
                   const double *fallback, double minimum, double maximum, double *out);

/* A list of at most `capacity` whole numbers; a number alone is a list of one. `*count` is how many there
 * are, -1 where the key is absent or null. */
int config_int_list(const struct config *config, const struct config_node *node, const char *key, int capacity,
                    int64_t minimum, int64_t maximum, int64_t *out, int *count);

/* A height and a width: one number for both, a list of the two, or an object with "height" and "width". Where the key
 * is absent both are `fallback`; null is no size. */
int config_size(const struct config *config, const struct config_node *node, const char *key, int64_t fallback,
                int64_t minimum, int64_t maximum, int64_t out[2]);

/* A text, or a whole number or true or false as Python prints them; freed by the caller. `fallback` as elsewhere, not
 * NULL. Errors: FORMAT, MEMORY. */
int config_text(const struct config *config, const struct config_node *node, const char *key, const char *fallback,
                char **out);

/* For an error of the model's own about one field: FORMAT after "<file>: <path of the field>: <formatted text>". */
__attribute__((format(printf, 4, 5))) int config_field_error(const struct config *config,
                                                             const struct config_node *node, const char *key,
                                                             const char *format, ...);
/* For an error of the model's own about this file: returns FORMAT after
 * "<file>: <formatted text>". */
__attribute__((format(printf, 2, 3))) int config_error(const struct config *config, const char *format, ...);

#endif
