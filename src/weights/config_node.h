/* Inside of struct config, shared by its opening and its getters. */
#ifndef WEIGHTS_CONFIG_NODE_H
#define WEIGHTS_CONFIG_NODE_H

#include "base/strings.h"
#include "weights/config.h"
#include "weights/json.h"

/* A config node is jansson's object, under a type of its own. */
struct config {
    char *name; /* what messages call the file */
    json_t *root;
};

#endif
