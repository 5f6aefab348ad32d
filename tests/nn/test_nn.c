/* The loader of weights on files made here, and the parts of models where the models' goldens do not reach. */
#include "base/error.h"
#include "base/test_folder.h"
#include "nn/loader.h"
#include "sowlv2.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { INPUTS = 3, FIRST = 2, SECOND = 1, HIDDEN = 5, VALUES = 256 };

/* What the walks below fill. */
struct part {
    const struct linear *joined;
    struct nn_norm norm;
    struct tensor extra;
    struct nn_feed_forward layers;
    int depth, walks;
    bool extra_there, fails;
};

struct fixture {
    struct device *device;
    struct compute *compute;
    struct parameters *parameters;
    struct checkpoint *checkpoint;
    char *folder;
    float values[VALUES]; /* of the file */
};

static char heard[1024];

static void hear(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)user_data;
    assert_int_equal(level, SOWLV2_LOG_NOTICE);
    snprintf(heard, sizeof(heard), "%s", message);
}

static void check(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, error_message());
}

/* Tensors of the file, one behind the other: "name:dim,dim;name:dim;...". */
static void make_file(struct fixture *fixture, const char *tensors)
{
    char header[2048] = "{", *copy = strdup(tensors), *rest = copy;
    unsigned char file[8 + sizeof(header) + sizeof(fixture->values)];
    size_t used = 0;

    assert_non_null(copy);
    for (char *one; (one = strsep(&rest, ";"));) {
        char *const shape = strchr(one, ':');
        size_t count = 1;

        assert_non_null(shape);
        *shape = '\0';
        for (const char *at = shape; at; at = strchr(at + 1, ','))
            count *= (size_t)strtoul(at + 1, NULL, 10);
        snprintf(header + strlen(header), sizeof(header) - strlen(header),
                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", used > 0 ? "," : "", one,
                 shape + 1, used * sizeof(float), (used + count) * sizeof(float));
        used += count;
    }
    free(copy);
    strcat(header, "}");
    assert_true(used <= VALUES);
    const uint64_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)(length >> (8 * i));
    memcpy(file + 8, header, length);
    memcpy(file + 8 + length, fixture->values, used * sizeof(float));
    fixture->folder = test_folder_make();
    test_write(fixture->folder, "model.safetensors", file, 8 + length + used * sizeof(float));
}

static void set_up(struct fixture *fixture, const char *tensors)
{
    memset(fixture, 0, sizeof(*fixture));
    for (int i = 0; i < VALUES; i++)
        fixture->values[i] = (float)(i % 17 - 8) / 8.0F; /* sums of products are exact */
    make_file(fixture, tensors);
    check(device_open(&(struct device_options){.threads = 1}, &fixture->device));
    check(compute_create(fixture->device, &fixture->compute));
    check(parameters_create(fixture->device, &fixture->parameters));
    check(checkpoint_open(fixture->folder, &fixture->checkpoint));
    heard[0] = '\0';
    sowlv2_set_log(hear, NULL);
}

static void tear_down(struct fixture *fixture)
{
    sowlv2_set_log(NULL, NULL);
    checkpoint_close(&fixture->checkpoint);
    parameters_free(&fixture->parameters);
    compute_free(&fixture->compute);
    device_close(&fixture->device);
    test_folder_remove(fixture->folder);
}

static void walk(struct loader *loader, void *user_data)
{
    const struct loader_part parts[] = {{"a", FIRST, true}, {"b", SECOND, false}};
    struct part *const part = user_data;
    const struct host_tensor *const extra = loader_tensor(loader, true, LOADER_DIMS(2), "extra");

    part->walks++;
    loader_linear_parts(loader, 4, INPUTS, "x.", parts, 2, &part->joined);
    loader_norm(loader, INPUTS, "x.", "norm", &part->norm);
    if (loader_preparing(loader)) {
        part->extra_there = extra->data;
        loader_fail(loader, part->fails ? error_set(SOWLV2_ERROR_UNSUPPORTED, "not this") : 0);
    }
}

#define TENSORS "x.a.weight:2,3;x.b.weight:1,3;x.b.bias:1;x.norm.weight:3;x.norm.bias:3"

/* Parts of one product, with and without bias; what is optional may be absent; what is not named is told. */
static void test_walks(void **state)
{
    static const char *const ignored[] = {"video.", NULL};
    const float x[INPUTS] = {0.5F, -2.0F, 1.0F};
    float out[FIRST + SECOND], gamma[INPUTS];
    struct fixture f;
    struct part part = {0};

    (void)state;
    set_up(&f, TENSORS ";video.y:1;spare:2");
    check(loader_load(f.checkpoint, f.parameters, ignored, walk, &part));
    assert_int_equal(part.walks, 2);
    assert_false(part.extra_there);
    assert_non_null(strstr(heard, ": 1 tensor is not part of this model and left unused: spare"));
    assert_int_equal(linear_outputs(part.joined), FIRST + SECOND);
    compute_begin(f.compute);
    const struct tensor row = op_upload(f.compute, DTYPE_F32, 2, (int64_t[]){1, INPUTS}, x);
    const struct tensor result = COMPUTE_TENSOR(f.compute, DTYPE_F32, 1, FIRST + SECOND);
    op_linear(f.compute, part.joined, row, ACTIVATION_NONE, NULL, result);
    op_download(f.compute, result, out);
    op_download(f.compute, part.norm.gamma, gamma);
    check(compute_finish(f.compute));
    for (int o = 0; o < FIRST + SECOND; o++) {
        float sum = o < FIRST ? 0.0F : f.values[9];
        for (int i = 0; i < INPUTS; i++)
            sum += x[i] * f.values[o * INPUTS + i];
        assert_true(out[o] == sum);
    }
    assert_memory_equal(gamma, f.values + 10, sizeof(gamma));
    tear_down(&f);
}

static void test_missing(void **state)
{
    struct fixture f;
    struct part part = {0};

    (void)state;
    set_up(&f, "x.a.weight:3,2;x.b.weight:1,3;x.norm.weight:3;x.norm.bias:3;extra:3");
    assert_int_equal(loader_load(f.checkpoint, f.parameters, NULL, walk, &part), SOWLV2_ERROR_MODEL);
    assert_int_equal(part.walks, 1);
    assert_null(part.joined);
    assert_null(part.norm.gamma.buffer);
    assert_non_null(strstr(error_message(), "\"extra\" has shape [3], expected [2]; \"x.a.weight\" has shape [3, 2], "
                                            "expected [2, 3]; \"x.b.bias\" is missing, expected [1]: use"));
    tear_down(&f);
}

/* The walk's own errors are the loader's. */
static void test_walk_fails(void **state)
{
    struct fixture f;
    struct part part = {.fails = true};

    (void)state;
    set_up(&f, TENSORS);
    assert_int_equal(loader_load(f.checkpoint, f.parameters, NULL, walk, &part), SOWLV2_ERROR_UNSUPPORTED);
    assert_string_equal(error_message(), "not this");
    tear_down(&f);
}

/* A file that shrinks after it was opened is an error, wherever it ends; one that changes too. */
static void test_shrinks(void **state)
{
    static const long ends[] = {-1, -12, -200, 0}; /* below 0: so much less */

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct fixture f;
        struct part part = {0};
        struct stat now;
        set_up(&f, TENSORS);
        char *const path = test_path(f.folder, "model.safetensors");
        assert_int_equal(stat(path, &now), 0);
        assert_int_equal(truncate(path, ends[i] < 0 ? now.st_size + ends[i] : ends[i]), 0);
        assert_int_equal(loader_load(f.checkpoint, f.parameters, NULL, walk, &part), SOWLV2_ERROR_IO);
        assert_non_null(strstr(error_message(), "model.safetensors: became shorter while it was read"));
        assert_int_equal(truncate(path, now.st_size), 0); /* as long again, with zeros */
        part = (struct part){0};
        assert_int_equal(loader_load(f.checkpoint, f.parameters, NULL, walk, &part), SOWLV2_ERROR_IO);
        assert_non_null(strstr(error_message(), "model.safetensors: was changed while it was read"));
        free(path);
        tear_down(&f);
    }
}

/* What was loaded stays as it was, whatever becomes of the file. */
static void test_shrinks_later(void **state)
{
    float gamma[INPUTS];
    struct fixture f;
    struct part part = {0};

    (void)state;
    set_up(&f, TENSORS);
    check(loader_load(f.checkpoint, f.parameters, NULL, walk, &part));
    char *const path = test_path(f.folder, "model.safetensors");
    assert_int_equal(truncate(path, 0), 0);
    free(path);
    compute_begin(f.compute);
    op_download(f.compute, part.norm.gamma, gamma);
    check(compute_finish(f.compute));
    assert_memory_equal(gamma, f.values + 10, sizeof(gamma));
    tear_down(&f);
}

/* Another process: cuts the file and writes it whole again, over and over, with pauses of all lengths. */
_Noreturn static void cut_and_mend(const char *path)
{
    char bytes[4096];
    const int file = open(path, O_RDWR);
    const ssize_t size = file < 0 ? -1 : pread(file, bytes, sizeof(bytes), 0);
    for (unsigned i = 0; size > 0 && getppid() != 1; i++) {
        const off_t end = (off_t)(i * 37U % (unsigned)size);
        if (ftruncate(file, end) != 0 || pwrite(file, bytes + end, (size_t)(size - end), end) != size - end)
            break;
        usleep(i % 5 * 100);
    }
    _exit(1);
}

/* Opened and loaded while another process truncates it: an error or the right values, never an end by a signal. */
static void test_truncated_by_another(void **state)
{
    enum { TRIES = 400 };
    int loaded = 0, refused = 0;
    struct fixture f;

    (void)state;
    set_up(&f, TENSORS);
    checkpoint_close(&f.checkpoint);
    char *const path = test_path(f.folder, "model.safetensors");
    const pid_t other = fork();
    assert_true(other >= 0);
    if (other == 0)
        cut_and_mend(path);
    for (int i = 0; i < TRIES; i++) {
        struct part part = {0};
        float gamma[INPUTS];
        int status = checkpoint_open(f.folder, &f.checkpoint);
        if (status == 0)
            status = loader_load(f.checkpoint, f.parameters, NULL, walk, &part);
        if (status != 0) {
            assert_true(status == SOWLV2_ERROR_IO || status == SOWLV2_ERROR_FORMAT);
            assert_non_null(strstr(error_message(), "model.safetensors: "));
            refused++;
        } else {
            compute_begin(f.compute);
            op_download(f.compute, part.norm.gamma, gamma);
            check(compute_finish(f.compute));
            assert_memory_equal(gamma, f.values + 10, sizeof(gamma));
            loaded++;
        }
        parameters_free(&f.parameters); /* they show what the checkpoint has */
        checkpoint_close(&f.checkpoint);
        check(parameters_create(f.device, &f.parameters));
    }
    kill(other, SIGKILL);
    assert_int_equal(waitpid(other, NULL, 0), other);
    printf("%d loaded, %d refused\n", loaded, refused);
    assert_true(refused > 0);
    free(path);
    tear_down(&f);
}

static void walk_layers(struct loader *loader, void *user_data)
{
    struct part *const part = user_data;
    loader_feed_forward(loader, 4, INPUTS, HIDDEN, FIRST, part->depth, "", "mlp", &part->layers);
}

/* y[outputs] = weight x + bias, both of the file from `at` on, which moves behind them. */
static void layer(const float **at, int outputs, int inputs, const float *x, float *y)
{
    for (int o = 0; o < outputs; o++) {
        y[o] = (*at)[outputs * inputs + o];
        for (int i = 0; i < inputs; i++)
            y[o] += x[i] * (*at)[o * inputs + i];
    }
    *at += outputs * (inputs + 1);
}

/* Of any depth, on tensors of any rank, with a residual. */
static void test_feed_forward(void **state)
{
    static const char *const files[] = {
        "mlp.proj_in.weight:5,3;mlp.proj_in.bias:5;mlp.proj_out.weight:2,5;mlp.proj_out.bias:2",
        "mlp.proj_in.weight:5,3;mlp.proj_in.bias:5;mlp.layers.0.weight:5,5;mlp.layers.0.bias:5;"
        "mlp.proj_out.weight:2,5;mlp.proj_out.bias:2",
        "mlp.proj_in.weight:5,3;mlp.proj_in.bias:5;mlp.layers.0.weight:5,5;mlp.layers.0.bias:5;"
        "mlp.layers.1.weight:5,5;mlp.layers.1.bias:5;mlp.proj_out.weight:2,5;mlp.proj_out.bias:2"};
    enum { ROWS = 4 };

    (void)state;
    for (int depth = 2; depth <= 4; depth++) {
        struct fixture f;
        struct part part = {.depth = depth};
        float x[ROWS * INPUTS], add[ROWS * FIRST], out[ROWS * FIRST];

        set_up(&f, files[depth - 2]);
        check(loader_load(f.checkpoint, f.parameters, NULL, walk_layers, &part));
        assert_int_equal(part.layers.depth, depth);
        for (int i = 0; i < ROWS * INPUTS; i++)
            x[i] = (float)(i % 5 - 2);
        for (int i = 0; i < ROWS * FIRST; i++)
            add[i] = (float)(100 * i);
        compute_begin(f.compute);
        const struct tensor from = op_upload(f.compute, DTYPE_F32, 3, (int64_t[]){2, 2, INPUTS}, x);
        const struct tensor residual = op_upload(f.compute, DTYPE_F32, 3, (int64_t[]){2, 2, FIRST}, add);
        const struct tensor to = COMPUTE_TENSOR(f.compute, DTYPE_F32, 2, 2, FIRST);
        nn_feed_forward(f.compute, &part.layers, ACTIVATION_RELU, ACTIVATION_NONE, &residual, from, to);
        op_download(f.compute, to, out);
        check(compute_finish(f.compute));
        for (int r = 0; r < ROWS; r++) {
            float hidden[2][HIDDEN], last[FIRST];
            const float *at = f.values, *now = x + r * INPUTS;

            for (int i = 0; i < depth - 1; i++) {
                layer(&at, HIDDEN, i == 0 ? INPUTS : HIDDEN, now, hidden[i % 2]);
                for (int j = 0; j < HIDDEN; j++)
                    hidden[i % 2][j] = fmaxf(hidden[i % 2][j], 0.0F);
                now = hidden[i % 2];
            }
            layer(&at, FIRST, HIDDEN, now, last);
            for (int o = 0; o < FIRST; o++) {
                const float wanted = last[o] + add[r * FIRST + o];
                assert_true(fabsf(out[r * FIRST + o] - wanted) <= 1e-5F * fmaxf(1.0F, fabsf(wanted)));
            }
        }
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks),         cmocka_unit_test(test_missing),
        cmocka_unit_test(test_walk_fails),    cmocka_unit_test(test_shrinks),
        cmocka_unit_test(test_shrinks_later), cmocka_unit_test(test_truncated_by_another),
        cmocka_unit_test(test_feed_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
