/* What the bindings of the journal and of its leases share. */
#ifndef GP_LUA_STORE_H
#define GP_LUA_STORE_H

#include "lua/bind.h"
#include "store/journal.h"

/* The open journal that is the first argument. */
gp_journal *gp_store_check(lua_State *L);
/* The text of t[name]; the table keeps it alive for the call. */
const char *gp_store_text(lua_State *L, int table, const char *name, bool required);
void gp_store_release_cursor(void *cursor);
/* The iterator, then nil, nil and the box: the generic `for` closes the cursor when the loop is left early. */
int gp_store_push_cursor(lua_State *L, void **box, gp_journal_cursor *cursor, const gp_error *err);

/* The methods of lease.c, ended by NULL. */
extern const luaL_Reg gp_store_lease_methods[];

#endif
