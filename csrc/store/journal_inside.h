/* Inside the store: the handle, and what its files share. Not for callers. */
#ifndef GP_JOURNAL_INSIDE_H
#define GP_JOURNAL_INSIDE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#include "store/journal.h"

/* The first three are of journal.c, the rest of lease.c. */
enum {
    BEGIN,
    APPEND,
    FIRST_LEASE,
    ENTER = FIRST_LEASE,
    RENEW,
    LEAVE,
    CLAIM,
    HOLDER,
    KEEP,
    RELEASE,
    STATEMENTS
};

struct gp_journal {
    sqlite3 *db;
    pid_t owner;
    sqlite3_stmt *statement[STATEMENTS];
};

/* Those of lease.c, by their place in the enumeration above. */
extern const char *const gp_lease_sql[STATEMENTS];

/* The tables of leases, and what brings those of format 2 up to date. */
extern const char gp_lease_schema[], gp_lease_from_2[];

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
