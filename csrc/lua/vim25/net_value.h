/* Bodies and tapes as Lua values: the seam between the codec and the client.
 *
 * A *body* is a userdata created by `net.encode`; it holds the bytes to send. A *tape* is a userdata that owns a
 * gp_tape: create it empty before the request (gp_value_tape), put the tape in when the answer has arrived,
 * and let Lua read it:
 *
 *   tape:kind()               "result", "fault" or "document"; nil while it is empty
 *   tape:value(refs, make)    the whole answer as plain tables; true for void, false for an absent optional
 *                             result, {} for an absent list. The tape is freed.
 *   tape:fault(refs, make)    message, code, detail{fault=, string=, messages=} of a fault. The tape is freed.
 *   tape:page(refs, make)     of RetrievePropertiesEx and similar calls: count, token, step; each step() gives ref,
 *                             properties{path = value}, missing{path = fault table} or nil, and nil at the end
 *   tape:bytes()              the size of the answer
 *
 * `refs` interns morefs: a table with keys "Type:value"; on a miss `make(type, value)` is called, and what it
 * returns is stored there. Without them a moref is a plain table {type=, value=}.
 */
#ifndef GP_LUA_NET_VALUE_H
#define GP_LUA_NET_VALUE_H

#include "vim25/encode.h"
#include "vim25/tape.h"

#include <lua.h>

/* Pushes an empty tape userdata; *result is where the gp_tape goes (owned by the userdata from then on). */
gp_tape **gp_value_tape(lua_State *L);
/* The encoder inside a body userdata at `index`, or a Lua error. */
gp_encode *gp_value_check_body(lua_State *L, int index);

#endif
