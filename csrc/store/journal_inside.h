/* Inside the store: the handle, and what its files share. Not for callers. */
#ifndef GP_JOURNAL_INSIDE_H
#define GP_JOURNAL_INSIDE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#include "store/journal.h"

/* Those before FIRST_LEASE are of journal.c, the rest of lease.c. */
enum {
    BEGIN,
    APPEND,
    OPEN_TRANSACTION,
    COMMIT_TRANSACTION,
    FIRST_LEASE,
    ENTER = FIRST_LEASE,
    RENEW,
    LEAVE,
    CLAIM,
    HOLDER,
    KEEP,
    RELEASE,
    INHERIT,
    WORKS,
    STATEMENTS
};

/* How long a process waits for another's transaction. Each takes some milliseconds. */
enum { GP_JOURNAL_BUSY_MILLISECONDS = 15000, GP_JOURNAL_FORMAT = 5 };

struct gp_journal {
    sqlite3 *db;
    pid_t owner;
    sqlite3_stmt *statement[STATEMENTS];
    bool gathering, spoilt; /* gp_journal_gather: rows wait for a commit; it failed, see `why` */
    gp_error why;
};

/* Those of lease.c, by their place in the enumeration above. */
extern const char *const gp_lease_sql[STATEMENTS];

/* The tables of leases, and what brings those of format 2 up to date. */
extern const char gp_lease_schema[], gp_lease_from_2[];

/* The path with its folder's links resolved, so that SQLite can be opened with NOFOLLOW; NULL = failed. */
char *gp_journal_real_path(const char *path, gp_error *err);

/* PRAGMA application_id of journals: "gpup". Files of formats 1 to 3 may have none yet. */
#define GP_JOURNAL_APPLICATION 0x67707570

/* Of reading.c.
 *
 * Opens the existing file, whose folder has no links (gp_journal_real_path), for reading only. Works on a full disk, in
 * a folder that cannot be written, and beside a process that writes. `journal` gets its db; 0 or -1. */
int gp_journal_open_file(gp_journal *journal, const char *real, const char *path, gp_error *err);

typedef enum gp_journal_kind {
    GP_JOURNAL_FAILED = -1,
    GP_JOURNAL_EMPTY, /* a database without tables */
    GP_JOURNAL_OURS,
} gp_journal_kind;

/* What an open database is; FAILED with EFORMAT if it is another program's, with EVERSION if it is too new. Its format is
 * left in *format. */
gp_journal_kind gp_journal_identify(gp_journal *journal, const char *path, int *format, gp_error *err);

/* Makes the tables of an older format look like today's, for a reader. */
int gp_journal_shadow(gp_journal *journal, int format, const char *path, gp_error *err);

/* Commits gathered rows before something that has to be on disk at once. If it fails, gp_journal_commit says so too. */
int gp_journal_settle(gp_journal *journal, gp_error *err);

/* Something of the gathered cannot be written: then nothing of it is. Returns -1. */
int gp_journal_spoil(gp_journal *journal, const gp_error *err);

/* -1 in a forked child. */
int gp_journal_check(const gp_journal *journal, gp_error *err);
int gp_journal_fail(gp_error *err, sqlite3 *db, const char *doing);
/* Steps the statement once and makes it ready for the next use; `bound`: whether all its values could be bound. */
int gp_journal_run_statement(gp_journal *journal, sqlite3_stmt *statement, bool bound, const char *doing,
                             gp_error *err);
gp_journal_cursor *gp_journal_cursor_open(gp_journal *journal, const char *text, gp_error *err);
/* The statement of a cursor, to bind its values. */
sqlite3_stmt *gp_journal_cursor_statement(gp_journal_cursor *cursor);

#endif
