// Separable resizes: of planes, both axes at once; of 8-bit images, one after the other, in f32 or in whole numbers.
#include "common.cuh"

namespace {

constexpr int CHANNELS = 3;

__device__ void put(const image_arguments &a, int64_t at, int channel, float value, int byte)
{
    if (a.scaled)
        ((float *)a.out)[at] = (value * a.scale - a.mean[channel]) / a.deviation[channel];
    else
        ((uint8_t *)a.out)[at] = (uint8_t)byte;
}

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

} // namespace

extern "C" __global__ void resize_planes(const planes_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient line = divide(i, a.horizontal.outputs), plane = divide(line.whole, a.vertical.outputs);
        const int64_t y = plane.rest, x = line.rest;
        const float *const down = (const float *)a.vertical.weight + y * a.vertical.stride;
        const float *const across = (const float *)a.horizontal.weight + x * a.horizontal.stride;
        const float *const from = a.x + plane.whole * a.x_stride[0] + a.horizontal.first[x];
        float sum = 0.0f;
        for (int j = 0; j < a.vertical.count[y]; j++) {
            const float *const row = from + (a.vertical.first[y] + j) * a.x_stride[1];
            float part = 0.0f;
            for (int k = 0; k < a.horizontal.count[x]; k++)
                part += across[k] * row[k];
            sum += down[j] * part;
        }
        const int64_t at = plane.whole * a.out_stride[0] + y * a.out_stride[1] + x;
        if (a.bytes)
            ((uint8_t *)a.out)[at] = sum > a.threshold;
        else
            ((float *)a.out)[at] = sum;
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
        put(a, p.at, p.channel, sum, 0);
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
        const int byte = round_sum(sum, a.vertical.precision);
        put(a, p.at, p.channel, (float)byte, byte);
    }
}
