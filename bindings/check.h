/* check.h - arguments, option tables and the userdata behind the module's objects.
 *
 * Mistakes of the programmer raise a Lua error that names argument, range and what was found;
 * failures of the world are nil, message, code (lull_push_failure).
 *
 * Reading options may run Lua code (__index), and allocating may (finalizers).  Either can
 * close any object, so every function of the bindings keeps one order: read arguments,
 * allocate, then look at the object's handle, call the core, and only then touch Lua again. */
#ifndef LULL_CHECK_H
#define LULL_CHECK_H

#include "../core/lull.h"
#include "compat.h"

#include <stddef.h>
#include <stdint.h>

/* ---- objects */

/* A type of userdata.  Its address is the metatable's key in the registry, so that two copies
 * of the library in one Lua state never take each other's objects; every object begins with
 * magic. */
typedef struct lull_kind {
    const char *name; /* "lull.model" */
    uint32_t magic;
    size_t bytes;
} lull_kind;

/* Create the type, or find it where the module was opened before; push its method table. */
void lull_kind_register(lua_State *L, const lull_kind *kind, const luaL_Reg *methods,
                        const luaL_Reg *metamethods);

/* Push a zeroed object, its metatable and magic set: resources are acquired into it, never
 * before. */
void *lull_object_new(lua_State *L, const lull_kind *kind);

/* The object at arg if it is of this kind, whatever debug.setmetatable did; else NULL, or
 * raises. */
void *lull_object_test(lua_State *L, int arg, const lull_kind *kind);
void *lull_object_check(lua_State *L, int arg, const lull_kind *kind);

/* ---- arguments: each raises, and returns only what is right */

double lull_check_integer(lua_State *L, int arg, double low, double high);
double lull_check_number(lua_State *L, int arg, double low, double high);
const char *lull_check_text(lua_State *L, int arg, size_t *bytes);
const char *lull_check_path(lua_State *L, int arg);

/* A token id or a list of them, each in 0 .. vocab - 1.  One id is stored in *one, a list in a
 * new userdata that is pushed.  Lists are read raw: no Lua code runs. */
const int32_t *lull_check_ids(lua_State *L, int arg, int32_t vocab, int32_t *one, size_t *n);
const int32_t *lull_need_ids(lua_State *L, int arg, int index, const char *name, int32_t vocab,
                             int32_t *one, size_t *n);

/* The general form, for a value at index that belongs to argument arg; name (NULL = the
 * argument itself) goes into the message. */
double lull_need_integer(lua_State *L, int arg, int index, const char *name, double low,
                         double high);
int lull_type_error(lua_State *L, int arg, int index, const char *name, const char *expected);

/* ---- option tables; arg may be nil or absent */

/* Raise for anything but nil or a table, and for a key outside names (NULL ends them). */
void lull_options_check(lua_State *L, int arg, const char *const *names);

/* Push option name and return 1; return 0 and push nothing where it is nil. */
int lull_option_push(lua_State *L, int arg, const char *name);
double lull_option_integer(lua_State *L, int arg, const char *name, double low, double high,
                           double fallback);
double lull_option_number(lua_State *L, int arg, const char *name, double low, double high,
                          double fallback);
int lull_option_boolean(lua_State *L, int arg, const char *name, int fallback);
/* NULL where absent; the string stays on the Lua stack while it is used.  No zero bytes inside.
 */
const char *lull_option_string(lua_State *L, int arg, const char *name);
/* Index of the option's value in choices (NULL ends them), or fallback. */
int lull_option_choice(lua_State *L, int arg, const char *name, const char *const *choices,
                       int fallback);

/* ---- results and memory */

/* nil, message, "ECODE"; returns 3. */
int lull_push_failure(lua_State *L, const lull_error *error);

/* Tell the collector of C memory it cannot see: a step as if Lua had allocated as much. */
void lull_nudge(lua_State *L, uint64_t bytes);

#endif
