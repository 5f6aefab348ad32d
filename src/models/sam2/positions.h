/* Position embeddings, computed on the host when a model is opened. */
#ifndef MODELS_SAM2_POSITIONS_H
#define MODELS_SAM2_POSITIONS_H

#include <stdint.h>

/* Fourier features of a point with coordinates from 0 to 1: matrix [2][width / 2] -> out [width],
 * sines then cosines of 2 pi (2 point - 1) matrix. */
void sam2_fourier(const float *matrix, float x, float y, int64_t width, float *out);

/* The same for the centres of a grid: out [grid * grid][width]. */
void sam2_grid_positions(const float *matrix, int64_t grid, int64_t width, float *out);

/* The encoder's position embedding, channels last: `background` [channels][height][width], resized to
 * side x side (bicubic), plus `window` [channels][w][w] in tiles. out [side][side][channels]. Returns 0
 * or MEMORY. */
int sam2_encoder_positions(const float *background, int64_t height, int64_t width, const float *window, int64_t w,
                           int64_t channels, int64_t side, float *out);

/* The neck's sine embedding of a map (Vaswani et al. 2017, in two dimensions, normalised to 2 pi), which
 * memory attention adds: out [height * width][channels], y's half first, sines and cosines interleaved. */
void sam2_sine_positions(int64_t height, int64_t width, int64_t channels, float *out);

#endif
