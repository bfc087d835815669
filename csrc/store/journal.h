/* The journal: what every run was about to do, did and found, on disk before each change.
 *
 *   run    one row per run: user, client host, playbook (and its hash), endpoint                   never changed
 *   row    an entry of a run: kind, target, identity, step, action, object, what; a result points at its change by `of`
 *   lease, runner   claims, see lease.h
 *
 * One SQLite file for all runs of a user (WAL, synchronous=FULL): gp_journal_append returns when the row is on
 * disk, so a killed process has at most one change without a result. Runs and rows cannot be
 * altered through SQL either: triggers prevent it. Texts are opaque here (JSON by the callers' choice) and may not
 * hold secrets. Several processes may hold the same file; a forked child may not use its parent's handle.
 */
#ifndef GP_JOURNAL_H
#define GP_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct gp_journal gp_journal;
typedef struct gp_journal_cursor gp_journal_cursor;

/* Texts may be NULL where the table allows it (all but those marked). The callers own them. */
typedef struct gp_journal_run {
    const char *id;       /* required */
    const char *playbook; /* required: a path or a name */
    const char *hash;
    const char *endpoint;
    const char *who;
    const char *client_host; /* where gpupt ran */
    const char *note;
    const char *kind;   /* NULL: a playbook was applied; "undo" */
    const char *undoes; /* the run that this one undoes */
} gp_journal_run;

typedef struct gp_journal_row {
    const char *run;      /* required; an existing run */
    const char *kind;     /* required: plan, change, result, event, end... */
    const char *target;   /* its name */
    const char *identity; /* which of that name: its reference, or of a new VM its folder and name */
    const char *step;
    const char *source;    /* file:line of the step in the playbook */
    const char *action;    /* with step and object: which change this is, for programs */
    const char *object;    /* the reference that is changed, such as HostSystem:host-9 */
    const char *what;      /* a description for users; may change between releases */
    const char *operation; /* the operationID of the calls */
    const char *detail;    /* machine-readable: before and after, a fault */
    int64_t of;            /* the change of which this is the result; 0 = none */
} gp_journal_row;

/* Opens or creates the file (0600) and its folder (0700). ":memory:" is a journal for this process only. */
gp_journal *gp_journal_open(const char *path, gp_error *err);
/* Opens an existing journal, of this or an earlier format, for reading only: nothing of it is changed, and nothing has to
 * be writable. */
gp_journal *gp_journal_read(const char *path, gp_error *err);
void gp_journal_close(gp_journal *journal);

int gp_journal_begin(gp_journal *journal, const gp_journal_run *run, gp_error *err);

/* The new row's number is left in *number. */
int gp_journal_append(gp_journal *journal, const gp_journal_row *row, int64_t *number, gp_error *err);

/* Rows that are due together share one commit. After gather, appended rows are on disk only when commit has returned 0,
 * or enter, renew or leave of lease.h; its claims share the commit, too. If one of them cannot be written, none is: commit returns that error. */
int gp_journal_gather(gp_journal *journal, gp_error *err);
int gp_journal_commit(gp_journal *journal, gp_error *err);

/* Reading: a cursor over runs (newest first), the rows of a run after a number, leases (lease.h). The cursor
 * keeps the journal's file open on its own: closing the journal first is allowed. */
gp_journal_cursor *gp_journal_runs(gp_journal *journal, gp_error *err);
gp_journal_cursor *gp_journal_rows(gp_journal *journal, const char *run, int64_t after, gp_error *err);
/* 1 = there is a record, 0 = end, -1 = failed. */
int gp_journal_next(gp_journal_cursor *cursor, gp_error *err);
int gp_journal_columns(const gp_journal_cursor *cursor);
const char *gp_journal_column(const gp_journal_cursor *cursor, int column);

typedef enum gp_journal_type {
    GP_JOURNAL_NULL,
    GP_JOURNAL_INTEGER,
    GP_JOURNAL_REAL,
    GP_JOURNAL_TEXT
} gp_journal_type;
gp_journal_type gp_journal_type_of(const gp_journal_cursor *cursor, int column);
int64_t gp_journal_integer(const gp_journal_cursor *cursor, int column);
double gp_journal_real(const gp_journal_cursor *cursor, int column);
/* Valid until the cursor moves. */
const char *gp_journal_text(const gp_journal_cursor *cursor, int column, size_t *length);
void gp_journal_cursor_close(gp_journal_cursor *cursor);

#endif
