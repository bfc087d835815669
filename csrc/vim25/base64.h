/* Base64 (RFC 4648, with padding), as xsd:base64Binary uses it: white space between characters is ignored. */
#ifndef GP_BASE64_H
#define GP_BASE64_H

#include "base/buf.h"

int gp_base64_encode(gp_buf *out, const void *bytes, size_t length);
/* Decodes in place: *length becomes the number of bytes. -1 when the text is not base64. */
int gp_base64_decode(char *text, size_t *length);

#endif
