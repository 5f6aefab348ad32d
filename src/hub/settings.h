/* How to reach the hub, as the environment says: the variables of huggingface_hub. */
#ifndef HUB_SETTINGS_H
#define HUB_SETTINGS_H

#include <stdbool.h>

struct hub_settings {
    char *endpoint;          /* HF_ENDPOINT without trailing slashes, or https://huggingface.co */
    char *token;             /* HF_TOKEN, or the file's; NULL: none */
    char *ca_file;           /* certificates to trust, a file; NULL: the system's */
    char *ca_folder;         /* the same, a folder */
    const char *ca_variable; /* which of the environment named them; NULL: none did */
    long etag_timeout;       /* seconds for a file's description */
    long download_timeout;   /* seconds without data */
    unsigned retry_ms;       /* wait before the second try; doubles with each */
    unsigned lock_poll_ms;   /* how often a lock that another process holds is asked for */
    unsigned lock_say_ms;    /* how long it waits before it says so */
    /* Free bytes for the user on the disk of `folder`, -1: not known. */
    long long (*free_space)(const char *folder);
};

/* Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is 1, on, yes or true. */
bool hub_settings_offline(void);

/* Errors: ARGUMENT (an endpoint that is not https and not local, a token or a time that cannot be), IO (a token file
 * that cannot be read), MEMORY; then there is nothing to free. */
int hub_settings_read(struct hub_settings *out);
void hub_settings_free(struct hub_settings *settings);

#endif
