/* From logits and relative boxes to detections, as the reference's post-processing. */
#include "models/owlv2/owlv2.h"

#include <math.h>

int64_t owlv2_select(const float *logits, const float *boxes, int64_t patches, int64_t query_count, int width,
                     int height, float threshold, struct detection *out)
{
    /* The image was padded to a square, so both axes scale by its longer side. */
    const float side = (float)(width > height ? width : height);
    int64_t count = 0;
    for (int64_t p = 0; p < patches; p++) {
        const float *logit = logits + p * query_count, *box = boxes + p * 4;
        int64_t best = 0;
        for (int64_t q = 1; q < query_count; q++)
            if (logit[q] > logit[best])
                best = q;
        const float score = 1.0F / (1.0F + expf(-logit[best]));
        if (!(score > threshold))
            continue;
        const float half_width = 0.5F * box[2], half_height = 0.5F * box[3];
        out[count++] = (struct detection){
            .box = {(box[0] - half_width) * side, (box[1] - half_height) * side, (box[0] + half_width) * side,
                    (box[1] + half_height) * side},
            .score = score,
            .place = p,
            .prompt = (int)best,
        };
    }
    return count;
}
