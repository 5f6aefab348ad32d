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

static void *wait_for_lock(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* Several that draw at once each let Pango start two: whether there is room for so many together. Asked once, before
 * anybody draws: it takes them all for a moment. */
static bool has_room_for_threads(void)
{
    enum { MOST = 16 };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[MOST];
    pthread_attr_t small;
    int count = 0;
    if (pthread_attr_init(&small) != 0)
        return false;
    pthread_attr_setstacksize(&small, (size_t)256 << 10);
    pthread_mutex_lock(&lock);
    while (count < MOST && pthread_create(&threads[count], &small, wait_for_lock, &lock) == 0)
        count++;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&small);
    return count == MOST;
}

static bool room_for_threads;

static void look_for_room(void)
{
    room_for_threads = has_room_for_threads();
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
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static atomic_bool short_of;
    static _Thread_local bool begun; /* every thread has a font map of its own, which loads all anew */
    if (atomic_load(&short_of))
        return false;
    if (optional_missing("pango")) {
        if (!atomic_exchange(&short_of, true))
            log_notice("Pango is not there (%s): text in pictures is drawn with a small built-in font",
                       optional_missing("pango"));
        return false;
    }
    pthread_once(&once, look_for_room);
    if (room_for_threads && has_memory(begun ? later : at_first) && has_thread()) {
        begun = true;
        return true;
    }
    if (!atomic_exchange(&short_of, true))
        log_notice(
            "too little memory or too few threads for fonts: text in pictures is drawn with a small built-in font");
    return false;
}
