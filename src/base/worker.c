/* Starting a process, and messages over a socket of packets. */
#include "base/worker.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MILLISECONDS = 500 };

extern char **environ;

/* What a program needs to start as this one did. Secrets are elsewhere: HF_TOKEN, passwords of proxies. */
static bool is_for_loader(const char *variable)
{
    static const char *const names[] = {
        "LD_", "GLIBC_TUNABLES=", "MALLOC_", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS="};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Freed by the caller; NULL: out of memory. */
static char **make_environment(void)
{
    size_t count = 0, kept = 0;

    while (environ[count])
        count++;
    char **const out = calloc(count + 1, sizeof(*out));
    for (size_t i = 0; out && i < count; i++)
        if (is_for_loader(environ[i]))
            out[kept++] = environ[i];
    return out;
}

/* With the other end of the connection as its descriptor. Gives posix_spawn's error. */
static int spawn(const char *program, const char *argument, int other, char **environment, pid_t *out)
{
    char *const arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)argument, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int code = posix_spawn_file_actions_adddup2(&actions, other, WORKER_SOCKET);
    for (int i = 0; code == 0 && i < WORKER_SOCKET; i++)
        code = posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    /* A group of its own: Ctrl-C is for this process, which ends when what is in hand is done. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (code == 0)
        code = posix_spawn(out, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

int worker_start(const char *program, const char *argument, struct worker *out)
{
    int ends[2];
    char **const environment = make_environment();

    *out = (struct worker){.socket = -1};
    if (!environment)
        return error_memory(program);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        free(environment);
        return error_set(SOWLV2_ERROR_IO, "%s: no connection to a separate decoder: %s", program, strerror(errno));
    }
    const int code = spawn(program, argument, ends[1], environment, &out->process);
    free(environment);
    close(ends[1]);
    if (code != 0) {
        close(ends[0]);
        out->process = 0;
        return error_set(code == ENOMEM ? SOWLV2_ERROR_MEMORY : SOWLV2_ERROR_IO,
                         "%s: cannot be started as a separate decoder: %s", program, strerror(code));
    }
    out->socket = ends[0];
    return 0;
}

void worker_stop(struct worker *worker)
{
    bool killed;

    if (worker->process > 0) {
        kill(worker->process, SIGKILL);
        worker_explain_end(worker, &killed);
    }
    if (worker->socket >= 0)
        close(worker->socket);
    *worker = (struct worker){.socket = -1};
}

const char *worker_explain_end(struct worker *worker, bool *killed)
{
    static _Thread_local char text[96];
    int status = 0;
    pid_t ended = 0;

    *killed = false;
    snprintf(text, sizeof(text), "has ended");
    /* One that only hung up is not waited for. */
    for (int waited = 0; worker->process > 0 && ended == 0; waited++) {
        if (waited == PATIENCE_MILLISECONDS)
            kill(worker->process, SIGKILL);
        ended = waitpid(worker->process, &status, waited < PATIENCE_MILLISECONDS ? WNOHANG : 0);
        if (ended == 0)
            usleep(1000);
        else if (ended < 0 && errno == EINTR)
            ended = 0;
    }
    worker->process = 0;
    if (ended <= 0)
        return text;
    if (WIFSIGNALED(status)) {
        *killed = WTERMSIG(status) == SIGKILL;
        snprintf(text, sizeof(text), "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, sizeof(text), "ended with status %d", WEXITSTATUS(status));
    }
    return text;
}

int worker_send(int socket, const void *data, size_t size, const int *descriptors, size_t count)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(WORKER_DESCRIPTORS * sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size ? 0 : -1;
}

/* The descriptors that came with a message; those that are not wanted are closed. */
static void take_descriptors(struct msghdr *message, int *descriptors, size_t *count)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t came = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < came; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if (count && *count < WORKER_DESCRIPTORS)
                descriptors[(*count)++] = descriptor;
            else
                close(descriptor);
        }
    }
}

enum worker_receipt worker_receive(int socket, void *data, size_t capacity, size_t *size, int *descriptors,
                                   size_t *count, int milliseconds)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(WORKER_DESCRIPTORS * sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = data, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)};
    struct pollfd wait = {.fd = socket, .events = POLLIN};
    ssize_t came;

    *size = 0;
    if (count)
        *count = 0;
    if (milliseconds >= 0) {
        const int ready = poll(&wait, 1, milliseconds);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            return WORKER_WAITS;
    }
    do
        came = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (came < 0 && errno == EINTR);
    if (came <= 0)
        return WORKER_GONE;
    take_descriptors(&message, descriptors, count);
    *size = (size_t)came;
    return WORKER_MESSAGE;
}

void worker_close_others(void)
{
    enum { MOST = 1 << 16 };

#ifdef SYS_close_range
    if (syscall(SYS_close_range, WORKER_SOCKET + 1, ~0U, 0) == 0)
        return;
#endif
    const long limit = sysconf(_SC_OPEN_MAX);
    for (int i = WORKER_SOCKET + 1; i < (limit > 0 && limit < MOST ? limit : MOST); i++)
        close(i);
}
