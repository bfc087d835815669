#define _DEFAULT_SOURCE
#include "store/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file_private.h"
#include "store/network.h"
#include "store/journal_inside.h"

struct gp_journal_cursor {
    sqlite3_stmt *statement;
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS run("
    " id TEXT PRIMARY KEY NOT NULL, playbook TEXT NOT NULL, hash TEXT, endpoint TEXT, who TEXT, client_host "
    "TEXT,"
    " note TEXT, at REAL NOT NULL, format INTEGER, kind TEXT, undoes TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS row("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES run(id), kind TEXT NOT NULL,"
    " target TEXT, step TEXT, source TEXT, what TEXT, operation TEXT, detail TEXT,"
    " of INTEGER REFERENCES row(number), at REAL NOT NULL, action TEXT, object TEXT, identity TEXT);"
    "CREATE INDEX IF NOT EXISTS row_of_run ON row(run, number);"
    "CREATE TRIGGER IF NOT EXISTS run_kept BEFORE UPDATE ON run BEGIN"
    " SELECT RAISE(ABORT, 'the journal is append-only'); END;"
    "CREATE TRIGGER IF NOT EXISTS run_stays BEFORE DELETE ON run BEGIN"
    " SELECT RAISE(ABORT, 'the journal is append-only'); END;"
    "CREATE TRIGGER IF NOT EXISTS row_kept BEFORE UPDATE ON row BEGIN"
    " SELECT RAISE(ABORT, 'the journal is append-only'); END;"
    "CREATE TRIGGER IF NOT EXISTS row_stays BEFORE DELETE ON row BEGIN"
    " SELECT RAISE(ABORT, 'the journal is append-only'); END;";

static const char *const sql[FIRST_LEASE] = {
    [BEGIN] =
        "INSERT INTO run(id, playbook, hash, endpoint, who, client_host, note, kind, undoes, at, format)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?)",
    [APPEND] = "INSERT INTO row(run, kind, target, step, source, what, operation, detail, action, object, "
               "identity, of, at)"
               " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [OPEN_TRANSACTION] = "BEGIN IMMEDIATE",
    [COMMIT_TRANSACTION] = "COMMIT",
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* SQLite loses its file locks in a forked child; using the handle there corrupts the file. */
int gp_journal_check(const gp_journal *journal, gp_error *err)
{
    if (journal->owner == getpid()) return 0;
    return gp_fail(err, "EFORK", "the journal was opened before this process was forked: open it again");
}

static int make_folder(const char *path, gp_error *err)
{
    int rc = -1;
    gp_buf folder = GP_BUF_EMPTY;
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return 0;
    if (gp_buf_append(&folder, path, (size_t)(slash - path)) != 0 || !gp_buf_string(&folder)) {
        gp_fail_memory(err);
        goto out;
    }
    for (char *at = folder.data + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(folder.data, 0700) != 0 && errno != EEXIST && errno != EISDIR) {
            gp_fail_errno(err, errno, "cannot create the journal's folder %s", folder.data);
            goto out;
        }
        *at = kept;
        if (kept == '\0') break;
    }
    rc = 0;
out:
    gp_buf_free(&folder);
    return rc;
}

/* SQLite would create it with the process's umask; only its owner may read a journal. Its log and its index get the
 * journal's mode when they are created; existing ones have to be private too. */
static int make_files(const char *path, gp_error *err)
{
    static const char *const beside[] = {"-wal", "-shm", "-journal"};
    int rc = -1;
    gp_buf name = GP_BUF_EMPTY;
    if (gp_private_make(path, err) != 0) goto out;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        gp_buf_clear(&name);
        gp_buf_printf(&name, "%s%s", path, beside[i]);
        if (!gp_buf_string(&name)) {
            gp_fail_memory(err);
            goto out;
        }
        if (gp_private_tighten(name.data, err) < 0) goto out;
    }
    rc = 0;
out:
    gp_buf_free(&name);
    return rc;
}

static int execute(gp_journal *journal, const char *text, const char *doing, gp_error *err)
{
    if (sqlite3_exec(journal->db, text, NULL, NULL, NULL) == SQLITE_OK) return 0;
    return gp_journal_fail(err, journal->db, doing);
}

/* Brings the tables to GP_JOURNAL_FORMAT, all or nothing. Another process may do so at the same time, hence the second look
 * inside the transaction.
 *   1 -> 2: changes are identified by action and object, no longer by their description; two columns renamed. A
 *           run keeps its format: one of format 1 (NULL here) can be shown, but not resumed.
 *   2 -> 3: leases say what they are about, and are in force while their run's process renews them.
 *   3 -> 4: changes keep the values before and after, which undo needs; a run has a kind, and may be the undo of
 *           another. A run of an earlier format can be resumed, but not undone.
 *   4 -> 5: rows say which target of a name they are about. In rows of earlier formats the name alone decides. */
static int upgrade(gp_journal *journal, const char *path, gp_error *err)
{
    static const char from_1[] = "ALTER TABLE run RENAME COLUMN whence TO client_host;"
                                 "ALTER TABLE run ADD COLUMN format INTEGER;"
                                 "ALTER TABLE row RENAME COLUMN place TO source;"
                                 "ALTER TABLE row ADD COLUMN action TEXT;"
                                 "ALTER TABLE row ADD COLUMN object TEXT;";
    static const char from_3[] = "ALTER TABLE run ADD COLUMN kind TEXT;"
                                 "ALTER TABLE run ADD COLUMN undoes TEXT;";
    static const char from_4[] = "ALTER TABLE row ADD COLUMN identity TEXT;";
    if (execute(journal, "BEGIN IMMEDIATE", path, err) != 0) return -1;
    int format;
    if (gp_journal_identify(journal, path, &format, err) == GP_JOURNAL_FAILED) return -1;
    if (format == 1 && execute(journal, from_1, path, err) != 0) return -1;
    if (format != 0 && format < 3 && execute(journal, gp_lease_from_2, path, err) != 0) return -1;
    if (format != 0 && format < 4 && execute(journal, from_3, path, err) != 0) return -1;
    if (format != 0 && format < 5 && execute(journal, from_4, path, err) != 0) return -1;
    if (execute(journal, schema, path, err) != 0 || execute(journal, gp_lease_schema, path, err) != 0)
        return -1;
    return execute(journal, "PRAGMA application_id=0x67707570; PRAGMA user_version=5; COMMIT", path, err);
}

/* Switches to the write-ahead log. SQLite does not call its busy handler for that, so while another process creates the
 * same journal this waits by itself. */
static int use_log(gp_journal *journal, const char *path, gp_error *err)
{
    enum { PAUSE = 10 };
    for (int waited = 0;; waited += PAUSE) {
        int rc = sqlite3_exec(journal->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
        if (rc == SQLITE_OK) return 0;
        if ((rc & 0xff) != SQLITE_BUSY || waited >= GP_JOURNAL_BUSY_MILLISECONDS)
            return gp_journal_fail(err, journal->db, path);
        sqlite3_sleep(PAUSE);
    }
}

/* An existing file has to be a journal before its mode is changed and its log is created. */
static int check_file(const char *real, const char *path, gp_error *err)
{
    struct stat st;
    int format;
    if (lstat(real, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return 0; /* make_files says why not */
    gp_journal reader = {.owner = getpid()};
    if (gp_journal_open_file(&reader, real, path, err) != 0) return -1;
    gp_journal_kind kind = gp_journal_identify(&reader, path, &format, err);
    sqlite3_close_v2(reader.db);
    return kind == GP_JOURNAL_FAILED ? -1 : 0;
}

gp_journal *gp_journal_open(const char *path, gp_error *err)
{
    gp_journal *journal = calloc(1, sizeof *journal);
    if (!journal) {
        gp_fail_memory(err);
        return NULL;
    }
    char *real = NULL;
    journal->owner = getpid();
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
    if (strcmp(path, ":memory:") != 0) {
        flags |= SQLITE_OPEN_NOFOLLOW;
        if (gp_store_check_local(path, err) != 0 || make_folder(path, err) != 0 ||
            !(real = gp_journal_real_path(path, err)) || check_file(real, path, err) != 0 ||
            make_files(real, err) != 0)
            goto fail;
    }
    if (sqlite3_open_v2(real ? real : path, &journal->db, flags, NULL) != SQLITE_OK) {
        gp_journal_fail(err, journal->db, path);
        goto fail;
    }
    sqlite3_busy_timeout(journal->db, GP_JOURNAL_BUSY_MILLISECONDS);
    if (use_log(journal, path, err) != 0 ||
        execute(journal, "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;", path, err) != 0)
        goto fail;
    if (upgrade(journal, path, err) != 0) goto fail;
    for (int i = 0; i < STATEMENTS; i++) {
        const char *text = i < FIRST_LEASE ? sql[i] : gp_lease_sql[i];
        if (sqlite3_prepare_v3(journal->db, text, -1, SQLITE_PREPARE_PERSISTENT, &journal->statement[i],
                               NULL) != SQLITE_OK) {
            gp_journal_fail(err, journal->db, path);
            goto fail;
        }
    }
    free(real);
    return journal;
fail:
    free(real);
    gp_journal_close(journal);
    return NULL;
}

gp_journal *gp_journal_read(const char *path, gp_error *err)
{
    gp_journal *journal = calloc(1, sizeof *journal);
    char *real = NULL;
    int format;
    if (!journal) {
        gp_fail_memory(err);
        return NULL;
    }
    journal->owner = getpid();
    if (gp_store_check_local(path, err) != 0 || !(real = gp_journal_real_path(path, err)) ||
        gp_journal_open_file(journal, real, path, err) != 0)
        goto fail;
    switch (gp_journal_identify(journal, path, &format, err)) {
    case GP_JOURNAL_OURS:
        break;
    case GP_JOURNAL_EMPTY:
        gp_fail(err, "ENOENT", "%s is empty: it contains no journal yet", path);
        goto fail;
    default:
        goto fail;
    }
    if (gp_journal_shadow(journal, format, path, err) != 0) goto fail;
    free(real);
    return journal;
fail:
    free(real);
    gp_journal_close(journal);
    return NULL;
}

void gp_journal_close(gp_journal *journal)
{
    if (!journal) return;
    /* in a forked child even closing would drop the parent's locks: the memory is freed with the process */
    if (journal->owner == getpid()) {
        gp_error ignored;
        (void)gp_journal_settle(journal, &ignored);
        for (int i = 0; i < STATEMENTS; i++)
            sqlite3_finalize(journal->statement[i]);
        sqlite3_close_v2(journal->db);
    }
    free(journal);
}

int gp_journal_run_statement(gp_journal *journal, sqlite3_stmt *statement, bool bound, const char *doing,
                             gp_error *err)
{
    int rc = 0;
    if (!statement) return gp_fail(err, "EACCES", "%s: the journal was opened for reading", doing);
    if (!bound || sqlite3_step(statement) != SQLITE_DONE) rc = gp_journal_fail(err, journal->db, doing);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc;
}

/* A NULL text binds NULL. The statement runs before the caller's texts are freed: no copy is needed. */
static bool bind_texts(sqlite3_stmt *statement, const char *const *texts, int count)
{
    for (int i = 0; i < count; i++) {
        if (sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC) != SQLITE_OK) return false;
    }
    return true;
}

int gp_journal_begin(gp_journal *journal, const gp_journal_run *run, gp_error *err)
{
    const char *const texts[] = {run->id,          run->playbook, run->hash, run->endpoint, run->who,
                                 run->client_host, run->note,     run->kind, run->undoes};
    if (gp_journal_check(journal, err) != 0) return -1;
    sqlite3_stmt *statement = journal->statement[BEGIN];
    bool bound = bind_texts(statement, texts, 9) && sqlite3_bind_double(statement, 10, now()) == SQLITE_OK &&
                 sqlite3_bind_int(statement, 11, GP_JOURNAL_FORMAT) == SQLITE_OK;
    return gp_journal_run_statement(journal, statement, bound, "cannot add the run to the journal", err);
}

/* The gathered rows are lost: none of them may count as written. */
int gp_journal_spoil(gp_journal *journal, const gp_error *err)
{
    if (!journal->gathering) return -1;
    if (!sqlite3_get_autocommit(journal->db)) sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL);
    journal->gathering = false;
    journal->spoilt = true;
    journal->why = *err;
    return -1;
}

static int repeat(const gp_journal *journal, gp_error *err)
{
    *err = journal->why;
    return -1;
}

int gp_journal_gather(gp_journal *journal, gp_error *err)
{
    if (gp_journal_check(journal, err) != 0) return -1;
    if (journal->spoilt) return repeat(journal, err);
    if (journal->gathering) return 0;
    if (gp_journal_run_statement(journal, journal->statement[OPEN_TRANSACTION], true,
                                 "cannot write the journal", err) != 0)
        return -1;
    journal->gathering = true;
    return 0;
}

int gp_journal_settle(gp_journal *journal, gp_error *err)
{
    if (gp_journal_check(journal, err) != 0) return -1;
    if (journal->spoilt) return repeat(journal, err);
    if (!journal->gathering) return 0;
    if (gp_journal_run_statement(journal, journal->statement[COMMIT_TRANSACTION], true,
                                 "cannot write the journal", err) != 0)
        return gp_journal_spoil(journal, err);
    journal->gathering = false;
    return 0;
}

int gp_journal_commit(gp_journal *journal, gp_error *err)
{
    int rc = gp_journal_settle(journal, err);
    journal->spoilt = false;
    return rc;
}

int gp_journal_append(gp_journal *journal, const gp_journal_row *row, int64_t *number, gp_error *err)
{
    const char *const texts[] = {row->run,    row->kind,   row->target,    row->step,
                                 row->source, row->what,   row->operation, row->detail,
                                 row->action, row->object, row->identity};
    if (gp_journal_check(journal, err) != 0) return -1;
    if (journal->spoilt) return repeat(journal, err);
    sqlite3_stmt *statement = journal->statement[APPEND];
    bool bound = bind_texts(statement, texts, 11) && sqlite3_bind_double(statement, 13, now()) == SQLITE_OK;
    if (row->of != 0) bound = bound && sqlite3_bind_int64(statement, 12, row->of) == SQLITE_OK;
    if (gp_journal_run_statement(journal, statement, bound, "cannot write the journal", err) != 0)
        return gp_journal_spoil(journal, err);
    *number = sqlite3_last_insert_rowid(journal->db);
    return 0;
}

gp_journal_cursor *gp_journal_cursor_open(gp_journal *journal, const char *text, gp_error *err)
{
    if (gp_journal_check(journal, err) != 0) return NULL;
    gp_journal_cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor) {
        gp_fail_memory(err);
        return NULL;
    }
    if (sqlite3_prepare_v2(journal->db, text, -1, &cursor->statement, NULL) != SQLITE_OK) {
        gp_journal_fail(err, journal->db, "cannot read the journal");
        gp_journal_cursor_close(cursor);
        return NULL;
    }
    return cursor;
}

gp_journal_cursor *gp_journal_runs(gp_journal *journal, gp_error *err)
{
    return gp_journal_cursor_open(
        journal,
        "SELECT id, playbook, hash, endpoint, who, client_host, note, at, format, kind, undoes,"
        /* a run that was resumed has not ended again */
        " (SELECT CASE kind WHEN 'end' THEN what END FROM row WHERE run = run.id AND kind IN ('end', "
        "'resume')"
        " ORDER BY number DESC LIMIT 1) AS status, (SELECT count(*) FROM row WHERE run = run.id) AS entries"
        " FROM run ORDER BY at DESC, id",
        err);
}

gp_journal_cursor *gp_journal_rows(gp_journal *journal, const char *run, int64_t after, gp_error *err)
{
    gp_journal_cursor *cursor = gp_journal_cursor_open(
        journal,
        "SELECT number, run, kind, target, step, source, what, operation, detail,"
        " of, at, action, object, identity FROM row WHERE run = ? AND number > ? ORDER BY number",
        err);
    if (!cursor) return NULL;
    if (sqlite3_bind_text(cursor->statement, 1, run, -1, SQLITE_TRANSIENT) != SQLITE_OK ||
        sqlite3_bind_int64(cursor->statement, 2, after) != SQLITE_OK) {
        gp_journal_fail(err, journal->db, "cannot read the journal");
        gp_journal_cursor_close(cursor);
        return NULL;
    }
    return cursor;
}

sqlite3_stmt *gp_journal_cursor_statement(gp_journal_cursor *cursor)
{
    return cursor->statement;
}

int gp_journal_next(gp_journal_cursor *cursor, gp_error *err)
{
    switch (sqlite3_step(cursor->statement) & 0xff) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        return 0;
    default:
        return gp_journal_fail(err, sqlite3_db_handle(cursor->statement), "cannot read the journal");
    }
}

int gp_journal_columns(const gp_journal_cursor *cursor)
{
    return sqlite3_column_count(cursor->statement);
}

const char *gp_journal_column(const gp_journal_cursor *cursor, int column)
{
    return sqlite3_column_name(cursor->statement, column);
}

gp_journal_type gp_journal_type_of(const gp_journal_cursor *cursor, int column)
{
    switch (sqlite3_column_type(cursor->statement, column)) {
    case SQLITE_INTEGER:
        return GP_JOURNAL_INTEGER;
    case SQLITE_FLOAT:
        return GP_JOURNAL_REAL;
    case SQLITE_NULL:
        return GP_JOURNAL_NULL;
    default:
        return GP_JOURNAL_TEXT;
    }
}

int64_t gp_journal_integer(const gp_journal_cursor *cursor, int column)
{
    return sqlite3_column_int64(cursor->statement, column);
}

double gp_journal_real(const gp_journal_cursor *cursor, int column)
{
    return sqlite3_column_double(cursor->statement, column);
}

const char *gp_journal_text(const gp_journal_cursor *cursor, int column, size_t *length)
{
    const char *text = (const char *)sqlite3_column_text(cursor->statement, column);
    *length = (size_t)sqlite3_column_bytes(cursor->statement, column);
    return text ? text : "";
}

void gp_journal_cursor_close(gp_journal_cursor *cursor)
{
    if (!cursor) return;
    sqlite3_finalize(cursor->statement);
    free(cursor);
}
