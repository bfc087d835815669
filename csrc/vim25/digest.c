#define _DEFAULT_SOURCE
#include "vim25/digest.h"

#include <crypt.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the queue of errors is the whole thread's: the host's next look at it must not find ours */
static int fail_openssl(gp_error *err, const char *what)
{
    unsigned long why = ERR_peek_last_error();
    ERR_clear_error();
    if (ERR_GET_REASON(why) == ERR_R_MALLOC_FAILURE) return gp_fail_memory(err);
    return gp_fail(err, "ENODIGEST", "OpenSSL does not provide %s (its configuration may restrict it)", what);
}

int gp_digest_sha256(const void *bytes, size_t length, uint8_t out[GP_DIGEST_SHA256], gp_error *err)
{
    unsigned int size = 0;
    if (EVP_Digest(bytes, length, out, &size, EVP_sha256(), NULL) == 1 && size == GP_DIGEST_SHA256) return 0;
    return fail_openssl(err, "SHA-256");
}

int gp_digest_sha256_file(FILE *file, uint8_t out[GP_DIGEST_SHA256], gp_error *err)
{
    enum { PIECE = 1 << 14 };
    unsigned char piece[PIECE];
    unsigned int size = 0;
    int status = -1;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) goto failed;
    for (;;) {
        size_t got = fread(piece, 1, sizeof piece, file);
        if (got > 0 && EVP_DigestUpdate(ctx, piece, got) != 1) goto failed;
        if (got < sizeof piece) break;
    }
    if (ferror(file)) {
        (void)gp_fail(err, "EIO", "the file cannot be read");
        goto out;
    }
    if (EVP_DigestFinal_ex(ctx, out, &size) == 1 && size == GP_DIGEST_SHA256) {
        status = 0;
        goto out;
    }
failed:
    (void)fail_openssl(err, "SHA-256");
out:
    EVP_MD_CTX_free(ctx);
    return status;
}

int gp_digest_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                          uint8_t out[GP_DIGEST_SHA256], gp_error *err)
{
    unsigned int size = 0;
    if (key_length <= INT_MAX && HMAC(EVP_sha256(), key, (int)key_length, bytes, length, out, &size) &&
        size == GP_DIGEST_SHA256)
        return 0;
    return fail_openssl(err, "HMAC of SHA-256");
}

int gp_digest_random(void *out, size_t length, gp_error *err)
{
    if (length <= INT_MAX && RAND_bytes(out, (int)length) == 1) return 0;
    return fail_openssl(err, "random bytes");
}

int gp_digest_crypt(const char *password, const char *setting, char out[GP_DIGEST_CRYPT], gp_error *err)
{
    /* 32 KiB, too much for a stack that may be a coroutine's neighbour */
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data) return gp_fail_memory(err);
    /* not crypt_r: sanitizers' runtimes put a null pointer in its place when libcrypt was loaded after them */
    const char *hash = crypt_rn(password, setting, data, (int)sizeof *data);
    int status = 0;
    if (!hash || strlen(hash) >= GP_DIGEST_CRYPT)
        status = gp_fail(err, "EINVAL", "the system's crypt does not support the setting '%s'", setting);
    else
        (void)snprintf(out, GP_DIGEST_CRYPT, "%s", hash);
    explicit_bzero(data, sizeof *data);
    free(data);
    return status;
}
