/* JPEG through libjpeg-turbo, with the settings Pillow uses. */
#include "media/image_decoders.h"

#include "base/error.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A progressive file may hold many scans of a few bytes that cost a full pass each. */
enum { MAX_SCANS = 500, ROWS_AT_ONCE = 16 };

/* Lives outside the function that calls setjmp, so that its fields survive the jump. */
struct jpeg_reader {
    struct jpeg_decompress_struct decoder;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    int status;
    const struct image_source *input;
    bool cut;      /* the data ended early, and that is allowed */
    uint8_t *cmyk; /* one row of CMYK, or NULL */
    struct image *out;
    int orientation;
};

__attribute__((noreturn)) static void leave(j_common_ptr decoder, int status)
{
    struct jpeg_reader *reader = decoder->client_data;
    reader->status = status;
    longjmp(reader->jump, 1);
}

/* Where cut files are allowed too, for one that ends before its pixels. */
__attribute__((noreturn)) static void truncated(struct jpeg_reader *reader)
{
    bool allowed = reader->input->options->allow_truncated;
    leave((j_common_ptr)&reader->decoder,
          error_set(SOWLV2_ERROR_FORMAT, "%s: the JPEG data is truncated%s", reader->input->name,
                    allowed ? " before any pixel: replace the file"
                            : ": copy or export the file again, or take what is there with --allow-truncated"));
}

__attribute__((noreturn)) static void on_error(j_common_ptr decoder)
{
    struct jpeg_reader *reader = decoder->client_data;
    char message[JMSG_LENGTH_MAX];
    decoder->err->format_message(decoder, message);
    switch (decoder->err->msg_code) {
    case JERR_CANT_SUSPEND: /* arithmetic coding wants data where there is none */
        truncated(reader);
    case JERR_OUT_OF_MEMORY:
        leave(decoder, error_memory(reader->input->name));
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_ARITH_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
        leave(decoder, error_set(SOWLV2_ERROR_UNSUPPORTED,
                                 "%s: a kind of JPEG that cannot be read: %s: export it as a plain JPEG",
                                 reader->input->name, message));
    default:
        leave(decoder, error_set(SOWLV2_ERROR_FORMAT, "%s: damaged JPEG: %s: copy or export the file again",
                                 reader->input->name, message));
    }
}

/* libjpeg's warnings go on with made-up pixels. Those about the picture's data are errors here; the
 * rest (odd headers, stray bytes between segments) do not touch pixels and are passed over. */
static void on_message(j_common_ptr decoder, int level)
{
    if (level >= 0)
        return;
    struct jpeg_reader *reader = decoder->client_data;
    switch (decoder->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_JPEG_EOF:
        if (!reader->input->options->allow_truncated)
            on_error(decoder);
        reader->cut = true;
        break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        on_error(decoder);
    default:
        decoder->err->num_warnings++;
    }
}

static void print_nothing(j_common_ptr decoder)
{
    (void)decoder;
}

static void on_progress(j_common_ptr decoder)
{
    const struct jpeg_reader *reader = decoder->client_data;
    if (reader->decoder.input_scan_number > MAX_SCANS)
        leave(decoder, error_set(SOWLV2_ERROR_FORMAT, "%s: damaged JPEG: more than %d scans: export it again",
                                 reader->input->name, MAX_SCANS));
    int status = image_check_time(reader->input);
    if (status)
        leave(decoder, status);
}

static void source_start(j_decompress_ptr decoder)
{
    (void)decoder;
}

/* The whole file is in the buffer: wanting more means that it was cut. "Suspending" tells that apart
 * from a complete file without inventing an end marker; where cut files are allowed one is invented. */
static boolean source_more(j_decompress_ptr decoder)
{
    static const JOCTET end[] = {0xff, JPEG_EOI};
    struct jpeg_reader *reader = decoder->client_data;
    if (!reader->input->options->allow_truncated || !reader->out->pixels)
        return FALSE;
    reader->cut = true;
    decoder->src->next_input_byte = end;
    decoder->src->bytes_in_buffer = sizeof(end);
    return TRUE;
}

static void source_skip(j_decompress_ptr decoder, long count)
{
    if (count <= 0)
        return;
    size_t step = (size_t)count < decoder->src->bytes_in_buffer ? (size_t)count : decoder->src->bytes_in_buffer;
    decoder->src->next_input_byte += step;
    decoder->src->bytes_in_buffer -= step;
}

static bool is_exif(const struct jpeg_marker_struct *marker)
{
    return marker->marker == JPEG_APP0 + 1 && marker->data_length >= 6 && memcmp(marker->data, "Exif\0\0", 6) == 0;
}

/* EXIF may be split over several segments: they are joined. */
static int exif_orientation(struct jpeg_reader *reader)
{
    size_t total = 0;
    for (const struct jpeg_marker_struct *m = reader->decoder.marker_list; m; m = m->next)
        total += is_exif(m) ? m->data_length - 6 : 0;
    if (total == 0)
        return 0;
    uint8_t *exif = malloc(total);
    if (!exif)
        leave((j_common_ptr)&reader->decoder, error_memory(reader->input->name));
    size_t count = 0;
    for (const struct jpeg_marker_struct *m = reader->decoder.marker_list; m; m = m->next) {
        if (is_exif(m)) {
            memcpy(exif + count, m->data + 6, m->data_length - 6);
            count += m->data_length - 6;
        }
    }
    bool marked_twice = total >= 6 && memcmp(exif, "Exif\0\0", 6) == 0;
    int orientation = image_exif_orientation(exif + (marked_twice ? 6 : 0), total - (marked_twice ? 6 : 0));
    free(exif);
    return orientation;
}

static int xmp_orientation(const struct jpeg_reader *reader)
{
    static const char key[] = "http://ns.adobe.com/xap/1.0/"; /* with its NUL */
    const struct jpeg_marker_struct *last = NULL;
    for (const struct jpeg_marker_struct *m = reader->decoder.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length >= sizeof(key) && memcmp(m->data, key, sizeof(key)) == 0)
            last = m;
    return last ? image_xmp_orientation(last->data + sizeof(key), last->data_length - sizeof(key)) : 0;
}

static void read_header(struct jpeg_reader *reader)
{
    j_decompress_ptr decoder = &reader->decoder;
    jpeg_save_markers(decoder, JPEG_APP0 + 1, 0xffff);
    if (jpeg_read_header(decoder, TRUE) == JPEG_SUSPENDED)
        truncated(reader);
    reader->orientation = exif_orientation(reader);
    if (reader->orientation == 0)
        reader->orientation = xmp_orientation(reader);

    switch (decoder->num_components) {
    case 1:
    case 3:
        decoder->out_color_space = JCS_RGB;
        break;
    case 4:
        decoder->out_color_space = JCS_CMYK;
        break;
    default:
        leave((j_common_ptr)decoder, error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: a JPEG of %d components: %s",
                                               reader->input->name, decoder->num_components, "export it as RGB"));
    }
    int status = image_allocate(reader->input, decoder->image_width, decoder->image_height, reader->out);
    if (status)
        leave((j_common_ptr)decoder, status);
}

static void read_rows(struct jpeg_reader *reader)
{
    j_decompress_ptr decoder = &reader->decoder;
    size_t row_bytes = (size_t)decoder->output_width * 3;
    while (decoder->output_scanline < decoder->output_height) {
        uint8_t *row = reader->out->pixels + row_bytes * decoder->output_scanline;
        JSAMPROW rows[ROWS_AT_ONCE];
        JDIMENSION wanted = decoder->output_height - decoder->output_scanline;
        if (wanted > ROWS_AT_ONCE)
            wanted = ROWS_AT_ONCE;
        if (reader->cmyk) {
            wanted = 1;
            rows[0] = reader->cmyk;
        } else {
            for (JDIMENSION i = 0; i < wanted; i++)
                rows[i] = row + i * row_bytes;
        }
        if (jpeg_read_scanlines(decoder, rows, wanted) == 0)
            truncated(reader);
        if (reader->cmyk)
            image_cmyk_to_rgb(reader->cmyk, true, row, decoder->output_width); /* as Pillow takes all files to be */
    }
}

/* Only this function's own frame is jumped over. */
static void decode(struct jpeg_reader *reader)
{
    if (setjmp(reader->jump))
        return;
    j_decompress_ptr decoder = &reader->decoder;
    jpeg_create_decompress(decoder);
    decoder->src = &reader->source;
    decoder->progress = &reader->progress;
    read_header(reader);
    if (decoder->out_color_space == JCS_CMYK) {
        reader->cmyk = malloc((size_t)decoder->image_width * 4);
        if (!reader->cmyk)
            leave((j_common_ptr)decoder, error_memory(reader->input->name));
    }
    if (!jpeg_start_decompress(decoder))
        truncated(reader);
    read_rows(reader);
}

/* Says where another picture begins right behind the first, as in a video of JPEG pictures. Pictures of cameras that
 * list their previews (MPF) are one all the same. */
static void tell_stream(const struct jpeg_reader *reader)
{
    static const uint8_t next[] = {0xff, 0xd9, 0xff, 0xd8, 0xff};
    const uint8_t *const data = reader->input->data, *const end = data + reader->input->size;
    const uint8_t *at = reader->source.next_input_byte;

    at = at - data >= 2 ? at - 2 : data; /* the end's mark may have been read */
    while (at < end && (at = memchr(at, 0xff, (size_t)(end - at))) && (end - at < 2 || at[1] != 0xd9))
        at++;
    if (!at || end - at < (ptrdiff_t)sizeof(next) || memcmp(at, next, sizeof(next)) != 0)
        return;
    if (!memmem(data, (size_t)(at - data), "MPF", 4))
        log_notice("%s: several JPEG pictures one after another: the first is taken: --as-video takes all",
                   reader->input->name);
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
{
    struct jpeg_reader reader = {
        .source = {.next_input_byte = source->data,
                   .bytes_in_buffer = source->size,
                   .init_source = source_start,
                   .fill_input_buffer = source_more,
                   .skip_input_data = source_skip,
                   .resync_to_restart = jpeg_resync_to_restart,
                   .term_source = source_start},
        .progress = {.progress_monitor = on_progress},
        .input = source,
        .out = out,
    };
    reader.decoder.err = jpeg_std_error(&reader.errors);
    reader.decoder.client_data = &reader;
    reader.errors.error_exit = on_error;
    reader.errors.emit_message = on_message;
    reader.errors.output_message = print_nothing;
    decode(&reader);
    jpeg_destroy_decompress(&reader.decoder);
    free(reader.cmyk);
    if (!reader.status && reader.cut)
        reader.status = image_truncated(source, "JPEG");
    if (reader.status)
        image_free(out);
    else if (!reader.cut)
        tell_stream(&reader);
    *orientation = reader.orientation;
    return reader.status;
}

static bool begins(const uint8_t *data, size_t size)
{
    return IMAGE_HAS(data, size, 0, "\xff\xd8\xff");
}

/* JPEG's size is in a segment that any number of others precede. */
static void measure(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes)
{
    (void)bytes;
    for (size_t at = 2; size >= 9 && at <= size - 9;) {
        unsigned marker = data[at + 1];
        if (data[at] != 0xff || marker == 0xff) { /* stray bytes, fill bytes */
            at++;
            continue;
        }
        bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame) {
            *pixels = (uint64_t)(data[at + 5] << 8 | data[at + 6]) * (uint64_t)(data[at + 7] << 8 | data[at + 8]);
            return;
        }
        at += 2 + (size_t)(data[at + 2] << 8 | data[at + 3]);
    }
}

const struct image_format image_format_jpeg = {
    .name = "JPEG",
    .suffixes = (const char *const[]){".jpg", ".jpeg", ".jpe", ".jfif", NULL},
    .begins = begins,
    .decode = decode_file,
    .measure = measure,
};
