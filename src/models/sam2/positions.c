/* See positions.h. */
#include "models/sam2/positions.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

static const double TWO_PI = 6.283185307179586;

void sam2_fourier(const float *matrix, float x, float y, int64_t width, float *out)
{
    const int64_t half = width / 2;
    const float centred_x = 2.0F * x - 1.0F, centred_y = 2.0F * y - 1.0F;
    for (int64_t i = 0; i < half; i++) {
        const float angle = (float)TWO_PI * (centred_x * matrix[i] + centred_y * matrix[half + i]);
        out[i] = sinf(angle);
        out[half + i] = cosf(angle);
    }
}

void sam2_grid_positions(const float *matrix, int64_t grid, int64_t width, float *out)
{
    for (int64_t y = 0; y < grid; y++)
        for (int64_t x = 0; x < grid; x++, out += width)
            sam2_fourier(matrix, ((float)x + 0.5F) / (float)grid, ((float)y + 0.5F) / (float)grid, width, out);
}

/* Keys' cubic convolution with a = -3/4, as the reference has it. */
static double cubic(double distance)
{
    const double a = -0.75, x = fabs(distance);
    if (x <= 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

/* The four inputs of one output and their weights; the border is repeated outside. */
struct cubic_taps {
    int64_t index[4];
    double weight[4];
};

static struct cubic_taps cubic_taps(int64_t inputs, int64_t outputs, int64_t output)
{
    struct cubic_taps taps;
    const double position = (double)inputs / (double)outputs * ((double)output + 0.5) - 0.5;
    const int64_t first = (int64_t)floor(position) - 1;
    for (int64_t j = 0; j < 4; j++) {
        const int64_t index = first + j;
        taps.index[j] = index < 0 ? 0 : index > inputs - 1 ? inputs - 1 : index;
        taps.weight[j] = cubic(position - (double)index);
    }
    return taps;
}

int sam2_encoder_positions(const float *background, int64_t height, int64_t width, const float *window, int64_t w,
                           int64_t channels, int64_t side, float *out)
{
    /* rows[height][side][channels]: resized across. */
    double *rows = malloc((size_t)(height * side * channels) * sizeof(*rows));
    if (!rows)
        return error_memory("position embedding");
    for (int64_t x = 0; x < side; x++) {
        const struct cubic_taps taps = cubic_taps(width, side, x);
        for (int64_t y = 0; y < height; y++) {
            for (int64_t c = 0; c < channels; c++) {
                const float *from = background + (c * height + y) * width;
                double sum = 0.0;
                for (int j = 0; j < 4; j++)
                    sum += taps.weight[j] * (double)from[taps.index[j]];
                rows[(y * side + x) * channels + c] = sum;
            }
        }
    }
    for (int64_t y = 0; y < side; y++) {
        const struct cubic_taps taps = cubic_taps(height, side, y);
        for (int64_t x = 0; x < side; x++) {
            for (int64_t c = 0; c < channels; c++) {
                double sum = (double)window[(c * w + y % w) * w + x % w];
                for (int j = 0; j < 4; j++)
                    sum += taps.weight[j] * rows[(taps.index[j] * side + x) * channels + c];
                *out++ = (float)sum;
            }
        }
    }
    free(rows);
    return 0;
}

/* sine_row[half]: the embedding of entry `index` of `size`, counted from 1. */
static void sine_row(int64_t index, int64_t size, int64_t half, float *out)
{
    const float eps = 1e-6F;
    const float position = (float)(index + 1) / ((float)size + eps) * (float)TWO_PI;
    for (int64_t i = 0; i < half; i++) {
        const double period = pow(10000.0, (double)(i - i % 2) / (double)half);
        const float angle = position / (float)period;
        out[i] = i % 2 == 0 ? sinf(angle) : cosf(angle);
    }
}

void sam2_sine_positions(int64_t height, int64_t width, int64_t channels, float *out)
{
    const int64_t half = channels / 2;
    for (int64_t y = 0; y < height; y++) {
        for (int64_t x = 0; x < width; x++, out += channels) {
            sine_row(y, height, half, out);
            sine_row(x, width, half, out + half);
        }
    }
}
