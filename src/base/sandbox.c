/* The list of system calls that are left, as a filter of the kernel's (seccomp). */
#include "base/sandbox.h"

#include "base/error.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* What decoding needs, whatever the arguments are: memory, threads, clocks, and descriptors that are open already. */
static const uint16_t allowed[] = {
    __NR_read,         __NR_readv,           __NR_pread64,       __NR_write,
    __NR_writev,       __NR_lseek,           __NR_close,         __NR_fstat,
    __NR_ftruncate,    __NR_recvmsg,         __NR_sendmsg,       __NR_ppoll,
    __NR_munmap,       __NR_mremap,          __NR_madvise,       __NR_brk,
    __NR_futex,        __NR_set_robust_list, __NR_rseq,          __NR_set_tid_address,
    __NR_gettid,       __NR_getpid,          __NR_sched_yield,   __NR_sched_getaffinity,
    __NR_rt_sigaction, __NR_rt_sigprocmask,  __NR_rt_sigreturn,  __NR_sigaltstack,
    __NR_nanosleep,    __NR_clock_nanosleep, __NR_clock_gettime, __NR_clock_getres,
    __NR_gettimeofday, __NR_restart_syscall, __NR_getrandom,     __NR_sysinfo,
    __NR_exit,         __NR_exit_group,
#ifdef __NR_poll
    __NR_poll,
#endif
#ifdef __NR_time
    __NR_time,
#endif
};

enum { ROOM = 160 };

struct program {
    struct sock_filter code[ROOM];
    uint16_t length;
};

static void add(struct program *program, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false)
{
    if (program->length < ROOM)
        program->code[program->length] = (struct sock_filter){code, if_true, if_false, value};
    program->length++;
}

static void load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void give(struct program *program, uint32_t answer)
{
    add(program, BPF_RET | BPF_K, answer, 0, 0);
}

static const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;

static size_t low_half(int argument)
{
    return offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (size_t)argument; /* both are little-endian */
}

/* A call, unless a bit of `mask` is in one of its arguments. */
static void allow_without(struct program *program, uint32_t call, int argument, uint32_t mask)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4);
    load(program, low_half(argument));
    add(program, BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
    give(program, refused);
    give(program, SECCOMP_RET_ALLOW);
}

/* A call, where all bits of `mask` are in one of its arguments. */
static void allow_with(struct program *program, uint32_t call, int argument, uint32_t mask)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 5);
    load(program, low_half(argument));
    add(program, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, mask, 0, 1);
    give(program, SECCOMP_RET_ALLOW);
    give(program, refused);
}

/* A call, where one of its arguments is `value`. */
static void allow_value(struct program *program, uint32_t call, int argument, uint64_t value)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 6);
    load(program, low_half(argument));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, 0, 3);
    load(program, low_half(argument) + sizeof(uint32_t));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value >> 32), 0, 1);
    give(program, SECCOMP_RET_ALLOW);
    give(program, refused);
}

static void make_program(struct program *program)
{
    load(program, offsetof(struct seccomp_data, arch));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    give(program, SECCOMP_RET_KILL_PROCESS);
    load(program, offsetof(struct seccomp_data, nr)); /* with the bit of x32 it is none of the list */
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        give(program, SECCOMP_RET_ALLOW);
    }
    /* Memory that is not code; threads, not processes; signals to itself, which abort() sends. */
    allow_without(program, __NR_mmap, 2, PROT_EXEC);
    allow_without(program, __NR_mprotect, 2, PROT_EXEC);
    allow_with(program, __NR_clone, 0, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND);
    allow_value(program, __NR_tgkill, 0, (uint64_t)getpid());
    allow_value(program, __NR_prctl, 0, PR_SET_NAME);
    allow_value(program, __NR_prlimit64, 2, 0); /* asking for limits, not setting them */
    allow_value(program, __NR_fcntl, 1, F_GETFL);
    /* Its flags are in memory, where a filter cannot see them: the C library takes clone() then. */
    add(program, BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1);
    give(program, SECCOMP_RET_ERRNO | ENOSYS);
    give(program, refused);
}

int sandbox_enter(void)
{
    struct program program = {.length = 0};

    make_program(&program);
    const struct sock_fprog filter = {.len = program.length, .filter = program.code};
    if (program.length > ROOM)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "seccomp: the list of calls is longer than its room");
    /* TSYNC: threads that run already, those of a library that made some while it was set up, come along. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "seccomp: this system does not let a process give up its rights (%s): run without --isolate",
                         strerror(errno));
    return 0;
}

#else

int sandbox_enter(void)
{
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "seccomp: available on Linux only, on x86-64 and ARM64: run without "
                                               "--isolate");
}

#endif
