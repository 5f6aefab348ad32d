/* Signal handling: only async-signal-safe calls inside handlers. */
#include "cli/signals.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t signals_interrupted;

void signals_ignore_pipe(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};

    sigaction(SIGPIPE, &action, NULL);
}

void signals_ignore_limit(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};

    sigaction(SIGXFSZ, &action, NULL);
}

static const char images_message[] = "interrupted: finishing what has begun";
static const char *volatile message = images_message;

void signals_set_message(const char *text)
{
    message = text ? text : images_message;
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        errno = 0; /* nowhere to say it */
}

static void take_interrupt(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    int saved = errno;

    (void)number;
    __atomic_store_n(&signals_interrupted, 1, __ATOMIC_RELAXED); /* other threads read it */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    say("\nsowlv2: ");
    say(message);
    say(": press Ctrl-C again to end at once\n");
    errno = saved;
}

void signals_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = take_interrupt, .sa_flags = SA_RESTART};
    struct sigaction present;

    sigemptyset(&action.sa_mask);
    /* A process started in the background with signals ignored keeps ignoring them. */
    if (sigaction(SIGINT, NULL, &present) == 0 && present.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
    if (sigaction(SIGTERM, NULL, &present) == 0 && present.sa_handler != SIG_IGN)
        sigaction(SIGTERM, &action, NULL);
}
