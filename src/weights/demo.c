#include "weights/demo.h"

#include "base/error.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool demo_is_name(const char *model)
{
    return strcmp(model, "demo") == 0;
}

int demo_locate(const char *kind, char **folder)
{
    const char *const places[] = {getenv("SOWLV2_DATA"), SOWLV2_DATA_FOLDER, SOWLV2_SOURCE_MODELS};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (!places[i] || places[i][0] == '\0')
            continue;
        char *path = NULL;
        if (asprintf(&path, "%s/demo/%s", places[i], kind) < 0)
            return error_memory("path");
        if (file_is_directory(path)) {
            *folder = path;
            return 0;
        }
        free(path);
        if (i == 0)
            break; /* the user said where: nothing else is meant */
    }
    return error_set(SOWLV2_ERROR_MODEL,
                     "demo: there is no demo/%s below %s: set SOWLV2_DATA to the folder that holds it, or give another "
                     "model",
                     kind, places[0] && places[0][0] != '\0' ? places[0] : SOWLV2_DATA_FOLDER);
}
