/* The CUDA set: its device and its table. */
#include "ops/cuda/cuda.h"

#include "base/error.h"
#include "ops/cuda/image.h"
#include "ops/gpus.h"
#include "ops/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAST_MAJOR = 8, /* mma on bfloat16 */
    HOPPER_MAJOR = 9,
    OWN_SHARED = 2048, /* what kernels have themselves */
    MOST_COPIERS = 8,
};

int cuda_failed(const struct cuda_device *cuda, cu_result result, const char *call, const char *doing)
{
    return result == CU_SUCCESS ? 0 : cuda_driver_error(cuda->driver, result, cuda->label, call, doing);
}

int cuda_enter(const struct cuda_device *cuda)
{
    cu_context current = NULL;
    if (cuda->driver->context_get(&current) == CU_SUCCESS && current == cuda->context)
        return 0;
    return cuda_failed(cuda, cuda->driver->context_set(cuda->context), "cuCtxSetCurrent", "using the device");
}

/* "cuda" or "cuda:N". */
static int parse_name(const char *name, int *ordinal)
{
    const char *const number = name + strlen("cuda:");
    char *end;
    *ordinal = 0;
    if (strcmp(name, "cuda") == 0)
        return 0;
    const long value = number[-1] == ':' && number[0] >= '0' && number[0] <= '9' ? strtol(number, &end, 10) : -1;
    if (value < 0 || value > INT16_MAX || *end != '\0')
        return error_set(SOWLV2_ERROR_ARGUMENT, "device %s: use cuda, or cuda:N with N the number of a GPU", name);
    *ordinal = (int)value;
    return 0;
}

/* A GPU of this number that the kernels run on. */
static int find_device(struct cuda_device *cuda, int ordinal)
{
    const struct cuda_driver *const driver = cuda->driver;
    char name[128] = "";
    int count = 0, major = 0, minor = 0, shared = 0;
    snprintf(cuda->label, sizeof(cuda->label), "cuda:%d", ordinal);
    int status = cuda_failed(cuda, driver->device_count(&count), "cuDeviceGetCount", "looking for GPUs");
    if (status != 0)
        return status;
    if (ordinal >= count) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: there is no such GPU, this machine shows %d: check nvidia-smi and "
                         "CUDA_VISIBLE_DEVICES",
                         cuda->label, count);
    }
    status = cuda_failed(cuda, driver->device_get(&cuda->handle, ordinal), "cuDeviceGet", "opening the GPU");
    if (status == 0 && driver->device_name(name, sizeof(name), cuda->handle) == CU_SUCCESS)
        snprintf(cuda->label, sizeof(cuda->label), "cuda:%d (%s)", ordinal, name);
    const struct {
        int *to, attribute;
    } wanted[] = {{&major, CU_ATTRIBUTE_CAPABILITY_MAJOR},
                  {&minor, CU_ATTRIBUTE_CAPABILITY_MINOR},
                  {&cuda->multiprocessors, CU_ATTRIBUTE_MULTIPROCESSORS},
                  {&shared, CU_ATTRIBUTE_SHARED_MEMORY_OPTIN}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && status == 0; i++) {
        status = cuda_failed(cuda, driver->device_attribute(wanted[i].to, wanted[i].attribute, cuda->handle),
                             "cuDeviceGetAttribute", "asking what the GPU can do");
    }
    if (status != 0)
        return status;
    const char *const forced = getenv("CUDA_FORCE_PTX_JIT"); /* then the bodies that Hopper alone has are not used */
    cuda->hopper = major == HOPPER_MAJOR && cuda_images_hopper != 0 && (!forced || strcmp(forced, "0") == 0);
    cuda->shared_bytes = shared > OWN_SHARED ? (size_t)shared - OWN_SHARED : 0;
    if (major < LEAST_MAJOR) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: its compute capability is %d.%d, and %d.0 is needed: use "
                         "--device cpu",
                         cuda->label, major, minor, LEAST_MAJOR);
    }
    return 0;
}

static int load_kernels(struct cuda_device *cuda)
{
    static const struct {
        const char *name;
        enum cuda_file file;
    } kernels[] = {
#define CUDA_NAME(file, name, arguments) {#name, CUDA_FILE_##file},
        CUDA_KERNELS(CUDA_NAME)
#undef CUDA_NAME
    };
    int status = 0;
    for (int i = 0; i < CUDA_FILE_COUNT && status == 0; i++) {
        status = cuda_failed(cuda, cuda->driver->module_load(&cuda->modules[i], cuda_images[i]), "cuModuleLoadData",
                             "loading the kernels");
        if (status != 0)
            cuda->modules[i] = NULL;
    }
    for (int i = 0; i < CUDA_KERNEL_COUNT && status == 0; i++) {
        status = cuda_failed(
            cuda, cuda->driver->module_function(&cuda->kernels[i], cuda->modules[kernels[i].file], kernels[i].name),
            "cuModuleGetFunction", kernels[i].name);
    }
    return status;
}

/* Everything that needs the context. */
static int start(struct cuda_device *cuda)
{
    int status = cuda_enter(cuda);
    if (status == 0)
        status = load_kernels(cuda);
    for (int i = 0; i < CUDA_STAGING_HALVES && status == 0; i++) {
        status = cuda_failed(cuda, cuda->driver->stream_create(&cuda->loading[i], CU_STREAM_NON_BLOCKING),
                             "cuStreamCreate", "making a stream");
        if (status != 0)
            cuda->loading[i] = NULL;
    }
    if (status == 0) {
        status =
            cuda_failed(cuda, cuda->driver->host_allocate(&cuda->staging, CUDA_STAGING_BYTES, CU_HOST_ALLOC_PORTABLE),
                        "cuMemHostAlloc", "asking for memory for transfers");
        if (status != 0)
            cuda->staging = NULL;
    }
    return status;
}

static void stop(struct cuda_device *cuda)
{
    if (cuda->context && cuda_enter(cuda) == 0) {
        for (int i = 0; i < CUDA_STAGING_HALVES; i++)
            if (cuda->loading[i])
                cuda->driver->stream_destroy(cuda->loading[i]);
        if (cuda->staging)
            cuda->driver->host_release(cuda->staging);
        cuda_memory_free(cuda);
        for (int i = 0; i < CUDA_FILE_COUNT; i++)
            if (cuda->modules[i])
                cuda->driver->module_unload(cuda->modules[i]);
        cuda->driver->context_set(NULL); /* this thread's: it must not stay one that may be gone */
    }
    if (cuda->context)
        cuda->driver->context_release(cuda->handle);
    pool_free(&cuda->copiers);
    pthread_mutex_destroy(&cuda->copy_mutex);
    pthread_mutex_destroy(&cuda->load_mutex);
    pthread_mutex_destroy(&cuda->mutex);
    free(cuda);
}

static int open_cuda(struct cuda_device *cuda, int ordinal)
{
    int status = cuda_driver_get(&cuda->driver);
    if (status == 0 && cuda->driver->version < cuda_images_version) {
        status =
            error_set(SOWLV2_ERROR_UNSUPPORTED,
                      "cuda: the NVIDIA driver is for CUDA %d.%d, and %d.0 is needed by the kernels of this build: "
                      "install a newer driver, or build with an older nvcc",
                      cuda->driver->version / 1000, cuda->driver->version % 1000 / 10, cuda_images_version / 1000);
    }
    if (status == 0)
        status = find_device(cuda, ordinal);
    if (status == 0) {
        status = cuda_failed(cuda, cuda->driver->context_retain(&cuda->context, cuda->handle),
                             "cuDevicePrimaryCtxRetain", "starting the GPU");
        if (status != 0)
            cuda->context = NULL;
    }
    return status == 0 ? start(cuda) : status;
}

int gpus_count(int *out)
{
    const struct cuda_driver *driver;
    *out = 0;
    if (!cuda_images[0])
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "cuda: this build has no kernels for it");
    const int status = cuda_driver_get(&driver);
    if (status != 0)
        return status;
    const cu_result result = driver->device_count(out);
    if (result == CU_SUCCESS && *out > 0)
        return 0;
    *out = 0;
    return cuda_driver_error(driver, result == CU_SUCCESS ? CU_NO_DEVICE : result, "cuda", "cuDeviceGetCount",
                             "looking for GPUs");
}

static int open_device(struct device *device, const struct device_options *options)
{
    int ordinal;
    if (!cuda_images[0]) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "device %s: this build has no kernels for it: build where nvcc is, or use cpu",
                         options->device ? options->device : "cuda");
    }
    int status = parse_name(options->device ? options->device : "cuda", &ordinal);
    if (status == 0)
        status = host_threads(options, &device->threads);
    if (status == 0 && options->precision != DTYPE_F32 && options->precision != DTYPE_BF16) {
        status = error_set(SOWLV2_ERROR_UNSUPPORTED,
                           "precision %s: cuda computes in BF16 or F32 so far: use bf16, f32 or auto",
                           dtype_name(options->precision));
    }
    if (status != 0)
        return status;
    struct cuda_device *const cuda = calloc(1, sizeof(*cuda));
    if (!cuda)
        return error_memory("a device");
    pthread_mutex_init(&cuda->mutex, NULL);
    pthread_mutex_init(&cuda->load_mutex, NULL);
    pthread_mutex_init(&cuda->copy_mutex, NULL);
    status = open_cuda(cuda, ordinal);
    if (status == 0)
        status = cuda_memory_start(cuda, options);
    if (status == 0)
        cuda->copiers = pool_create(device->threads < MOST_COPIERS ? device->threads : MOST_COPIERS);
    if (status != 0) {
        stop(cuda);
        return status;
    }
    device->state = cuda;
    device->hints = (struct device_hints){.chunk_bytes = (int64_t)256 << 20,
                                          .enough_rows = 8192,
                                          .batch_bytes = (int64_t)1 << 30,
                                          .transfer_bytes = (int64_t)256 << 20};
    snprintf(device->name, sizeof(device->name), "%.*s", (int)sizeof(device->name) - 1, cuda->label);
    return 0;
}

static void share(struct device *device, size_t count, pool_task task, void *data)
{
    cuda_share(cuda_of(device), count, task, data);
}

static void close_device(struct device *device)
{
    stop(cuda_of(device));
    device->state = NULL;
}

const struct ops_set ops_cuda = {
    .name = "cuda",
    .open = open_device,
    .close = close_device,
    .allocate = cuda_allocate,
    .release = cuda_release,
    .guard = cuda_guard,
    .memory = cuda_memory_tell,
    .memory_release = cuda_memory_release,
    .share = share,
    .constant_create = cuda_constant_create,
    .linear_create = cuda_linear_create,
    .linear_free = cuda_linear_free,
    .conv2d_create = cuda_conv2d_create,
    .conv2d_free = cuda_linear_free,
    .compute_create = cuda_compute_create,
    .compute_free = cuda_compute_free,
    .upload = cuda_upload,
    .upload_rows = cuda_upload_rows,
    .download = cuda_download,
    .wait = cuda_wait,
    .linear = cuda_linear,
    .conv2d = cuda_conv2d,
    .matmul_transposed = cuda_matmul_transposed,
    .layer_norm = cuda_layer_norm,
    .l2_normalize = cuda_l2_normalize,
    .attention = cuda_attention,
    .attend_rows = cuda_attend_rows,
    .attend_tokens = cuda_attend_tokens,
    .upscale_masks = cuda_upscale_masks,
    .rope = cuda_rope,
    .add = cuda_add,
    .mul = cuda_mul,
    .activation = cuda_activation,
    .embed = cuda_embed,
    .gather_rows = cuda_gather_rows,
    .gather_blocks = cuda_gather_blocks,
    .shift_scale = cuda_shift_scale,
    .copy = cuda_copy,
    .fill = cuda_fill,
    .max_pool2d = cuda_max_pool2d,
    .depthwise_conv2d = cuda_depthwise_conv2d,
    .step = cuda_step,
    .affine = cuda_affine,
    .select = cuda_select,
    .max_rows = cuda_max_rows,
    .variance = cuda_variance,
    .sine = cuda_sine,
    .embed_points = cuda_embed_points,
    .choose_mask = cuda_choose_mask,
    .clean_masks = cuda_clean_masks,
    .separate_masks = cuda_separate_masks,
    .resize_planes = cuda_resize_planes,
    .resize_image = cuda_resize_image,
};
