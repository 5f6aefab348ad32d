/* See devices.h. */
#include "engine/devices.h"

#include "base/error.h"
#include "base/strings.h"
#include "ops/cpu/level.h"

#include <stdio.h>
#include <string.h>

bool devices_get(int number, const char **name, const char **kind)
{
    static const char *const names[DEVICES_MOST] = {"cpu", "reference"};
    const bool kernels = cpu_level_best() > CPU_REFERENCE;
    const int place = kernels ? number : number + 1;
    if (number < 0 || place >= DEVICES_MOST)
        return false;
    *name = names[place];
    *kind = "cpu";
    return true;
}

/* The processor's name, as the system knows it; "CPU" where it does not. */
static void append_processor(struct string *out)
{
    FILE *const file = fopen("/proc/cpuinfo", "r");
    char line[512];
    while (file && out->length == 0 && fgets(line, sizeof(line), file)) {
        const char *const colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0)
            string_append(out, colon + 1 + strspn(colon + 1, " "), strcspn(colon + 1 + strspn(colon + 1, " "), "\n"));
    }
    if (file)
        fclose(file);
    if (out->length == 0)
        string_append_text(out, "CPU");
}

int devices_describe(const char *name, char **out)
{
    struct string text = {0};
    append_processor(&text);
    if (strcmp(name, "reference") == 0)
        string_append_text(&text, ", portable C: slow, to compare with");
    else
        string_append_format(&text, ", up to %s", cpu_level_name(cpu_level_best()));
    *out = text.data;
    if (!text.failed)
        return 0;
    *out = NULL;
    string_free(&text);
    return error_memory("devices");
}

const char *devices_cpu_level(int number)
{
    return number >= 0 && number <= (int)cpu_level_best() ? cpu_level_name((enum cpu_level)number) : NULL;
}
