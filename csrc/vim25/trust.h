/* Server certificate verification: the certificate authorities of the system or of a file, one exact certificate by its
 * SHA-256 or SHA-1 thumbprint, or (only with `insecure`) any certificate.
 *
 * The decision is made in the handshake of the connection itself, in OpenSSL's verification call-back, before a byte of
 * the request is sent. With another TLS backend under libcurl that call-back does not
 * exist: then a thumbprint cannot be checked and gp_trust_apply fails instead of connecting.
 * The last certificate refused is remembered for the message, so that an operator can compare its thumbprint.
 */
#ifndef GP_TRUST_H
#define GP_TRUST_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { GP_TRUST_TEXT = 96 };

typedef enum gp_trust_mode { GP_TRUST_AUTHORITIES, GP_TRUST_THUMBPRINT, GP_TRUST_ANYBODY } gp_trust_mode;

typedef struct gp_trust {
    gp_trust_mode mode;
    char *ca_file;  /* NULL: the system's authorities */
    char *ca_bytes; /* PEM text instead of a file, or NULL */
    size_t ca_length;
    unsigned char digest[32];
    size_t digest_length;          /* 20 is SHA-1, 32 is SHA-256 */
    bool refused;                  /* the last handshake failed on the certificate */
    char presented[GP_TRUST_TEXT]; /* its SHA-256 thumbprint as "AA:BB:..." */
    char reason[128];              /* why, in OpenSSL's words */
} gp_trust;

/* Reads 40 or 64 hexadecimal digits, with or without colons, any case. */
int gp_trust_thumbprint(gp_trust *trust, const char *text, gp_error *err);

/* Sets the easy handle's verification. `trust` has to outlive every connection of the handle's multi. */
int gp_trust_apply(gp_trust *trust, CURL *easy, gp_error *err);

/* Releases what the fields own, not the struct. */
void gp_trust_clear(gp_trust *trust);

#endif
