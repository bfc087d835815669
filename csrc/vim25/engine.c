#define _GNU_SOURCE
#include "vim25/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#if defined __GLIBC__ && defined __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 35)
#define GP_HAVE_EPOLL_PWAIT2
#endif
#endif

enum { EVENTS_AT_ONCE = 64, NANOSECONDS = 1000000000, MILLISECOND = 1000000 };

/* Longer than this step sleeps by the timerfd, whose clock counts the time for which the computer is suspended. */
#define SHORT_SLEEP ((int64_t)NANOSECONDS)

struct gp_engine {
    int epoll_fd, timer_fd;
    pid_t pid;
    unsigned references;
    bool stepping, polled; /* polled: another loop has asked for the descriptor */
    int64_t armed;         /* what the timerfd is set to; 0 is disarmed */
    gp_timer alarm;
    gp_timer *timers;
    gp_watch *dead;
    gp_completion *first, *last;
    int waiting; /* completions not yet taken */
    uint64_t next_id;
};

int64_t gp_engine_now(void)
{
    return gp_clock_now();
}

static void alarm_fired(gp_timer *timer)
{
    (void)timer; /* waking step was all that was asked */
}

gp_engine *gp_engine_new(gp_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    gp_engine *engine = calloc(1, sizeof *engine);
    if (!engine) {
        gp_fail_memory(err);
        return NULL;
    }
    engine->references = 1;
    engine->pid = getpid();
    engine->alarm.fire = alarm_fired;
    engine->timer_fd = -1;
    engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (engine->epoll_fd < 0) {
        gp_fail_errno(err, errno, "cannot create an epoll set");
        goto out;
    }
    engine->timer_fd = timerfd_create(GP_CLOCK, TFD_CLOEXEC | TFD_NONBLOCK);
    if (engine->timer_fd < 0 || epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, engine->timer_fd, &event) < 0) {
        gp_fail_errno(err, errno, "cannot create a timer");
        goto out;
    }
    return engine;
out:
    gp_engine_release(engine);
    return NULL;
}

gp_engine *gp_engine_retain(gp_engine *engine)
{
    engine->references++;
    return engine;
}

void gp_engine_release(gp_engine *engine)
{
    if (!engine || --engine->references > 0) return;
    if (engine->timer_fd >= 0) close(engine->timer_fd);
    if (engine->epoll_fd >= 0) close(engine->epoll_fd);
    free(engine);
}

bool gp_engine_forked(const gp_engine *engine)
{
    return engine->pid != getpid();
}

int gp_engine_check(const gp_engine *engine, gp_error *err)
{
    if (!gp_engine_forked(engine)) return 0;
    return gp_fail(err, "EFORK",
                   "this connection belongs to process %ld, which forked: connect again in the child",
                   (long)engine->pid);
}

static int64_t earliest(const gp_engine *engine)
{
    int64_t at = 0;
    for (const gp_timer *timer = engine->timers; timer; timer = timer->next)
        if (!at || timer->at < at) at = timer->at;
    return at;
}

int64_t gp_engine_timeout(const gp_engine *engine)
{
    if (engine->first) return 0;
    int64_t at = earliest(engine);
    if (!at) return -1;
    int64_t now = gp_engine_now();
    return at > now ? at - now : 0;
}

static void set_timerfd(gp_engine *engine, int64_t at)
{
    if (at == engine->armed) return;
    struct itimerspec spec = {.it_value = {.tv_sec = at / NANOSECONDS, .tv_nsec = at % NANOSECONDS}};
    timerfd_settime(engine->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    engine->armed = at;
}

/* The timerfd mirrors the earliest timer, so that a poller of the epoll descriptor wakes in time. A completion
 * that has not been taken yet makes it readable now. Setting it is a system call, which on a virtual machine costs as
 * much as writing a request: without another loop it is not kept up. */
static void arm(gp_engine *engine)
{
    if (engine->polled && !gp_engine_forked(engine))
        set_timerfd(engine, engine->first ? 1 : earliest(engine));
}

int gp_engine_fd(gp_engine *engine)
{
    engine->polled = true;
    arm(engine);
    return engine->epoll_fd;
}

void gp_engine_timer(gp_engine *engine, gp_timer *timer, int64_t at)
{
    if (timer->at && !at) {
        if (timer->previous)
            timer->previous->next = timer->next;
        else
            engine->timers = timer->next;
        if (timer->next) timer->next->previous = timer->previous;
        timer->next = timer->previous = NULL;
    } else if (!timer->at && at) {
        timer->previous = NULL;
        timer->next = engine->timers;
        if (timer->next) timer->next->previous = timer;
        engine->timers = timer;
    }
    timer->at = at;
    if (!engine->stepping) arm(engine);
}

void gp_engine_alarm(gp_engine *engine, int64_t at)
{
    gp_engine_timer(engine, &engine->alarm, at);
}

static int control(gp_engine *engine, int operation, gp_watch *watch, gp_error *err)
{
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    if (epoll_ctl(engine->epoll_fd, operation, watch->fd, &event) == 0) return 0;
    return gp_fail_errno(err, errno, "cannot watch a connection");
}

int gp_engine_watch(gp_engine *engine, gp_watch *watch, int fd, uint32_t events, gp_error *err)
{
    watch->fd = fd;
    watch->events = events;
    watch->dead = false;
    return control(engine, EPOLL_CTL_ADD, watch, err);
}

int gp_engine_rewatch(gp_engine *engine, gp_watch *watch, uint32_t events, gp_error *err)
{
    if (watch->events == events) return 0;
    watch->events = events;
    return control(engine, EPOLL_CTL_MOD, watch, err);
}

static void bury(gp_engine *engine)
{
    while (engine->dead) {
        gp_watch *watch = engine->dead;
        engine->dead = watch->next_dead;
        watch->release(watch);
    }
}

void gp_engine_unwatch(gp_engine *engine, gp_watch *watch)
{
    struct epoll_event unused = {0};
    if (watch->dead) return;
    /* curl may have closed the descriptor already: then the kernel has forgotten it by itself */
    if (!gp_engine_forked(engine)) epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, watch->fd, &unused);
    watch->dead = true;
    watch->next_dead = engine->dead;
    engine->dead = watch;
    if (!engine->stepping) bury(engine);
}

uint64_t gp_engine_next_id(gp_engine *engine)
{
    return ++engine->next_id;
}

void gp_engine_complete(gp_engine *engine, gp_completion *completion)
{
    if (completion->queued) return;
    completion->queued = true;
    completion->next = NULL;
    if (engine->last)
        engine->last->next = completion;
    else
        engine->first = completion;
    engine->last = completion;
    engine->waiting++;
    if (!engine->stepping) arm(engine);
}

uint64_t gp_engine_take(gp_engine *engine)
{
    gp_completion *completion = engine->first;
    if (!completion) return 0;
    engine->first = completion->next;
    if (!engine->first) engine->last = NULL;
    completion->queued = false;
    completion->next = NULL;
    engine->waiting--;
    if (!engine->first && !engine->stepping) arm(engine);
    return completion->id;
}

void gp_engine_forget(gp_engine *engine, gp_completion *completion)
{
    if (!completion->queued) return;
    gp_completion **link = &engine->first, *previous = NULL;
    while (*link && *link != completion) {
        previous = *link;
        link = &(*link)->next;
    }
    if (!*link) return;
    *link = completion->next;
    if (engine->last == completion) engine->last = previous;
    completion->queued = false;
    engine->waiting--;
    if (!engine->stepping) arm(engine);
}

void gp_sigpipe_mask(gp_sigpipe *saved)
{
    sigset_t pipe, pending, old;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    saved->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    saved->was_blocked = sigismember(&old, SIGPIPE) == 1;
}

void gp_sigpipe_restore(const gp_sigpipe *saved)
{
    if (saved->was_blocked) return;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!saved->was_pending) {
        const struct timespec none = {0, 0};
        while (sigtimedwait(&pipe, NULL, &none) == -1 && errno == EINTR)
            continue;
    }
    pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
}

static void fire_timers(gp_engine *engine)
{
    int64_t now = gp_engine_now();
    /* a timer that fires may set or clear others: look from the start each time; there are few */
    for (gp_timer *timer = engine->timers; timer;) {
        if (timer->at > now) {
            timer = timer->next;
            continue;
        }
        gp_engine_timer(engine, timer, 0);
        timer->fire(timer);
        timer = engine->timers;
    }
}

/* Waits for at most `timeout` nanoseconds; -1: for as long as it takes. */
static int sleep_for(gp_engine *engine, int64_t timeout, struct epoll_event *events)
{
    const int64_t day = (int64_t)86400 * NANOSECONDS;
    if (timeout > day) timeout = day;
#ifdef GP_HAVE_EPOLL_PWAIT2
    static bool missing; /* a kernel before 5.11 */
    if (timeout > 0 && !missing) {
        struct timespec span = {.tv_sec = timeout / NANOSECONDS, .tv_nsec = timeout % NANOSECONDS};
        int count = epoll_pwait2(engine->epoll_fd, events, EVENTS_AT_ONCE, &span, NULL);
        if (count >= 0 || errno != ENOSYS) return count;
        missing = true;
    }
#endif
    /* rounded up: waking a little late beats spinning until a timer is due */
    return epoll_wait(engine->epoll_fd, events, EVENTS_AT_ONCE,
                      timeout < 0 ? -1 : (int)((timeout + MILLISECOND - 1) / MILLISECOND));
}

int gp_engine_step(gp_engine *engine, int64_t wait, gp_error *err)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    gp_sigpipe saved;
    if (gp_engine_check(engine, err) < 0) return -1;
    if (engine->stepping)
        return gp_fail(err, "EBUSY", "step was called from inside step: it is not re-entrant");
    int64_t timeout = gp_engine_timeout(engine);
    if (timeout < 0 || (wait >= 0 && wait < timeout)) timeout = wait;
    if (engine->first) timeout = 0;
    if (!engine->polled && (timeout < 0 || timeout > SHORT_SLEEP)) set_timerfd(engine, earliest(engine));
    engine->stepping = true;
    gp_sigpipe_mask(&saved);
    int count = sleep_for(engine, timeout, events);
    int failed = count < 0 && errno != EINTR ? errno : 0;
    for (int i = 0; i < count; i++) {
        gp_watch *watch = events[i].data.ptr;
        if (!watch) {
            uint64_t expirations;
            if (read(engine->timer_fd, &expirations, sizeof expirations) > 0) engine->armed = -1;
        } else if (!watch->dead) {
            watch->ready(watch, events[i].events);
        }
    }
    fire_timers(engine);
    gp_sigpipe_restore(&saved);
    engine->stepping = false;
    bury(engine);
    arm(engine);
    if (failed) return gp_fail_errno(err, failed, "cannot wait for connections");
    return engine->waiting;
}
