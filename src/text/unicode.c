/* Reading UTF-8, and the character properties behind normalisation and splitting. */
#include "text/unicode.h"

#include <utf8proc.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct range {
    int32_t first, last;
};

/* Every range list below is in ascending order. tests/text compares each code point with the
 * reference's answer, so a newer library that needs another row fails there. */

static const struct range spaces[] = {
    {0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

/* Alphabetic symbols and joiners: word characters that are neither letters, marks, nor digits. */
static const struct range word_symbols[] = {
    {0x200C, 0x200D}, {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189},
};

/* Marks of Unicode 15 and 16, which an older utf8proc calls unassigned. */
static const struct range young_marks[] = {
    {0x897, 0x897},     {0xCF3, 0xCF3},     {0xECE, 0xECE},     {0x10D69, 0x10D6D}, {0x10EFC, 0x10EFF},
    {0x11241, 0x11241}, {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA},
    {0x113CC, 0x113D0}, {0x113D2, 0x113D2}, {0x113E1, 0x113E2}, {0x11F00, 0x11F01}, {0x11F03, 0x11F03},
    {0x11F34, 0x11F3A}, {0x11F3E, 0x11F42}, {0x11F5A, 0x11F5A}, {0x13440, 0x13440}, {0x13447, 0x13455},
    {0x1611E, 0x1612F}, {0x1E08F, 0x1E08F}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF},
};

/* Combining marks and composed characters added to Unicode after version 9, with what they are
 * composed of. The ranges also cover neighbours that no normalisation touches. */
static const struct range inert[] = {
    {0x5C8, 0x5C9},     {0x7FD, 0x7FD},     {0x897, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},   {0x1ABF, 0x1AF0},
    {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x105C0, 0x105F3}, {0x10D24, 0x10D27}, {0x10D69, 0x10D6D},
    {0x10EAB, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
    {0x11380, 0x113D0}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D45}, {0x11D97, 0x11D97},
    {0x11F41, 0x11F42}, {0x1611E, 0x1612F}, {0x16D63, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1D127, 0x1D128},
    {0x1D250, 0x1D281}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6EF}, {0x1E6F5, 0x1E6F5},
};

/* Letters whose lower case is younger than the oldest utf8proc in use (Unicode 14); the reference's
 * table is of Unicode 17. */
static const struct {
    int32_t first, last, difference;
} lower[] = {
    {0x1C89, 0x1C89, 1},      {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},      {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},      {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B},
};

/* Characters whose class in Unicode 13 or 18 is not the one in 16, the version of the reference's
 * pattern: letters, numbers, and neither. */
static const struct range letters[] = {
    {0x870, 0x887},     {0x889, 0x88E},     {0x8B5, 0x8C9},     {0xC5D, 0xC5D},     {0xCDD, 0xCDD},
    {0x170D, 0x170D},   {0x171F, 0x171F},   {0x1B4C, 0x1B4C},   {0x1C89, 0x1C8A},   {0x2C2F, 0x2C5F},
    {0x9FFD, 0x9FFF},   {0xA7C0, 0xA7CD},   {0xA7D0, 0xA7D1},   {0xA7D3, 0xA7D3},   {0xA7D5, 0xA7DC},
    {0xA7F2, 0xA7F4},   {0x10570, 0x1057A}, {0x1057C, 0x1058A}, {0x1058C, 0x10592}, {0x10594, 0x10595},
    {0x10597, 0x105A1}, {0x105A3, 0x105B1}, {0x105B3, 0x105B9}, {0x105BB, 0x105BC}, {0x105C0, 0x105F3},
    {0x10780, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA}, {0x10D4A, 0x10D65}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x10F70, 0x10F81}, {0x11071, 0x11072}, {0x11075, 0x11075}, {0x1123F, 0x11240},
    {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113B7},
    {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11740, 0x11746}, {0x11AB0, 0x11ABF}, {0x11BC0, 0x11BE0},
    {0x11F02, 0x11F02}, {0x11F04, 0x11F10}, {0x11F12, 0x11F33}, {0x12F90, 0x12FF0}, {0x1342F, 0x1342F},
    {0x13441, 0x13446}, {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16A70, 0x16ABE}, {0x16D40, 0x16D6C},
    {0x18CFF, 0x18CFF}, {0x1AFF0, 0x1AFF3}, {0x1AFF5, 0x1AFFB}, {0x1AFFD, 0x1AFFE}, {0x1B11F, 0x1B122},
    {0x1B132, 0x1B132}, {0x1B155, 0x1B155}, {0x1DF00, 0x1DF1E}, {0x1DF25, 0x1DF2A}, {0x1E030, 0x1E06D},
    {0x1E290, 0x1E2AD}, {0x1E4D0, 0x1E4EB}, {0x1E5D0, 0x1E5ED}, {0x1E5F0, 0x1E5F0}, {0x1E7E0, 0x1E7E6},
    {0x1E7E8, 0x1E7EB}, {0x1E7ED, 0x1E7EE}, {0x1E7F0, 0x1E7FE}, {0x2A6DE, 0x2A6DF}, {0x2B735, 0x2B739},
    {0x2EBF0, 0x2EE5D}, {0x31350, 0x323AF},
};

static const struct range numbers[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x11F50, 0x11F59},
    {0x16130, 0x16139}, {0x16AC0, 0x16AC9}, {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9},
    {0x1D2C0, 0x1D2D3}, {0x1E4F0, 0x1E4F9}, {0x1E5F1, 0x1E5FA},
};

static const struct range others[] = {
    {0x558, 0x558},     {0x58B, 0x58C},     {0x88F, 0x88F},     {0xC5C, 0xC5C},     {0xCDC, 0xCDC},
    {0x208F, 0x208F},   {0x209D, 0x209F},   {0xA7CE, 0xA7CF},   {0xA7D2, 0xA7D2},   {0xA7D4, 0xA7D4},
    {0xA7DD, 0xA7F1},   {0xAB6C, 0xAB6D},   {0x107BB, 0x107BF}, {0x10940, 0x10959}, {0x10EC5, 0x10EEE},
    {0x11B0A, 0x11B0A}, {0x11DB0, 0x11DF1}, {0x1246F, 0x1247F}, {0x12550, 0x12686}, {0x16EA0, 0x16ED3},
    {0x16FF2, 0x16FF6}, {0x187F8, 0x187FF}, {0x18CD6, 0x18CDA}, {0x18D09, 0x191D2}, {0x1B123, 0x1B128},
    {0x1B168, 0x1B168}, {0x1D6A6, 0x1D6A6}, {0x1DF1F, 0x1DF24}, {0x1DF2B, 0x1DFFF}, {0x1E6C0, 0x1E6FF},
    {0x2B73A, 0x2B73F}, {0x2B81E, 0x2B81E}, {0x2CEA2, 0x2CEAD}, {0x323B0, 0x3FC3F},
};

static bool in_ranges(const struct range *ranges, size_t count, int32_t codepoint)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (codepoint > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && codepoint >= ranges[low].first;
}

size_t unicode_read(const char *text, size_t size, int32_t *codepoint)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char lead = bytes[0];
    if (lead < 0x80) {
        *codepoint = lead;
        return 1;
    }
    *codepoint = 0xFFFD;
    if (lead < 0xC2 || lead > 0xF4)
        return 1;

    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    /* The second byte's bounds keep out overlong forms, surrogates, and what lies past U+10FFFF. */
    unsigned char lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    int32_t value = lead & (0x7F >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == size || bytes[i] < lowest || bytes[i] > highest)
            return i;
        value = value << 6 | (bytes[i] & 0x3F);
        lowest = 0x80;
        highest = 0xBF;
    }
    *codepoint = value;
    return length;
}

bool unicode_is_space(int32_t codepoint)
{
    return in_ranges(spaces, COUNT(spaces), codepoint);
}

bool unicode_is_word(int32_t codepoint)
{
    switch (utf8proc_category(codepoint)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    case UTF8PROC_CATEGORY_CN: {
        enum unicode_class class = unicode_class(codepoint);
        bool numeral = codepoint >= 0x1D2C0 && codepoint <= 0x1D2D3; /* Kaktovik: numbers, but no digits */
        return class == UNICODE_LETTER || (class == UNICODE_NUMBER && !numeral) ||
               in_ranges(young_marks, COUNT(young_marks), codepoint);
    }
    default:
        return in_ranges(word_symbols, COUNT(word_symbols), codepoint);
    }
}

size_t unicode_lower(int32_t codepoint, int32_t out[2])
{
    if (codepoint < 0x80) {
        out[0] = codepoint >= 'A' && codepoint <= 'Z' ? codepoint + ('a' - 'A') : codepoint;
        return 1;
    }
    if (codepoint == 0x130) { /* the one character whose lower case is two, without context */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    for (size_t i = 0; i < COUNT(lower); i++)
        if (codepoint >= lower[i].first && codepoint <= lower[i].last) {
            out[0] = codepoint + lower[i].difference;
            return 1;
        }
    out[0] = utf8proc_tolower(codepoint);
    return 1;
}

bool unicode_is_inert(int32_t codepoint)
{
    return codepoint >= inert[0].first && in_ranges(inert, COUNT(inert), codepoint);
}

enum unicode_class unicode_class(int32_t codepoint)
{
    if (codepoint < others[0].first)
        return UNICODE_AS_LIBRARY;
    if (in_ranges(letters, COUNT(letters), codepoint))
        return UNICODE_LETTER;
    if (in_ranges(numbers, COUNT(numbers), codepoint))
        return UNICODE_NUMBER;
    return in_ranges(others, COUNT(others), codepoint) ? UNICODE_OTHER : UNICODE_AS_LIBRARY;
}
