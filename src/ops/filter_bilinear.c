/* The bilinear resize filter without antialiasing. */
#include "ops/filter_internal.h"

/* Positions are computed in f32, as the reference does. */
int filter_bilinear(int inputs, int outputs, struct filter *out)
{
    *out = (struct filter){0};
    int status = filter_check_size("an input", inputs);
    if (status == 0)
        status = filter_check_size("an output", outputs);
    if (status == 0)
        status = filter_allocate(inputs, outputs, 2, out);
    const float scale = (float)inputs / (float)outputs;
    for (int i = 0; status == 0 && i < outputs; i++) {
        float position = scale * ((float)i + 0.5F) - 0.5F;
        position = position > 0.0F ? position : 0.0F;
        int32_t first = (int32_t)position;
        first = first < inputs - 1 ? first : inputs - 1;
        float second_weight = position - (float)first;
        second_weight = second_weight < 1.0F ? second_weight : 1.0F;
        const bool single = first == inputs - 1 || inputs == outputs;
        out->first[i] = inputs == outputs ? i : first;
        out->count[i] = single ? 1 : 2;
        out->weight[2 * i] = single ? 1.0F : 1.0F - second_weight;
        out->weight[2 * i + 1] = single ? 0.0F : second_weight;
    }
    return status;
}
