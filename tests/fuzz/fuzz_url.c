/* Fuzzes what is made of addresses: names, paths, and messages without their secrets, which only get shorter. */
#include "base/url.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1);
    char *made[3];

    if (!text)
        return -1;
    memcpy(text, data, size);
    text[size] = '\0';
    made[0] = url_name(text);
    made[1] = url_plain(text);
    made[2] = url_to_path(text);
    for (size_t i = 0; i < 3; i++) {
        if (made[i] && strlen(made[i]) > strlen(text))
            abort();
        free(made[i]);
    }
    const size_t length = strlen(text);
    url_hide_secrets(text);
    if (strlen(text) > length)
        abort();
    free(text);
    return 0;
}
