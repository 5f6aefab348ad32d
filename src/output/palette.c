/* The palette: Okabe and Ito's colours without black, then those that differ most from all before
 * them, mainly in lightness. These were chosen one by one on a grid of RGB, each the farthest in OKLab
 * from its nearest neighbour under normal sight and under simulated (Machado et al. 2009) protanopia,
 * deuteranopia and tritanopia, and none so dark (OKLab lightness below 0.45) that it is lost in a photo. */
#include "output/palette.h"

#include <math.h>

static const struct colour colours[PALETTE_COLOURS] = {
    {0xe6, 0x9f, 0x00}, /* orange */
    {0x56, 0xb4, 0xe9}, /* sky blue */
    {0x00, 0x9e, 0x73}, /* bluish green */
    {0xf0, 0xe4, 0x42}, /* yellow */
    {0x00, 0x72, 0xb2}, /* blue */
    {0xd5, 0x5e, 0x00}, /* vermilion */
    {0xcc, 0x79, 0xa7}, /* reddish purple */
    {0x99, 0xff, 0xff}, /* pale cyan */
    {0x99, 0x22, 0x22}, /* brick red */
    {0x99, 0x66, 0xff}, /* violet */
    {0xaa, 0xcc, 0xaa}, /* pale green */
    {0x55, 0x11, 0xdd}, /* ultramarine */
    {0x77, 0x44, 0x66}, /* plum */
    {0xcc, 0xff, 0xaa}, /* lime */
    {0x66, 0xdd, 0xee}, /* aqua */
    {0x99, 0x55, 0x55}, /* rosewood */
};

struct colour palette_colour(int index)
{
    int place = index % PALETTE_COLOURS;
    return colours[place < 0 ? place + PALETTE_COLOURS : place];
}

static double linear(uint8_t value)
{
    double v = value / 255.0;
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

bool palette_wants_black_text(struct colour background)
{
    double luminance =
        0.2126 * linear(background.red) + 0.7152 * linear(background.green) + 0.0722 * linear(background.blue);
    return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05);
}
