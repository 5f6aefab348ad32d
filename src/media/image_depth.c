/* How many of 16 bits a picture uses. */
#include "media/image_depth.h"

#include "base/log.h"

#include <string.h>

static unsigned bits_of(unsigned value)
{
    return value ? 32 - (unsigned)__builtin_clz(value) : 0;
}

/* Whatever the file declares counts only where its samples keep to it: sBIT is meant for samples that fill their 16
 * bits. Of 13 and more bits undeclared it cannot be told whether they are a dark picture. */
static unsigned shift_for(unsigned used, unsigned declared)
{
    unsigned bits = bits_of(used);
    if (declared > 8 && declared < 16 && bits <= declared)
        return declared - 8;
    return bits <= 8 ? 0 : bits <= 10 ? 2 : bits <= 12 ? 4 : 8;
}

void image_depth_row(struct image_depth *depth, const uint8_t *row, size_t pixels, size_t colours, size_t step,
                     uint8_t *converted, size_t bytes)
{
    unsigned used = depth->used, before = depth->shift;
    uint64_t bright = 0;
    for (size_t x = 0; x < pixels; x++, row += 2 * step) {
        for (size_t c = 0; c < colours; c++) {
            uint16_t sample;
            memcpy(&sample, row + 2 * c, 2);
            used |= sample;
            bright += sample >> 12 != 0;
        }
    }
    bool first = depth->count == 0;
    depth->used = used;
    depth->bright += bright;
    depth->count += pixels * colours;
    depth->shift = depth->fixed ? 8 : shift_for(used, depth->declared); /* only grows */
    for (size_t i = 0; i < bytes && !first && depth->shift > before; i++)
        converted[i] = (uint8_t)(converted[i] >> (depth->shift - before));
}

void image_depth_tell(const struct image_depth *depth, const char *name)
{
    if (depth->used == 0)
        return;
    if (depth->shift < 8)
        log_notice("%s: its 16-bit samples use %u bits only: taken as %u-bit samples, so that it is not black", name,
                   bits_of(depth->used), depth->shift + 8);
    else if (depth->bright < depth->count / 1000)
        log_notice("%s: nearly all of its 16-bit samples lie in the lowest sixteenth of their range, so it is nearly "
                   "black: scale them first if it should not be",
                   name);
}
