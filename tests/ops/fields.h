/* Tensors of a test in memory of their own, with a guard before and after and, where `gaps`, gaps between rows and a
 * first element that is not always on a boundary of the vector width. Everything that is not the tensor's holds NaN of
 * a certain pattern. They are remembered, checked and freed together. */
#ifndef TESTS_OPS_FIELDS_H
#define TESTS_OPS_FIELDS_H

#include "ops/support.h"

/* Random values that no op may change. */
struct tensor field_in(bool gaps, float low, float high, int rank, const int64_t *dim);
struct tensor field_in_i32(int rank, const int64_t *dim, const int32_t *values);
/* NaN that an op is to write over. */
struct tensor field_out(bool gaps, int rank, const int64_t *dim);
struct tensor field_out_i32(int rank, const int64_t *dim);
/* Random values, or the same as another tensor's, to be changed in place. */
struct tensor field_inout(bool gaps, float low, float high, int rank, const int64_t *dim);
struct tensor field_copy(bool gaps, const struct tensor *from);

/* Elements were set by hand: as they are now they must stay. */
void fields_seal(void);
/* Nothing at all has changed since; of results not either. */
void fields_check_untouched(void);
/* Nothing has changed but elements of results, and all are freed. */
void fields_check(void);

/* A test whose fields are freed also where it fails. */
#define TEST(function) cmocka_unit_test_teardown(function, fields_free)
int fields_free(void **state);

#endif
