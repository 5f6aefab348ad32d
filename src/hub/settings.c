/* See settings.h. */
#include "hub/settings.h"

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "hub/url.h"
#include "weights/hub_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>

enum { TOKEN_LIMIT = 8192, DEFAULT_TIMEOUT = 10, LONGEST_TIMEOUT = 86400 };

static const char default_endpoint[] = "https://huggingface.co";

/* A set environment variable; an empty one counts as unset. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_true(const char *value)
{
    return value && (strcmp(value, "1") == 0 || strcasecmp(value, "on") == 0 || strcasecmp(value, "yes") == 0 ||
                     strcasecmp(value, "true") == 0);
}

bool hub_settings_offline(void)
{
    const char *value = environment("HF_HUB_OFFLINE");
    return is_true(value ? value : environment("TRANSFORMERS_OFFLINE"));
}

static long long disk_free_space(const char *folder)
{
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0)
        return -1;
    return (long long)disk.f_bavail * (long long)disk.f_frsize;
}

/* Seconds, a whole number; `fallback` where the variable is not set or 0. */
static int read_seconds(const char *name, long *out)
{
    const char *text = environment(name);
    char *end;
    *out = DEFAULT_TIMEOUT;
    if (!text)
        return 0;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (errno || *end || value < 0 || value > LONGEST_TIMEOUT)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not a number of seconds: give for example 30", name, text);
    if (value > 0)
        *out = value;
    return 0;
}

static int read_endpoint(struct hub_settings *out)
{
    const char *value = environment("HF_ENDPOINT");
    struct url_origin origin;
    out->endpoint = strdup(value ? value : default_endpoint);
    if (!out->endpoint)
        return error_memory("HF_ENDPOINT");
    for (size_t length = strlen(out->endpoint); length > 0 && out->endpoint[length - 1] == '/';)
        out->endpoint[--length] = '\0';
    if (!url_read_origin(out->endpoint, &origin))
        return error_set(SOWLV2_ERROR_ARGUMENT, "HF_ENDPOINT: '%s' is not an address: give for example %s",
                         out->endpoint, default_endpoint);
    if (!url_may_be_asked(&origin, url_is_local(&origin)))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "HF_ENDPOINT: %s: only https is used, except on this machine itself: give an https:// address",
                         out->endpoint);
    return 0;
}

/* Removes white space around a token and checks that it can be a header's value. */
static int clean_token(const char *where, char *token)
{
    const size_t blank = strspn(token, " \t\r\n");
    memmove(token, token + blank, strlen(token + blank) + 1);
    for (size_t length = strlen(token); length > 0 && strchr(" \t\r\n", token[length - 1]);)
        token[--length] = '\0';
    for (const char *c = token; *c; c++)
        if (*c <= 0x20 || *c >= 0x7F)
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: does not hold a valid token: give one that begins with hf_",
                             where);
    return 0;
}

static int token_path(struct string *out)
{
    const char *value = environment("HF_TOKEN_PATH");
    struct string path = {0};
    if (value)
        string_append_text(&path, value);
    else if ((value = environment("HF_HOME")))
        string_append_format(&path, "%s/token", value);
    else if ((value = environment("XDG_CACHE_HOME")))
        string_append_format(&path, "%s/huggingface/token", value);
    else
        string_append_text(&path, "~/.cache/huggingface/token");
    if (!path.failed)
        hub_expand_path(path.data, out);
    const bool failed = path.failed || out->failed || !out->data;
    string_free(&path);
    return failed ? error_memory("token file") : 0;
}

static int read_token_file(struct hub_settings *out)
{
    struct string path = {0};
    size_t size;
    int status = token_path(&path);
    if (!status && file_exists(path.data)) {
        status = file_read(path.data, TOKEN_LIMIT, &out->token, &size);
        if (!status)
            status = clean_token(path.data, out->token);
    }
    string_free(&path);
    return status;
}

static int read_token(struct hub_settings *out)
{
    if (is_true(environment("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        return 0;
    const char *name = environment("HF_TOKEN") ? "HF_TOKEN" : "HUGGING_FACE_HUB_TOKEN";
    const char *value = environment(name);
    int status = 0;
    if (!value) {
        status = read_token_file(out);
    } else {
        out->token = strdup(value);
        status = out->token ? clean_token(name, out->token) : error_memory(name);
    }
    if (!status && out->token && !*out->token) {
        free(out->token);
        out->token = NULL;
    }
    return status;
}

/* The variables that Python's and curl's users know, in the order of Python's. */
static int read_certificates(struct hub_settings *out)
{
    static const char *const names[] = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = environment(names[i]);
        if (!value)
            continue;
        char **place =
            strcmp(names[i], "SSL_CERT_DIR") == 0 || file_is_directory(value) ? &out->ca_folder : &out->ca_file;
        *place = strdup(value);
        out->ca_variable = names[i];
        return *place ? 0 : error_memory("certificates");
    }
    return 0;
}

int hub_settings_read(struct hub_settings *out)
{
    *out =
        (struct hub_settings){.retry_ms = 1000, .lock_poll_ms = 100, .lock_say_ms = 300, .free_space = disk_free_space};
    int status = read_endpoint(out);
    if (!status)
        status = read_seconds("HF_HUB_ETAG_TIMEOUT", &out->etag_timeout);
    if (!status)
        status = read_seconds("HF_HUB_DOWNLOAD_TIMEOUT", &out->download_timeout);
    if (!status)
        status = read_token(out);
    if (!status)
        status = read_certificates(out);
    if (status)
        hub_settings_free(out);
    return status;
}

void hub_settings_free(struct hub_settings *settings)
{
    if (settings->token)
        explicit_bzero(settings->token, strlen(settings->token));
    free(settings->endpoint);
    free(settings->token);
    free(settings->ca_file);
    free(settings->ca_folder);
    *settings = (struct hub_settings){0};
}
