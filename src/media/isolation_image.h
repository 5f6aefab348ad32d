/* What a decoder is asked about an image, and what it answers, in the bodies of messages. */
#ifndef MEDIA_ISOLATION_IMAGE_H
#define MEDIA_ISOLATION_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct isolation_image_request {
    uint64_t expected; /* bytes of the file; 0: a pipe */
    int64_t max_pixels;
    double seconds;
    bool allow_truncated;
};

struct isolation_image_answer {
    int32_t width, height, place;
};

#endif
