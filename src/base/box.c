/* How far two boxes overlap. */
#include "base/box.h"

#include <math.h>

static float area(const float box[4])
{
    return (box[2] - box[0]) * (box[3] - box[1]);
}

float box_iou(const float a[4], const float b[4])
{
    const float width = fminf(a[2], b[2]) - fmaxf(a[0], b[0]);
    const float height = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    float both;

    if (!(width > 0.0F) || !(height > 0.0F))
        return 0.0F;
    both = width * height;
    return both / (area(a) + area(b) - both);
}
