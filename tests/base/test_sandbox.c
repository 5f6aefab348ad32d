/* What a process that has entered the sandbox can do, and above all what it cannot. Each case is tried in a process of
 * its own, first outside, where it succeeds, then inside. */
#include "base/error.h"
#include "base/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Each gives whether it could be done; errno says why not. */
static bool can_open(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool can_open_in_a_folder(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR) >= 0;
}

static bool can_make(void)
{
    char name[] = "/tmp/sandbox-XXXXXX";
    const int file = mkstemp(name);

    if (file >= 0)
        unlink(name);
    return file >= 0;
}

static bool can_look_at_names(void)
{
    struct stat state;

    return stat("/etc/passwd", &state) == 0;
}

static bool can_read_a_link(void)
{
    char text[64];

    return readlink("/proc/self/exe", text, sizeof(text)) > 0;
}

static bool can_rename(void)
{
    return rename("/nonexistent/a", "/nonexistent/b") == 0 || errno == ENOENT;
}

static bool can_talk_to_the_network(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool can_talk_to_other_programs(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool can_fork(void)
{
    const pid_t process = fork();

    if (process == 0)
        _exit(0);
    return process > 0;
}

static bool can_start_a_program(void)
{
    char *const words[] = {(char *)(uintptr_t) "true", NULL};

    return execv("/bin/true", words) == 0 || errno == ENOENT; /* where it can, it does not come back, with status 0 */
}

static bool can_signal_others(void)
{
    return kill(getppid(), 0) == 0;
}

static bool can_be_traced(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool can_make_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool can_make_data_code(void)
{
    void *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool can_raise_limits(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_CORE, &limit) == 0 && setrlimit(RLIMIT_CORE, &limit) == 0;
}

static bool can_watch_others(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};

    return syscall(SYS_process_vm_readv, getpid(), &here, 1UL, &there, 1UL, 0UL) == 1;
}

static const struct {
    const char *what;
    bool (*can)(void);
} refused[] = {
    {"open a file", can_open},
    {"open a device", can_open_in_a_folder},
    {"make a file", can_make},
    {"look for a file", can_look_at_names},
    {"read a link", can_read_a_link},
    {"rename", can_rename},
    {"open a connection", can_talk_to_the_network},
    {"open a local connection", can_talk_to_other_programs},
    {"start a process", can_fork},
    {"start a program", can_start_a_program},
    {"signal another process", can_signal_others},
    {"be traced", can_be_traced},
    {"map code", can_make_code},
    {"make data code", can_make_data_code},
    {"set limits", can_raise_limits},
    {"read another process's memory", can_watch_others},
};

static void *run_thread(void *argument)
{
    *(int *)argument = 7;
    return NULL;
}

/* What decoding needs. */
static bool can_decode(void)
{
    int ends = open("/dev/zero", O_RDONLY), done = 0;
    char byte = 1;
    pthread_t thread;

    if (sandbox_enter() || read(ends, &byte, 1) != 1 || byte != 0)
        return false;
    char *const much = malloc((size_t)64 << 20);
    if (!much || pthread_create(&thread, NULL, run_thread, &done) != 0)
        return false;
    memset(much, 1, (size_t)64 << 20);
    pthread_join(thread, NULL);
    free(much);
    struct timespec now;
    return done == 7 && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0 && sysconf(_SC_NPROCESSORS_ONLN) >= 1;
}

/* 0: it can; else errno, or 255 where the sandbox could not be entered. */
static int try_it(bool (*can)(void), bool inside)
{
    int status;
    const pid_t process = fork();

    assert_true(process >= 0);
    if (process == 0) {
        if (inside && sandbox_enter() != 0)
            _exit(255);
        errno = 0;
        _exit(can() ? 0 : errno);
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void test_nothing_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        if (try_it(refused[i].can, false) != 0) {
            print_message("%s: not outside either: not tried\n", refused[i].what);
            continue;
        }
        const int why = try_it(refused[i].can, true);
        if (why != EPERM)
            fail_msg("inside it can %s (%d)", refused[i].what, why);
    }
}

static void test_decoding_goes_on(void **state)
{
    (void)state;
    assert_int_equal(try_it(can_decode, false), 0);
}

/* Descriptors that are open stay so: a thread that was there before is inside, too. */
static void *open_later(void *argument)
{
    volatile int *const shared = argument;

    while (shared[0] == 0)
        usleep(1000);
    errno = 0;
    shared[1] = open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
    return NULL;
}

static bool can_leave_by_a_thread(void)
{
    volatile int shared[2] = {0, 0};
    pthread_t thread;

    pthread_create(&thread, NULL, open_later, (void *)(uintptr_t)shared);
    if (sandbox_enter())
        _exit(255);
    shared[0] = 1;
    pthread_join(thread, NULL);
    errno = shared[1];
    return shared[1] == 0;
}

static void test_threads_come_along(void **state)
{
    (void)state;
    assert_int_equal(try_it(can_leave_by_a_thread, false), EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_left), cmocka_unit_test(test_decoding_goes_on),
                                       cmocka_unit_test(test_threads_come_along)};

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))
    return 77;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
