/* Asking ahead. */
#include "output/fonts.h"

#include "base/log.h"
#include "base/optional.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

/* Measured, with fonts of East Asia: 140 and 75 MB of addresses where Pango's threads come one after another. Where two
 * are there at once, each takes 128 MB for its heap and 8 for its stack at the moment it starts. */
static const size_t at_first = (size_t)384 << 20, later = (size_t)256 << 20;

static void *do_nothing(void *argument)
{
    return argument;
}

static bool has_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) != 0)
        return false;
    pthread_join(thread, NULL);
    return true;
}

static bool has_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    munmap(memory, bytes);
    return true;
}

bool fonts_ready(void)
{
    static atomic_bool short_of;
    static _Thread_local bool begun; /* every thread has a font map of its own, which loads all anew */
    if (atomic_load(&short_of))
        return false;
    if (optional_missing("pango")) {
        if (!atomic_exchange(&short_of, true))
            log_notice("Pango is not there (%s): text in pictures is drawn with a small face of its own",
                       optional_missing("pango"));
        return false;
    }
    if (has_memory(begun ? later : at_first) && has_thread()) {
        begun = true;
        return true;
    }
    if (!atomic_exchange(&short_of, true))
        log_notice("memory or threads are short: text in pictures is drawn with a small face of its own");
    return false;
}
