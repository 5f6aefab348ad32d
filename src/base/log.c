/* Notices and warnings: formatted to one line and handed to the callback of sowlv2_set_log(). */
#include "base/log.h"

#include "base/strings.h"
#include "base/url.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_CAPACITY = 4096 };

static void log_to_stderr(enum sowlv2_log_level level, const char *line, void *user_data)
{
    (void)user_data;
    if (level == SOWLV2_LOG_DEBUG)
        return;
    fprintf(stderr, "sowlv2: %s: %s\n", level == SOWLV2_LOG_WARNING ? "warning" : "notice", line);
}

/* Written before other threads use the library, as the public header asks; only read afterwards. */
static sowlv2_log_callback log_callback = log_to_stderr;
static void *log_user_data;

void sowlv2_set_log(sowlv2_log_callback callback, void *user_data)
{
    log_callback = callback;
    log_user_data = user_data;
}

static void log_line(enum sowlv2_log_level level, const char *format, va_list arguments)
{
    if (!log_callback)
        return;
    char line[LINE_CAPACITY];
    if (vsnprintf(line, sizeof(line), format, arguments) < 0)
        return;
    text_make_printable(line);
    url_hide_secrets(line);
    log_callback(level, line, log_user_data);
}

void log_debug(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(SOWLV2_LOG_DEBUG, format, arguments);
    va_end(arguments);
}

void log_notice(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(SOWLV2_LOG_NOTICE, format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(SOWLV2_LOG_WARNING, format, arguments);
    va_end(arguments);
}
