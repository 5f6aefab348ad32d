/* The device under test beside the reference set. */
#include "ops/sides.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

struct sides sides;

static int threads_under_test;

static void require(int status)
{
    if (status != 0)
        fail_msg("%s", error_message());
}

static int setup(void **state)
{
    (void)state;
    random_seed(2022);
    enum cpu_level level;
    assert_true(level_under_test(&level));
    const struct device_options options[SIDES] = {
        [UNDER_TEST] = {.device = device_under_test(),
                        .cpu_level = cpu_level_name(level),
                        .precision = sides.precision,
                        .threads = threads_under_test},
        [REFERENCE] = {.device = "reference", .precision = sides.precision, .threads = 1},
    };
    for (int i = 0; i < SIDES; i++) {
        require(device_open(&options[i], &sides.device[i]));
        require(compute_create(sides.device[i], &sides.compute[i]));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < SIDES; i++) {
        compute_free(&sides.compute[i]);
        device_close(&sides.device[i]);
    }
    return 0;
}

int sides_run(const struct CMUnitTest *tests, size_t count)
{
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    static const int threads[] = {1, 3};
    int failed = 0;
    for (int i = 0; i < COUNT(threads); i++) {
        char name[64];
        if (device_under_test() && i > 0)
            break; /* threads are the CPU's */
        snprintf(name, sizeof(name), "%s, threads %d",
                 device_under_test() ? device_under_test() : cpu_level_name(level), threads[i]);
        threads_under_test = threads[i];
        failed += _cmocka_run_group_tests(name, tests, count, setup, teardown);
    }
    return failed == 0 ? 0 : 1;
}

void sides_begin(void)
{
    for (int i = 0; i < SIDES; i++)
        compute_begin(sides.compute[i]);
}

void sides_finish(void)
{
    for (int i = 0; i < SIDES; i++)
        require(compute_finish(sides.compute[i]));
}

void sides_out(struct tensor out[SIDES], bool gaps, int rank, const int64_t *dim)
{
    out[UNDER_TEST] = field_out(gaps, rank, dim);
    out[REFERENCE] = field_out(false, rank, dim);
}

void sides_compare(const struct tensor out[SIDES], double absolute, double relative, const char *format, ...)
{
    char what[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    sides_finish();
    compare_tensors(what, &out[UNDER_TEST], &out[REFERENCE], absolute, relative);
}

void check_rejected(const char *op, const char *what, int number)
{
    if (compute_status(sides.compute[UNDER_TEST]) != SOWLV2_ERROR_ARGUMENT)
        fail_msg("%s accepted what does not fit (%s %d)", op, what, number);
    const size_t length = strlen(op);
    if (strncmp(error_message(), op, length) != 0 || strncmp(error_message() + length, ": ", 2) != 0)
        fail_msg("%s (%s %d): the message is \"%s\"", op, what, number, error_message());
    fields_check_untouched();
}

enum { MAX_GIVEN = 12 };

/* The call with operand `which` replaced. */
static void try_spoiled(const char *op, given_call *call, int count, const struct given *given, int which,
                        struct tensor spoiled, const char *how, int number)
{
    struct given other[MAX_GIVEN];
    memcpy(other, given, (size_t)count * sizeof(*given));
    other[which].tensor = spoiled;
    char what[128];
    snprintf(what, sizeof(what), "%s: %s", given[which].name, how);
    compute_begin(sides.compute[UNDER_TEST]);
    call(sides.compute[UNDER_TEST], other);
    check_rejected(op, what, number);
}

/* Dense, with another size along an axis. There may be less memory than that: nobody may read it. */
static struct tensor resized(struct tensor tensor, int axis, int64_t size)
{
    struct tensor out;
    size_t bytes;
    int64_t dim[TENSOR_MAX_RANK];
    memcpy(dim, tensor.dim, sizeof(dim));
    dim[axis] = size;
    assert_true(tensor_layout(tensor.dtype, tensor.rank, dim, &out, &bytes));
    out.buffer = tensor.buffer;
    out.offset = tensor.offset;
    return out;
}

static void spoil_alone(const char *op, given_call *call, int count, const struct given *given, int which)
{
    const struct tensor right = given[which].tensor;
    const unsigned is = given[which].is;
    struct tensor wrong = right;
#define TRY(how, number) try_spoiled(op, call, count, given, which, wrong, how, number)
    wrong.dtype = is & GIVEN_VIEW ? DTYPE_OTHER : right.dtype == DTYPE_F32 ? DTYPE_I32 : DTYPE_F32;
    TRY("type", (int)wrong.dtype);
    wrong = right;
    wrong.buffer = NULL;
    TRY("memory", 0);
    for (int rank = 0; rank <= TENSOR_MAX_RANK + 1; rank += TENSOR_MAX_RANK + 1) {
        wrong = right;
        wrong.rank = rank;
        TRY("rank", rank);
    }
    for (int first = 0; first < 2 && (is & GIVEN_ANY_RANK) == 0 && right.rank < TENSOR_MAX_RANK; first++) {
        int64_t dim[TENSOR_MAX_RANK] = {1, 1, 1, 1, 1};
        memcpy(dim + first, right.dim, (size_t)right.rank * sizeof(*dim));
        wrong = tensor_reshape(right, right.rank + 1, dim);
        TRY("one axis more", first);
    }
    for (int axis = 0; axis < right.rank; axis++) {
        wrong = right;
        wrong.dim[axis] = -1;
        TRY("negative axis", axis);
        for (int64_t size = right.dim[axis] - 1; size <= right.dim[axis] + 1; size += 2) {
            wrong = resized(right, axis, size);
            if ((is & GIVEN_FREE << axis) == 0 && size > 0)
                TRY("size of axis", axis);
        }
        wrong = right;
        wrong.stride[axis]--;
        if ((is & GIVEN_VIEW) == 0 && (axis == right.rank - 1 || right.dim[axis] > 1))
            TRY("stride along axis", axis);
        wrong = right;
        wrong.stride[axis]++;
        if ((is & GIVEN_DENSE && right.dim[axis] > 1) || ((is & GIVEN_VIEW) == 0 && axis == right.rank - 1))
            TRY("gaps along axis", axis);
    }
    if (is & GIVEN_VIEW && is & GIVEN_OUT) {
        wrong = right;
        wrong.stride[0] = 0;
        TRY("an element twice", 0);
    }
#undef TRY
}

static void spoil_together(const char *op, given_call *call, int count, const struct given *given, int out, int which)
{
    struct tensor wrong = given[which].tensor;
    wrong.buffer = given[out].tensor.buffer;
    wrong.offset = given[out].tensor.offset;
    bool same = wrong.dtype == given[out].tensor.dtype && wrong.rank == given[out].tensor.rank;
    for (int i = 0; same && i < wrong.rank; i++)
        same = wrong.dim[i] == given[out].tensor.dim[i];
    if (!same || (given[which].is & GIVEN_IN_PLACE) == 0)
        try_spoiled(op, call, count, given, which, wrong, "place of", out);
    wrong.offset += (size_t)(tensor_count(&given[out].tensor) - 1) * dtype_size(given[out].tensor.dtype);
    if (tensor_count(&given[out].tensor) > 1)
        try_spoiled(op, call, count, given, which, wrong, "end of", out);
}

void check_rejections(const char *op, given_call *call, int count, const struct given *given)
{
    assert_true(count <= MAX_GIVEN);
    compute_begin(sides.compute[UNDER_TEST]);
    call(sides.compute[UNDER_TEST], given);
    if (compute_finish(sides.compute[UNDER_TEST]) != 0)
        fail_msg("%s", error_message());
    fields_seal();
    for (int i = 0; i < count; i++) {
        spoil_alone(op, call, count, given, i);
        for (int j = 0; j < count; j++)
            if (i != j && given[i].is & GIVEN_OUT)
                spoil_together(op, call, count, given, i, j);
    }
    fields_check();
}
