#include "base/shortage.h"

#ifdef SHORTAGE
#include "base/log.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Those that follow take the place of the C library's in every library of the process. */
#define EXPORTED __attribute__((visibility("default")))
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

struct shortage shortage;

static bool is_refused(void)
{
    if (!shortage.armed)
        return false;
    long left = shortage.wanted--;
    if (left > 0 || (left < 0 && !shortage.lasting))
        return false;
    shortage.refused++;
    errno = ENOMEM;
    return true;
}

EXPORTED void *malloc(size_t size)
{
    return is_refused() ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __libc_calloc(count, size);
}

EXPORTED void *realloc(void *old, size_t size)
{
    return is_refused() ? NULL : __libc_realloc(old, size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
    return is_refused() ? NULL : __libc_memalign(alignment, size);
}

EXPORTED void *memalign(size_t alignment, size_t size)
{
    return is_refused() ? NULL : __libc_memalign(alignment, size);
}

EXPORTED int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = is_refused() ? NULL : __libc_memalign(alignment, size);
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}

static void drop_message(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)level;
    (void)message;
    (void)user_data;
}

/* Seconds; a test's child takes one of them. */
enum { LONGEST = 60 };

int shortage_in_child(bool (*run)(const void *sample, long number), const void *sample, long number)
{
    int ended = 0;
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka's own would go on with the tests here */
        signal(SIGABRT, SIG_DFL);
        alarm(LONGEST);
        sowlv2_set_log(drop_message, NULL);
        _exit(run(sample, number) ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &ended, 0) != child)
        abort();
    return ended;
}

bool shortage_limit(long kilobytes)
{
    long pages = 0;
    malloc_trim(0); /* what came before left */
    FILE *const stream = fopen("/proc/self/statm", "r");
    const bool known = stream && fscanf(stream, "%ld", &pages) == 1;
    if (stream)
        fclose(stream);
    const rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)kilobytes * 1024;
    return known && setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) == 0;
}
#endif
