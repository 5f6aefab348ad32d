/* Fuzzes the reader of --config files, for every verb that takes one. */
#include "cli/config_file.h"

#include "sowlv2.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned verbs[] = {FOR_DETECT, FOR_SEGMENT, FOR_FRAMES};
    char path[64];
    const int file = memfd_create("settings", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    sowlv2_set_log(NULL, NULL);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        struct settings settings = settings_default();
        (void)config_file_apply(path, verbs[i], &settings);
        settings_free(&settings);
    }
    close(file);
    return 0;
}
