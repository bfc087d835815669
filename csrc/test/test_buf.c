/* links: core
 * The byte buffer and the error record, as the other files rely on them. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

static int number, failures;

static void check(int good, const char *what)
{
    number++;
    if (!good) failures++;
    printf("%s %d - %s\n", good ? "ok" : "not ok", number, what);
}

static void grows_and_keeps(void)
{
    gp_buf buf = GP_BUF_EMPTY;
    for (int i = 0; i < 100000; i++)
        gp_buf_putc(&buf, (char)('a' + i % 26));
    int same = buf.length == 100000;
    for (int i = 0; same && i < 100000; i++)
        same = buf.data[i] == (char)('a' + i % 26);
    check(same, "a buffer keeps every byte while it grows");
    gp_buf_clear(&buf);
    gp_buf_printf(&buf, "%s=%d", "window", 1024);
    const char *text = gp_buf_string(&buf);
    check(text && strcmp(text, "window=1024") == 0, "printf appends formatted text");
    check(buf.length == 11, "the zero byte is not counted");
    gp_buf_free(&buf);
    check(buf.data == NULL && buf.capacity == 0, "a freed buffer is empty");
}

static void latches_the_first_failure(void)
{
    gp_buf buf = GP_BUF_EMPTY;
    gp_buf_puts(&buf, "kept");
    check(gp_buf_reserve(&buf, SIZE_MAX - 1) == -1, "an impossible size is refused without being asked for");
    check(buf.failed, "the failure is latched");
    check(gp_buf_puts(&buf, "more") == -1 && buf.length == 4, "later appends change nothing");
    gp_buf_clear(&buf);
    check(gp_buf_puts(&buf, "again") == 0, "a cleared buffer can be used again");
    gp_buf_free(&buf);
}

static void wipes_secrets(void)
{
    gp_buf buf = GP_BUF_EMPTY;
    buf.secret = true;
    gp_buf_puts(&buf, "hunter-not-a-real-one");
    const char *block = buf.data;
    gp_buf_clear(&buf);
    int clean = 1;
    for (size_t i = 0; i < buf.capacity; i++)
        clean = clean && block[i] == 0;
    check(clean, "clearing a secret buffer overwrites it");
    gp_buf_wipe(&buf);
    check(buf.data == NULL, "a wiped buffer is empty");
}

static void cuts_long_messages(void)
{
    gp_error err;
    char *name = malloc(5000);
    if (!name) abort();
    memset(name, 'x', 4999);
    name[4999] = '\0';
    check(gp_fail(&err, "EINVAL", "%s", name) == -1, "gp_fail returns -1");
    check(strlen(err.message) == sizeof err.message - 1, "a long message is cut, not overrun");
    gp_fail_errno(&err, ENOENT, "vm.vmx");
    check(strcmp(err.code, "ENOENT") == 0 && strncmp(err.message, "vm.vmx: ", 8) == 0,
          "an errno becomes its name and its text");
    gp_fail_errno(&err, EACCES, "%s", name);
    check(strlen(err.message) == sizeof err.message - 1, "also with an errno");
    free(name);
}

int main(void)
{
    grows_and_keeps();
    latches_the_first_failure();
    wipes_secrets();
    cuts_long_messages();
    printf("1..%d\n", number);
    return failures != 0;
}
