/* Loads weights in two walks over the same calls: the first one writes down which tensors of which shape
 * are needed (a table for checkpoint_bind), the second one prepares them. So every tensor is named
 * once. */
#ifndef MODELS_SAM2_LOADER_H
#define MODELS_SAM2_LOADER_H

#include "models/sam2/weights.h"

struct loader {
    bool binding; /* the first walk */
    int status;   /* sticky */
    size_t count, capacity, next;
    struct weight_row *rows;
    char **names;                /* of the rows, owned */
    struct host_tensor *tensors; /* where the rows are bound */
    struct parameters *parameters;
    const char *const *ignored; /* beginnings of names of another part's tensors, NULL-terminated */
};

/* Binds the rows of the first walk. */
int loader_bind(struct loader *loader, const struct checkpoint *checkpoint);
void loader_free(struct loader *loader);

/* The tensor called by the format: in the first walk a tensor without data. NULL after an error. */
__attribute__((format(printf, 5, 6))) const struct host_tensor *
loader_tensor(struct loader *loader, bool optional, int rank, const int64_t *dim, const char *format, ...);
#define LOADER_DIMS(...)                                                                                               \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                             \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

/* Each does nothing to `out` in the first walk and after an error. */
void loader_device(struct loader *loader, const struct host_tensor *source, int rank, const int64_t *dim,
                   struct tensor *out); /* in another shape of as many elements */
/* f32 values, copied. */
void loader_values(struct loader *loader, const float *values, int rank, const int64_t *dim, struct tensor *out);
/* A copy in host memory, to be freed with free(). */
void loader_host(struct loader *loader, const struct host_tensor *source, float **out);
void loader_norm(struct loader *loader, int64_t width, const char *prefix, const char *name, struct sam2_norm *out);
void loader_linear(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *prefix,
                   const char *name, const struct linear **out);
/* Two layers of one input, joined along their outputs. */
void loader_linear_pair(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *prefix,
                        const char *first, const char *second, const struct linear **out);
void loader_conv2d(struct loader *loader, int64_t outputs, int64_t inputs, int kernel, int stride, int padding,
                   const char *name, const struct conv2d **out);
/* proj_in, layers.0 ..., proj_out. */
void loader_feed_forward(struct loader *loader, int64_t rows, int64_t inputs, int64_t hidden, int64_t outputs,
                         int depth, const char *prefix, const char *name, struct sam2_feed_forward *out);

/* True in the second walk, as long as all went well. */
bool loader_preparing(const struct loader *loader);
void loader_fail(struct loader *loader, int status);

/* The parts of the model. */
void sam2_load_encoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out);
void sam2_load_prompt_encoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out);
void sam2_load_decoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out);

#endif
