/* Prompting for a secret on the terminal, without echo. */
#ifndef GP_TERMINAL_H
#define GP_TERMINAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* Whether a prompt is possible: standard input and standard error are terminals. */
bool gp_terminal_can_ask(void);

/* Writes `prompt` to standard error and appends the line that is typed to `out`, which is marked secret. The echo is
 * off during the input and restored afterwards, also when a signal ends it. ENOTTY without a terminal, ECANCELLED
 * after Ctrl-C, Ctrl-D on an empty line, or a signal. */
int gp_terminal_ask(const char *prompt, gp_buf *out, gp_error *err);

#endif
