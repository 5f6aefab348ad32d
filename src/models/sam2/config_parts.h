/* What the readers of SAM 2's configuration share. */
#ifndef MODELS_SAM2_CONFIG_PARTS_H
#define MODELS_SAM2_CONFIG_PARTS_H

#include "models/sam2/config.h"
#include "weights/config.h"

/* Bounds that keep every size computation far from overflow and refuse nonsense early. */
enum { SAM2_MAX_WIDTH = 1 << 16, SAM2_MAX_SIDE = 8192 };

int sam2_read_number(const struct config *file, const struct config_node *node, const char *key, double fallback,
                     double minimum, double maximum, float *out);
/* A number, or a list of two equal ones. */
int sam2_read_side(const struct config *file, const struct config_node *node, const char *key, int64_t fallback,
                   int64_t minimum, int64_t maximum, int *out);

/* Encoder and neck, after image_size, grid and width are known: the plan of all blocks. */
int sam2_config_vision(const struct config *file, struct sam2_config *out);
/* The image processor's numbers. */
int sam2_config_image(const char *folder, struct sam2_config *out);
/* Those of a processor, for images or for frames; `side` is its size where the file does not say. */
int sam2_read_pixels(const struct processor *processor, int64_t side, int image_size, struct pixel_scale *out);

#endif
