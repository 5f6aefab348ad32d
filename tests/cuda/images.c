/* What the driver without a GPU takes for images of the kernels: the first bytes of a fat binary. */
#include "ops/cuda/image.h"

const int cuda_images_version = 13000;
const int cuda_images_hopper = 1;
static const unsigned char image[] = {0x50, 0xed, 0x55, 0xba};
#define IMAGE(name) image,
const void *const cuda_images[CUDA_FILE_COUNT] = {CUDA_KERNEL_FILES(IMAGE)};
