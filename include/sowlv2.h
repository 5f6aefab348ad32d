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
 * `options` may be NULL. The strings are copied. The detector must outlive the prompts. */
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
    float threshold;  /* keep score > threshold (strict, as the reference); default 0.1 */
    float nms_iou;    /* drop a box that overlaps a better one of its prompt more than this; 0: off */
    bool objectness;  /* also compute the objectness score */
    bool clip;        /* clip boxes to the image and drop empty ones; default true */
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
                             size_t count, const struct sowlv2_detect_options *options,
                             struct sowlv2_detections *out);

/* The same for one image file (JPEG, PNG), decoded as it is shown (EXIF orientation applied).
 * `width` and `height` receive the shown size; either may be NULL. */
SOWLV2_API int sowlv2_detect_file(sowlv2_session *session, const sowlv2_prompts *prompts, const char *path,
                                  const struct sowlv2_detect_options *options, struct sowlv2_detections *out,
                                  int *width, int *height);

/* Frees the items and empties the struct; the struct itself is the caller's. */
SOWLV2_API void sowlv2_detections_free(struct sowlv2_detections *detections);

#ifdef __cplusplus
}
#endif
#endif
