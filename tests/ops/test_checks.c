/* Every op rejects what does not fit, in a message that names the op, and writes nothing then. */
#include "ops/support.h"

#include "base/error.h"
#include "ops/filter.h"

#include <string.h>

static struct device *device;
static struct compute *compute;
static struct parameters *parameters;
static const struct linear *layer; /* 3 inputs, 4 outputs */
static const struct conv2d *conv;  /* 2 channels, 4 outputs, kernel 2 x 2, stride 1 */

static struct tensor f32(int rank, const int64_t *dim)
{
    return compute_tensor(compute, DTYPE_F32, rank, dim);
}
#define F32(...) f32(DIMS(__VA_ARGS__))

static struct tensor i32(int64_t count)
{
    struct tensor tensor = COMPUTE_TENSOR(compute, DTYPE_I32, count);
    memset(host_data(tensor), 0, (size_t)count * 4);
    return tensor;
}

/* The pass has failed in this op; a new one begins. */
static void rejected(const char *op, int line)
{
    if (compute_status(compute) != SOWLV2_ERROR_ARGUMENT)
        fail_msg("line %d: %s accepted what does not fit", line, op);
    if (strncmp(error_message(), op, strlen(op)) != 0)
        fail_msg("line %d: the message is \"%s\"", line, error_message());
    compute_begin(compute);
}
#define REJECTED(op, call)                                                                                             \
    do {                                                                                                               \
        call;                                                                                                          \
        rejected((op), __LINE__);                                                                                      \
    } while (0)

static int setup(void **state)
{
    (void)state;
    float values[64] = {0};
    struct host_tensor matrix = {DTYPE_F32, 2, {4, 3}, values, 48, NULL},
                       kernel = {DTYPE_F32, 4, {4, 2, 2, 2}, values, 128, NULL};
    const struct host_tensor *weight = &matrix;
    assert_int_equal(device_open(&(struct device_options){.device = "reference", .threads = 1}, &device), 0);
    assert_int_equal(compute_create(device, &compute), 0);
    assert_int_equal(parameters_create(device, &parameters), 0);
    assert_int_equal(parameters_linear(parameters, 1, &weight, NULL, 1, &layer), 0);
    assert_int_equal(parameters_conv2d(parameters, &kernel, NULL, 1, 0, &conv), 0);
    compute_begin(compute);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    parameters_free(&parameters);
    compute_free(&compute);
    device_close(&device);
    return 0;
}

static void test_linear(void **state)
{
    (void)state;
    const char *op = "op_linear";
    struct tensor x = F32(5, 3), out = F32(5, 4), wrong = F32(5, 5), deep = F32(5, 1, 4);
    REJECTED(op, op_linear(compute, layer, out, ACTIVATION_NONE, NULL, out));
    REJECTED(op, op_linear(compute, layer, x, ACTIVATION_NONE, NULL, wrong));
    REJECTED(op, op_linear(compute, layer, x, ACTIVATION_NONE, NULL, deep));
    REJECTED(op, op_linear(compute, layer, tensor_slice(x, 0, 0, 4), ACTIVATION_NONE, NULL, out));
    REJECTED(op, op_linear(compute, layer, x, ACTIVATION_NONE, &wrong, out));
    REJECTED(op, op_linear(compute, layer, x, (enum activation)99, NULL, out));
    struct tensor type = x;
    type.dtype = DTYPE_I32;
    REJECTED(op, op_linear(compute, layer, type, ACTIVATION_NONE, NULL, out));
    struct tensor stride = x;
    stride.stride[1] = 2;
    REJECTED(op, op_linear(compute, layer, stride, ACTIVATION_NONE, NULL, out));
    stride.stride[1] = 1;
    stride.stride[0] = 2;
    REJECTED(op, op_linear(compute, layer, stride, ACTIVATION_NONE, NULL, out));
    struct tensor nothing = x;
    nothing.buffer = NULL;
    REJECTED(op, op_linear(compute, layer, nothing, ACTIVATION_NONE, NULL, out));
    struct tensor same = out;
    same.buffer = x.buffer;
    same.offset = x.offset;
    REJECTED(op, op_linear(compute, layer, x, ACTIVATION_NONE, NULL, same));
    same.offset = x.offset + 7 * sizeof(float);
    REJECTED(op, op_linear(compute, layer, x, ACTIVATION_NONE, NULL, same));
    struct tensor shifted = out;
    shifted.offset = out.offset + 4 * sizeof(float);
    REJECTED(op, op_linear(compute, layer, x, ACTIVATION_NONE, &shifted, out));
}

static void test_products(void **state)
{
    (void)state;
    const char *op = "op_matmul_transposed";
    struct tensor a = F32(5, 3), b = F32(6, 3), out = F32(5, 6);
    REJECTED(op, op_matmul_transposed(compute, a, F32(6, 4), out));
    REJECTED(op, op_matmul_transposed(compute, a, b, F32(6, 5)));
    REJECTED(op, op_matmul_transposed(compute, F32(1, 5, 3), b, out));
    REJECTED(op, op_matmul_transposed(compute, F32(5, 0), F32(6, 0), out));
    op = "op_conv2d";
    struct tensor x = F32(1, 5, 5, 2);
    out = F32(1, 4, 4, 4);
    REJECTED(op, op_conv2d(compute, conv, F32(1, 5, 5, 3), NULL, out));
    REJECTED(op, op_conv2d(compute, conv, x, NULL, F32(1, 5, 5, 4)));
    REJECTED(op, op_conv2d(compute, conv, F32(1, 1, 1, 2), NULL, out));
    REJECTED(op, op_conv2d(compute, conv, x, &x, out));
    op = "op_attention";
    struct tensor q = F32(1, 5, 2, 8), k = F32(1, 6, 2, 8), v = F32(1, 6, 2, 4);
    out = F32(1, 5, 2, 4);
    REJECTED(op, op_attention(compute, q, k, F32(1, 5, 2, 4), 1.0F, false, out));
    REJECTED(op, op_attention(compute, q, F32(1, 6, 1, 8), v, 1.0F, false, out));
    REJECTED(op, op_attention(compute, q, F32(2, 6, 2, 8), v, 1.0F, false, out));
    REJECTED(op, op_attention(compute, q, k, v, 1.0F, false, q));
    REJECTED(op, op_attention(compute, q, k, v, 1.0F, true, out));
    REJECTED(op, op_attention(compute, q, F32(1, 0, 2, 8), F32(1, 0, 2, 4), 1.0F, false, out));
    REJECTED(op, op_attention(compute, q, q, q, 1.0F, false, q));
}

static void test_rows(void **state)
{
    (void)state;
    struct tensor x = F32(4, 6), c = F32(6), wrong = F32(5);
    REJECTED("op_layer_norm", op_layer_norm(compute, x, wrong, c, 1e-5F, x));
    REJECTED("op_layer_norm", op_layer_norm(compute, x, c, wrong, 1e-5F, x));
    REJECTED("op_layer_norm", op_layer_norm(compute, x, c, c, 1e-5F, F32(4, 5)));
    REJECTED("op_layer_norm", op_layer_norm(compute, x, TENSOR_RESHAPE(c, 1, 6), c, 1e-5F, x));
    REJECTED("op_l2_normalize", op_l2_normalize(compute, x, 1e-6F, F32(6, 4)));
    REJECTED("op_activation", op_activation(compute, x, (enum activation) - 1, x));
    struct tensor shifted = tensor_slice(x, 0, 1, 3);
    REJECTED("op_activation", op_activation(compute, tensor_slice(x, 0, 0, 3), ACTIVATION_RELU, shifted));
    REJECTED("op_shift_scale", op_shift_scale(compute, x, F32(4, 2), F32(4, 1), x));
    REJECTED("op_shift_scale", op_shift_scale(compute, x, F32(4, 1), F32(6, 1), x));
    REJECTED("op_add", op_add(compute, x, F32(4, 2), x));
    REJECTED("op_add", op_add(compute, x, c, x));
    REJECTED("op_add", op_add(compute, x, x, x));
    REJECTED("op_mul", op_mul(compute, F32(1, 6), x, F32(1, 6)));
    REJECTED("op_mul", op_mul(compute, F32(1, 1, 1, 1, 2), F32(1, 1, 1, 1, 2), F32(1, 1, 1, 1, 2)));
}

static void test_lookups(void **state)
{
    (void)state;
    struct tensor ids = TENSOR_RESHAPE(i32(6), 2, 3), table = F32(9, 5), positions = F32(4, 5), out = F32(2, 3, 5);
    REJECTED("op_embed", op_embed(compute, F32(2, 3), table, positions, out));
    REJECTED("op_embed", op_embed(compute, ids, table, F32(2, 5), out));
    REJECTED("op_embed", op_embed(compute, ids, table, F32(4, 6), out));
    REJECTED("op_embed", op_embed(compute, ids, table, positions, F32(3, 2, 5)));
    struct tensor x = F32(2, 3, 5);
    struct tensor index = TENSOR_RESHAPE(i32(8), 2, 4);
    REJECTED("op_gather_rows", op_gather_rows(compute, x, TENSOR_RESHAPE(i32(9), 3, 3), F32(3, 3, 5)));
    index = TENSOR_RESHAPE(i32(8), 2, 4);
    REJECTED("op_gather_rows", op_gather_rows(compute, x, index, F32(2, 3, 5)));
    index = TENSOR_RESHAPE(i32(8), 2, 4);
    REJECTED("op_gather_rows", op_gather_rows(compute, x, index, F32(2, 4, 3)));
    REJECTED("op_gather_rows", op_gather_rows(compute, x, F32(2, 4), F32(2, 4, 5)));
}

static void test_resize(void **state)
{
    (void)state;
    const char *op = "op_resize_image";
    const struct pixel_scale scale = {1.0F, {0}, {1.0F, 1.0F, 1.0F}};
    uint8_t bytes[4 * 12] = {0};
    struct filter filter;
    assert_int_equal(filter_bilinear_antialias(4, 3, &filter), 0);
    struct tensor out = F32(3, 3, 3), pixels = op_upload_rows(compute, bytes, 12, 4, 12);
    struct resize resize = op_upload_filter(compute, &filter);
    REJECTED(op, op_resize_image(compute, pixels, &resize, &resize, &scale, F32(3, 4, 3)));
    out = F32(3, 3, 3);
    pixels = op_upload_rows(compute, bytes, 12, 4, 12);
    resize = op_upload_filter(compute, &filter);
    REJECTED(op, op_resize_image(compute, pixels, &resize, &resize, &scale, F32(3, 3, 4)));
    pixels = op_upload_rows(compute, bytes, 11, 4, 11);
    resize = op_upload_filter(compute, &filter);
    REJECTED(op, op_resize_image(compute, pixels, &resize, &resize, &scale, out));
    pixels = op_upload_rows(compute, bytes, 12, 4, 12);
    resize = op_upload_filter(compute, &filter); /* bytes come of whole numbers alone */
    REJECTED(op, op_resize_image(compute, pixels, &resize, &resize, NULL, COMPUTE_TENSOR(compute, DTYPE_U8, 3, 3, 3)));
    op = "op_resize_planes";
    resize = op_upload_filter(compute, &filter);
    REJECTED(op, op_resize_planes(compute, F32(1, 4, 5), &resize, &resize, F32(1, 3, 3)));
    op = "op_upload_rows";
    REJECTED(op, op_upload_rows(compute, bytes, 11, 4, 12));
    REJECTED(op, op_upload_rows(compute, NULL, 12, 4, 12));
    op = "op_upload_filter";
    filter.first[2] = 4;
    REJECTED(op, op_upload_filter(compute, &filter));
    filter.first[2] = -1;
    REJECTED(op, op_upload_filter(compute, &filter));
    filter_free(&filter);
}

/* Nothing to do is no error. */
static void test_empty(void **state)
{
    (void)state;
    op_linear(compute, layer, F32(0, 3), ACTIVATION_RELU, NULL, F32(0, 4));
    op_matmul_transposed(compute, F32(0, 3), F32(2, 3), F32(0, 2));
    op_layer_norm(compute, F32(0, 3), F32(3), F32(3), 1e-5F, F32(0, 3));
    op_attention(compute, F32(0, 3, 1, 4), F32(0, 3, 1, 4), F32(0, 3, 1, 4), 1.0F, false, F32(0, 3, 1, 4));
    op_add(compute, F32(2, 0), F32(1, 1), F32(2, 0));
    op_gather_rows(compute, F32(0, 2, 3), TENSOR_RESHAPE(i32(0), 0, 1), F32(0, 1, 3));
    assert_int_equal(compute_status(compute), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),  cmocka_unit_test(test_products), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_lookups), cmocka_unit_test(test_resize),   cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
