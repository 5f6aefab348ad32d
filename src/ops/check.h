/* Checks of what an op is given. An op lists its operands, each as ops.h describes it; the list is checked here. Every
 * check returns false after it made the pass fail with a message that begins with the op's name. */
#ifndef OPS_CHECK_H
#define OPS_CHECK_H

#include "ops/set.h"

/* What a tensor must be: one type, and what else applies. */
enum {
    IS_F32 = 0,
    IS_NARROW = 1 << 0, /* F32, or the device's narrow type */
    IS_I32 = 1 << 1,
    IS_I16 = 1 << 2,
    IS_U8 = 1 << 3,
    IS_ANY_TYPE = 1 << 4,
    IS_DENSE = 1 << 5,
    IS_VIEW = 1 << 6,     /* axes in any order; what is only read may repeat its entries */
    IS_OUT = 1 << 7,      /* written: no other operand may overlap it, ... */
    IS_IN_PLACE = 1 << 8, /* ... unless it may be the very same view and is */
};

/* The dimensions that a tensor must have. */
struct shape {
    int rank; /* 0: any from 1 */
    int64_t dim[TENSOR_MAX_RANK];
};
#define ANY INT64_MIN /* as a dimension */
#define ANY_SHAPE ((struct shape){0})
#define SHAPE(...) ((struct shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
struct shape shape_of(const struct tensor *tensor);
/* The same but for the last dimension. */
struct shape shape_with_last(const struct tensor *tensor, int64_t last);
/* Broadcasting, "1 or whole": 1 where `dim` is 1, else `whole`. */
int64_t one_or(int64_t dim, int64_t whole);
/* The last dimension; 0 where the rank is out of range. */
int64_t last_dim(const struct tensor *tensor);

struct operand {
    const char *name;
    const struct tensor *tensor; /* NULL: left out */
    unsigned is;
    struct shape shape;
};

/* Whether every operand is in device memory and as it must be. They are looked at in order, so that a shape may be
 * built of the dimensions of those before it. Of overlaps only what is cheap to see is seen: those of tensors that are
 * not dense, from different first elements, are not. False, and nothing is evaluated, where the pass failed before. */
bool check_operands(struct compute *compute, const char *op, int count, const struct operand *operands);
#define CHECK_OPERANDS(compute, op, ...)                                                                               \
    (compute_status(compute) == 0 &&                                                                                   \
     check_operands((compute), (op), (int)(sizeof((struct operand[]){__VA_ARGS__}) / sizeof(struct operand)),          \
                    (struct operand[]){__VA_ARGS__}))

bool check_activation(struct compute *compute, const char *op, enum activation activation);

/* Fails with "op: text". Always returns false. */
__attribute__((format(printf, 3, 4))) bool check_failed(struct compute *compute, const char *op, const char *format,
                                                        ...);

/* A tensor's shape as text, "[3, 5]". */
struct shape_text {
    char text[128];
};
struct shape_text shape_text(const struct tensor *tensor);

/* The functions of the compute's device. */
const struct ops_set *set_of(const struct compute *compute);

#endif
