/* See driver.h. */
#include "ops/cuda/driver.h"

#include "base/error.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_VERSION = 12000 }; /* CUDA 12.0, driver 525; the kernels may need a later one: image.h */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct cuda_driver driver;
static void *library; /* stays open: libcuda does not come back once it was closed */
static bool started;

static int fill_table(void)
{
    static const struct {
        const char *symbol;
        size_t offset;
    } entries[] = {
#define CUDA_ENTRY(member, symbol, parameters) {#symbol, offsetof(struct cuda_driver, member)},
        CUDA_DRIVER_ENTRIES(CUDA_ENTRY)
#undef CUDA_ENTRY
    };
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        void *const function = dlsym(library, entries[i].symbol);
        if (!function) {
            return error_set(
                SOWLV2_ERROR_UNSUPPORTED,
                "cuda: the NVIDIA driver is too old, it has no %s: install a driver of version 525 or later",
                entries[i].symbol);
        }
        memcpy((char *)&driver + entries[i].offset, &function, sizeof(function));
    }
    return 0;
}

static int start(void)
{
    if (!library)
        library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "cuda: there is no NVIDIA driver (libcuda.so.1): install one of version 525 or later");
    }
    int status = fill_table();
    if (status != 0)
        return status;
    cu_result result = driver.driver_version(&driver.version);
    if (result != CU_SUCCESS)
        return cuda_driver_error(&driver, result, "cuda", "cuDriverGetVersion", "asking for the driver's version");
    if (driver.version < LEAST_VERSION) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "cuda: the NVIDIA driver is for CUDA %d.%d, and %d.%d is needed: install a driver of version "
                         "525 or later",
                         driver.version / 1000, driver.version % 1000 / 10, LEAST_VERSION / 1000,
                         LEAST_VERSION % 1000 / 10);
    }
    result = driver.init(0);
    return result == CU_SUCCESS ? 0 : cuda_driver_error(&driver, result, "cuda", "cuInit", "starting the driver");
}

int cuda_driver_get(const struct cuda_driver **out)
{
    pthread_mutex_lock(&mutex);
    const int status = started ? 0 : start();
    started = status == 0;
    pthread_mutex_unlock(&mutex);
    *out = status == 0 ? &driver : NULL;
    return status;
}

/* What the user can do about an error. */
static const char *advice(cu_result result)
{
    switch (result) {
    case CU_OUT_OF_MEMORY:
        return "close other programs on this GPU, use a smaller model or batch, or use --device cpu";
    case CU_NO_DEVICE:
        return "no NVIDIA GPU is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu";
    case CU_INVALID_DEVICE:
        return "check the number of the device with nvidia-smi";
    case CU_STUB_LIBRARY:
        return "the toolkit's stub was loaded instead of the driver: take its folder out of LD_LIBRARY_PATH";
    case CU_SYSTEM_DRIVER_MISMATCH:
        return "the driver's library and the kernel's module are of different versions: restart the machine";
    case CU_INVALID_IMAGE:
    case CU_NO_BINARY_FOR_GPU:
    case CU_UNSUPPORTED_PTX_VERSION:
        return "this build has no kernels for this GPU and driver: install a newer driver, or build with "
               "SOWLV2_CUDA_ARCHITECTURES set to the GPU's";
    case CU_ILLEGAL_ADDRESS:
    case CU_LAUNCH_FAILED:
        return "this is a fault of the program or of the GPU: run again, report it, or use --device cpu";
    default:
        return "check the GPU with nvidia-smi, or use --device cpu";
    }
}

int cuda_driver_error(const struct cuda_driver *from, cu_result result, const char *device, const char *call,
                      const char *doing)
{
    const char *name = NULL, *text = NULL;
    if (from->error_name(result, &name) != CU_SUCCESS || !name)
        name = "unknown error";
    if (from->error_string(result, &text) != CU_SUCCESS || !text)
        text = "the driver does not say more";
    const int status = result == CU_OUT_OF_MEMORY ? SOWLV2_ERROR_MEMORY : SOWLV2_ERROR_UNSUPPORTED;
    return error_set(status, "%s: %s: %s failed with %s (%d, %s): %s", device, doing, call, name, result, text,
                     advice(result));
}
