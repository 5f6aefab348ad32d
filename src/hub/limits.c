/* See limits.h. */
#include "hub/limits.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

/* The largest models that can be opened have weights of a few GB; the other limits are those of the readers. What is
 * left free where the hub does not say how much will come keeps the disk usable for others. */
#define MIB ((int64_t)1 << 20)
static const int64_t weights_limit = 65536 * MIB, table_limit = 64 * MIB, text_limit = 4 * MIB, left_free = 32 * MIB;

static bool ends_with(const char *name, const char *ending)
{
    const size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

int64_t hub_size_limit(const char *name)
{
    static const char *const tables[] = {"tokenizer.json", "vocab.json", "merges.txt", ".safetensors.index.json"};
    if (ends_with(name, ".safetensors"))
        return weights_limit;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (ends_with(name, tables[i]))
            return table_limit;
    return text_limit;
}

int hub_check_size(const struct hub_session *session, const char *name, int64_t bytes)
{
    const int64_t limit = hub_size_limit(name);
    if (bytes <= limit)
        return 0;
    return error_set(SOWLV2_ERROR_IO,
                     "%s: %s: is larger than %lld MB, which no such model file is: nothing of it is kept: check "
                     "HF_ENDPOINT and what stands between you and the hub, or take a model that you trust",
                     session->request->id, name, (long long)(limit / MIB));
}

int hub_check_room(const struct hub_session *session, const char *name, int64_t needed)
{
    static const char advice[] =
        "make room and run it again, which continues where it stopped, or give a folder on another "
        "disk with --cache-dir or HF_HUB_CACHE";
    const struct hub_request *request = session->request;
    const long long room = session->settings->free_space(request->repository);
    if (room < 0 || room >= (needed < 0 ? left_free : needed))
        return 0;
    if (needed < 0)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: %s: the hub does not say how large it is, so %.1f MB must be free on the disk of %s, "
                         "which has %.1f MB left: %s",
                         request->id, name, (double)left_free / 1e6, request->cache, (double)room / 1e6, advice);
    return error_set(SOWLV2_ERROR_IO, "%s: %s: needs %.1f MB more on the disk of %s, which has %.1f MB left: %s",
                     request->id, name, (double)needed / 1e6, request->cache, (double)room / 1e6, advice);
}
