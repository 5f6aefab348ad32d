/* The compiled kernels, for every architecture: a fat binary for each file of kernels. */
#ifndef OPS_CUDA_IMAGE_H
#define OPS_CUDA_IMAGE_H

#include "ops/cuda/arguments.h"

#include <stddef.h>

/* NULL each where this was built without nvcc. */
extern const void *const cuda_images[CUDA_FILE_COUNT];
/* The CUDA version that drivers must have for them: of nvcc, without its minor part. 1000 * major. */
extern const int cuda_images_version;
/* Not 0: there is code for compute capability 9.0a, and so the kernels for Hopper alone have bodies. */
extern const int cuda_images_hopper;

#endif
