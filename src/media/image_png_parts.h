/* What a PNG file is made of, found without libspng. That library gives up on chunks that no picture needs (more than
 * a thousand of them, an empty one, one in an unusual place) and has read beyond an empty eXIf chunk: so it is shown
 * the header, the pixels and the end alone. */
#ifndef MEDIA_IMAGE_PNG_PARTS_H
#define MEDIA_IMAGE_PNG_PARTS_H

#include "media/image_decoders.h"

/* Bytes in the file. */
struct png_part {
    const uint8_t *data; /* NULL: not there */
    size_t size;
    bool compressed;
};

/* Of several chunks of a kind the last one counts, as in Pillow. */
struct png_parts {
    struct png_part palette;      /* three bytes a colour */
    struct png_part exif;         /* the eXIf chunk */
    struct png_part exif_text;    /* EXIF in a text chunk, as ImageMagick writes it */
    struct png_part xmp;          /* the XMP packet, a text chunk too */
    unsigned frames;              /* that an animation announces; 0: it is none */
    unsigned significant;         /* bits of a colour sample that the file calls significant; 0: it does not say */
    unsigned transfer;            /* of its colours, as ITU-T H.273 numbers them; 0: it does not say */
    const char *unknown_critical; /* type of a chunk that its picture needs and nobody here knows; NULL: none */
};

/* Walks the whole file; ends quietly where it was cut. Errors: FORMAT (a part that is needed is damaged). */
int png_parts_find(const struct image_source *source, struct png_parts *out);

/* EXIF's orientation in the parts, 1 to 8, or 0 where they tell none; a negative number is the error MEMORY. */
int png_parts_orientation(const struct image_source *source, const struct png_parts *parts);

/* The file as libspng is to see it: a palette's indices pass for grey samples, which are stored the same way. */
struct png_feed {
    const struct image_source *source;
    size_t at;           /* of the chunk to look at next */
    const uint8_t *span; /* bytes to give next */
    size_t left;         /* of them */
    bool indexed;        /* the samples are indices of the palette */
    bool damaged;        /* what should be a chunk is none */
    uint8_t header[33];  /* signature and header, where they differ from the file's */
};

/* Errors: FORMAT (there is no header, or a broken one). */
int png_feed_start(struct png_feed *feed, const struct image_source *source);
/* Copies the next `size` bytes. False: there are not as many. */
bool png_feed_read(struct png_feed *feed, void *to, size_t size);

#endif
