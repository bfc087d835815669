#include "vim25/trust.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int gp_trust_thumbprint(gp_trust *trust, const char *text, gp_error *err)
{
    size_t digits = 0;
    unsigned char digest[32] = {0};
    for (const char *at = text; *at; at++) {
        if (*at == ':' || *at == ' ' || *at == '-') continue;
        int digit = hex_digit(*at);
        if (digit < 0 || digits >= 64)
            return gp_fail(err, "EINVAL",
                           "'%.100s' is not a thumbprint: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits",
                           text);
        digest[digits / 2] = (unsigned char)(digits % 2 ? digest[digits / 2] | digit : digit << 4);
        digits++;
    }
    if (digits != 40 && digits != 64)
        return gp_fail(err, "EINVAL",
                       "a thumbprint has 40 (SHA-1) or 64 (SHA-256) hexadecimal digits, not %zu", digits);
    memcpy(trust->digest, digest, sizeof digest);
    trust->digest_length = digits / 2;
    trust->mode = GP_TRUST_THUMBPRINT;
    return 0;
}

static void describe(gp_trust *trust, const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    trust->presented[0] = '\0';
    if (!certificate || !X509_digest(certificate, EVP_sha256(), digest, &length) || length != 32) return;
    for (unsigned i = 0; i < length; i++)
        (void)snprintf(trust->presented + 3 * i, sizeof trust->presented - 3 * i,
                       i + 1 < length ? "%02X:" : "%02X", digest[i]);
}

static bool matches(const gp_trust *trust, const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const EVP_MD *kind = trust->digest_length == 20 ? EVP_sha1() : EVP_sha256();
    return certificate && X509_digest(certificate, kind, digest, &length) && length == trust->digest_length &&
           CRYPTO_memcmp(digest, trust->digest, length) == 0;
}

/* Replaces OpenSSL's chain verification for this context; 1 lets the handshake go on. */
static int verify(X509_STORE_CTX *context, void *data)
{
    gp_trust *trust = data;
    const X509 *certificate = X509_STORE_CTX_get0_cert(context);
    bool good;
    if (trust->mode == GP_TRUST_ANYBODY) return 1;
    if (trust->mode == GP_TRUST_THUMBPRINT) {
        good = matches(trust, certificate);
        if (!good) X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
    } else {
        good = X509_verify_cert(context) == 1;
    }
    trust->refused = !good;
    describe(trust, certificate);
    if (!good) {
        const char *reason = trust->mode == GP_TRUST_THUMBPRINT
                                 ? "its thumbprint does not match the given one"
                                 : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
        (void)snprintf(trust->reason, sizeof trust->reason, "%s", reason);
    }
    return good;
}

static CURLcode on_context(CURL *easy, void *context, void *data)
{
    gp_trust *trust = data;
    (void)easy;
    trust->refused = false; /* of the last handshake: a new one begins */
    trust->presented[0] = '\0';
    SSL_CTX_set_cert_verify_callback(context, verify, data);
    return CURLE_OK;
}

/* Asked once: libcurl writes the versions of all its libraries to answer. */
static bool openssl_backend(void)
{
    static _Atomic int known; /* 0 not yet, 1 yes, 2 no */
    if (!known) {
        const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
        known = info->ssl_version && strncasecmp(info->ssl_version, "OpenSSL/", 8) == 0 ? 1 : 2;
    }
    return known == 1;
}

int gp_trust_apply(gp_trust *trust, CURL *easy, gp_error *err)
{
    CURLcode rc = CURLE_OK;
    bool callback = openssl_backend();
    if (trust->mode == GP_TRUST_THUMBPRINT && !callback)
        return gp_fail(err, "ETLS",
                       "this libcurl uses %s: a thumbprint can only be checked with OpenSSL; use a CA file",
                       curl_version_info(CURLVERSION_NOW)->ssl_version);
    if (callback) {
        rc = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
        if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust);
        if (rc != CURLE_OK && trust->mode == GP_TRUST_THUMBPRINT)
            return gp_fail(err, "ETLS", "this libcurl cannot check a thumbprint (%s); use a CA file",
                           curl_easy_strerror(rc));
    }
    /* a thumbprint names one certificate, whatever name is written in it */
    long peer = trust->mode == GP_TRUST_ANYBODY ? 0L : 1L;
    long host = trust->mode == GP_TRUST_AUTHORITIES ? 2L : 0L;
    if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, peer);
    if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, host);
    /* No authority is asked: each new connection would read the system's list of them for nothing, 20 ms of CPU. */
    if (trust->mode != GP_TRUST_AUTHORITIES && callback) {
        if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    } else if (trust->ca_file || trust->ca_bytes) {
        /* these authorities alone: libcurl would take those of the system's folder besides */
        if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_CAINFO, trust->ca_file);
    }
    if (rc == CURLE_OK && trust->ca_bytes) {
        struct curl_blob blob = {.data = trust->ca_bytes, .len = trust->ca_length, .flags = CURL_BLOB_NOCOPY};
        rc = curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (rc != CURLE_OK) return gp_fail(err, "ETLS", "cannot set up TLS: %s", curl_easy_strerror(rc));
    return 0;
}

void gp_trust_clear(gp_trust *trust)
{
    free(trust->ca_file);
    free(trust->ca_bytes);
    trust->ca_file = trust->ca_bytes = NULL;
}
