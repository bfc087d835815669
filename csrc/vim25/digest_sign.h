/* An RSA signature with SHA-256 (PKCS #1 v1.5), as XML signatures name it rsa-sha256, by OpenSSL.
 */
#ifndef GP_DIGEST_SIGN_H
#define GP_DIGEST_SIGN_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>

/* Signs with the private key of a PEM text; appends the signature's bytes to `out`. EKEY when the text holds no RSA key, or
 * one that is encrypted: there is no prompt for a pass phrase. */
int gp_digest_sign(const void *pem, size_t pem_length, const void *bytes, size_t length, gp_buf *out,
                   gp_error *err);

#endif
