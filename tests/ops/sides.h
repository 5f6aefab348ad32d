/* The device under test, of the level that SOWLV2_CPU names or the best, beside the reference set. */
#ifndef TESTS_OPS_SIDES_H
#define TESTS_OPS_SIDES_H

#include "ops/fields.h"

enum { UNDER_TEST, REFERENCE, SIDES };

/* What a group of tests runs on. */
extern struct sides {
    enum dtype precision; /* of both; set before sides_run */
    struct device *device[SIDES];
    struct compute *compute[SIDES];
} sides;

/* Runs the tests with one thread and with an odd number of them. What main returns. */
int sides_run(const struct CMUnitTest *tests, size_t count);

/* Starts a pass on both sides. */
void sides_begin(void);
/* Both passes went well, and their results are there. */
void sides_finish(void);

/* Results to fill: of the side under test with gaps where wanted, of the reference without. */
void sides_out(struct tensor out[SIDES], bool gaps, int rank, const int64_t *dim);
/* The passes went well, and each element of the result is the reference's: see compare_tensors. */
__attribute__((format(printf, 4, 5))) void sides_compare(const struct tensor out[SIDES], double absolute,
                                                         double relative, const char *format, ...);

/* The op refuses what it is given: its pass fails with a message that begins with its name, and no field has changed.
 */
#define REJECTED(op, ...)                                                                                              \
    do {                                                                                                               \
        compute_begin(sides.compute[UNDER_TEST]);                                                                      \
        op(sides.compute[UNDER_TEST], __VA_ARGS__);                                                                    \
        check_rejected(#op, "line", __LINE__);                                                                         \
    } while (0)
void check_rejected(const char *op, const char *what, int number);

/* One operand of a call that is right, and what else would be right. */
enum given_is {
    GIVEN_OUT = 1 << 0,      /* it is written */
    GIVEN_IN_PLACE = 1 << 1, /* it may be the very tensor that is written */
    GIVEN_DENSE = 1 << 2,    /* it must be dense */
    GIVEN_VIEW = 1 << 3,     /* it may have any strides, and any type */
    GIVEN_ANY_RANK = 1 << 4, /* it may have an axis more */
    GIVEN_FREE = 1 << 5,     /* shifted by an axis: any size along it does */
};
struct given {
    const char *name;
    struct tensor tensor;
    unsigned is;
};
typedef void given_call(struct compute *, const struct given *);

/* The call is right as it is, with gaps where no operand need be dense too; and it is rejected where one operand is
 * spoiled: its type, its rank, a size, a stride, no memory, overlaps. */
void check_rejections(const char *op, given_call *call, int count, const struct given *given);
#define CHECK_REJECTIONS(op, call, ...)                                                                                \
    check_rejections((op), (call), (int)(sizeof((struct given[]){__VA_ARGS__}) / sizeof(struct given)),                \
                     (struct given[]){__VA_ARGS__})

#endif
