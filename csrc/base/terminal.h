/* Asking a person for a secret on the terminal, without showing what is typed. */
#ifndef GP_TERMINAL_H
#define GP_TERMINAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* Whether a person can be asked: standard input and standard error are terminals. */
bool gp_terminal_can_ask(void);

/* Writes `prompt` to standard error and appends the line that is typed to `out`, which is marked secret. The echo is
 * off meanwhile; it is on again afterwards, also when a signal ends the asking. ENOTTY without a terminal, ECANCELLED
 * after Ctrl-C, Ctrl-D on an empty line, or a signal. */
int gp_terminal_ask(const char *prompt, gp_buf *out, gp_error *err);

#endif
