/* The names of activations. */
#include "nn/activation.h"

#include <string.h>

int model_read_activation(const struct config *file, const struct config_node *node, const char *key,
                          const char *fallback, enum activation *out)
{
    static const struct {
        const char *name;
        enum activation activation;
    } known[] = {
        {"gelu", ACTIVATION_GELU},
        {"gelu_new", ACTIVATION_GELU_TANH},
        {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
        {"gelu_fast", ACTIVATION_GELU_TANH},
        {"quick_gelu", ACTIVATION_QUICK_GELU},
        {"relu", ACTIVATION_RELU},
    };
    const char *name;
    const int status = config_string(file, node, key, fallback, &name);
    if (status != 0)
        return status;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].activation;
            return 0;
        }
    }
    return config_error(file, "%s: \"%s\" is not supported", key, name);
}
