// Separable resizes: of planes, both axes at once; of 8-bit images, one after the other, in f32 or in whole numbers.
#include "common.cuh"

namespace {

constexpr int CHANNELS = 3;

__device__ int round_sum(int64_t sum, int precision)
{
    sum >>= precision;
    return (int)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

// Row, column and channel of value i of the result.
struct pixel {
    int64_t y, x, at;
    int channel;
    __device__ pixel(const image_arguments &a, int64_t i)
    {
        const quotient value = divide(i, CHANNELS), line = divide(value.whole, a.horizontal.outputs);
        y = line.whole;
        x = line.rest;
        channel = (int)value.rest;
        at = y * a.out_stride[0] + x * a.out_stride[1] + channel;
    }
};

__device__ void put(const image_arguments &a, const pixel &p, float value)
{
    a.out[p.at] = (value * a.scale - a.mean[p.channel]) / a.deviation[p.channel];
}

// Where value or byte i of the resized planes is.
struct plane_place {
    int64_t plane, y, column, at;
    __device__ plane_place(const planes_arguments &a, int64_t i)
    {
        const quotient line = divide(i, a.columns), of = divide(line.whole, a.vertical.outputs);
        plane = of.whole;
        y = of.rest;
        column = line.rest;
        at = plane * a.out_stride[0] + y * a.out_stride[1] + column;
    }
};

__device__ float resized(const planes_arguments &a, const plane_place &p, int64_t x)
{
    const float *const down = (const float *)a.vertical.weight + p.y * a.vertical.stride;
    const float *const across = (const float *)a.horizontal.weight + x * a.horizontal.stride;
    const float *const from = a.x + p.plane * a.x_stride[0] + a.horizontal.first[x];
    float sum = 0.0f;
    for (int j = 0; j < a.vertical.count[p.y]; j++) {
        const float *const row = from + (a.vertical.first[p.y] + j) * a.x_stride[1];
        float part = 0.0f;
        for (int k = 0; k < a.horizontal.count[x]; k++)
            part += across[k] * row[k];
        sum += down[j] * part;
    }
    return sum;
}

} // namespace

extern "C" __global__ void resize_planes(const planes_arguments a)
{
    FOR_EACH(i, a.count) {
        const plane_place p(a, i);
        ((float *)a.out)[p.at] = resized(a, p, p.column);
    }
}

// A byte a thread.
extern "C" __global__ void planes_above(const planes_arguments a)
{
    FOR_EACH(i, a.count) {
        const plane_place p(a, i);
        const int64_t first = 8 * p.column, left = a.horizontal.outputs - first;
        unsigned bits = 0;
        for (int bit = 0; bit < 8 && bit < left; bit++)
            bits |= (unsigned)(resized(a, p, first + bit) > a.threshold) << bit;
        ((uint8_t *)a.out)[p.at] = (uint8_t)bits;
    }
}

extern "C" __global__ void image_down(const image_arguments a)
{
    const int64_t columns = (int64_t)a.horizontal.inputs * CHANNELS;
    FOR_EACH(i, a.count) {
        const quotient line = divide(i, columns);
        const float *const weight = (const float *)a.vertical.weight + line.whole * a.vertical.stride;
        const uint8_t *const from = a.pixels + a.vertical.first[line.whole] * a.row_bytes + line.rest;
        float sum = 0.0f;
        for (int j = 0; j < a.vertical.count[line.whole]; j++)
            sum += weight[j] * (float)from[j * a.row_bytes];
        ((float *)a.between)[i] = sum;
    }
}

extern "C" __global__ void image_across(const image_arguments a)
{
    FOR_EACH(i, a.count) {
        const pixel p(a, i);
        const float *const weight = (const float *)a.horizontal.weight + p.x * a.horizontal.stride;
        const float *const from = (const float *)a.between +
                                  (p.y * a.horizontal.inputs + a.horizontal.first[p.x]) * CHANNELS + p.channel;
        float sum = 0.0f;
        for (int j = 0; j < a.horizontal.count[p.x]; j++)
            sum += weight[j] * from[j * CHANNELS];
        put(a, p, sum);
    }
}

extern "C" __global__ void image_across_u8(const image_arguments a)
{
    const int64_t columns = (int64_t)a.horizontal.outputs * CHANNELS;
    FOR_EACH(i, a.count) {
        const quotient line = divide(i, columns), value = divide(line.rest, CHANNELS);
        const int64_t x = value.whole;
        const int16_t *const weight = (const int16_t *)a.horizontal.weight + x * a.horizontal.stride;
        const uint8_t *const from = a.pixels + line.whole * a.row_bytes + a.horizontal.first[x] * CHANNELS + value.rest;
        int64_t sum = (int64_t)1 << a.horizontal.precision >> 1;
        for (int j = 0; j < a.horizontal.count[x]; j++)
            sum += weight[j] * (int64_t)from[j * CHANNELS];
        ((uint8_t *)a.between)[i] = (uint8_t)round_sum(sum, a.horizontal.precision);
    }
}

extern "C" __global__ void image_down_u8(const image_arguments a)
{
    const int64_t columns = (int64_t)a.horizontal.outputs * CHANNELS;
    FOR_EACH(i, a.count) {
        const pixel p(a, i);
        const int16_t *const weight = (const int16_t *)a.vertical.weight + p.y * a.vertical.stride;
        const uint8_t *const from =
            (const uint8_t *)a.between + a.vertical.first[p.y] * columns + p.x * CHANNELS + p.channel;
        int64_t sum = (int64_t)1 << a.vertical.precision >> 1;
        for (int j = 0; j < a.vertical.count[p.y]; j++)
            sum += weight[j] * (int64_t)from[j * columns];
        put(a, p, (float)round_sum(sum, a.vertical.precision));
    }
}
