/* sowlv2: find, segment and track anything you can name.
 *
 * Every function that can fail returns 0 for success or a negative enum sowlv2_status;
 * sowlv2_error_message() then says what happened, about which file, and what to do.
 *
 * Threads: a model and encoded prompts are immutable once made and may be used by any number of
 * threads at once. A session belongs to one thread at a time. The error message is per thread.
 *
 * Ownership: what a function hands out through an `out` pointer belongs to the caller, who gives it
 * to the matching *_free, which takes the pointer's address, accepts NULL and sets it to NULL.
 */
#ifndef SOWLV2_H
#define SOWLV2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SOWLV2_API __attribute__((visibility("default")))
#else
#define SOWLV2_API
#endif

#define SOWLV2_VERSION_MAJOR 0
#define SOWLV2_VERSION_MINOR 1
#define SOWLV2_VERSION_PATCH 0

enum sowlv2_status {
    SOWLV2_OK = 0,
    SOWLV2_ERROR_ARGUMENT = -1,    /* a value the caller gave is out of range */
    SOWLV2_ERROR_IO = -2,          /* a file cannot be opened, read or written */
    SOWLV2_ERROR_FORMAT = -3,      /* a file is damaged or is not what it should be */
    SOWLV2_ERROR_MEMORY = -4,      /* out of memory */
    SOWLV2_ERROR_MODEL = -5,       /* a model cannot be found, or is not one for this job */
    SOWLV2_ERROR_UNSUPPORTED = -6, /* valid, but not built into this version or this machine */
    SOWLV2_ERROR_CANCELLED = -7,   /* the progress callback asked to stop */
};

/* The library's version, "major.minor.patch". Static storage. */
SOWLV2_API const char *sowlv2_version(void);

/* What went wrong in this thread's last failed call, one line without a trailing newline.
 * Valid until the next failing call in the same thread; never NULL. */
SOWLV2_API const char *sowlv2_error_message(void);

enum sowlv2_log_level { SOWLV2_LOG_DEBUG, SOWLV2_LOG_NOTICE, SOWLV2_LOG_WARNING };

/* Receives notices (a truncated prompt, unknown tensors in a checkpoint, ...). May be called from
 * any thread. `message` is one line, valid during the call. */
typedef void (*sowlv2_log_callback)(enum sowlv2_log_level level, const char *message, void *user_data);

/* Sets where notices go, for the process; NULL drops them. The default writes notices and warnings
 * to stderr. Call it before other threads use the library. */
SOWLV2_API void sowlv2_set_log(sowlv2_log_callback callback, void *user_data);

/* ---- device --------------------------------------------------------------------------------- */

/* Where and how to compute. Make one with sowlv2_device_options_default() and change fields. */
struct sowlv2_device_options {
    const char *device;    /* "auto" or "cpu" */
    const char *precision; /* "auto" or "f32" */
    const char *cpu_level; /* NULL: the best this CPU has, or the environment's SOWLV2_CPU;
                              else one of "reference", "avx2", "avx512", "avx512_vnni",
                              "avx512_bf16", "amx" */
    int threads;           /* threads of one forward pass; 0: as many as the process may use */
};

SOWLV2_API struct sowlv2_device_options sowlv2_device_options_default(void);

/* ---- detection: OWLv2 ------------------------------------------------------------------------ */

typedef struct sowlv2_detector sowlv2_detector; /* OWLv2 weights, ready to compute; immutable */
typedef struct sowlv2_prompts sowlv2_prompts;   /* encoded prompts of one detector; immutable */
typedef struct sowlv2_session sowlv2_session;   /* scratch memory of one thread's forward passes */

/* Where a model comes from. */
struct sowlv2_model_options {
    const char *model;     /* a local folder, or a hub id ("org/name") that is in the user's cache */
    const char *revision;  /* branch, tag or commit of a hub id; NULL: "main" */
    const char *cache_dir; /* hub cache folder; NULL: as the environment says (HF_HUB_CACHE, ...) */
    struct sowlv2_device_options device;
};

SOWLV2_API struct sowlv2_model_options sowlv2_model_options_default(void);

/* Opens an OWLv2 checkpoint (config.json, *.safetensors, tokenizer files, preprocessor_config.json).
 * Errors: MODEL (not found, not OWLv2, weights do not fit the config), FORMAT, IO, MEMORY,
 * UNSUPPORTED (device, precision or CPU level not available). */
SOWLV2_API int sowlv2_detector_open(const struct sowlv2_model_options *options, sowlv2_detector **out);
SOWLV2_API void sowlv2_detector_free(sowlv2_detector **detector);

/* Side of the square image the detector computes on, in pixels. */
SOWLV2_API int sowlv2_detector_image_size(const sowlv2_detector *detector);

/* The token ids of `text` as the text tower sees them: start token, text, end token, padding;
 * truncated keeping the end token. `ids` has room for sowlv2_detector_text_length() values. */
SOWLV2_API int sowlv2_detector_text_length(const sowlv2_detector *detector);
SOWLV2_API int sowlv2_detector_tokenize(const sowlv2_detector *detector, const char *text, int32_t *ids);

struct sowlv2_prompt_options {
    const char *prompt_template; /* "{}" stands for the prompt; default "a photo of {}" */
};

SOWLV2_API struct sowlv2_prompt_options sowlv2_prompt_options_default(void);

/* Encodes `count` (>= 1) UTF-8 prompts in one batch, once for any number of images.
 * `options` may be NULL; a template without "{}" is an ARGUMENT error. The strings are copied. The detector must outlive the prompts. */
SOWLV2_API int sowlv2_prompts_encode(const sowlv2_detector *detector, const char *const *prompts, size_t count,
                                     const struct sowlv2_prompt_options *options, sowlv2_prompts **out);
SOWLV2_API void sowlv2_prompts_free(sowlv2_prompts **prompts);

/* Scratch for forward passes of `detector`: make one for each thread, keep it between images.
 * The detector must outlive the session. */
SOWLV2_API int sowlv2_session_create(const sowlv2_detector *detector, sowlv2_session **out);
SOWLV2_API void sowlv2_session_free(sowlv2_session **session);

/* An image as the caller holds it: 8-bit RGB, rows top to bottom. */
struct sowlv2_image {
    const uint8_t *pixels; /* [height][stride], pixel x at 3*x: R, G, B */
    int width, height;     /* pixels, >= 1 */
    size_t stride;         /* bytes from row to row; 0: 3 * width */
};

/* Progress of one call. `done` of `total` steps; return false to cancel: the call then ends soon
 * with SOWLV2_ERROR_CANCELLED. Called from the calling thread. */
typedef bool (*sowlv2_progress_callback)(int done, int total, void *user_data);

struct sowlv2_detect_options {
    float threshold;                   /* keep score > threshold (strict, as the reference); default 0.1 */
    float nms_iou;                     /* drop a box that overlaps a better one of its prompt more than this; 0: off */
    bool objectness;                   /* also compute the objectness score */
    bool clip;                         /* clip boxes to the image and drop empty ones; default true */
    sowlv2_progress_callback progress; /* NULL: none */
    void *progress_user_data;
};

SOWLV2_API struct sowlv2_detect_options sowlv2_detect_options_default(void);

struct sowlv2_detection {
    float box[4];     /* x0, y0, x1, y1 in the image's pixels */
    float score;      /* 0 to 1 */
    float objectness; /* 0 to 1; -1 where it was not asked for */
    int prompt;       /* index into the encoded prompts */
};

struct sowlv2_detections {
    struct sowlv2_detection *items; /* [count], in the detector's patch order */
    size_t count;
    size_t dropped; /* boxes that were empty after clipping */
};

/* Detects the prompts in `count` images, computed as one batch. `out` has room for `count` results,
 * each to be given to sowlv2_detections_free. On error no result is kept. `options` may be NULL. */
SOWLV2_API int sowlv2_detect(sowlv2_session *session, const sowlv2_prompts *prompts, const struct sowlv2_image *images,
                             size_t count, const struct sowlv2_detect_options *options, struct sowlv2_detections *out);

/* The same for one image file (JPEG, PNG), decoded as it is shown (EXIF orientation applied).
 * `width` and `height` receive the shown size; either may be NULL. */
SOWLV2_API int sowlv2_detect_file(sowlv2_session *session, const sowlv2_prompts *prompts, const char *path,
                                  const struct sowlv2_detect_options *options, struct sowlv2_detections *out,
                                  int *width, int *height);

/* Frees the items and empties the struct; the struct itself is the caller's. */
SOWLV2_API void sowlv2_detections_free(struct sowlv2_detections *detections);

/* ---- segmentation: SAM 2.1 ------------------------------------------------------------------- */

typedef struct sowlv2_segmenter sowlv2_segmenter;             /* SAM weights, ready to compute; immutable */
typedef struct sowlv2_segment_session sowlv2_segment_session; /* one thread's scratch and one image's features */

/* sowlv2_model_options_default() with the default SAM model. */
SOWLV2_API struct sowlv2_model_options sowlv2_segmenter_options_default(void);

/* Opens a SAM 2 or 2.1 checkpoint (config.json, *.safetensors, preprocessor_config.json).
 * Errors: as sowlv2_detector_open. */
SOWLV2_API int sowlv2_segmenter_open(const struct sowlv2_model_options *options, sowlv2_segmenter **out);
SOWLV2_API void sowlv2_segmenter_free(sowlv2_segmenter **segmenter);

/* Side of the square low-resolution masks that the decoder gives and takes. */
SOWLV2_API int sowlv2_segmenter_mask_side(const sowlv2_segmenter *segmenter);

/* The segmenter must outlive the session. */
SOWLV2_API int sowlv2_segment_session_create(const sowlv2_segmenter *segmenter, sowlv2_segment_session **out);
SOWLV2_API void sowlv2_segment_session_free(sowlv2_segment_session **session);

struct sowlv2_segment_options {
    bool multimask;       /* let the decoder make several masks a prompt and keep the best; default false */
    float mask_threshold; /* logits over this are the object; default 0 */
    int fill_holes;       /* fill holes of at most this many pixels of the low-resolution mask; 0: none */
    int remove_sprinkles; /* and remove parts of at most this many; 0: none */
    bool refine;          /* decode twice, the first mask fed back; default false */
    bool pixels;          /* give sowlv2_mask.pixels; default true */
    bool logits;          /* give sowlv2_mask.logits; default true */
    sowlv2_progress_callback progress; /* NULL: none */
    void *progress_user_data;
};

SOWLV2_API struct sowlv2_segment_options sowlv2_segment_options_default(void);

/* Encodes the image: the costly part, done once. Every sowlv2_segment() that follows is about this
 * image. The pixels are not kept. Of `options` (may be NULL) only the progress counts. On error the
 * session has no image. Errors: ARGUMENT, CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_segment_set_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                                        const struct sowlv2_segment_options *options);

/* What one mask is asked by: a box, points, an earlier mask, or any of them together. Coordinates are
 * pixels of the image. */
struct sowlv2_segment_prompt {
    const float *box;      /* x0 < x1, y0 < y1 as x0, y0, x1, y1; may reach out of the image; NULL: none */
    const float *points;   /* [point_count][2]: x, y inside the image */
    const int32_t *labels; /* [point_count]: 1 of the object, 0 not of it; NULL: all 1 */
    size_t point_count;
    const float *logits; /* [logits_side][logits_side], such as those of an earlier sowlv2_mask; NULL: none */
    int logits_side;     /* must be sowlv2_segmenter_mask_side() */
};

/* One object's mask at the image's size. */
struct sowlv2_mask {
    int width, height;
    uint8_t *pixels; /* [height][width] 1: object, 0: not; NULL where it was not asked for */
    uint32_t *runs;  /* [run_count] lengths of runs of equal pixels, row after row, beginning with the
                        background (may be 0); they add up to width * height */
    size_t run_count;
    int64_t area;       /* pixels of the object */
    float box[4];       /* x0, y0, x1, y1 around the object; zeros where there is none */
    float mask_score;   /* the model's own estimate of the mask's IoU, 0 to 1 */
    float object_score; /* logit: over 0, the model sees an object there */
    float *logits;      /* [logits_side][logits_side], as the decoder gave them; NULL where not asked for */
    int logits_side;
};

/* The masks of `count` prompts on the session's image, decoded as batches. `out` has room for `count` masks,
 * to be given to sowlv2_masks_free. On error no mask is kept. `options` may be NULL.
 * Errors: ARGUMENT (no image; a box that is reversed, empty or wholly outside of the image; a point outside;
 * anything not finite; logits of another size), CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_segment(sowlv2_segment_session *session, const struct sowlv2_segment_prompt *prompts,
                              size_t count, const struct sowlv2_segment_options *options, struct sowlv2_mask *out);

/* Frees what the masks hold and empties them; the array itself is the caller's. */
SOWLV2_API void sowlv2_masks_free(struct sowlv2_mask *masks, size_t count);

/* Writes the mask's pixels, 1 or 0, to `pixels` [height][width]. Needs the mask's runs or pixels. */
SOWLV2_API int sowlv2_mask_to_pixels(const struct sowlv2_mask *mask, uint8_t *pixels);

/* The mask in COCO's compressed form: the `counts` string of pycocotools; its `size` is [height, width]. */
SOWLV2_API int sowlv2_mask_rle(const struct sowlv2_mask *mask, char **out);
SOWLV2_API void sowlv2_rle_free(char **rle);

/* How much two masks overlap: pixels of both through pixels of either, from their runs. 0 where both are
 * empty or the sizes differ. */
SOWLV2_API double sowlv2_mask_iou(const struct sowlv2_mask *a, const struct sowlv2_mask *b);

/* ---- detection and segmentation in one call --------------------------------------------------- */

struct sowlv2_object {
    struct sowlv2_detection detection;
    struct sowlv2_mask mask;
};

struct sowlv2_objects {
    struct sowlv2_object *items; /* [count], in the detector's patch order */
    size_t count;
    size_t dropped;    /* boxes that were empty after clipping */
    size_t duplicates; /* objects that `dedupe_iou` took out */
};

struct sowlv2_find_options {
    struct sowlv2_detect_options detect; /* `clip` is always on */
    struct sowlv2_segment_options segment;
    float dedupe_iou; /* drop an object whose mask overlaps that of one with a better score, of whatever
                         prompt, more than this; 0: off */
};

SOWLV2_API struct sowlv2_find_options sowlv2_find_options_default(void);

/* Finds the prompts in `count` images and cuts each detected object out: detection as one batch, then each
 * image with detections is encoded once for all its boxes. `out` has room for `count` results, each to be
 * given to sowlv2_objects_free. On error no result is kept. `options` may be NULL. */
SOWLV2_API int sowlv2_find(sowlv2_session *session, const sowlv2_prompts *prompts,
                           sowlv2_segment_session *segment_session, const struct sowlv2_image *images, size_t count,
                           const struct sowlv2_find_options *options, struct sowlv2_objects *out);

/* The same for one image file; see sowlv2_detect_file. */
SOWLV2_API int sowlv2_find_file(sowlv2_session *session, const sowlv2_prompts *prompts,
                                sowlv2_segment_session *segment_session, const char *path,
                                const struct sowlv2_find_options *options, struct sowlv2_objects *out, int *width,
                                int *height);

/* Encodes one image file for sowlv2_segment(); see sowlv2_segment_set_image. */
SOWLV2_API int sowlv2_segment_set_file(sowlv2_segment_session *session, const char *path,
                                       const struct sowlv2_segment_options *options, int *width, int *height);

/* Frees the items with their masks and empties the struct; the struct itself is the caller's. */
SOWLV2_API void sowlv2_objects_free(struct sowlv2_objects *objects);

#ifdef __cplusplus
}
#endif
#endif
