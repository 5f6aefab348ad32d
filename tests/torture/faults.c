/* A library to preload: calls of the C library that fail when torture.py wants it, in every library of a process.
 *
 * FAULT=KIND:HOW:NUMBER[:on] lets call NUMBER (from 0) of a KIND fail, with `on` every one from there on:
 *
 *   memory          malloc and its kin give NULL (HOW is "none")
 *   large           the same, of 64 KiB and more: what a system that runs out of memory refuses first
 *   read write      HOW is an error's name, or "short": half of what was asked for
 *   open            files, folders
 *   change          rename, mkdir, ftruncate, fsync
 *
 * FAULT_COUNTS=FILE: how many calls of each kind there were, as 8-byte numbers in that order. A crash prints where it
 * was, a line a frame that begins with "crash: ". Calls that the C library makes itself (of its streams, say) are not
 * seen. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

enum kind { MEMORY, LARGE, READ, WRITE, OPEN, CHANGE, KINDS };
static const char *const kind_names[KINDS] = {"memory", "large", "read", "write", "open", "change"};

static struct {
    bool armed;
    enum kind kind;
    int error; /* 0: short */
    long number;
    bool lasting;
} fault;

static atomic_long own_counts[KINDS], *counts = own_counts;

/* Whether this call fails. */
static bool fails(enum kind kind)
{
    const long number = atomic_fetch_add(&counts[kind], 1);

    if (!fault.armed || fault.kind != kind || number < fault.number || (number > fault.number && !fault.lasting))
        return false;
    if (fault.error)
        errno = fault.error;
    return true;
}

/* ---- beginning ---- */

static int error_of(const char *name)
{
    static const struct {
        const char *name;
        int error;
    } errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EINTR", EINTR}, {"EMFILE", EMFILE},
                  {"EACCES", EACCES}, {"EDQUOT", EDQUOT}, {"none", ENOMEM}, {"short", 0}};

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        if (strcmp(name, errors[i].name) == 0)
            return errors[i].error;
    fprintf(stderr, "FAULT: no error is called '%s'\n", name);
    _exit(99);
}

static void print_place(void *place)
{
    Dl_info info;
    char line[512];
    const bool known = dladdr(place, &info) && info.dli_fname;
    const int size =
        known ? snprintf(line, sizeof(line), "crash: %s %s\n", info.dli_fname, info.dli_sname ? info.dli_sname : "?")
              : snprintf(line, sizeof(line), "crash: ? %p\n", place);

    if (syscall(SYS_write, STDERR_FILENO, line, (size_t)size) < 0)
        _exit(98);
}

/* Where it is; or who called a function that is not there, which leaves no frame to go back from: a kernel that was not
 * made, say. */
static void *find_place(const ucontext_t *context)
{
#ifdef __x86_64__
    enum { NO_CODE = 1 << 16 };
    const greg_t *const registers = context->uc_mcontext.gregs;
    void *const place = (void *)(uintptr_t)registers[REG_RIP];

    return (uintptr_t)place < NO_CODE ? *(void **)(uintptr_t)registers[REG_RSP] : place;
#else
    (void)context;
    return NULL;
#endif
}

static void print_crash(int number, siginfo_t *what, void *context)
{
    void *frames[40], *const place = find_place(context);

    (void)what;
    fault.armed = false; /* what follows may allocate */
    /* First: going back through the frames of libraries without tables of them may crash itself, and says nothing then.
     */
    if (place)
        print_place(place);
    const int count = backtrace(frames, 40);

    for (int i = 0; i < count; i++)
        print_place(frames[i]);
    signal(number, SIG_DFL);
    raise(number);
}

/* GLib that has no memory to say so tries to say that, and so on, until the stack is used up: the crash has one of its
 * own to be printed from. */
static void take_second_stack(void)
{
    enum { STACK_BYTES = 1 << 17 };
    void *const memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory != MAP_FAILED)
        sigaltstack(&(stack_t){.ss_sp = memory, .ss_size = STACK_BYTES}, NULL);
}

struct thread {
    void *(*body)(void *);
    void *argument;
};

static void *run_thread(void *given)
{
    const struct thread thread = *(struct thread *)given;

    munmap(given, sizeof(thread));
    take_second_stack();
    return thread.body(thread.argument);
}

EXPORTED int pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    struct thread *const given = mmap(NULL, sizeof(*given), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    if (given == MAP_FAILED)
        return EAGAIN;
    *given = (struct thread){body, argument};
    const int code = next(out, attributes, run_thread, given);
    if (code)
        munmap(given, sizeof(*given));
    return code;
}

__attribute__((constructor)) static void begin(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP};
    const char *wanted = getenv("FAULT"), *file = getenv("FAULT_COUNTS");
    char kind[16], how[16], on[4] = "";
    void *frame;

    backtrace(&frame, 1); /* loads what it needs */
    take_second_stack();
    for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
        sigaction(crashes[i], &(struct sigaction){.sa_sigaction = print_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK},
                  NULL);
    if (file) {
        const int descriptor = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT, 0666);
        void *place = MAP_FAILED;

        if (descriptor >= 0 && syscall(SYS_ftruncate, descriptor, (long)sizeof(own_counts)) == 0)
            place = mmap(NULL, sizeof(own_counts), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (place == MAP_FAILED) {
            perror(file);
            _exit(99);
        }
        close(descriptor);
        counts = place;
    }
    for (int i = 0; i < KINDS; i++)
        counts[i] = 0;
    if (!wanted)
        return;
    if (sscanf(wanted, "%15[^:]:%15[^:]:%ld:%3s", kind, how, &fault.number, on) < 3) {
        fprintf(stderr, "FAULT=%s: not understood\n", wanted);
        _exit(99);
    }
    fault.error = error_of(how);
    fault.lasting = strcmp(on, "on") == 0;
    for (fault.kind = MEMORY; fault.kind < KINDS; fault.kind++)
        if (strcmp(kind, kind_names[fault.kind]) == 0)
            break;
    fault.armed = true;
}

/* ---- memory ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

enum { LARGE_FROM = 1 << 16 };

static bool is_refused(size_t size)
{
    const bool large = size >= LARGE_FROM && fails(LARGE);

    return fails(MEMORY) || large;
}

EXPORTED void *malloc(size_t size)
{
    return is_refused(size) ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    return is_refused(size > 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size) ? NULL
                                                                                     : __libc_calloc(count, size);
}

EXPORTED void *realloc(void *old, size_t size)
{
    return is_refused(size) ? NULL : __libc_realloc(old, size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
    return is_refused(size) ? NULL : __libc_memalign(alignment, size);
}

EXPORTED void *memalign(size_t alignment, size_t size);
EXPORTED void *memalign(size_t alignment, size_t size)
{
    return is_refused(size) ? NULL : __libc_memalign(alignment, size);
}

EXPORTED int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = is_refused(size) ? NULL : __libc_memalign(alignment, size);

    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}

/* ---- files ---- */

/* How much of `size` bytes are read or written; -1: nothing, an error. */
static ssize_t granted(enum kind kind, size_t size)
{
    if (!fails(kind))
        return (ssize_t)size;
    return fault.error ? -1 : (ssize_t)(size / 2 + size % 2);
}

EXPORTED ssize_t read(int file, void *data, size_t size)
{
    const ssize_t most = granted(READ, size);

    return most < 0 ? -1 : syscall(SYS_read, file, data, (size_t)most);
}

EXPORTED ssize_t pread(int file, void *data, size_t size, off_t at)
{
    const ssize_t most = granted(READ, size);

    return most < 0 ? -1 : syscall(SYS_pread64, file, data, (size_t)most, at);
}

EXPORTED ssize_t pread64(int file, void *data, size_t size, off64_t at)
{
    return pread(file, data, size, at);
}

EXPORTED ssize_t __read_chk(int file, void *data, size_t size, size_t room);
EXPORTED ssize_t __read_chk(int file, void *data, size_t size, size_t room)
{
    if (size > room)
        abort();
    return read(file, data, size);
}

EXPORTED ssize_t __pread_chk(int file, void *data, size_t size, off_t at, size_t room);
EXPORTED ssize_t __pread_chk(int file, void *data, size_t size, off_t at, size_t room)
{
    if (size > room)
        abort();
    return pread(file, data, size, at);
}

EXPORTED ssize_t __pread64_chk(int file, void *data, size_t size, off64_t at, size_t room);
EXPORTED ssize_t __pread64_chk(int file, void *data, size_t size, off64_t at, size_t room)
{
    return __pread_chk(file, data, size, at, room);
}

/* What the tool says is not touched: messages are looked at. */
EXPORTED ssize_t write(int file, const void *data, size_t size)
{
    const ssize_t most = file == STDERR_FILENO ? (ssize_t)size : granted(WRITE, size);

    return most < 0 ? -1 : syscall(SYS_write, file, data, (size_t)most);
}

EXPORTED ssize_t pwrite(int file, const void *data, size_t size, off_t at)
{
    const ssize_t most = granted(WRITE, size);

    return most < 0 ? -1 : syscall(SYS_pwrite64, file, data, (size_t)most, at);
}

EXPORTED ssize_t pwrite64(int file, const void *data, size_t size, off64_t at)
{
    return pwrite(file, data, size, at);
}

EXPORTED ssize_t writev(int file, const struct iovec *parts, int count)
{
    return fails(WRITE) ? (fault.error ? -1 : syscall(SYS_writev, file, parts, 1))
                        : syscall(SYS_writev, file, parts, count);
}

static int open_at(int folder, const char *path, int flags, va_list more)
{
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;

    return fails(OPEN) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

EXPORTED int open(const char *path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    const int file = open_at(AT_FDCWD, path, flags, more);
    va_end(more);
    return file;
}

EXPORTED int open64(const char *path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    const int file = open_at(AT_FDCWD, path, flags, more);
    va_end(more);
    return file;
}

EXPORTED int openat(int folder, const char *path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    const int file = open_at(folder, path, flags, more);
    va_end(more);
    return file;
}

EXPORTED int openat64(int folder, const char *path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    const int file = open_at(folder, path, flags, more);
    va_end(more);
    return file;
}

EXPORTED int __open_2(const char *path, int flags);
EXPORTED int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

EXPORTED int __openat_2(int folder, const char *path, int flags);
EXPORTED int __openat_2(int folder, const char *path, int flags)
{
    return openat(folder, path, flags);
}

/* ---- changes ---- */

EXPORTED int rename(const char *old, const char *name)
{
    return fails(CHANGE) ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, old, AT_FDCWD, name);
}

EXPORTED int renameat(int from, const char *old, int to, const char *name)
{
    return fails(CHANGE) ? -1 : (int)syscall(SYS_renameat, from, old, to, name);
}

EXPORTED int mkdir(const char *path, mode_t mode)
{
    return fails(CHANGE) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

EXPORTED int mkdirat(int folder, const char *path, mode_t mode)
{
    return fails(CHANGE) ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
}

EXPORTED int ftruncate(int file, off_t size)
{
    return fails(CHANGE) ? -1 : (int)syscall(SYS_ftruncate, file, size);
}

EXPORTED int ftruncate64(int file, off64_t size)
{
    return ftruncate(file, size);
}

EXPORTED int fsync(int file)
{
    return fails(CHANGE) ? -1 : (int)syscall(SYS_fsync, file);
}
