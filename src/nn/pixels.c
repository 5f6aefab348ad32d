#include "nn/pixels.h"

/* Null for what a step needs: the reference refuses it, too. */
static int check_not_null(const struct processor *processor, const char *key)
{
    if (!config_is_null(processor->node, key))
        return 0;
    return config_field_error(processor->file, processor->node, key, "is null: expected a value, or no such key");
}

static int read_channels(const struct processor *processor, const char *key, const double fallback[3], double minimum,
                         float out[3])
{
    double values[3];
    int status = check_not_null(processor, key);
    if (!status)
        status = config_numbers(processor->file, processor->node, key, 3, fallback, minimum, 1e6, values);
    for (int c = 0; !status && c < 3; c++)
        out[c] = (float)values[c];
    return status;
}

int pixel_scale_read(const struct processor *processor, const double mean[3], const double std[3],
                     struct pixel_scale *out)
{
    bool rescale = true, normalize = true;
    double factor = 1.0;
    *out = (struct pixel_scale){.scale = 1.0F, .std = {1.0F, 1.0F, 1.0F}};
    int status = config_switch(processor->file, processor->node, "do_rescale", true, &rescale);
    if (!status)
        status = config_switch(processor->file, processor->node, "do_normalize", true, &normalize);
    if (!status && rescale) {
        status = check_not_null(processor, "rescale_factor");
        if (!status)
            status = config_number(processor->file, processor->node, "rescale_factor", 1.0 / 255.0, 0.0, 1.0, &factor);
        out->scale = (float)factor;
    }
    if (!status && normalize) {
        status = read_channels(processor, "image_mean", mean, -1e6, out->mean);
        if (!status)
            status = read_channels(processor, "image_std", std, 1e-6, out->std);
    }
    return status;
}

int pixel_step_required(const struct processor *processor, const char *key)
{
    bool on;
    const int status = config_switch(processor->file, processor->node, key, true, &on);
    if (status || on)
        return status;
    return config_field_error(processor->file, processor->node, key, "is off, which is not supported");
}

int pixel_step_refused(const struct processor *processor, const char *key)
{
    bool on;
    const int status = config_switch(processor->file, processor->node, key, false, &on);
    if (status || !on)
        return status;
    return config_field_error(processor->file, processor->node, key, "is on, which is not supported");
}

int pixel_resample_check(const struct processor *processor)
{
    enum { BILINEAR = 2 };
    int64_t resample;
    int status = check_not_null(processor, "resample");
    if (!status)
        status = config_int(processor->file, processor->node, "resample", BILINEAR, 0, 5, &resample);
    if (status || resample == BILINEAR)
        return status;
    return config_field_error(processor->file, processor->node, "resample",
                              "is %lld, which is not supported, only 2 (bilinear)", (long long)resample);
}
