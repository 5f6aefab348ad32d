/* A library to preload: decoders that crash. LD_CRASH_WIDTH=N: libjpeg-turbo, at an image of that width.
 * LD_CRASH_FRAME=N: FFmpeg, when it has decoded so many frames. (Of the environment a decoder of its own process sees
 * what begins so.) */
#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#define EXPORTED __attribute__((visibility("default")))

static long wanted(const char *name)
{
    const char *const text = getenv(name);

    return text ? strtol(text, NULL, 10) : -1;
}

EXPORTED int jpeg_read_header(j_decompress_ptr decoder, boolean whole)
{
    int (*next)(j_decompress_ptr decoder, boolean whole);

    *(void **)&next = dlsym(RTLD_NEXT, "jpeg_read_header");
    const int result = next(decoder, whole);
    if ((long)decoder->image_width == wanted("LD_CRASH_WIDTH"))
        raise(SIGSEGV);
    return result;
}

EXPORTED int avcodec_receive_frame(void *context, void *frame);
EXPORTED int avcodec_receive_frame(void *context, void *frame)
{
    static long count;
    int (*next)(void *context, void *frame);

    *(void **)&next = dlsym(RTLD_NEXT, "avcodec_receive_frame");
    const int result = next(context, frame);
    if (result == 0 && ++count == wanted("LD_CRASH_FRAME"))
        raise(SIGSEGV);
    return result;
}
