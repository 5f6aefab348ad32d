/* How much the pixels change, and where one scene ends and the next begins. */
#include "analysis/importance.h"

void importance_grey(const uint8_t *pixels, int width, int height, size_t row_bytes, uint8_t grey[IMPORTANCE_GREY])
{
    for (int y = 0; y < IMPORTANCE_GREY_HEIGHT; y++) {
        int64_t top = (int64_t)height * y / IMPORTANCE_GREY_HEIGHT,
                bottom = (int64_t)height * (y + 1) / IMPORTANCE_GREY_HEIGHT;

        bottom = bottom > top ? bottom : top + 1;
        for (int x = 0; x < IMPORTANCE_GREY_WIDTH; x++) {
            int64_t left = (int64_t)width * x / IMPORTANCE_GREY_WIDTH,
                    right = (int64_t)width * (x + 1) / IMPORTANCE_GREY_WIDTH;
            uint64_t sum = 0;

            right = right > left ? right : left + 1;
            for (int64_t row = top; row < bottom; row++) {
                const uint8_t *pixel = pixels + (size_t)row * row_bytes + (size_t)left * 3;

                for (int64_t column = left; column < right; column++, pixel += 3)
                    sum += 77U * pixel[0] + 150U * pixel[1] + 29U * pixel[2];
            }
            grey[y * IMPORTANCE_GREY_WIDTH + x] = (uint8_t)(sum / 256 / (uint64_t)((bottom - top) * (right - left)));
        }
    }
}

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
