/* curl's results as a stable code and a message that names the stage and the server. */
#ifndef GP_HTTP_ERROR_H
#define GP_HTTP_ERROR_H

#include <curl/curl.h>

#include "base/error.h"
#include "vim25/trust.h"

/* Codes: ECONNECT (nothing was sent), ETLS, EUNTRUSTED, ETIMEDOUT, ELOST (the connection broke after the request
 * may have been read), EPROTOCOL. `detail` is curl's error buffer. */
void gp_http_describe(gp_error *err, CURLcode rc, CURL *easy, const char *detail, const gp_trust *trust);

#endif
