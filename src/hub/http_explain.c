/* See http_explain.h. */
#include "hub/http_explain.h"

#include "base/error.h"

#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <string.h>

enum { PROXY_NEEDS_PASSWORD = 407 };

static int report_certificate(CURL *curl, const char *host, const char *why, const struct hub_settings *settings)
{
    long result = 0; /* with another library than OpenSSL: 0, or one of its own, and the general message */
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &result);
    if (result == X509_V_ERR_CERT_HAS_EXPIRED || result == X509_V_ERR_CERT_NOT_YET_VALID)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: its certificate %s: %s: check this machine's clock; where that is right, tell those who "
                         "run the host",
                         host, result == X509_V_ERR_CERT_HAS_EXPIRED ? "has expired" : "is not valid yet", why);
    if (strstr(why, "host name"))
        return error_set(SOWLV2_ERROR_IO,
                         "%s: shows the certificate of another host: %s: check HF_ENDPOINT, and what stands between "
                         "you and the hub",
                         host, why);
    if (settings->ca_variable)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: its certificate is not trusted: %s: add the one of your network's authority to %s, which "
                         "%s names",
                         host, why, settings->ca_file ? settings->ca_file : settings->ca_folder, settings->ca_variable);
    return error_set(SOWLV2_ERROR_IO,
                     "%s: its certificate is not trusted: %s: name the file of your network's certificates in "
                     "SSL_CERT_FILE (or REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE)",
                     host, why);
}

static int report_bundle(const char *why, const struct hub_settings *settings)
{
    const char *path = settings->ca_file ? settings->ca_file : settings->ca_folder;
    if (path)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: holds no certificates that can be used: %s: give a file of certificates (PEM) in %s",
                         path, why, settings->ca_variable ? settings->ca_variable : "SSL_CERT_FILE");
    return error_set(SOWLV2_ERROR_IO,
                     "certificates: this machine's cannot be used: %s: install them (the package is often called "
                     "ca-certificates), or name a file of them in SSL_CERT_FILE",
                     why);
}

/* Whether a proxy answered, and that it will not connect. */
static bool is_refused_by_proxy(CURL *curl, const char *host, int *status)
{
    long answer = 0;
    if (curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &answer) != CURLE_OK || answer < 400 || answer >= 500)
        return false;
    if (answer == PROXY_NEEDS_PASSWORD)
        *status = error_set(SOWLV2_ERROR_IO,
                            "%s: the proxy asks for a user name and password (%ld): give the right ones as "
                            "https_proxy=http://USER:PASSWORD@HOST:PORT",
                            host, answer);
    else
        *status = error_set(SOWLV2_ERROR_IO,
                            "%s: the proxy refuses the connection (%ld): ask those who run it, or check https_proxy, "
                            "and no_proxy, which names the hosts that need none",
                            host, answer);
    return true;
}

enum http_end http_explain(CURL *curl, CURLcode code, const char *host, const char *why,
                           const struct hub_settings *settings, int *status)
{
    if (is_refused_by_proxy(curl, host, status))
        return HTTP_FAILED;
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        *status = error_memory("download");
        return HTTP_FAILED;
    case CURLE_PEER_FAILED_VERIFICATION:
        *status = report_certificate(curl, host, why, settings);
        return HTTP_FAILED;
    case CURLE_SSL_CONNECT_ERROR:
        *status = error_set(SOWLV2_ERROR_IO,
                            "%s: does not speak https as it should: %s: try again, and check HF_ENDPOINT and what "
                            "stands between you and the hub",
                            host, why);
        return HTTP_BROKEN;
    case CURLE_SSL_CACERT_BADFILE:
        *status = report_bundle(why, settings);
        return HTTP_FAILED;
    case CURLE_COULDNT_RESOLVE_PROXY:
        *status = error_set(SOWLV2_ERROR_IO, "%s: cannot be reached: %s: check https_proxy", host, why);
        return HTTP_UNREACHED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        *status = error_set(SOWLV2_ERROR_IO,
                            "%s: cannot be reached: %s: check the network, HF_ENDPOINT and https_proxy", host, why);
        return HTTP_UNREACHED;
    case CURLE_OPERATION_TIMEDOUT:
        *status = error_set(SOWLV2_ERROR_IO,
                            "%s: does not answer in time: %s: try again, or raise HF_HUB_ETAG_TIMEOUT and "
                            "HF_HUB_DOWNLOAD_TIMEOUT",
                            host, why);
        return HTTP_BROKEN;
    default:
        *status = error_set(SOWLV2_ERROR_IO, "%s: the connection broke: %s: try again", host, why);
        return HTTP_BROKEN;
    }
}
