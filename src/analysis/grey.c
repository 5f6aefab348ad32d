/* Small grey pictures, to see how much changes from frame to frame. */
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
