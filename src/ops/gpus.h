/* The GPUs that a driver shows. */
#ifndef OPS_GPUS_H
#define OPS_GPUS_H

/* How many there are, at least 1: "cuda:0", "cuda:1", ... Errors: UNSUPPORTED, which says why there is none. */
int gpus_count(int *out);

#endif
