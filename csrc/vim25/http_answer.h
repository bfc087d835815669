/* The sinks: what is done with an answer's bytes.
 *
 *   SOAP   decoded into a tape while it arrives, if the status is 200 or 500 and the type is XML; of anything else
 *          (a proxy's page, a 503) the first 4 KiB are kept for the message, and the rest is refused
 *   BYTES  kept in memory, for a success status or, with `any_status`, for every one (an interface whose errors have a
 *          body to read); at most `take` bytes, without waiting for the rest
 *   FILE   written to a descriptor; only for status 200 and 206
 *          anything else, of these two, is kept as of SOAP
 *
 * gp_answer_sink(&answer) is given to the request; after completion gp_answer_check says whether the answer was
 * one, and gp_answer_tape takes the tape. The struct has to outlive the operation.
 */
#ifndef GP_HTTP_ANSWER_H
#define GP_HTTP_ANSWER_H

#include "vim25/decode.h"
#include "vim25/http.h"

typedef enum gp_answer_kind { GP_ANSWER_SOAP, GP_ANSWER_BYTES, GP_ANSWER_FILE } gp_answer_kind;

typedef struct gp_answer {
    gp_answer_kind kind;
    const gp_schema_method *method; /* SOAP: NULL for any document */
    gp_decode_limits limits;        /* SOAP */
    int fd;                         /* FILE */
    bool keep;                      /* SOAP: keep the XML in `bytes` too, for a recording */
    uint64_t take;                  /* BYTES: 0: all */
    bool any_status;                /* BYTES */
    uint64_t written;
    long status;
    char type[96];
    bool foreign; /* not the requested kind of answer: `bytes` holds its beginning */
    gp_decode *decode;
    gp_decode **idle; /* SOAP: where a decoder is kept between answers; NULL: nowhere */
    gp_buf bytes;
} gp_answer;

gp_sink gp_answer_sink(gp_answer *answer);
/* 0, or -1 with EHTTP: "HTTP 503 (text/html): Service Unavailable". */
int gp_answer_check(const gp_answer *answer, gp_error *err);
gp_tape *gp_answer_tape(gp_answer *answer, gp_error *err);
void gp_answer_clear(gp_answer *answer);

#endif
