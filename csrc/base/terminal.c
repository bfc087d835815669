#define _GNU_SOURCE
#include "base/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, RUBOUT = 127 };

bool gp_terminal_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static int fail_cancelled(gp_error *err)
{
    return gp_fail(err, "ECANCELLED", "interrupted");
}

static void say(const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t put = write(STDERR_FILENO, text, length);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return;
        text += put;
        length -= (size_t)put;
    }
}

/* Removes the last character, all bytes of it. */
static void rub_out(gp_buf *line)
{
    while (line->length > 0) {
        unsigned char byte = (unsigned char)line->data[--line->length];
        if ((byte & 0xc0) != 0x80) return;
    }
}

/* One byte, or -1 (interrupted), or -2 (the terminal is gone). */
static int next_byte(int signals)
{
    unsigned char byte;
    struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(ready, 2, -1) < 0) {
            if (errno == EINTR) return -1;
            return -2;
        }
        if (ready[1].revents) return -1; /* it is delivered when the mask is restored */
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got == 1) return byte;
        if (got == 0 || errno != EINTR) return -2;
    }
}

static int read_line(int signals, gp_buf *out, gp_error *err)
{
    for (;;) {
        int byte = next_byte(signals);
        switch (byte) {
        case -1:
        case CTRL_C:
            return fail_cancelled(err);
        case -2:
            return gp_fail(err, "EIO", "the terminal cannot be read");
        case '\r':
        case '\n':
            return 0;
        case CTRL_D:
            if (out->length == 0) return fail_cancelled(err);
            continue;
        case CTRL_U:
            out->length = 0;
            continue;
        case BACKSPACE:
        case RUBOUT:
            rub_out(out);
            continue;
        default:
            break;
        }
        if (out->length == LINE_MAX_BYTES)
            return gp_fail(err, "EFBIG", "the line is longer than %d bytes", LINE_MAX_BYTES);
        if (gp_buf_putc(out, (char)byte) != 0) return gp_fail_memory(err);
    }
}

int gp_terminal_ask(const char *prompt, gp_buf *out, gp_error *err)
{
    struct termios before, quiet;
    sigset_t caught, old;
    int signals = -1, result = -1;
    out->secret = true;
    if (!gp_terminal_can_ask()) return gp_fail(err, "ENOTTY", "there is no terminal for a prompt");
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return gp_fail_errno(err, errno, "the terminal cannot be configured");
    /* signals that would leave the terminal without echo wait until it is restored */
    sigemptyset(&caught);
    static const int stopping[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    for (size_t i = 0; i < sizeof stopping / sizeof *stopping; i++)
        sigaddset(&caught, stopping[i]);
    if (pthread_sigmask(SIG_BLOCK, &caught, &old) != 0)
        return gp_fail_errno(err, errno, "the terminal cannot be configured");
    signals = signalfd(-1, &caught, SFD_CLOEXEC);
    if (signals < 0) {
        gp_fail_errno(err, errno, "the terminal cannot be configured");
        goto out;
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) != 0) {
        gp_fail_errno(err, errno, "the terminal's echo cannot be switched off");
        goto out;
    }
    say(prompt);
    result = read_line(signals, out, err);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    say("\n");
out:
    if (signals >= 0) (void)close(signals);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}
