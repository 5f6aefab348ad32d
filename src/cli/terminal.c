/* Standard error: messages and the progress line, kept apart by one lock. */
#include "cli/terminal.h"

#include "base/strings.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

enum { MOST_SAID = 4096 };

static struct {
    pthread_mutex_t lock;
    bool quiet, verbose;
    bool shown;               /* a progress line stands on the screen */
    uint64_t said[MOST_SAID]; /* hashes of notices and warnings, at their places; 0: free */
    size_t said_count;
} terminal = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Makes room for a message, with the lock held. */
static void clear_line(void)
{
    if (terminal.shown)
        fputs("\r\033[K", stderr);
    terminal.shown = false;
}

/* Whether the message was printed before; notes it. The same is often found by more than one pass over a file. */
static bool is_said(const char *message)
{
    uint64_t hash = 0xCBF29CE484222325U; /* FNV-1a */
    size_t at;

    for (; *message; message++)
        hash = (hash ^ (unsigned char)*message) * 0x100000001B3U;
    hash += hash == 0;
    for (at = hash % MOST_SAID; terminal.said[at]; at = (at + 1) % MOST_SAID)
        if (terminal.said[at] == hash)
            return true;
    if (terminal.said_count < MOST_SAID / 2) {
        terminal.said[at] = hash;
        terminal.said_count++;
    }
    return false;
}

static void print_error(const char *message)
{
    clear_line();
    fprintf(stderr, "sowlv2: %s\n", message);
    fflush(stderr);
}

static void take_log(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)user_data;
    if ((level == SOWLV2_LOG_DEBUG && !terminal.verbose) || (level != SOWLV2_LOG_WARNING && terminal.quiet))
        return;
    pthread_mutex_lock(&terminal.lock);
    if (level == SOWLV2_LOG_DEBUG || !is_said(message))
        print_error(message);
    pthread_mutex_unlock(&terminal.lock);
}

void terminal_open(bool quiet, bool verbose)
{
    terminal.quiet = quiet;
    terminal.verbose = verbose && !quiet;
    sowlv2_set_log(take_log, NULL);
}

void terminal_error(const char *message)
{
    pthread_mutex_lock(&terminal.lock);
    print_error(message);
    pthread_mutex_unlock(&terminal.lock);
}

void terminal_say(const char *format, ...)
{
    va_list arguments;

    if (terminal.quiet)
        return;
    pthread_mutex_lock(&terminal.lock);
    clear_line();
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    fflush(stderr);
    pthread_mutex_unlock(&terminal.lock);
}

bool terminal_is_live(void)
{
    const char *kind = getenv("TERM");

    return !terminal.quiet && isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

size_t terminal_width(void)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    const long wanted = columns ? strtol(columns, NULL, 10) : 0;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return wanted > 0 && wanted <= 10000 ? (size_t)wanted : 80;
}

/* How many bytes of valid text fit into `columns`; a byte that is not UTF-8 ends it. */
static size_t bytes_that_fit(const char *text, size_t columns)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    size_t length = strlen(text), bytes = 0, used = 0;

    while (bytes < length) {
        utf8proc_int32_t character;
        utf8proc_ssize_t size = utf8proc_iterate(at + bytes, (utf8proc_ssize_t)(length - bytes), &character);
        size_t width;

        if (size <= 0)
            break;
        width = (size_t)utf8proc_charwidth(character);
        if (used + width > columns)
            break;
        used += width;
        bytes += (size_t)size;
    }
    return bytes;
}

void terminal_progress(const char *line)
{
    size_t width = terminal_width();
    char *text;

    if (!terminal_is_live())
        return;
    text = strdup(line);
    if (!text)
        return;
    text_make_printable(text);
    text[bytes_that_fit(text, width > 1 ? width - 1 : 1)] = '\0'; /* the last column makes some terminals wrap */
    pthread_mutex_lock(&terminal.lock);
    fprintf(stderr, "\r%s\033[K", text);
    fflush(stderr);
    terminal.shown = true;
    pthread_mutex_unlock(&terminal.lock);
    free(text);
}

void terminal_progress_end(void)
{
    pthread_mutex_lock(&terminal.lock);
    clear_line();
    fflush(stderr);
    pthread_mutex_unlock(&terminal.lock);
}
