/* Fuzzes boxes and points as the command line and --config files give them: a line of the input each, a point's where
 * it begins with '.'. */
#include "cli/marks.h"

#include "sowlv2.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_mark(const struct mark *mark)
{
    for (int i = 0; i < (mark->is_box ? 4 : 2); i++)
        check(isfinite(mark->values[i]));
    if (mark->is_box)
        check(mark->values[0] < mark->values[2] && mark->values[1] < mark->values[3]);
    else
        check(mark->label == 0 || mark->label == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1), *rest = text;
    struct marks marks = {0};
    struct mark_objects objects = {0};

    check(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    sowlv2_set_log(NULL, NULL);
    while (rest) {
        const char *const line = strsep(&rest, "\n");
        const size_t before = marks.count;
        const int status =
            *line == '.' ? marks_add_point(&marks, "--point", line + 1) : marks_add_box(&marks, "--box", line);

        check(marks.count == before + (status == 0));
        if (!status)
            check_mark(&marks.items[before]);
    }
    marks_tell_odd(&marks);
    if (marks_group(&marks, &objects) == 0)
        check(objects.count <= marks.count && (objects.count > 0 || marks.count == 0));
    mark_objects_free(&objects);
    marks_free(&marks);
    free(text);
    return 0;
}
