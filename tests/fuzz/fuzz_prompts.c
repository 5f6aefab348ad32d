/* Fuzzes prompts as the command line and --prompts-file give them. */
#include "cli/prompts.h"

#include "sowlv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings from_file = settings_default(), given = settings_default();
    char path[64], *const text = malloc(size + 1);
    const int file = memfd_create("prompts", 0);

    if (!text || file < 0 || write(file, data, size) != (ssize_t)size)
        return -1;
    memcpy(text, data, size);
    text[size] = '\0';
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    sowlv2_set_log(NULL, NULL);
    if (string_list_append(&from_file.prompt_files, path) == 0)
        (void)prompts_read(&from_file);
    if (string_list_append(&given.prompts, text) == 0)
        (void)prompts_read(&given);
    settings_free(&from_file);
    settings_free(&given);
    free(text);
    close(file);
    return 0;
}
