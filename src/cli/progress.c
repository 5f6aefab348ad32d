/* The progress line: "[####......] 12/100  0.31/s  4:42 left  photo.jpg". */
#include "cli/progress.h"

#include "base/clock.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_BAR = 30, LONGEST_LINE = 1024 };

void progress_begin(struct progress *progress)
{
    *progress = (struct progress){.start = clock_seconds()};
}

void progress_format_time(char *text, size_t size, double seconds)
{
    unsigned long whole = seconds < 3.6e8 ? (unsigned long)(seconds + 0.5) : 360000000UL;

    if (whole >= 3600)
        snprintf(text, size, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, size, "%lu:%02lu", whole / 60, whole % 60);
}

void progress_format(char *line, size_t size, size_t width, size_t done, size_t total, double elapsed, const char *name)
{
    size_t bar = width / 4 < LONGEST_BAR ? width / 4 : LONGEST_BAR;
    size_t filled = done >= total ? (total > 0 ? bar : 0) : (size_t)((double)bar * ((double)done / (double)total));
    char rate[512] = "", left[32], marks[LONGEST_BAR + 1];

    memset(marks, '#', filled);
    memset(marks + filled, '.', bar - filled);
    marks[bar] = '\0';
    if (done > 0 && elapsed > 0) {
        double speed = (double)done / elapsed;

        progress_format_time(left, sizeof(left), (double)(total > done ? total - done : 0) / speed);
        if (speed >= 0.1)
            snprintf(rate, sizeof(rate), "  %.*f/s  %s left", speed < 10 ? 2 : 0, speed, left);
        else
            snprintf(rate, sizeof(rate), "  %.1f s each  %s left", 1 / speed, left);
    }
    if (total == 0) { /* nobody knows how many there will be */
        snprintf(line, size, "%zu done, %.2f/s%s%s", done, elapsed > 0 ? (double)done / elapsed : 0.0,
                 *name ? "  " : "", name);
        return;
    }
    snprintf(line, size, "[%s] %zu/%zu%s%s%s", marks, done, total, rate, *name ? "  " : "", name);
}

void progress_update(size_t done, size_t total, const char *name, void *user_data)
{
    struct progress *progress = user_data;
    double now = clock_seconds();
    char line[LONGEST_LINE];

    if (!terminal_is_live() || (progress->last > 0 && now - progress->last < 0.05 && (done < total || total == 0)))
        return;
    progress->last = now;
    progress_format(line, sizeof(line), terminal_width(), done, total, now - progress->start, name);
    terminal_progress(line);
}

bool progress_show(int64_t done, int64_t total, void *user_data)
{
    const struct progress *const progress = user_data;

    progress_update((size_t)done, (size_t)total, progress->name ? progress->name : "", user_data);
    return true;
}
