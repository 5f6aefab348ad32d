/* How images and a video's frames become what the model sees: the processor's JSON, or the class defaults. */
#include "models/sam2/config_parts.h"

#include "base/log.h"

int sam2_read_pixels(const struct processor *processor, int64_t side, int image_size, struct pixel_scale *out)
{
    static const double imagenet_mean[3] = {0.485, 0.456, 0.406};
    static const double imagenet_std[3] = {0.229, 0.224, 0.225};
    int64_t size[2];
    int status = pixel_step_required(processor, "do_resize");
    if (status != 0 || (status = pixel_step_refused(processor, "do_center_crop")) != 0 ||
        (status = config_size(processor->file, processor->node, "size", side, 1, SAM2_MAX_SIDE, size)) != 0 ||
        (status = pixel_resample_check(processor)) != 0 ||
        (status = pixel_scale_read(processor, imagenet_mean, imagenet_std, out)) != 0)
        return status;
    if (size[0] != image_size || size[1] != image_size) {
        return config_field_error(processor->file, processor->node, "size",
                                  "%lldx%lld does not fit the model's image_size %d", (long long)size[0],
                                  (long long)size[1], image_size);
    }
    return 0;
}

/* The image processor pads where it is told to, the video processor never does. */
static int check_padding(const struct processor *processor)
{
    return config_has(processor->node, "pad_size") ? pixel_step_refused(processor, "do_pad") : 0;
}

int sam2_config_image(const char *folder, struct sam2_config *out)
{
    struct processor processor;
    int status = processor_open(folder, PROCESSOR_IMAGE, &processor);
    if (status == 0 && !processor.file)
        log_notice("%s: does not say how pixels are prepared: it is done as for released SAM 2 models", folder);
    if (status == 0)
        status = processor_check_class(&processor, PROCESSOR_IMAGE, "Sam2ImageProcessor");
    if (status == 0)
        status = check_padding(&processor);
    if (status == 0) {
        /* Without a processor's file, what the model wants is what it gets. */
        status = sam2_read_pixels(&processor, processor.file ? 1024 : out->image_size, out->image_size, &out->scale);
    }
    processor_close(&processor);
    return status;
}
