/* Options of any version of the public headers: the caller's size says which. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "sowlv2.h"

/* Fills what a caller knows of an options struct, `size` bytes, from `defaults` of `known` bytes; 0 beyond. */
void options_init(void *options, size_t size, const void *defaults, size_t known);

/* What `given` says (NULL: nothing), over the defaults that `out` [known] holds. `struct_name` is what messages say,
 * and `maker` the function that makes such a struct. Errors: ARGUMENT (a size that no maker set), UNSUPPORTED (fields
 * that this version does not know are not 0).
 *
 * Whoever adds a field puts it where the struct ended, never into its padding, which older callers leave unset; 0 must
 * mean what was done before. */
int options_take(const char *struct_name, const char *maker, const void *given, void *out, size_t known);

/* options_take() of a type, with the defaults: OPTIONS_TAKE(score, options, &mine). */
#define OPTIONS_TAKE(type, given, out)                                                                                 \
    (*(out) = sowlv2_##type##_options_default(),                                                                       \
     options_take("struct sowlv2_" #type "_options", "sowlv2_" #type "_options_default()", (given), (out),             \
                  sizeof(struct sowlv2_##type##_options)))

#endif
