/* Attention in bfloat16 once more, compiled with AMX: its products are attention_tiles.h's then. (Compilers have two
 * names for what says that they have been told of AMX.) */
#define ATTENTION_BY_TILES
#include "ops/cpu/attention_bf16.c"
