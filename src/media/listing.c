/* Natural order, and the images of one folder. */
#include "media/listing.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Compares the digit runs that *a and *b begin with, by value, and moves both behind them. */
static int compare_numbers(const char **a, const char **b)
{
    while (**a == '0')
        ++*a;
    while (**b == '0')
        ++*b;
    const char *x = *a, *y = *b;
    while (is_digit(**a))
        ++*a;
    while (is_digit(**b))
        ++*b;
    size_t digits_a = (size_t)(*a - x), digits_b = (size_t)(*b - y);
    if (digits_a != digits_b)
        return digits_a < digits_b ? -1 : 1;
    return memcmp(x, y, digits_a);
}

int listing_compare(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x && *y) {
        if (is_digit(*x) && is_digit(*y)) {
            int order = compare_numbers(&x, &y);
            if (order)
                return order;
        } else {
            if (*x != *y)
                return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
            x++;
            y++;
        }
    }
    if (*x || *y)
        return *x ? 1 : -1;
    return strcmp(a, b);
}

int listing_compare_items(const void *a, const void *b)
{
    return listing_compare(*(char *const *)a, *(char *const *)b);
}

/* Files, and links to files; what cannot be looked at is kept, so that its error is reported. */
static bool is_file(DIR *folder, const struct dirent *entry)
{
    if (entry->d_type == DT_REG)
        return true;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return false;
    struct stat status;
    return fstatat(dirfd(folder), entry->d_name, &status, 0) != 0 || S_ISREG(status.st_mode);
}

int listing_folder(const char *folder, struct string_list *names)
{
    *names = (struct string_list){0};
    DIR *stream = opendir(folder);
    if (!stream)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot list the folder: %s: check its permissions", folder,
                         strerror(errno));
    int status = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            if (errno)
                status = error_set(SOWLV2_ERROR_IO, "%s: cannot list the folder: %s", folder, strerror(errno));
            break;
        }
        if (entry->d_name[0] == '.' || !listing_is_image_name(entry->d_name) || !is_file(stream, entry))
            continue;
        status = string_list_append(names, entry->d_name);
        if (status)
            break;
    }
    closedir(stream);
    if (status) {
        string_list_free(names);
        return status;
    }
    if (names->count > 1)
        qsort(names->items, names->count, sizeof(*names->items), listing_compare_items);
    return 0;
}
