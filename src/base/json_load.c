/* Watching jansson's allocations. The calling program may use jansson too, with functions of its own, which are kept.
 */
#include "base/json_load.h"

#include <pthread.h>
#include <stdio.h>

static json_malloc_t allocate_before;
static _Thread_local bool failed;

static void *allocate(size_t size)
{
    void *const memory = allocate_before(size);

    failed |= !memory;
    return memory;
}

static void watch(void)
{
    json_free_t free_before;

    json_get_alloc_funcs(&allocate_before, &free_before);
    json_set_alloc_funcs(allocate, free_before);
}

json_t *json_load(const char *text, size_t size, size_t flags, json_error_t *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch);
    failed = false;
    json_t *const root = json_loadb(text, size, flags, error);
    if (!root && failed) {
        snprintf(error->text, sizeof(error->text), "out of memory");
        error->text[sizeof(error->text) - 1] = json_error_out_of_memory; /* where json_error_code() looks */
    }
    return root;
}

bool json_error_is_memory(const json_error_t *error)
{
    return json_error_code(error) == json_error_out_of_memory;
}
