#include "store/lease.h"

#include <string.h>

#include "store/journal_inside.h"

/* Parameters ?1 to ?3 of every statement that compares times: now, wall, boot. The table's name is `t`. */
#define RUNNING(t) "((" t ".boot = ?3 AND " t ".until > ?1) OR (" t ".boot <> ?3 AND " t ".until_wall > ?2))"

/* Whether another process is entered as the runner. */
#define NOBODY_ELSE(run, process)                                                                            \
    "NOT EXISTS(SELECT 1 FROM runner WHERE runner.run = " run " AND runner.process <> " process ")"

/* What a lease without `what` has in `until` is a wall time of a gpupt before format 3. Such a process may still have
 * this file open, and would take a lease whose `until` has passed: hence the time that never passes. */
#define NEVER "9e15"

const char gp_lease_schema[] =
    "CREATE TABLE IF NOT EXISTS lease("
    " resource TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL,"
    " what TEXT, host TEXT, vm TEXT, object TEXT, kept TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS runner("
    " run TEXT PRIMARY KEY NOT NULL, process TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT, client_host "
    "TEXT,"
    " boot TEXT NOT NULL, since REAL NOT NULL, renewed REAL NOT NULL, until REAL NOT NULL,"
    " until_wall REAL NOT NULL) WITHOUT ROWID;";

const char gp_lease_from_2[] = "ALTER TABLE lease ADD COLUMN what TEXT;"
                               "ALTER TABLE lease ADD COLUMN host TEXT;"
                               "ALTER TABLE lease ADD COLUMN vm TEXT;"
                               "ALTER TABLE lease ADD COLUMN object TEXT;"
                               "ALTER TABLE lease ADD COLUMN kept TEXT;";

const char *const gp_lease_sql[STATEMENTS] = {
    [ENTER] =
        "INSERT INTO runner(run, process, pid, started, client_host, boot, since, renewed, until, until_wall)"
        " VALUES(?4, ?5, ?6, ?7, ?8, ?3, ?2, ?2, ?1 + ?9, ?2 + ?9) ON CONFLICT(run) DO UPDATE"
        " SET process = ?5, pid = ?6, started = ?7, client_host = ?8, boot = ?3, since = ?2, renewed = ?2,"
        " until = ?1 + ?9, until_wall = ?2 + ?9"
        " WHERE runner.process IN (?5, ?10) OR NOT " RUNNING("runner"),
    [RENEW] = "UPDATE runner SET renewed = ?2, until = ?1 + ?6, until_wall = ?2 + ?6"
              " WHERE run = ?4 AND process = ?5 AND " RUNNING("runner"),
    [LEAVE] = "DELETE FROM runner WHERE run = ?1 AND process = ?2",
    [CLAIM] = "INSERT INTO lease(resource, run, at, until, what, host, vm, object)"
              " SELECT ?4, ?5, ?2, " NEVER ", ?7, ?8, ?9, ?10 WHERE EXISTS(SELECT 1 FROM runner"
              " WHERE runner.run = ?5 AND runner.process = ?6 AND " RUNNING(
                  "runner") ")"
                            " ON CONFLICT(resource) DO UPDATE SET run = ?5, at = ?2, until = " NEVER
                            ", what = ?7, host = ?8,"
                            " vm = ?9, object = ?10, kept = CASE WHEN lease.run = ?5 THEN lease.kept END"
                            " WHERE lease.run = ?5 OR CASE WHEN lease.what IS NULL THEN lease.until <= ?2"
                            " ELSE lease.kept IS NULL AND NOT EXISTS(SELECT 1 FROM runner AS other"
                            " WHERE other.run = lease.run AND " RUNNING("other") ") END",
    [HOLDER] = "SELECT run FROM lease WHERE resource = ?1 AND run <> ?2",
    [KEEP] = "UPDATE lease SET kept = ?4 WHERE run = ?1 AND resource = ?3 AND " NOBODY_ELSE("?1", "?2"),
    [RELEASE] = "DELETE FROM lease WHERE run = ?1 AND resource = ?3 AND " NOBODY_ELSE("?1", "?2"),
    [INHERIT] =
        "UPDATE lease SET run = ?1 WHERE run = ?3 AND what IS NOT NULL AND EXISTS(SELECT 1 FROM runner"
        " WHERE runner.run = ?1 AND runner.process = ?2) AND NOT EXISTS(SELECT 1 FROM runner"
        " WHERE runner.run = ?3)",
    [WORKS] = "SELECT 1 FROM runner WHERE run = ?4 AND process = ?5 AND " RUNNING("runner"),
};

/* Texts from parameter `first` on; NULL binds NULL. */
static bool bind_texts(sqlite3_stmt *statement, int first, const char *const *texts, int count)
{
    for (int i = 0; i < count; i++) {
        if (sqlite3_bind_text(statement, first + i, texts[i], -1, SQLITE_STATIC) != SQLITE_OK) return false;
    }
    return true;
}

static bool bind_clock(sqlite3_stmt *statement, const gp_journal_clock *clock)
{
    return sqlite3_bind_double(statement, 1, clock->now) == SQLITE_OK &&
           sqlite3_bind_double(statement, 2, clock->wall) == SQLITE_OK &&
           bind_texts(statement, 3, &clock->boot, 1);
}

/* Runs a statement that changes at most one record: 1 = it did. */
static int change(gp_journal *journal, sqlite3_stmt *statement, bool bound, const char *doing, gp_error *err)
{
    if (gp_journal_run_statement(journal, statement, bound, doing, err) != 0) return -1;
    return sqlite3_changes(journal->db) > 0;
}

int gp_journal_enter(gp_journal *journal, const gp_journal_clock *clock, const gp_runner *runner,
                     double seconds, const char *instead, gp_error *err)
{
    const char *const names[] = {runner->run, runner->process}, *const rest[] = {runner->started,
                                                                                 runner->client_host};
    if (gp_journal_settle(journal, err) != 0) return -1;
    sqlite3_stmt *statement = journal->statement[ENTER];
    bool bound = bind_clock(statement, clock) && bind_texts(statement, 4, names, 2) &&
                 sqlite3_bind_int64(statement, 6, runner->pid) == SQLITE_OK &&
                 bind_texts(statement, 7, rest, 2) &&
                 sqlite3_bind_double(statement, 9, seconds) == SQLITE_OK &&
                 bind_texts(statement, 10, instead ? &instead : &runner->process, 1);
    return change(journal, statement, bound, "cannot record who works on the run", err);
}

int gp_journal_renew(gp_journal *journal, const gp_journal_clock *clock, const char *run, const char *process,
                     double seconds, gp_error *err)
{
    const char *const names[] = {run, process};
    if (gp_journal_settle(journal, err) != 0) return -1;
    sqlite3_stmt *statement = journal->statement[RENEW];
    bool bound = bind_clock(statement, clock) && bind_texts(statement, 4, names, 2) &&
                 sqlite3_bind_double(statement, 6, seconds) == SQLITE_OK;
    return change(journal, statement, bound, "cannot renew the claims", err);
}

int gp_journal_works(gp_journal *journal, const gp_journal_clock *clock, const char *run, const char *process,
                     gp_error *err)
{
    const char *const names[] = {run, process}, doing[] = "cannot read who works on the run";
    if (gp_journal_check(journal, err) != 0) return -1;
    sqlite3_stmt *statement = journal->statement[WORKS];
    if (!statement) return gp_fail(err, "EACCES", "%s: the journal was opened for reading", doing);
    int rc = bind_clock(statement, clock) && bind_texts(statement, 4, names, 2) ? sqlite3_step(statement)
                                                                                : SQLITE_NOMEM;
    int works = rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : gp_journal_fail(err, journal->db, doing);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return works;
}

/* A lease whose runner is gone is no longer in force: the leases need no deletion to be free, only to be tidy. */
int gp_journal_leave(gp_journal *journal, const char *run, const char *process, gp_error *err)
{
    const char *const names[] = {run, process};
    sqlite3_stmt *tidy = NULL;
    if (gp_journal_settle(journal, err) != 0) return -1;
    sqlite3_stmt *statement = journal->statement[LEAVE];
    int rc = gp_journal_run_statement(journal, statement, bind_texts(statement, 1, names, 2),
                                      "cannot release the claims", err);
    if (rc != 0) return rc;
    if (sqlite3_prepare_v2(
            journal->db,
            "DELETE FROM lease WHERE run = ?1 AND kept IS NULL AND what IS NOT NULL AND NOT EXISTS("
            "SELECT 1 FROM runner WHERE runner.run = ?1)",
            -1, &tidy, NULL) != SQLITE_OK)
        return gp_journal_fail(err, journal->db, "cannot release the claims");
    rc = gp_journal_run_statement(journal, tidy, bind_texts(tidy, 1, names, 1), "cannot release the claims",
                                  err);
    sqlite3_finalize(tidy);
    return rc;
}

int gp_journal_claim(gp_journal *journal, const gp_journal_clock *clock, const gp_lease *lease, char *holder,
                     size_t holder_size, gp_error *err)
{
    const char *const texts[] = {lease->resource, lease->run, lease->process, lease->what,
                                 lease->host,     lease->vm,  lease->object};
    if (gp_journal_check(journal, err) != 0) return -1;
    sqlite3_stmt *statement = journal->statement[CLAIM];
    int granted =
        change(journal, statement, bind_clock(statement, clock) && bind_texts(statement, 4, texts, 7),
               "cannot record a claim", err);
    if (granted < 0) return gp_journal_spoil(journal, err);
    if (granted) return 1;
    statement = journal->statement[HOLDER];
    holder[0] = '\0';
    if (bind_texts(statement, 1, texts, 2) && sqlite3_step(statement) == SQLITE_ROW) {
        const char *found = (const char *)sqlite3_column_text(statement, 0);
        (void)strncat(holder, found ? found : "", holder_size - 1);
    }
    sqlite3_reset(statement);
    return 0;
}

/* The same for a statement that may share the commit of gathered rows. */
static int gathered(gp_journal *journal, sqlite3_stmt *statement, const char *const *texts, int count,
                    const char *doing, gp_error *err)
{
    if (gp_journal_check(journal, err) != 0) return -1;
    int changed = change(journal, statement, bind_texts(statement, 1, texts, count), doing, err);
    return changed < 0 ? gp_journal_spoil(journal, err) : changed;
}

int gp_journal_keep(gp_journal *journal, const char *run, const char *process, const char *resource,
                    const char *reason, gp_error *err)
{
    const char *const texts[] = {run, process, resource, reason};
    sqlite3_stmt *statement = journal->statement[KEEP];
    return gathered(journal, statement, texts, 4, "cannot keep a claim", err);
}

int gp_journal_release(gp_journal *journal, const char *run, const char *process, const char *resource,
                       gp_error *err)
{
    const char *const texts[] = {run, process, resource};
    sqlite3_stmt *statement = journal->statement[RELEASE];
    return gathered(journal, statement, texts, 3, "cannot release a claim", err);
}

int gp_journal_inherit(gp_journal *journal, const char *run, const char *process, const char *from,
                       gp_error *err)
{
    const char *const texts[] = {run, process, from};
    if (gp_journal_check(journal, err) != 0) return -1;
    sqlite3_stmt *statement = journal->statement[INHERIT];
    if (gp_journal_run_statement(journal, statement, bind_texts(statement, 1, texts, 3),
                                 "cannot take the claims over", err) != 0)
        return -1;
    return sqlite3_changes(journal->db);
}

static gp_journal_cursor *read_at(gp_journal *journal, const gp_journal_clock *clock, const char *run,
                                  const char *text, gp_error *err)
{
    gp_journal_cursor *cursor = gp_journal_cursor_open(journal, text, err);
    if (!cursor) return NULL;
    sqlite3_stmt *statement = gp_journal_cursor_statement(cursor);
    bool bound = sqlite3_bind_double(statement, 1, clock->now) == SQLITE_OK &&
                 sqlite3_bind_double(statement, 2, clock->wall) == SQLITE_OK &&
                 sqlite3_bind_text(statement, 3, clock->boot, -1, SQLITE_TRANSIENT) == SQLITE_OK &&
                 (!run || sqlite3_bind_text(statement, 4, run, -1, SQLITE_TRANSIENT) == SQLITE_OK);
    if (bound) return cursor;
    gp_journal_fail(err, journal->db, "cannot read the journal");
    gp_journal_cursor_close(cursor);
    return NULL;
}

#define RUNNER "r.process, r.pid, r.started, r.client_host, r.boot, r.since, r.renewed, r.until"

gp_journal_cursor *gp_journal_runner(gp_journal *journal, const gp_journal_clock *clock, const char *run,
                                     gp_error *err)
{
    return read_at(journal, clock, run,
                   "SELECT r.run, " RUNNER ", " RUNNING("r") " AS running FROM runner AS r WHERE r.run = ?4",
                   err);
}

gp_journal_cursor *gp_journal_leases(gp_journal *journal, const gp_journal_clock *clock, gp_error *err)
{
    return read_at(
        journal, clock, NULL,
        "SELECT l.resource, l.run, l.at, l.what, l.host, l.vm, l.object, l.kept, " RUNNER
        ", coalesce(" RUNNING(
            "r") ", 0) AS running, CASE WHEN l.what IS NULL THEN l.until > ?2"
                 " ELSE l.kept IS NOT NULL OR coalesce(" RUNNING(
                     "r") ", 0) END AS in_force"
                          " FROM lease AS l LEFT JOIN runner AS r ON r.run = l.run ORDER BY l.resource",
        err);
}
