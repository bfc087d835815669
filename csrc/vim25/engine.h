/* The pollable core: one epoll set, one timerfd, any number of watched descriptors and timers.
 *
 *        foreign loop polls fd ----+        +--> watch->ready()   a socket of curl is ready
 *   gp_engine_step --> epoll_wait -+--------+--> timer->fire()    a curl time-out, Lua's own alarm
 *                                           +--> completions: an intrusive list, taken one at a time
 *
 * The engine depends on neither HTTP nor Lua. It is not re-entrant (EBUSY) and refuses to work in a child after fork
 * (EFORK): the child shares the epoll set with its parent, so even cleaning up there would harm the parent.
 * Watches, timers and completions are embedded in their owners' structs; the engine allocates nothing per event.
 * References: every client and every handle holds one; the last release closes the descriptors.
 */
#ifndef GP_ENGINE_H
#define GP_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct gp_engine gp_engine;

typedef struct gp_watch {
    void (*ready)(struct gp_watch *watch, uint32_t events); /* EPOLL* bits */
    void (*release)(struct gp_watch *watch); /* called when no pending event can name it any more */
    int fd;
    uint32_t events;
    bool dead;
    struct gp_watch *next_dead;
} gp_watch;

typedef struct gp_timer {
    void (*fire)(struct gp_timer *timer);
    int64_t at; /* nanoseconds of gp_engine_now; 0 when not set */
    struct gp_timer *next, *previous;
} gp_timer;

typedef struct gp_completion {
    uint64_t id;
    struct gp_completion *next;
    bool queued;
} gp_completion;

gp_engine *gp_engine_new(gp_error *err);
gp_engine *gp_engine_retain(gp_engine *engine);
void gp_engine_release(gp_engine *engine);

/* -1 with EFORK in a child process. */
int gp_engine_check(const gp_engine *engine, gp_error *err);
bool gp_engine_forked(const gp_engine *engine);

/* Nanoseconds of the clock in base/clock.h, which counts sleep. */
int64_t gp_engine_now(void);

/* The descriptor to poll for reading. From the first call on it also becomes readable when a timer is due. */
int gp_engine_fd(gp_engine *engine);

/* Nanoseconds until step has something to do by the clock: 0 now, -1 no timer set. */
int64_t gp_engine_timeout(const gp_engine *engine);

/* Waits at most `wait` nanoseconds (0: not at all, -1: until something happens), runs what is due, and returns the
 * number of completions waiting to be taken. SIGPIPE is masked during the call. */
int gp_engine_step(gp_engine *engine, int64_t wait, gp_error *err);

/* Wakes step and the poller at this time; 0 never. One alarm per engine, for the scheduler above. */
void gp_engine_alarm(gp_engine *engine, int64_t at);

int gp_engine_watch(gp_engine *engine, gp_watch *watch, int fd, uint32_t events, gp_error *err);
int gp_engine_rewatch(gp_engine *engine, gp_watch *watch, uint32_t events, gp_error *err);
/* The watch is released at the end of the running step, or at once outside a step. */
void gp_engine_unwatch(gp_engine *engine, gp_watch *watch);

void gp_engine_timer(gp_engine *engine, gp_timer *timer, int64_t at);

uint64_t gp_engine_next_id(gp_engine *engine);
void gp_engine_complete(gp_engine *engine, gp_completion *completion);
/* The next completion's id, or 0. */
uint64_t gp_engine_take(gp_engine *engine);
void gp_engine_forget(gp_engine *engine, gp_completion *completion);

/* SIGPIPE blocked around calls that may write to a closed socket; nests. */
typedef struct gp_sigpipe {
    bool was_pending;
    bool was_blocked;
} gp_sigpipe;
void gp_sigpipe_mask(gp_sigpipe *saved);
void gp_sigpipe_restore(const gp_sigpipe *saved);

#endif
