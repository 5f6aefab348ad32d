/* See inputs_case.h. */
#include "inputs_case.h"

#include "base/error.h"
#include "base/test_folder.h"
#include "media/png.h"
#include "pipeline/inputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char *folder;
size_t notices;

static void count_notices(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)level;
    (void)message;
    (void)user_data;
    notices++;
}

int make_folder(void **state)
{
    (void)state;
    folder = test_folder_make();
    notices = 0;
    sowlv2_set_log(count_notices, NULL);
    return 0;
}

int remove_folder(void **state)
{
    (void)state;
    sowlv2_set_log(NULL, NULL);
    test_folder_remove(folder);
    return 0;
}

void add_picture(const char *name)
{
    static const uint8_t pixel[3] = {1, 2, 3};
    char *path = test_path(folder, name);

    test_write_text(folder, name, "");
    assert_int_equal(png_write(path, pixel, 1, 1, 3, 3), 0);
    free(path);
}

void expect_names(const char *const *given, bool recursive, const char *const *names)
{
    char *paths[8];
    size_t count = 0, expected = 0;
    struct inputs inputs = {0};
    struct inputs_options options = {.given = (const char *const *)paths, .recursive = recursive};

    for (; given[count]; count++)
        paths[count] = strcmp(given[count], "-") == 0 ? strdup("-") : test_path(folder, given[count]);
    options.count = count;
    if (inputs_list(&options, &inputs) != 0)
        fail_msg("%s", error_message());
    for (; names[expected]; expected++) {
        assert_true(expected < inputs.names.count);
        if (strncmp(names[expected], "PATH/", 5) == 0) {
            char *path = test_path(folder, names[expected] + 5);

            assert_string_equal(inputs.names.items[expected], path);
            free(path);
        } else {
            assert_string_equal(inputs.names.items[expected], names[expected]);
        }
    }
    assert_int_equal(inputs.names.count, expected);
    assert_int_equal(inputs.paths.count, expected);
    inputs_free(&inputs);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
}
