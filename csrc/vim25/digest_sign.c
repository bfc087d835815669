#include "vim25/digest_sign.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* OpenSSL would ask on the terminal. */
static int no_pass_phrase(char *out, int size, int writing, void *data)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

static EVP_PKEY *read_key(const void *pem, size_t length)
{
    if (length > INT_MAX) return NULL;
    BIO *in = BIO_new_mem_buf(pem, (int)length);
    if (!in) return NULL;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_pass_phrase, NULL);
    BIO_free(in);
    return key;
}

int gp_digest_sign(const void *pem, size_t pem_length, const void *bytes, size_t length, gp_buf *out,
                   gp_error *err)
{
    int result = -1;
    size_t size = 0;
    EVP_MD_CTX *context = NULL;
    EVP_PKEY *key = read_key(pem, pem_length);
    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        gp_fail(err, "EKEY", "not a private RSA key in PEM format without a pass phrase");
        goto out;
    }
    context = EVP_MD_CTX_new();
    if (!context || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(context, NULL, &size, bytes, length) != 1) {
        gp_fail(err, "EKEY", "OpenSSL cannot sign with this key");
        goto out;
    }
    if (gp_buf_reserve(out, size) != 0) {
        gp_fail_memory(err);
        goto out;
    }
    if (EVP_DigestSign(context, (unsigned char *)out->data + out->length, &size, bytes, length) != 1) {
        gp_fail(err, "EKEY", "OpenSSL cannot sign with this key");
        goto out;
    }
    out->length += size;
    result = 0;
out:
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    ERR_clear_error(); /* the queue is the thread's: TLS must not find our errors in it */
    return result;
}
