/* killat N COMMAND...: runs COMMAND and kills it (SIGKILL) at its N-th system-call stop.
 *
 * A call stops twice, on its way in and on its way out, so that counting N up from 1 kills a program at every
 * moment that the kernel, and so a file system, can tell apart. N = 0 lets it run to its end. Prints the
 * number of stops seen; exits with 0 when the command was killed or ended well, 1 when it failed by itself, 2
 * on trouble. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int trouble(const char *what)
{
    perror(what);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: killat N COMMAND...\n", stderr);
        return 2;
    }
    long wanted = strtol(argv[1], NULL, 10), seen = 0;
    pid_t child = fork();
    if (child < 0) return trouble("fork");
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(2);
        (void)raise(SIGSTOP);
        execvp(argv[2], argv + 2);
        _exit(2);
    }
    int status;
    if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status)) return trouble("waitpid");
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
        return trouble("ptrace");
    for (long signal = 0;;) {
        if (ptrace(PTRACE_SYSCALL, child, NULL, signal) != 0 && errno != ESRCH) return trouble("ptrace");
        if (waitpid(child, &status, 0) < 0) return trouble("waitpid");
        if (WIFEXITED(status) || WIFSIGNALED(status)) break;
        signal = WSTOPSIG(status) == (SIGTRAP | 0x80) || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        if (WSTOPSIG(status) == (SIGTRAP | 0x80) && ++seen == wanted) {
            (void)kill(child, SIGKILL);
            (void)waitpid(child, &status, 0);
            break;
        }
    }
    printf("%ld\n", seen);
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL ? 0 : 1;
    return WEXITSTATUS(status) == 0 ? 0 : 1;
}
