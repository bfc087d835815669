/* Claims: which run may change a host or a card, or take a host of a cluster out of service.
 *
 *   runner  the process that works on a run: one row per run, renewed while it works      entered, renewed, left
 *   lease   a resource and the run that holds it                                          granted, kept, released
 *
 *            enter            claim, claim...       renew every half minute            leave
 *   process ------> runner <------------------ leases -----------------> (still in force) ----> gone but for the kept
 *
 * A lease is in force while its run's runner is, or when it is *kept*: the run took the host out of service, and the
 * lease stays until the run releases it, however the process ends. A runner is in force until a time of the clock that
 * counts sleep (base/clock.h). After a reboot of the computer that clock has started again: then the wall clock is
 * compared. Leases that a gpupt before format 3 granted have no runner and go by the wall clock alone.
 *
 * Every change is one statement or one transaction, so that two processes never both get what they ask for. The caller
 * says what time it is: one clock decides, and specs can move it.
 */
#ifndef GP_LEASE_H
#define GP_LEASE_H

#include "store/journal.h"

/* A moment: seconds of the clock that counts sleep, seconds since 1970, and the id of this boot. */
typedef struct gp_journal_clock {
    double now, wall;
    const char *boot;
} gp_journal_clock;

typedef struct gp_runner {
    const char *run;     /* required */
    const char *process; /* required: unique to this process and run */
    int64_t pid;
    const char *started; /* the process's start time, as the kernel tells it: pids are used again */
    const char *client_host;
} gp_runner;

typedef struct gp_lease {
    const char *resource; /* required */
    const char *run;      /* required */
    const char *process;  /* required: the run's runner */
    const char *what;     /* required; for users: "host esx-01", "card 3b:00.0 of esx-01" */
    const char *host;     /* names, where there are any */
    const char *vm;
    const char *object; /* the reference of the host or cluster */
} gp_lease;

/* Enters this process as the runner for `seconds`. 1 = entered; 0 = another process is, and it is in force; -1 = failed.
 * `instead`: the process of a runner that is known to be dead, whose place may be taken; NULL for none. */
int gp_journal_enter(gp_journal *journal, const gp_journal_clock *clock, const gp_runner *runner,
                     double seconds, const char *instead, gp_error *err);
/* 1 = in force for `seconds` from now; 0 = it no longer was, or another process took over; -1 = failed. */
int gp_journal_renew(gp_journal *journal, const gp_journal_clock *clock, const char *run, const char *process,
                     double seconds, gp_error *err);
/* Whether `process` is the run's runner and in force: 1 or 0; -1 = failed. Asked before each change: writes nothing. */
int gp_journal_works(gp_journal *journal, const gp_journal_clock *clock, const char *run, const char *process,
                     gp_error *err);
/* Ends the runner and releases its run's leases, but for the kept. Does nothing to another process's. */
int gp_journal_leave(gp_journal *journal, const char *run, const char *process, gp_error *err);

/* May share the commit of gathered rows, like keep and release: in force only when that has returned 0.
 * 1 = granted: the resource was free, the run held it already, or its lease was no longer in force. 0 = not; `holder`
 * is the run that holds it, or empty when `process` is not (or no longer) the runner. -1 = failed. */
int gp_journal_claim(gp_journal *journal, const gp_journal_clock *clock, const gp_lease *lease, char *holder,
                     size_t holder_size, gp_error *err);
/* Marks a lease as kept, for a reason in words; NULL: no longer. */
int gp_journal_keep(gp_journal *journal, const char *run, const char *process, const char *resource,
                    const char *reason, gp_error *err);
/* Releases one lease, kept or not; 1 = released, 0 = there was none, or a process other than `process` runs the run. */
int gp_journal_release(gp_journal *journal, const char *run, const char *process, const char *resource,
                       gp_error *err);
/* Gives the leases of a run on which no process is entered to another run, whose runner is `process`: how many. -1 =
 * failed. */
int gp_journal_inherit(gp_journal *journal, const char *run, const char *process, const char *from,
                       gp_error *err);

/* Cursors, see journal.h: the runner of a run (one record or none), and all leases with their runners. `running` and
 * `in_force` are 1 or 0. */
gp_journal_cursor *gp_journal_runner(gp_journal *journal, const gp_journal_clock *clock, const char *run,
                                     gp_error *err);
gp_journal_cursor *gp_journal_leases(gp_journal *journal, const gp_journal_clock *clock, gp_error *err);

#endif
