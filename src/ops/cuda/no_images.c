/* A build without nvcc. */
#include "ops/cuda/image.h"

__attribute__((weak)) const void *const cuda_images[CUDA_FILE_COUNT] = {NULL};
__attribute__((weak)) const int cuda_images_version = 0;
__attribute__((weak)) const int cuda_images_hopper = 0;
