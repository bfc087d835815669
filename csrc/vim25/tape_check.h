/* What has to be there in an answer, beyond what the decoder sees by itself:
 *
 *   the result, unless the method may give none
 *   the fields that the client itself lives by: an update's version, a change's name, a task's state...
 *   the value of a property, of the kind that the schema gives its path ("name" of a Folder is a text): on the wire it
 *   is in a slot for any type
 *
 * One pass over the cells, once, when decoding has finished. What is not in the schema is not checked. A required
 * field that the client does not read may be missing: servers differ in those.
 */
#ifndef GP_TAPE_CHECK_H
#define GP_TAPE_CHECK_H

#include "vim25/tape.h"

/* 0, or -1 with EPROTOCOL. */
int gp_tape_check(const gp_tape *tape, gp_error *err);

/* The type of a property's value by its path, "config.hardware.device[4000].key"; GP_VOID when it is not in the schema.
 * `list` says whether it is a list of these. */
gp_type_id gp_tape_path_type(gp_type_id owner, const char *path, size_t length, bool *list);

#endif
