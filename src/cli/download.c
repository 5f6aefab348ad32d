/* The download line: "[####......] 123/620 MB  45 MB/s  0:11 left  model.safetensors". */
#include "cli/download.h"

#include "base/clock.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_LINE = 1024, LONGEST_BAR = 30 };

/* The unit that makes `bytes` a number of three figures or so, and its name. */
static double choose_unit(double bytes, const char **name)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB"};
    double unit = 1;
    size_t i = 0;

    while (bytes >= 1000 * unit && i + 1 < sizeof(names) / sizeof(names[0])) {
        unit *= 1000;
        i++;
    }
    *name = names[i];
    return unit;
}

void download_format_size(char *text, size_t size, int64_t bytes)
{
    const char *name;
    const double unit = choose_unit((double)bytes, &name), value = (double)bytes / unit;

    snprintf(text, size, "%.*f %s", unit > 1 && value < 9.95 ? 1 : 0, value, name);
}

void download_format(char *line, size_t size, size_t width, const struct sowlv2_download *state, double elapsed)
{
    const size_t bar = width / 4 < LONGEST_BAR ? width / 4 : LONGEST_BAR;
    const double part = state->total > 0 ? (double)state->done / (double)state->total : 0;
    const size_t filled = part < 1 ? (size_t)((double)bar * part) : bar;
    const double came = (double)(state->done - state->resumed);
    char marks[LONGEST_BAR + 1], rate[128] = "", speed_text[32], left[32];
    const char *name;
    const double unit = choose_unit((double)state->total, &name);

    memset(marks, '#', filled);
    memset(marks + filled, '.', bar - filled);
    marks[bar] = '\0';
    if (came > 0 && elapsed > 0) {
        const double speed = came / elapsed;

        download_format_size(speed_text, sizeof(speed_text), (int64_t)speed);
        progress_format_time(left, sizeof(left), (double)(state->total - state->done) / speed);
        snprintf(rate, sizeof(rate), "  %s/s  %s left", speed_text, left);
    }
    snprintf(line, size, "[%s] %.*f/%.*f %s%s  %s%s%s", marks, unit > 1e6 ? 2 : 0, (double)state->done / unit,
             unit > 1e6 ? 2 : 0, (double)state->total / unit, name, rate, state->model, *state->file ? " " : "",
             state->file);
}

/* The sentence at the beginning: the only one where there is no terminal. */
static void say_once(struct download *download, const struct sowlv2_download *state)
{
    char total[32], resumed[64] = "", size[32];

    if (download->said || state->total == 0 || state->done >= state->total)
        return;
    download->said = true;
    download_format_size(total, sizeof(total), state->total);
    if (state->resumed > 0) {
        download_format_size(size, sizeof(size), state->resumed);
        snprintf(resumed, sizeof(resumed), ", of which %s are there", size);
    }
    terminal_say("downloading %s: %s%s", state->model, total, resumed);
}

bool download_update(const struct sowlv2_download *state, void *user_data)
{
    struct download *download = user_data;
    const double now = clock_seconds();
    char line[LONGEST_LINE];

    if (signals_interrupted)
        return false;
    if (state->total == 0)
        return true;
    if (download->start == 0) {
        download->start = now;
        signals_set_message("interrupted: what was downloaded stays, and the next run continues from there");
    }
    say_once(download, state);
    if (terminal_is_live() && now - download->last >= 0.1) {
        download->last = now;
        download_format(line, sizeof(line), terminal_width(), state, now - download->start);
        terminal_progress(line);
    }
    return true;
}

void download_options(const struct settings *settings, const char *model, const char *revision,
                      struct download *download, struct sowlv2_model_options *options)
{
    options->model = model;
    options->revision = revision;
    options->cache_dir = settings->cache_dir;
    options->offline = settings->offline;
    options->download = download_update;
    options->download_user_data = download;
}

void download_end(struct download *download)
{
    *download = (struct download){0};
    signals_set_message(NULL);
    terminal_progress_end();
}
