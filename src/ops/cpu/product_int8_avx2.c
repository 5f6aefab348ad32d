/* The same for CPUs that have VNNI's dot products without AVX-512 (AVX-VNNI). */
#include "ops/cpu/product_int8.c"
