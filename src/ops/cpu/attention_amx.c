/* Attention in bfloat16 once more, compiled with AMX: its products are attention_tiles.h's then. */
#include "ops/cpu/attention_bf16.c"
