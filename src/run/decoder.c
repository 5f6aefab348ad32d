/* A program that decodes for another one. */
#include "base/optional.h"
#include "media/isolation.h"
#include "video/isolation_film.h"
#include "video/libav.h"

#include <stdlib.h>

/* What is found when it is first needed, and cannot be found any more then. */
static void prepare(void)
{
    optional_missing("heif");
    optional_missing("avif");
    libav_start("decoder");
    image_prepare();
}

int sowlv2_decoder_serve(void)
{
    enum { MOST = 16 };
    const struct isolation_handler *handlers[MOST] = {&isolation_image_handler};
    size_t count = 1;

    for (size_t i = 0; i < isolation_film_handler_count && count < MOST; i++)
        handlers[count++] = isolation_film_handlers[i];
    return isolation_serve(handlers, count, prepare);
}
