/* Leaf text of a request: escaping, and the lexical forms of numbers and times. Independent of the locale. */
#ifndef GP_ENCODE_TEXT_H
#define GP_ENCODE_TEXT_H

#include "base/buf.h"

#include <stdint.h>

/* NULL when the text is allowed in XML, else what is wrong with it (invalid UTF-8, a control character); `at`
 * gets the offset of the first bad byte. */
const char *gp_encode_text_fault(const char *text, size_t length, size_t *at);
/* Appends with & < > " and carriage returns escaped. The text must be faultless. */
int gp_encode_text_escape(gp_buf *out, const char *text, size_t length);
/* The shortest decimal form that reads back as the same float (single) or double. */
void gp_encode_text_number(char out[40], double number, int single);
/* Whether it is an xsd:dateTime: 2026-01-31T23:59:59[.fraction][Z|+hh:mm]. */
int gp_encode_text_is_time(const char *text, size_t length);
/* Unix seconds as an xsd:dateTime in UTC, with milliseconds when it has a fraction; -1 when no such year. */
int gp_encode_text_time(char out[40], double seconds);

/* Whether an option's key says that its value is a secret: RemoteDisplay.vnc.password, guestinfo.userdata... */
int gp_encode_text_secret_key(const char *key);

/* An xsd:dateTime as Unix seconds (without a zone it is taken as UTC) and nanoseconds; -1 when it is none. */
int gp_encode_text_read_time(const char *text, size_t length, int64_t *seconds, int64_t *nanoseconds);

#endif
