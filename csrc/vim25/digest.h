/* Digests, from standard libraries: SHA-256 by OpenSSL (certificates, playbooks, scripts in a
 * guest), with a key (HMAC) where what is hashed is a secret, the Unix password hash by crypt(3) (answer media).
 * Nothing is computed here.
 */
#ifndef GP_DIGEST_H
#define GP_DIGEST_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { GP_DIGEST_SHA256 = 32, GP_DIGEST_CRYPT = 384 };

int gp_digest_sha256(const void *bytes, size_t length, uint8_t out[GP_DIGEST_SHA256], gp_error *err);

/* Of what the file has from its position on; EIO when it cannot be read. */
int gp_digest_sha256_file(FILE *file, uint8_t out[GP_DIGEST_SHA256], gp_error *err);

int gp_digest_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                          uint8_t out[GP_DIGEST_SHA256], gp_error *err);

/* Unpredictable bytes from OpenSSL's generator. ENODIGEST when it has no entropy. */
int gp_digest_random(void *out, size_t length, gp_error *err);

/* `setting` is the method, its parameters and the salt ("$6$saltsalt"); `out` gets the whole hash. EINVAL for a
 * setting that the system's crypt does not support. The work area is wiped. */
int gp_digest_crypt(const char *password, const char *setting, char out[GP_DIGEST_CRYPT], gp_error *err);

#endif
