#define _DEFAULT_SOURCE
/* The file of a journal: what kind of file it is, and reading it without changing it. */
#include "store/journal_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/network.h"

int gp_journal_fail(gp_error *err, sqlite3 *db, const char *doing)
{
    int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
    const char *text = db ? sqlite3_errmsg(db) : "out of memory";
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return gp_fail_memory(err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return gp_fail(err, "EBUSY", "%s: the journal is locked by another process", doing);
    case SQLITE_FULL:
        return gp_fail(err, "ENOSPC", "%s: no space left for the journal", doing);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return gp_fail(err, "EFORMAT", "%s: not a journal, or damaged: %s", doing, text);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return gp_fail(err, "EACCES", "%s: %s", doing, text);
    case SQLITE_CONSTRAINT:
        return gp_fail(err, "EINVAL", "%s: %s", doing, text);
    default:
        return gp_fail(err, "EIO", "%s: %s", doing, text);
    }
}

/* The path with its folder's links resolved, so that SQLite can be opened with NOFOLLOW. */
char *gp_journal_real_path(const char *path, gp_error *err)
{
    gp_buf folder = GP_BUF_EMPTY;
    char *real = NULL, *whole = NULL;
    const char *slash = strrchr(path, '/');
    if (gp_buf_append(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1) != 0 ||
        !gp_buf_string(&folder)) {
        gp_fail_memory(err);
        goto out;
    }
    real = realpath(folder.data, NULL);
    if (!real) {
        gp_fail_errno(err, errno, "cannot open the journal %s", path);
        goto out;
    }
    gp_buf_clear(&folder);
    gp_buf_printf(&folder, "%s/%s", strcmp(real, "/") == 0 ? "" : real, slash ? slash + 1 : path);
    whole = gp_buf_string(&folder) ? strdup(folder.data) : NULL;
    if (!whole) gp_fail_memory(err);
out:
    free(real);
    gp_buf_free(&folder);
    return whole;
}

/* Temporary views with today's columns hide the tables of an older file, which is not changed. */
static const char as_today_from_1[] =
    "CREATE TEMP VIEW run AS SELECT id, playbook, hash, endpoint, who, whence AS client_host, note, at,"
    " NULL AS format, NULL AS kind, NULL AS undoes FROM main.run;"
    "CREATE TEMP VIEW row AS SELECT number, run, kind, target, step, place AS source, what, operation, "
    "detail,"
    " of, at, NULL AS action, NULL AS object, NULL AS identity FROM main.row;";
static const char with_kinds[] =
    "CREATE TEMP VIEW run AS SELECT id, playbook, hash, endpoint, who, client_host, note, at, format,"
    " NULL AS kind, NULL AS undoes FROM main.run;";
static const char with_identities[] =
    "CREATE TEMP VIEW row AS SELECT number, run, kind, target, step, source, what, operation, detail, of, at,"
    " action, object, NULL AS identity FROM main.row;";
static const char leases_from_2[] =
    "CREATE TEMP VIEW lease AS SELECT resource, run, at, until, NULL AS what, NULL AS host, NULL AS vm,"
    " NULL AS object, NULL AS kept FROM main.lease;"
    "CREATE TEMP TABLE runner(run TEXT, process TEXT, pid INTEGER, started TEXT, client_host TEXT, boot TEXT,"
    " since REAL, renewed REAL, until REAL, until_wall REAL);";

/* The first column of the first record, or `otherwise`; -1 and *failed on an error. */
static int number_of(gp_journal *journal, const char *text, const char *path, bool *failed, gp_error *err)
{
    sqlite3_stmt *statement = NULL;
    int value = -1;
    if (sqlite3_prepare_v2(journal->db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        value = sqlite3_column_int(statement, 0);
    } else {
        *failed = true;
        gp_journal_fail(err, journal->db, path);
    }
    sqlite3_finalize(statement);
    return value;
}

gp_journal_kind gp_journal_identify(gp_journal *journal, const char *path, int *format, gp_error *err)
{
    static const char ours[] = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table'"
                               " AND name IN ('run', 'row', 'lease')";
    static const char any[] = "SELECT count(*) FROM main.sqlite_schema";
    bool failed = false;
    /* the schema first: reading a file that is not a database fails here */
    int tables = number_of(journal, ours, path, &failed, err);
    int all = failed ? 0 : number_of(journal, any, path, &failed, err);
    int application = failed ? 0 : number_of(journal, "PRAGMA main.application_id", path, &failed, err);
    *format = failed ? 0 : number_of(journal, "PRAGMA main.user_version", path, &failed, err);
    if (failed) return GP_JOURNAL_FAILED;
    if (all == 0 && application == 0 && *format == 0) return GP_JOURNAL_EMPTY;
    if (application == GP_JOURNAL_APPLICATION || (application == 0 && tables == 3 && *format > 0)) {
        if (*format <= GP_JOURNAL_FORMAT) return GP_JOURNAL_OURS;
        gp_fail(err, "EVERSION", "%s was written by a newer gpupt (journal format %d, this one supports %d)",
                path, *format, GP_JOURNAL_FORMAT);
        return GP_JOURNAL_FAILED;
    }
    gp_fail(err, "EFORMAT", "%s is a database of another program, not a journal of gpupt. Give another file",
            path);
    return GP_JOURNAL_FAILED;
}

static long size_of(const char *path, const char *suffix)
{
    struct stat st;
    gp_buf name = GP_BUF_EMPTY;
    gp_buf_printf(&name, "%s%s", path, suffix);
    long size = gp_buf_string(&name) && stat(name.data, &st) == 0 ? (long)st.st_size : -1;
    gp_buf_free(&name);
    return size;
}

/* A file name as an SQLite URI with the parameters. */
static char *uri_of(const char *path, const char *parameters)
{
    gp_buf uri = GP_BUF_EMPTY;
    char *text = NULL;
    gp_buf_printf(&uri, "file:");
    for (const char *at = path; *at; at++) {
        if (strchr("%?#", *at))
            gp_buf_printf(&uri, "%%%02x", (unsigned char)*at);
        else
            gp_buf_append(&uri, at, 1);
    }
    gp_buf_printf(&uri, "?%s", parameters);
    if (gp_buf_string(&uri)) text = strdup(uri.data);
    gp_buf_free(&uri);
    return text;
}

/* One way to open it, up to the first read. */
static bool try_open(gp_journal *journal, const char *path, const char *parameters, const char *setting,
                     int *rc)
{
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE |
                      SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_URI;
    char *uri = uri_of(path, parameters);
    if (!uri) {
        *rc = SQLITE_NOMEM;
        return false;
    }
    *rc = sqlite3_open_v2(uri, &journal->db, flags, NULL);
    free(uri);
    if (*rc == SQLITE_OK) {
        sqlite3_busy_timeout(journal->db, GP_JOURNAL_BUSY_MILLISECONDS);
        *rc = sqlite3_exec(journal->db, setting, NULL, NULL, NULL);
    }
    if (*rc == SQLITE_OK)
        *rc = sqlite3_exec(journal->db, "SELECT count(*) FROM main.sqlite_schema", NULL, NULL, NULL);
    return *rc == SQLITE_OK;
}

static void drop(gp_journal *journal)
{
    sqlite3_close_v2(journal->db);
    journal->db = NULL;
}

/* SQLite reads beside a writer with the help of the -shm file. It creates one if there is none; where it cannot (a full
 * disk, a folder that cannot be written), no process has the journal open, and it is read without: if the log has rows,
 * with locks that do nothing, else as a file that does not change. */
int gp_journal_open_file(gp_journal *journal, const char *real, const char *path, gp_error *err)
{
    static const char settings[] = "PRAGMA temp_store=MEMORY; PRAGMA query_only=ON;";
    static const char alone[] =
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY; PRAGMA query_only=ON;";
    struct stat st;
    int rc, first;
    if (lstat(real, &st) != 0) return gp_fail_errno(err, errno, "cannot read the journal %s", path);
    if (S_ISLNK(st.st_mode)) return gp_fail(err, "ELOOP", "the journal %s is a symbolic link", path);
    if (!S_ISREG(st.st_mode)) return gp_fail(err, "EINVAL", "the journal %s is not a regular file", path);
    if (access(real, R_OK) != 0) return gp_fail_errno(err, errno, "cannot read the journal %s", path);
    if (try_open(journal, real, "mode=ro", settings, &rc)) return 0;
    first = rc & 0xff;
    if ((first == SQLITE_CANTOPEN || first == SQLITE_IOERR || first == SQLITE_FULL ||
         first == SQLITE_READONLY) &&
        size_of(real, "-shm") <= 0) {
        drop(journal);
        bool log = size_of(real, "-wal") > 0;
        if (try_open(journal, real, log ? "mode=ro&vfs=unix-none" : "mode=ro&immutable=1",
                     log ? alone : settings, &rc))
            return 0;
    }
    gp_journal_fail(err, journal->db, path);
    drop(journal);
    return -1;
}

/* query_only also forbids temporary tables. */
int gp_journal_shadow(gp_journal *journal, int format, const char *path, gp_error *err)
{
    if (format >= GP_JOURNAL_FORMAT) return 0;
    if (sqlite3_exec(journal->db, "PRAGMA query_only=OFF", NULL, NULL, NULL) != SQLITE_OK ||
        (format == 1 && sqlite3_exec(journal->db, as_today_from_1, NULL, NULL, NULL) != SQLITE_OK) ||
        (format > 1 && sqlite3_exec(journal->db, with_identities, NULL, NULL, NULL) != SQLITE_OK) ||
        (format > 1 && format < 4 && sqlite3_exec(journal->db, with_kinds, NULL, NULL, NULL) != SQLITE_OK) ||
        (format < 3 && sqlite3_exec(journal->db, leases_from_2, NULL, NULL, NULL) != SQLITE_OK) ||
        sqlite3_exec(journal->db, "PRAGMA query_only=ON", NULL, NULL, NULL) != SQLITE_OK)
        return gp_journal_fail(err, journal->db, path);
    return 0;
}
