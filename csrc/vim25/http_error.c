#include "vim25/http_error.h"

#include <string.h>

/* "host:port" of the URL, for messages: paths and queries may hold one-time tickets, and before an @ there is a user
 * name and a password. With an @ after the authority the end of a password cannot be found. */
static void endpoint(CURL *easy, char *out, size_t size)
{
    char *url = NULL;
    out[0] = '\0';
    if (curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK || !url) url = NULL;
    const char *start = url ? strstr(url, "://") : NULL;
    start = start ? start + 3 : url ? url : "the server";
    size_t length = strcspn(start, "/?#");
    if (strchr(start + length, '@')) {
        start = "the server";
        length = strlen(start);
    }
    const char *user = NULL;
    for (const char *at = start; at < start + length; at++)
        if (*at == '@') user = at + 1;
    if (user) {
        length -= (size_t)(user - start);
        start = user;
    }
    if (length >= size) length = size - 1;
    memcpy(out, start, length);
    out[length] = '\0';
}

static const char *stage(CURL *easy)
{
    curl_off_t resolved = 0, connected = 0, ready = 0;
    long headers = 0;
    curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
    if (headers) return "while reading the response";
    if (ready) return "while waiting for the response";
    if (connected) return "in the TLS handshake";
    if (resolved) return "while connecting";
    return "while resolving the name";
}

static void untrusted(gp_error *err, const char *host, const char *reason, const char *presented)
{
    gp_fail(err, "EUNTRUSTED", "the certificate of %s is not trusted (%s); its SHA-256 thumbprint is %s",
            host, reason, presented);
}

void gp_http_describe(gp_error *err, CURLcode rc, CURL *easy, const char *detail, const gp_trust *trust)
{
    char host[160];
    curl_off_t ready = 0;
    endpoint(easy, host, sizeof host);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    /* libcurl repeats a proxy's URL that it cannot use, with the password in it */
    if (!detail || !*detail || strchr(detail, '@')) detail = curl_easy_strerror(rc);
    long tunnel = 0; /* the proxy's answer to CONNECT */
    if (curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &tunnel) == CURLE_OK && tunnel == 407) {
        gp_fail(err, "EPROXY", "the proxy for %s refused its user name or password (HTTP 407)", host);
        return;
    }
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        gp_fail(err, "ECONNECT", "cannot connect to %s: %s", host, detail);
        return;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* after connecting it means that the answer is not HTTP */
        if (ready)
            gp_fail(err, "EPROTOCOL", "%s sent an invalid response: %s", host, detail);
        else
            gp_fail(err, "EINVAL", "invalid URL (%s)", detail);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        gp_fail(err, "ETIMEDOUT", "%s: timed out %s (%s)", host, stage(easy), detail);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
        if (trust->presented[0])
            untrusted(err, host, trust->refused ? trust->reason : detail, trust->presented);
        else
            gp_fail(err, "EUNTRUSTED", "the certificate of %s is not trusted (%s)", host, detail);
        return;
    case CURLE_SSL_CACERT_BADFILE:
        gp_fail(err, "ETLS", "cannot read the CA file: %s", detail);
        return;
    case CURLE_SSL_CONNECT_ERROR:
        /* libcurl has no word for every refusal of ours: an authority of the same name with another key ends here */
        if (trust->refused && trust->presented[0]) {
            untrusted(err, host, trust->reason, trust->presented);
            return;
        }
        /* a connection that breaks in the handshake is a broken connection; only OpenSSL's own errors are TLS's */
        if (!strstr(detail, "error:") || strstr(detail, "unexpected eof")) {
            gp_fail(err, "ECONNECT", "%s closed the connection in the TLS handshake (%s)", host, detail);
            return;
        }
        gp_fail(err, "ETLS", "TLS with %s failed: %s", host, detail);
        return;
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_USE_SSL_FAILED:
        gp_fail(err, "ETLS", "TLS with %s failed: %s", host, detail);
        return;
    case CURLE_OUT_OF_MEMORY:
        gp_fail_memory(err);
        return;
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WEIRD_SERVER_REPLY:
        gp_fail(err, "EPROTOCOL", "%s sent an invalid response: %s", host, detail);
        return;
    default:
        if (ready)
            gp_fail(err, "ELOST", "the connection to %s was lost %s: %s", host, stage(easy), detail);
        else
            gp_fail(err, "ECONNECT", "cannot connect to %s: %s", host, detail);
    }
}
