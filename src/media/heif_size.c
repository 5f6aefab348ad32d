/* Sizes of pictures as a HEIF file declares them, and as the HEVC streams in it do. */
#include "media/heif_hevc.h"

#include <string.h>

enum { LARGEST_SIDE = 65535 };

struct walk {
    int64_t max_pixels;
    uint64_t most;
    bool oversized;
};

/* Coding units reach over the edge: by less than 64 pixels; the rest is for encoders that round more. */
static uint64_t coded_side(uint32_t side)
{
    return ((uint64_t)side + 63) / 64 * 64 + 64;
}

static void take_size(struct walk *walk, const uint8_t *body, size_t size)
{
    if (size < 12)
        return;
    uint32_t width = image_read_u32(body + 4), height = image_read_u32(body + 8);
    if (width > LARGEST_SIDE || height > LARGEST_SIDE || (int64_t)width * height > walk->max_pixels) {
        walk->oversized = true;
        return;
    }
    uint64_t count = coded_side(width) * coded_side(height);
    if (count > walk->most)
        walk->most = count;
}

/* Goes down the boxes meta, iprp, ipco to every ispe. */
static void walk_boxes(struct walk *walk, const uint8_t *data, size_t size, size_t depth)
{
    static const char kinds[][5] = {"meta", "iprp", "ipco", "ispe"};
    static const size_t last = sizeof(kinds) / sizeof(kinds[0]) - 1;
    while (size >= 8) {
        uint64_t length = image_read_u32(data);
        size_t head = 8;
        if (length == 1 && size >= 16) {
            length = (uint64_t)image_read_u32(data + 8) << 32 | image_read_u32(data + 12);
            head = 16;
        }
        if (length == 0 || length > size) /* to the end */
            length = size;
        if (length < head)
            return;
        if (memcmp(data + 4, kinds[depth], 4) == 0) {
            size_t skip = head + (depth == 0 ? 4 : 0); /* version and flags */
            if (depth == last)
                take_size(walk, data + head, (size_t)length - head);
            else if (length >= skip)
                walk_boxes(walk, data + skip, (size_t)length - skip, depth + 1);
        }
        data += length;
        size -= (size_t)length;
    }
}

uint64_t heif_declared_pixels(const uint8_t *data, size_t size, int64_t max_pixels, bool *oversized)
{
    struct walk walk = {.max_pixels = max_pixels};
    walk_boxes(&walk, data, size, 0);
    *oversized = walk.oversized;
    return walk.most;
}

/* Bits without the bytes that keep start codes out; zeros behind the end. */
struct bits {
    const uint8_t *at, *end;
    unsigned zeros, left; /* bytes of 0 in a row; bits of `byte` still to come */
    uint8_t byte;
};

static unsigned take_bit(struct bits *bits)
{
    if (bits->left == 0) {
        if (bits->zeros >= 2 && bits->at < bits->end && *bits->at == 3) {
            bits->at++;
            bits->zeros = 0;
        }
        bits->byte = bits->at < bits->end ? *bits->at++ : 0;
        bits->zeros = bits->byte ? 0 : bits->zeros + 1;
        bits->left = 8;
    }
    bits->left--;
    return (bits->byte >> bits->left) & 1;
}

static uint32_t take_bits(struct bits *bits, unsigned count)
{
    uint32_t value = 0;
    while (count-- > 0)
        value = value << 1 | take_bit(bits);
    return value;
}

/* An Exp-Golomb number of up to 20 bits, which is the most that libde265 takes; UINT32_MAX: it has more. */
static uint32_t take_number(struct bits *bits)
{
    unsigned zeros = 0;
    while (take_bit(bits) == 0)
        if (++zeros > 20)
            return UINT32_MAX;
    return (UINT32_C(1) << zeros) - 1 + take_bits(bits, zeros);
}

static void skip_profiles(struct bits *bits, unsigned layers)
{
    bool profile[8] = {false}, level[8] = {false};
    for (unsigned i = 0; i < 12; i++) /* the general profile and level */
        take_bits(bits, 8);
    for (unsigned i = 0; layers > 1 && i < 8; i++) { /* from layers - 1 on they are padding */
        bool has_profile = take_bit(bits), has_level = take_bit(bits);
        profile[i] = has_profile && i < layers - 1;
        level[i] = has_level && i < layers - 1;
    }
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned byte = 0; profile[i] && byte < 11; byte++)
            take_bits(bits, 8);
        if (level[i])
            take_bits(bits, 8);
    }
}

bool heif_sequence_size(const uint8_t *nal, size_t size, int *width, int *height)
{
    struct bits bits = {.at = nal, .end = nal + size};
    take_bits(&bits, 16 + 4); /* the unit's header, the video parameter set */
    unsigned layers = take_bits(&bits, 3) + 1;
    if (layers > 7)
        return false;
    take_bit(&bits);
    skip_profiles(&bits, layers);
    take_number(&bits);
    uint32_t chroma = take_number(&bits);
    if (chroma > 3)
        return false;
    if (chroma == 3)
        take_bit(&bits);
    uint32_t columns = take_number(&bits), rows = take_number(&bits);
    if (columns == 0 || rows == 0 || columns > LARGEST_SIDE || rows > LARGEST_SIDE)
        return false;
    *width = (int)columns;
    *height = (int)rows;
    return true;
}
