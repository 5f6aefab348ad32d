/* Where one scene ends and the next begins. */
#include "analysis/importance.h"

/* A cut changes much of the picture at once, and far more than the frames around it: motion, a moving camera and
 * noise change as much for several frames in a row. */
static const float LEAST_CHANGE = 0.1F;
static const float OVER_OTHERS = 3.0F;
enum { AROUND = IMPORTANCE_CUT_REACH };

bool importance_is_cut(const float *motion, int64_t count, int64_t at)
{
    float sum = 0.0F;
    int others = 0;
    for (int64_t i = at - AROUND < 0 ? 0 : at - AROUND; i <= at + AROUND && i < count; i++) {
        if (i != at) {
            sum += motion[i];
            others++;
        }
    }
    return motion[at] >= LEAST_CHANGE && motion[at] * (float)others >= OVER_OTHERS * sum;
}

int64_t importance_scenes(const float *motion, int64_t count, int64_t *starts)
{
    int64_t scenes = 0;
    for (int64_t i = 0; i < count; i++)
        if (i == 0 || importance_is_cut(motion + 1, count - 1, i - 1))
            starts[scenes++] = i;
    return scenes;
}
