/* sowlv2: find, segment and track anything you can name.
 *
 * Every function that can fail returns 0 for success or a negative enum sowlv2_status;
 * sowlv2_error_message() then says what happened, about which file, and what to do.
 *
 * Pointers: NULL where a pointer is needed is SOWLV2_ERROR_ARGUMENT. After an error, what an `out` pointer names is
 * NULL or empty, so that it may be freed without asking. Functions that return a value give 0, or NULL, for NULL.
 *
 * Options: each options struct begins with its size. Its *_default() makes it; then change fields. Later versions add
 * fields at the end. A program that was built with an older header gets the defaults of those it does not know; one
 * that was built with a newer header than the library it runs with gets SOWLV2_ERROR_UNSUPPORTED where it sets one that
 * the library does not know. A size that no *_default() can have set is SOWLV2_ERROR_ARGUMENT. The *_default()
 * functions are compiled into the program; bindings call the *_options_init() below them, with the size of the struct
 * as they know it.
 *
 * Other structs, of which callers make or read arrays (images, prompts, detections, masks, tracks, ...), keep their
 * size and layout as long as the number in the name of the library, libsowlv2.so.N: what they lack comes as new
 * functions and new structs. Those that the library shows to a callback may grow at the end.
 *
 * Threads: a model and encoded prompts are immutable once made and may be used by any number of
 * threads at once, and so may a device. A session belongs to one thread at a time. The error message is per thread.
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

/* Frees a text that a function handed out through a char ** (see Ownership). */
SOWLV2_API void sowlv2_string_free(char **text);

enum sowlv2_log_level { SOWLV2_LOG_DEBUG, SOWLV2_LOG_NOTICE, SOWLV2_LOG_WARNING };

/* Receives notices (a truncated prompt, unknown tensors in a checkpoint, ...). May be called from
 * any thread. `message` is one line, valid during the call. */
typedef void (*sowlv2_log_callback)(enum sowlv2_log_level level, const char *message, void *user_data);

/* Sets where notices go, for the process; NULL drops them. The default writes notices and warnings
 * to stderr. Call it before other threads use the library. */
SOWLV2_API void sowlv2_set_log(sowlv2_log_callback callback, void *user_data);

/* ---- device --------------------------------------------------------------------------------- */

/* Where and how to compute. */
struct sowlv2_device_options {
    size_t size;
    const char *device;     /* "auto": the first GPU that can be used, unless a CPU level is given, else the CPU; or the
                               name of one of sowlv2_devices_list(); or "cuda" or "cuda:N", a GPU of NVIDIA's */
    const char *precision;  /* "f32"; "bf16", which a CPU must have instructions for; "int8": large linear layers in 8
                               bits, on a CPU that has VNNI alone; "auto": bf16 on a GPU, else f32 */
    const char *cpu_level;  /* NULL: the best this CPU has, or the environment's SOWLV2_CPU;
                               else one of "reference", "avx2", "avx512", "avx512_vnni",
                               "avx512_bf16", "amx" */
    int threads;            /* threads of one forward pass; 0: as many as the process may use */
    int64_t memory_limit;   /* of a GPU alone: bytes of its memory that may be taken; 0: all there is */
    double memory_fraction; /* the same as a part of its memory, 0 to 1; 0: no limit; the smaller of both counts */
    bool memory_at_once;    /* take as much as they allow when it opens, as one block; else as it is needed */
};

SOWLV2_API void sowlv2_device_options_init(struct sowlv2_device_options *options, size_t size);
static inline struct sowlv2_device_options sowlv2_device_options_default(void)
{
    struct sowlv2_device_options options;
    sowlv2_device_options_init(&options, sizeof(options));
    return options;
}

/* A device that models compute on, with these options. Who opens a model without one gets one by the model's options,
 * shared by all who ask for the same. One process has one CPU level ("reference" beside it). */
typedef struct sowlv2_device sowlv2_device;

/* `options` may be NULL. Errors: ARGUMENT, UNSUPPORTED (a device, precision or CPU level that is not there), MEMORY. */
SOWLV2_API int sowlv2_device_open(const struct sowlv2_device_options *options, sowlv2_device **out);

/* Models that were opened on it keep what they need of it: it may be freed before them. */
SOWLV2_API void sowlv2_device_free(sowlv2_device **device);

/* What it is: its name as options take it, "cpu"; a line for people; the CPU level, NULL where it computes otherwise;
 * the precision, "f32", "bf16" or "int8"; threads of a forward pass. Texts live as long as the device. */
SOWLV2_API const char *sowlv2_device_name(const sowlv2_device *device);
SOWLV2_API const char *sowlv2_device_description(const sowlv2_device *device);
SOWLV2_API const char *sowlv2_device_cpu_level(const sowlv2_device *device);
SOWLV2_API const char *sowlv2_device_precision(const sowlv2_device *device);
SOWLV2_API int sowlv2_device_threads(const sowlv2_device *device);

/* The device's memory and what of it can be had now, in bytes, limits of the process included; 0 where the system does
 * not say. Errors: ARGUMENT. */
SOWLV2_API int sowlv2_device_memory(const sowlv2_device *device, int64_t *total, int64_t *available);

/* The same, and of a GPU what this device's models and sessions take of it, in bytes; 0 where nothing says. */
struct sowlv2_memory_use {
    size_t size;       /* sizeof(struct sowlv2_memory_use), set by the caller */
    int64_t total;     /* as sowlv2_device_memory() */
    int64_t available; /* what is free of `reserved` included */
    int64_t reserved;  /* taken of the GPU's driver */
    int64_t used;      /* of that in use now */
    int64_t peak;      /* and at most, since the device was opened or its memory was released */
};

/* Fills the first out->size bytes. Errors: ARGUMENT, UNSUPPORTED (the GPU's driver failed). */
SOWLV2_API int sowlv2_device_memory_use(const sowlv2_device *device, struct sowlv2_memory_use *out);

/* Gives a GPU's driver back what of its memory is taken and not in use, so that other programs can have it. It is taken
 * again when it is needed. Errors: ARGUMENT, UNSUPPORTED (the driver failed). */
SOWLV2_API int sowlv2_device_memory_release(const sowlv2_device *device);

/* How many NVIDIA GPUs this machine shows, those included that cannot be used: "cuda:0" is the first. Errors: ARGUMENT,
 * UNSUPPORTED (no GPU, no driver or one that cannot be used, no kernels in this build); *count is 0 then. */
SOWLV2_API int sowlv2_gpu_count(int *count);

/* A device that this machine has. */
struct sowlv2_device_entry {
    char *name;        /* as options take it */
    char *kind;        /* "cpu" */
    char *description; /* a line for people: the processor's name, what it can do */
};

struct sowlv2_devices {
    struct sowlv2_device_entry *items; /* [count]; "auto" takes the first where no GPU can be used */
    size_t count;
};

/* The devices there are. `out` is given to sowlv2_devices_free(). Errors: ARGUMENT, MEMORY. */
SOWLV2_API int sowlv2_devices_list(struct sowlv2_devices *out);
SOWLV2_API void sowlv2_devices_free(struct sowlv2_devices *devices);

/* The CPU levels that this machine has, the lowest first: number 0, 1, ...; NULL after the last. Static storage. */
SOWLV2_API const char *sowlv2_cpu_level(int number);

/* ---- images ---------------------------------------------------------------------------------- */

/* An image as the caller holds it: 8-bit RGB, rows top to bottom. */
struct sowlv2_image {
    const uint8_t *pixels; /* [height][stride], pixel x at 3*x: R, G, B */
    int width, height;     /* pixels, >= 1 */
    size_t stride;         /* bytes from row to row, at least 3 * width; 0: that */
};

struct sowlv2_image_options {
    size_t size;
    int64_t max_pixels;   /* larger images are refused before they are decoded; default 178956970, as Pillow's error */
    bool allow_truncated; /* take what is there of a file that was cut, with a notice, the rest grey or black */
};

SOWLV2_API void sowlv2_image_options_init(struct sowlv2_image_options *options, size_t size);
static inline struct sowlv2_image_options sowlv2_image_options_default(void)
{
    struct sowlv2_image_options options;
    sowlv2_image_options_init(&options, sizeof(options));
    return options;
}

/* An image and its memory, the caller's. */
struct sowlv2_decoded_image {
    struct sowlv2_image image;
    uint8_t *pixels; /* those of `image`: [height][width][3] */
};

/* Decodes an image file (JPEG, PNG, TIFF, WebP, BMP, GIF; AVIF and HEIC where built in; the content decides, not the
 * name) as it is shown: EXIF orientation applied. `data` holds `size` bytes of a file, which messages call `name` (may
 * be NULL), or is NULL: then the file `name` is read. `options` may be NULL. `out` is given to
 * sowlv2_decoded_image_free(). Errors: IO, FORMAT (empty, cut, damaged), UNSUPPORTED (another format), ARGUMENT (also
 * more than max_pixels), MEMORY. */
SOWLV2_API int sowlv2_image_decode(const char *name, const void *data, size_t size,
                                   const struct sowlv2_image_options *options, struct sowlv2_decoded_image *out);

/* Frees the pixels and empties the struct; the struct itself is the caller's. */
SOWLV2_API void sowlv2_decoded_image_free(struct sowlv2_decoded_image *image);

/* ---- models: where they come from ------------------------------------------------------------- */

/* A download in hand. */
struct sowlv2_download {
    const char *model; /* the hub id */
    const char *file;  /* the file in hand, "" between files; both valid during the call */
    int64_t done;      /* bytes of all its files that are there, what earlier runs left included */
    int64_t resumed;   /* of these, what was there when this run began */
    int64_t total;     /* bytes of all files; 0: not known yet */
};

/* Told several times a second how a download goes, also while it waits. Return false to stop: the call then ends with
 * SOWLV2_ERROR_CANCELLED, and the next one goes on where this one was. Called from the calling thread. */
typedef bool (*sowlv2_download_callback)(const struct sowlv2_download *download, void *user_data);

/* Where a model comes from. A hub id that is not complete in the cache of huggingface_hub is downloaded into it, by
 * the variables of huggingface_hub (HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, ...); one that is needs no network. */
struct sowlv2_model_options {
    size_t size;
    const char *model;                 /* a local folder, or a hub id: "org/name" or "org/name@revision" */
    const char *revision;              /* branch, tag or commit of a hub id; NULL: what follows '@', else "main" */
    const char *cache_dir;             /* hub cache folder; NULL: as the environment says (HF_HUB_CACHE, ...) */
    bool offline;                      /* never use the network; HF_HUB_OFFLINE says the same; default false */
    sowlv2_download_callback download; /* NULL: none */
    void *download_user_data;
    sowlv2_device *device;                              /* NULL: one as `device_options` says */
    const struct sowlv2_device_options *device_options; /* where `device` is NULL; NULL too: the defaults */
};

SOWLV2_API void sowlv2_model_options_init(struct sowlv2_model_options *options, size_t size);
static inline struct sowlv2_model_options sowlv2_model_options_default(void)
{
    struct sowlv2_model_options options;
    sowlv2_model_options_init(&options, sizeof(options));
    return options;
}

/* Fetches a model into the cache ahead of time, or brings it up to date: the hub is always asked. What `options` say of
 * devices does not count. The model's folder goes to *folder, which is given to sowlv2_string_free(), and how many
 * bytes came to *bytes (may be NULL), 0: all was there. Where the hub cannot be reached and the model is in the cache,
 * a warning says so and that is it. Errors: ARGUMENT (offline, not a hub id), MODEL, IO, FORMAT, CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_pull(const struct sowlv2_model_options *options, char **folder, int64_t *bytes);

/* One commit of a model. */
struct sowlv2_listed_model {
    char *id;         /* as model options take it */
    char *revisions;  /* branches and tags that name it, "main, v1"; "" where none does */
    char *commit;     /* "" where it came with the program */
    const char *task; /* "detection", "segmentation" or "key frames"; NULL: this library does not compute it */
    int64_t size;     /* bytes of its files */
    bool complete;    /* all that its task needs is there */
};

struct sowlv2_model_list {
    struct sowlv2_listed_model *items; /* [count], by id, then by commit */
    size_t count;
    char *cache; /* the folder that was looked in; NULL: none */
};

/* The models in the hub's cache (`cache_dir` NULL: as the environment says; one that is not there is an empty list),
 * and the small ones that came with the program. What cannot be read is left out. `out` is given to
 * sowlv2_model_list_free(). Errors: ARGUMENT, MODEL (no folder to look in), IO, MEMORY. */
SOWLV2_API int sowlv2_models_cached(const char *cache_dir, struct sowlv2_model_list *out);
SOWLV2_API int sowlv2_models_installed(struct sowlv2_model_list *out);
SOWLV2_API void sowlv2_model_list_free(struct sowlv2_model_list *list);

/* The tokenizer of an OWLv2 checkpoint: its files and config.json are enough, no weights are read. Immutable. */
typedef struct sowlv2_tokenizer sowlv2_tokenizer;

/* Errors: as sowlv2_detector_open, without UNSUPPORTED. */
SOWLV2_API int sowlv2_tokenizer_open(const struct sowlv2_model_options *options, sowlv2_tokenizer **out);
SOWLV2_API void sowlv2_tokenizer_free(sowlv2_tokenizer **tokenizer);

/* Tokens of a prompt; 0 for NULL. */
SOWLV2_API int sowlv2_tokenizer_length(const sowlv2_tokenizer *tokenizer);

/* As sowlv2_detector_tokenize(), to ids[sowlv2_tokenizer_length()]. A notice tells where the text's end did not fit. */
SOWLV2_API int sowlv2_tokenizer_encode(const sowlv2_tokenizer *tokenizer, const char *text, int32_t *ids);

/* ---- detection: OWLv2 ------------------------------------------------------------------------ */

typedef struct sowlv2_detector sowlv2_detector;             /* OWLv2 weights, ready to compute; immutable */
typedef struct sowlv2_prompts sowlv2_prompts;               /* encoded prompts of one detector; immutable */
typedef struct sowlv2_detect_session sowlv2_detect_session; /* scratch memory of one thread's forward passes */

/* Opens an OWLv2 checkpoint (config.json, *.safetensors, tokenizer files, the processor's JSON).
 * Errors: MODEL (not found, not OWLv2, weights do not fit the config), FORMAT, IO, MEMORY,
 * UNSUPPORTED (device, precision or CPU level not available). */
SOWLV2_API int sowlv2_detector_open(const struct sowlv2_model_options *options, sowlv2_detector **out);
SOWLV2_API void sowlv2_detector_free(sowlv2_detector **detector);

/* What it computes on, for people: "cpu avx512", "cuda:0 (NVIDIA H100)"; as long as the detector. */
SOWLV2_API const char *sowlv2_detector_device(const sowlv2_detector *detector);

/* Side of the square image the detector computes on, in pixels; 0 for NULL. */
SOWLV2_API int sowlv2_detector_image_size(const sowlv2_detector *detector);

/* The token ids of `text` as the text tower sees them: start token, text, end token, padding;
 * truncated keeping the end token. `ids` has room for sowlv2_detector_text_length() values (0 for NULL). */
SOWLV2_API int sowlv2_detector_text_length(const sowlv2_detector *detector);
SOWLV2_API int sowlv2_detector_tokenize(const sowlv2_detector *detector, const char *text, int32_t *ids);

struct sowlv2_prompt_options {
    size_t size;
    const char *prompt_template; /* "{}" stands for the prompt; default "a photo of {}" */
    bool quiet; /* no notices of prompts that are cut off or that the model was not taught: they were told before */
};

SOWLV2_API void sowlv2_prompt_options_init(struct sowlv2_prompt_options *options, size_t size);
static inline struct sowlv2_prompt_options sowlv2_prompt_options_default(void)
{
    struct sowlv2_prompt_options options;
    sowlv2_prompt_options_init(&options, sizeof(options));
    return options;
}

/* Encodes `count` (>= 1) UTF-8 prompts in one batch, once for any number of images.
 * `options` may be NULL; a template without "{}" is an ARGUMENT error. The strings are copied. The detector must
 * outlive the prompts. */
SOWLV2_API int sowlv2_prompts_encode(const sowlv2_detector *detector, const char *const *prompts, size_t count,
                                     const struct sowlv2_prompt_options *options, sowlv2_prompts **out);
SOWLV2_API void sowlv2_prompts_free(sowlv2_prompts **prompts);

/* Scratch for forward passes of `detector`: make one for each thread, keep it between images.
 * The detector must outlive the session. */
SOWLV2_API int sowlv2_detect_session_create(const sowlv2_detector *detector, sowlv2_detect_session **out);
SOWLV2_API void sowlv2_detect_session_free(sowlv2_detect_session **session);

/* Progress of one call. `done` of `total` steps; return false to cancel: the call then ends soon
 * with SOWLV2_ERROR_CANCELLED. Called from the calling thread. */
typedef bool (*sowlv2_progress_callback)(int done, int total, void *user_data);

struct sowlv2_detect_options {
    size_t size;
    float threshold;                   /* keep score > threshold (strict, as the reference); default 0.1 */
    float nms_iou;                     /* drop a box that overlaps a better one of its prompt more than this; 0: off */
    bool objectness;                   /* also compute the objectness score */
    bool clip;                         /* clip boxes to the image and drop empty ones; default true */
    sowlv2_progress_callback progress; /* NULL: none */
    void *progress_user_data;
    const sowlv2_prompts *const *image_prompts; /* [images of the call]: each image's own, in place of the call's, which
                                                   may be NULL then; NULL: all have the call's */
};

SOWLV2_API void sowlv2_detect_options_init(struct sowlv2_detect_options *options, size_t size);
static inline struct sowlv2_detect_options sowlv2_detect_options_default(void)
{
    struct sowlv2_detect_options options;
    sowlv2_detect_options_init(&options, sizeof(options));
    return options;
}

struct sowlv2_detection {
    float box[4];     /* x0, y0, x1, y1 in the image's pixels */
    float score;      /* 0 to 1 */
    float objectness; /* 0 to 1; -1 where it was not asked for */
    int prompt;       /* index into the encoded prompts of its image */
};

struct sowlv2_detections {
    struct sowlv2_detection *items; /* [count], in the detector's patch order */
    size_t count;
    size_t dropped; /* boxes that were empty after clipping */
};

/* Detects the prompts in `count` images, computed as one batch, also where each has prompts of its own. `out` has room
 * for `count` results, each to be given to sowlv2_detections_free. On error no result is kept. `options` may be NULL.
 */
SOWLV2_API int sowlv2_detect(sowlv2_detect_session *session, const sowlv2_prompts *prompts,
                             const struct sowlv2_image *images, size_t count,
                             const struct sowlv2_detect_options *options, struct sowlv2_detections *out);

/* Frees the items and empties the struct; the struct itself is the caller's. */
SOWLV2_API void sowlv2_detections_free(struct sowlv2_detections *detections);

/* How much speaks for each prompt at one place of image `image` of the session's last sowlv2_detect(): of the boxes,
 * found or not, that overlap `box` [4] (pixels) by an IoU of at least `iou`, the best score of each prompt, to scores
 * [count], the prompts of the image; 0 where no box does. Errors: ARGUMENT (no such image, another number of prompts, a
 * box that is not finite, an IoU that is not from 0 to 1). */
SOWLV2_API int sowlv2_detect_scores(sowlv2_detect_session *session, size_t image, const float *box, float iou,
                                    float *scores, size_t count);

/* ---- segmentation: SAM 2.1 ------------------------------------------------------------------- */

typedef struct sowlv2_segmenter sowlv2_segmenter;             /* SAM weights, ready to compute; immutable */
typedef struct sowlv2_segment_session sowlv2_segment_session; /* one thread's scratch and one image's features */

/* sowlv2_model_options_default() with the default SAM model. */
SOWLV2_API void sowlv2_segmenter_options_init(struct sowlv2_model_options *options, size_t size);
static inline struct sowlv2_model_options sowlv2_segmenter_options_default(void)
{
    struct sowlv2_model_options options;
    sowlv2_segmenter_options_init(&options, sizeof(options));
    return options;
}

/* Opens a SAM 2 or 2.1 checkpoint (config.json, *.safetensors, the processor's JSON).
 * Errors: as sowlv2_detector_open. */
SOWLV2_API int sowlv2_segmenter_open(const struct sowlv2_model_options *options, sowlv2_segmenter **out);
SOWLV2_API void sowlv2_segmenter_free(sowlv2_segmenter **segmenter);

/* Side of the square low-resolution masks that the decoder gives and takes; 0 for NULL. */
SOWLV2_API int sowlv2_segmenter_mask_side(const sowlv2_segmenter *segmenter);

/* The segmenter must outlive the session. */
SOWLV2_API int sowlv2_segment_session_create(const sowlv2_segmenter *segmenter, sowlv2_segment_session **out);
SOWLV2_API void sowlv2_segment_session_free(sowlv2_segment_session **session);

struct sowlv2_segment_options {
    size_t size;
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

SOWLV2_API void sowlv2_segment_options_init(struct sowlv2_segment_options *options, size_t size);
static inline struct sowlv2_segment_options sowlv2_segment_options_default(void)
{
    struct sowlv2_segment_options options;
    sowlv2_segment_options_init(&options, sizeof(options));
    return options;
}

/* Encodes the image: the costly part, done once. Every sowlv2_segment() that follows is about this
 * image. The pixels are not kept. Of `options` (may be NULL) only the progress counts. On error the
 * session has no image. Errors: ARGUMENT, CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_segment_set_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                                        const struct sowlv2_segment_options *options);

/* What one mask is asked by: a box, points, an earlier mask, or any of them together; none is an
 * error. Coordinates are pixels of the image. */
struct sowlv2_segment_prompt {
    const float *box;      /* x0 < x1, y0 < y1 as x0, y0, x1, y1; may reach out of the image; NULL: none */
    const float *points;   /* [point_count][2]: 0 <= x < width, 0 <= y < height */
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
 * Errors: ARGUMENT (no image; an empty prompt; a box that is reversed, empty or wholly outside of the image; a point
 * outside; anything not finite; logits of another size), CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_segment(sowlv2_segment_session *session, const struct sowlv2_segment_prompt *prompts,
                              size_t count, const struct sowlv2_segment_options *options, struct sowlv2_mask *out);

/* Frees what the masks hold and empties them; the array itself is the caller's. */
SOWLV2_API void sowlv2_masks_free(struct sowlv2_mask *masks, size_t count);

/* Writes the mask's pixels, 1 or 0, to `pixels` [height][width]. Needs the mask's runs or pixels. */
SOWLV2_API int sowlv2_mask_to_pixels(const struct sowlv2_mask *mask, uint8_t *pixels);

/* The mask in COCO's compressed form: the `counts` string of pycocotools; its `size` is [height, width]. */
SOWLV2_API int sowlv2_mask_rle(const struct sowlv2_mask *mask, char **out);

/* How much two masks overlap: pixels of both through pixels of either, from their runs. 0 where both are
 * empty, the sizes differ, or one is NULL or has no runs. */
SOWLV2_API double sowlv2_mask_iou(const struct sowlv2_mask *a, const struct sowlv2_mask *b);

/* ---- detection and segmentation in one call --------------------------------------------------- */

struct sowlv2_object {
    struct sowlv2_detection detection;
    struct sowlv2_mask mask;
    size_t index; /* of the detection, or the prompt, that it was made of */
};

struct sowlv2_objects {
    struct sowlv2_object *items; /* [count], in the order of the detections or prompts */
    size_t count;
    size_t dropped;    /* boxes that were empty after clipping */
    size_t duplicates; /* objects that `dedupe_iou` took out */
};

struct sowlv2_find_options {
    size_t size;
    const struct sowlv2_detect_options *detect;   /* `clip` is always on; NULL: the defaults */
    const struct sowlv2_segment_options *segment; /* NULL: the defaults */
    float dedupe_iou; /* drop an object whose mask overlaps that of one with a better score, of whatever
                         prompt, more than this; 0: off */
};

SOWLV2_API void sowlv2_find_options_init(struct sowlv2_find_options *options, size_t size);
static inline struct sowlv2_find_options sowlv2_find_options_default(void)
{
    struct sowlv2_find_options options;
    sowlv2_find_options_init(&options, sizeof(options));
    return options;
}

/* Finds the prompts in `count` images and cuts each detected object out: detection as one batch, then each
 * image with detections is encoded once for all its boxes. `out` has room for `count` results, each to be
 * given to sowlv2_objects_free. On error no result is kept. `options` may be NULL. */
SOWLV2_API int sowlv2_find(sowlv2_detect_session *session, const sowlv2_prompts *prompts,
                           sowlv2_segment_session *segment_session, const struct sowlv2_image *images, size_t count,
                           const struct sowlv2_find_options *options, struct sowlv2_objects *out);

/* The second half of sowlv2_find(): `count` objects of the session's image (sowlv2_segment_set_image()), decoded as one
 * batch. They are asked for by `prompts`, or where that is NULL by the boxes of `detections`. Where `detections` is
 * NULL, prompts were given instead of detected: an object's prompt is -1 then and its score 0, of two that overlap the
 * mask score decides, and its box is the given one, clipped to the image, or else the one around its mask, not-a-number
 * where that is empty. `options` (may be NULL) as in sowlv2_find(), without `detect`. `out` is given to
 * sowlv2_objects_free(). On error nothing is kept. Errors: as sowlv2_segment(). */
SOWLV2_API int sowlv2_segment_objects(sowlv2_segment_session *session, const struct sowlv2_detection *detections,
                                      const struct sowlv2_segment_prompt *prompts, size_t count,
                                      const struct sowlv2_find_options *options, struct sowlv2_objects *out);

/* Frees the items with their masks and empties the struct; the struct itself is the caller's. */
SOWLV2_API void sowlv2_objects_free(struct sowlv2_objects *objects);

/* ---- tracking: SAM 2.1 through video ----------------------------------------------------------- */

/* One video's tracking state: what each object looked like. Belongs to one thread at a time; many sessions share one
 * segmenter. Its size depends on the objects and the options, not on the video's length. */
typedef struct sowlv2_track_session sowlv2_track_session;

/* Which frames an object is remembered by. */
enum sowlv2_memory {
    SOWLV2_MEMORY_PLAIN,  /* the last ones, as the model was published */
    SOWLV2_MEMORY_CHOSEN, /* those on which it was seen well, and those on which it was told apart from what is like it
                           */
};

struct sowlv2_track_options {
    size_t size;
    int max_cond_frames;  /* prompted frames whose memory is kept for each object, the nearest ones; default 4; -1: all
                           */
    int keep_frames;      /* frames that sowlv2_track_return() can go back to: their pixels are kept, and what the
                             objects looked like on them; default 0 */
    float mask_threshold; /* as in struct sowlv2_segment_options, and so the next ones */
    int fill_holes;
    int remove_sprinkles;
    bool separate;                     /* a pixel belongs to one object at most, the likeliest one; default false */
    bool pixels;                       /* give sowlv2_mask.pixels; default false */
    sowlv2_progress_callback progress; /* of the encoder; NULL: none */
    void *progress_user_data;
    enum sowlv2_memory memory;
};

SOWLV2_API void sowlv2_track_options_init(struct sowlv2_track_options *options, size_t size);
static inline struct sowlv2_track_options sowlv2_track_options_default(void)
{
    struct sowlv2_track_options options;
    sowlv2_track_options_init(&options, sizeof(options));
    return options;
}

/* Loads what tracking needs beside images, which else the first session does: so that a checkpoint without it is found
 * out early. Errors: MODEL, FORMAT (a checkpoint without the video part), ARGUMENT, IO, MEMORY. */
SOWLV2_API int sowlv2_segmenter_prepare_tracking(const sowlv2_segmenter *segmenter);

/* The segmenter must outlive the session; `options` may be NULL. Errors: as sowlv2_segmenter_prepare_tracking. */
SOWLV2_API int sowlv2_track_session_create(const sowlv2_segmenter *segmenter,
                                           const struct sowlv2_track_options *options, sowlv2_track_session **out);
SOWLV2_API void sowlv2_track_session_free(sowlv2_track_session **session);

/* Encodes a frame, which becomes the current one: the costly part. `frame` is its number, which grows by one from
 * frame to frame (it says how far apart two frames are); frames may be left out, and going through a video backward
 * they fall. All frames must have one size. On error there is no current frame.
 * Errors: ARGUMENT, CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_track_set_frame(sowlv2_track_session *session, int64_t frame, const struct sowlv2_image *image);

/* Makes an earlier frame the current one, where it is among the last `keep_frames`. It is encoded again.
 * Errors: ARGUMENT (not kept), CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_track_return(sowlv2_track_session *session, int64_t frame);

/* What an object is asked by on one frame: a box, points, both, or a mask alone. Coordinates are pixels. */
struct sowlv2_track_prompt {
    const float *box;      /* x0 < x1, y0 < y1; may reach out of the frame; NULL: none */
    const float *points;   /* [point_count][2] */
    const int32_t *labels; /* [point_count]: 1 of the object, 0 not of it; NULL: all 1 */
    size_t point_count;
    const uint8_t *mask; /* [mask_height][mask_width], not 0: the object; any size; NULL: none */
    int mask_width, mask_height;
    bool refine; /* the points come in addition to those the object was given on this frame before */
};

/* Notes a prompt for `object`, a number of the caller's choice, on the current frame. A number that is new is a new
 * object; an object that is tracked already is corrected. It counts at the next sowlv2_track_run().
 * Errors: ARGUMENT, MEMORY. */
SOWLV2_API int sowlv2_track_prompt(sowlv2_track_session *session, int64_t object,
                                   const struct sowlv2_track_prompt *prompt);

/* Forgets an object. ARGUMENT where there is none. */
SOWLV2_API int sowlv2_track_remove(sowlv2_track_session *session, int64_t object);

/* One object on the current frame. */
struct sowlv2_track {
    int64_t object;
    struct sowlv2_mask mask; /* at the frame's size, empty where the object is not seen; no logits */
    float confidence;        /* the tracker's: mask_score, weighed by how likely the object is there; 0 to 1 */
    bool prompted;           /* this is a frame it was prompted on */
    float *pointer;          /* [pointer_length] what the object looks like, the model's object pointer */
    int pointer_length;
};

struct sowlv2_tracks {
    struct sowlv2_track *items; /* [count], in the order in which the objects came */
    size_t count;
};

struct sowlv2_track_run_options {
    size_t size;
    bool reverse;       /* the video is gone through backward */
    bool prompted_only; /* only objects with a prompt that has not counted yet */
};

SOWLV2_API void sowlv2_track_run_options_init(struct sowlv2_track_run_options *options, size_t size);
static inline struct sowlv2_track_run_options sowlv2_track_run_options_default(void)
{
    struct sowlv2_track_run_options options;
    sowlv2_track_run_options_init(&options, sizeof(options));
    return options;
}

/* Finds all objects on the current frame, as one batch: those with a new prompt from that, the others from memory.
 * `options` NULL: forward, all objects. `out` is given to sowlv2_tracks_free(). On error nothing has changed.
 * Errors: ARGUMENT (no current frame), CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_track_run(sowlv2_track_session *session, const struct sowlv2_track_run_options *options,
                                struct sowlv2_tracks *out);

/* Frees the items with their masks and empties the struct; the struct itself is the caller's. */
SOWLV2_API void sowlv2_tracks_free(struct sowlv2_tracks *tracks);

/* The current frame as a segment session's image: sowlv2_segment() on it costs the decoder only, and knows nothing of
 * objects. Belongs to the track session; sowlv2_segment_set_image() on it ends the current frame. NULL for NULL. */
SOWLV2_API sowlv2_segment_session *sowlv2_track_frame(sowlv2_track_session *session);

/* ---- key frames: V-JEPA 2 ---------------------------------------------------------------------- */

typedef struct sowlv2_scorer sowlv2_scorer;               /* V-JEPA 2 weights, ready to compute; immutable */
typedef struct sowlv2_score_session sowlv2_score_session; /* one sequence of frames that is scored */

/* sowlv2_model_options_default() with the default V-JEPA 2 model. */
SOWLV2_API void sowlv2_scorer_options_init(struct sowlv2_model_options *options, size_t size);
static inline struct sowlv2_model_options sowlv2_scorer_options_default(void)
{
    struct sowlv2_model_options options;
    sowlv2_scorer_options_init(&options, sizeof(options));
    return options;
}

/* Opens a V-JEPA 2 checkpoint, with or without predictor and classifier. Errors: as sowlv2_detector_open. */
SOWLV2_API int sowlv2_scorer_open(const struct sowlv2_model_options *options, sowlv2_scorer **out);
SOWLV2_API void sowlv2_scorer_free(sowlv2_scorer **scorer);

struct sowlv2_scorer_info {
    int crop_size;       /* side of the square that the model sees of a frame, in pixels */
    int frames_per_clip; /* it was trained with; it takes others */
    int tubelet_size;    /* frames of a tubelet */
    int width;           /* of a feature */
    int grid;            /* a tubelet has grid * grid patches */
    int label_count;     /* classes of the classifier; 0: it has none */
    bool predictor;      /* it can be surprised */
};

/* All 0 for NULL. */
SOWLV2_API struct sowlv2_scorer_info sowlv2_scorer_info(const sowlv2_scorer *scorer);

/* Name of a class; NULL where there is none of that number, or no scorer. Belongs to the scorer. */
SOWLV2_API const char *sowlv2_scorer_label(const sowlv2_scorer *scorer, int label);

/* What makes a moment of a video important; docs/key-frames.md says how well each does. */
enum sowlv2_importance {
    SOWLV2_IMPORTANCE_VARIANCE, /* how different the patches of a tubelet are */
    SOWLV2_IMPORTANCE_CHANGE,   /* how different a tubelet is from those before it */
    SOWLV2_IMPORTANCE_SURPRISE, /* how wrong the predictor is about a tubelet to come */
};

/* "variance", ...; NULL: it is none of them. Static storage. */
SOWLV2_API const char *sowlv2_importance_name(enum sowlv2_importance importance);

/* One frame that the model saw. */
struct sowlv2_frame {
    int64_t number;        /* from 1, among the frames seen */
    int64_t source_number; /* from 1, among all frames of the source */
    double time;           /* seconds */
    float score;           /* 0 to 1, within the video */
    float importance;      /* as computed; NaN where there is none, as at the beginning */
    float motion;          /* mean change of the pixels since the frame before, 0 to 1 */
    bool scene_start, chosen;
};

/* One clip as the model saw it, and what the classifier makes of it. */
enum { SOWLV2_CLIP_LABELS = 5 };
struct sowlv2_clip {
    double start, end;                      /* times of its first and last frame */
    int labels[SOWLV2_CLIP_LABELS];         /* classes, the likeliest first; -1: none */
    float label_scores[SOWLV2_CLIP_LABELS]; /* their probabilities */
};

struct sowlv2_frames {
    struct sowlv2_frame *items; /* [count], in time order */
    size_t count;
    size_t chosen_count, scene_count;
    struct sowlv2_clip *clips; /* [clip_count] */
    size_t clip_count;
    int frames_per_clip, clip_step; /* frames from the beginning of a clip to that of the next */
};

SOWLV2_API void sowlv2_frames_free(struct sowlv2_frames *frames);

/* Features of one clip: values[rows][width], a row a token (tubelet by tubelet, its patches row by row), or a row a
 * tubelet where they are pooled. `first` counts from 0 among the frames seen. */
struct sowlv2_clip_features {
    const float *values; /* valid during the call */
    int64_t rows, width;
    int64_t first, frames;
};

/* Make one with sowlv2_score_options_default() and change fields. */
struct sowlv2_score_options {
    size_t size;                       /* of the struct, as the caller knows it */
    int frames_per_clip;               /* 0: as the model was trained */
    int clip_overlap;                  /* frames that two clips share, whose scores are averaged; default 0 */
    bool whole_frame;                  /* show whole frames stretched to the square, not their centre */
    enum sowlv2_importance importance; /* default: the best one of docs/key-frames.md */
    float motion_weight;               /* share of pixel motion in the scores, 0 to 1 */
    int64_t score_window;              /* scores run from 0 to 1 over this many frames up to each; 0: over all frames */
    bool labels;                       /* classify clips */
    bool pooled;                       /* features are means over each tubelet's patches */
    bool (*features)(const struct sowlv2_clip_features *features, void *user_data); /* receives those of each clip as it
                                                                                       is computed; false ends the call
                                                                                       as cancelled; NULL: none */
    void *features_user_data;
    sowlv2_progress_callback progress; /* of one clip; NULL: none */
    void *progress_user_data;
};

/* Fills the first `size` bytes of the options with their defaults. */
SOWLV2_API void sowlv2_score_options_init(struct sowlv2_score_options *options, size_t size);

static inline struct sowlv2_score_options sowlv2_score_options_default(void)
{
    struct sowlv2_score_options options;
    sowlv2_score_options_init(&options, sizeof(options));
    return options;
}

/* What the options ask that this scorer cannot give, before anything is computed; sowlv2_score_session_create() checks
 * it too. Errors: ARGUMENT (a clip shorter than a tubelet, an overlap as long as a clip, values out of range),
 * UNSUPPORTED (labels or surprise of a checkpoint without them). */
SOWLV2_API int sowlv2_score_check(const sowlv2_scorer *scorer, const struct sowlv2_score_options *options);

/* Begins a sequence, of a video or of pictures in memory. A session holds one clip of what the model sees and a few
 * numbers a frame. `options` may be NULL; they are copied. The scorer must outlive the session. Errors: those of
 * sowlv2_score_check(), MEMORY. */
SOWLV2_API int sowlv2_score_session_create(const sowlv2_scorer *scorer, const struct sowlv2_score_options *options,
                                           sowlv2_score_session **out);
SOWLV2_API void sowlv2_score_session_free(sowlv2_score_session **session);

/* Takes the next frame: its pixels, which are not needed any more when the call returns, its time in seconds, which
 * rises from frame to frame, and its number in the source, which is only handed through. Whenever a clip is full it is
 * computed, within this call. After an error other than ARGUMENT the session takes no more frames. Errors: ARGUMENT,
 * CANCELLED, MEMORY. */
SOWLV2_API int sowlv2_score_push(sowlv2_score_session *session, const struct sowlv2_image *image, double time,
                                 int64_t source_number);

/* The sequence is over: computes the clip that holds its last frames, where they are in none yet, and makes all numbers
 * final. Errors: as sowlv2_score_push(). */
SOWLV2_API int sowlv2_score_finish(sowlv2_score_session *session);

/* How many frames were taken, and of how many of these, from the first on, the numbers are final. 0 for NULL.
 *
 * The importance of a frame is final when no later clip can hold it: most are when the clip after their own has been
 * computed, since the last clip of all reaches back. Whether a scene begins at a frame is known four frames later. The
 * score is final with them where there is a score window; without one it is NaN until sowlv2_score_finish(). SURPRISE
 * compares its errors over all clips: there everything is final after sowlv2_score_finish(). */
SOWLV2_API size_t sowlv2_score_count(const sowlv2_score_session *session);
SOWLV2_API size_t sowlv2_score_final(const sowlv2_score_session *session);

/* A frame, by its index from 0; NULL: there is none. Of one that is not final yet the importance is the mean over its
 * clips so far, NaN before the first of them, and the score NaN. It is not `chosen`: see sowlv2_score_choose(). Good
 * until the session takes the next frame or is finished. */
SOWLV2_API const struct sowlv2_frame *sowlv2_score_frame(const sowlv2_score_session *session, size_t index);

/* Make one with sowlv2_choice_options_default() and change fields. */
struct sowlv2_choice_options {
    size_t size;            /* of the struct, as the caller knows it */
    int64_t target_frames;  /* how many to choose; 0: 8 */
    double target_fraction; /* or this part of them, at least one; 0: not used */
    int64_t spacing;        /* least distance of chosen frames, halved where too few are left; default 10 */
};

/* Fills the first `size` bytes of the options with their defaults. */
SOWLV2_API void sowlv2_choice_options_init(struct sowlv2_choice_options *options, size_t size);

static inline struct sowlv2_choice_options sowlv2_choice_options_default(void)
{
    struct sowlv2_choice_options options;
    sowlv2_choice_options_init(&options, sizeof(options));
    return options;
}

/* Whether the options are in range; sowlv2_score_choose() checks it too. Errors: ARGUMENT. */
SOWLV2_API int sowlv2_choice_check(const struct sowlv2_choice_options *options);

/* Chooses among the frames of a session that is finished, as often as one likes. `out` has all frames and clips and is
 * given to sowlv2_frames_free(); on error it is empty. `options` may be NULL. Errors: ARGUMENT, MEMORY. */
SOWLV2_API int sowlv2_score_choose(const sowlv2_score_session *session, const struct sowlv2_choice_options *options,
                                   struct sowlv2_frames *out);

/* Chooses min(wanted, count) frames by scores of any origin, the highest first: first the best of each scene, then
 * others at least `spacing` apart, which is halved where too few are left. `scenes`: first frames of scenes, rising
 * from 0, or NULL. Their indices go to chosen[min(wanted, count)] in time order, how many to *chosen_count.
 * Errors: ARGUMENT, MEMORY. */
SOWLV2_API int sowlv2_select_frames(const float *scores, size_t count, size_t wanted, size_t spacing,
                                    const size_t *scenes, size_t scene_count, size_t *chosen, size_t *chosen_count);

/* The middles of `wanted` equal parts of `count` frames: what is left where nothing is known of them. */
SOWLV2_API int sowlv2_uniform_frames(size_t count, size_t wanted, size_t *chosen, size_t *chosen_count);

/* Decides which frames are worth tracking where only `fraction` of them can be, into tracked[count]: the choice that
 * leaves least change between the frames left out and their tracked neighbours, with at most `most_gap` frames left out
 * in a row. importance[count]: how much changes from the frame before; NULL: all alike. scene_starts[count], tracked
 * in any case, may be NULL. Errors: ARGUMENT, MEMORY. */
SOWLV2_API int sowlv2_budget_frames(const float *importance, const bool *scene_starts, size_t count, double fraction,
                                    size_t most_gap, bool *tracked);

/* One object that was detected on some of several frames. */
struct sowlv2_merged_object {
    int prompt;                        /* of its best detection */
    size_t best_frame, best_detection; /* of the highest score, the earlier of equal ones */
    size_t first_frame, last_frame;
    size_t detections; /* that were merged into it */
};

struct sowlv2_merged {
    struct sowlv2_merged_object *items; /* [count], in the order in which they came into view */
    size_t count;
    size_t *objects; /* [all detections], frame by frame: the object each one belongs to */
    size_t detection_count;
};

/* Makes objects of the detections of `count` frames in time order (such as the key frames of one scene): a detection
 * belongs to the object of its prompt whose boxes on the last three frames it was detected on overlap it most, if that
 * is more than `iou` (0.7 is usual), else it is a new object. Within a frame better scores go first, so that a second
 * box of one thing joins the first. `out` is given to sowlv2_merged_free(). Errors: ARGUMENT, MEMORY. */
SOWLV2_API int sowlv2_merge_detections(const struct sowlv2_detections *frames, size_t count, float iou,
                                       struct sowlv2_merged *out);
SOWLV2_API void sowlv2_merged_free(struct sowlv2_merged *merged);

/* The same while frames come: objects so far, and what they looked like on the last three frames that each was detected
 * on. */
typedef struct sowlv2_merger sowlv2_merger;

/* Errors: ARGUMENT (an IoU that is not from 0 to 1), MEMORY. */
SOWLV2_API int sowlv2_merger_create(float iou, sowlv2_merger **out);
SOWLV2_API void sowlv2_merger_free(sowlv2_merger **merger);

/* The object that a detection belongs to by its box; -1: none, it is a new one. `taken` (may be NULL) marks objects
 * that it cannot be, [objects so far]. */
SOWLV2_API int64_t sowlv2_merger_find(const sowlv2_merger *merger, const struct sowlv2_detection *detection,
                                      const bool *taken);

/* Takes a detection in: number `index` of frame `frame`, the same or a later one than before. `object` is what
 * sowlv2_merger_find() said or the caller knows better, -1 for a new one; its number, from 0, goes to *out. Of each
 * frame the best box of an object counts. Errors: ARGUMENT, MEMORY. */
SOWLV2_API int sowlv2_merger_add(sowlv2_merger *merger, int64_t object, size_t frame, size_t index,
                                 const struct sowlv2_detection *detection, size_t *out);

/* The objects so far, [*count], in the order in which they came; until the next sowlv2_merger_add(). NULL for NULL, and
 * where there are none yet. */
SOWLV2_API const struct sowlv2_merged_object *sowlv2_merger_objects(const sowlv2_merger *merger, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
