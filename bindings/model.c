/* model.c - models for Lua: loading, facts, text to tokens and back. */
#include "objects.h"

#include <stdio.h>
#include <string.h>

static const char *const precisions[] = {"stored", "f32", "q8", "q4", NULL};
static const char *const stored_names[] = {"", "f32", "q8", "q4", "f16", "mixed"};
static const char *const byte_orders[] = {"any", "little", "big", NULL};
static const double two53 = 9007199254740992.0;

/* ---------------------------------------------------------------------------------- loading */

/* Strings stay on the Lua stack: the options point to them. */
static void read_load_options(lua_State *L, int arg, lull_load_options *o, int *share)
{
    static const char *const names[] = {"tokenizer",      "precision",        "group", "byte_order",
                                        "max_file_bytes", "max_memory_bytes", "cache", NULL};
    lull_load_options_init(o);
    lull_options_check(L, arg, names);
    o->precision =
        (lull_precision)(1 + lull_option_choice(L, arg, "precision", precisions + 1, -1));
    o->byte_order =
        (lull_byte_order)(1 + lull_option_choice(L, arg, "byte_order", byte_orders + 1, -1));
    o->group = (int32_t)lull_option_integer(L, arg, "group", 1, 65536, 0);
    o->max_file_bytes = (uint64_t)lull_option_integer(L, arg, "max_file_bytes", 1, two53,
                                                      (double)o->max_file_bytes);
    o->max_memory_bytes = (uint64_t)lull_option_integer(L, arg, "max_memory_bytes", 1, two53,
                                                        (double)o->max_memory_bytes);
    *share = lull_option_boolean(L, arg, "cache", 1);
    if (!lull_option_push(L, arg, "tokenizer")) return;
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
        o->no_tokenizer = 1;
        lua_pop(L, 1);
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        lua_pop(L, 1);
        o->tokenizer_path = lull_option_string(L, arg, "tokenizer");
    } else {
        lull_type_error(L, arg, lua_gettop(L), "tokenizer", "a path or false");
    }
}

int lull_lua_load(lua_State *L)
{
    const char *path = lull_check_path(L, 1);
    lull_load_options options;
    lull_model_info info;
    lull_lua_model *m;
    lull_status status;
    lull_error error;
    uint64_t fresh;
    int share;
    lua_settop(L, 2);
    read_load_options(L, 2, &options, &share);
    m = lull_object_new(L, &lull_model_kind);
    status = lull_shared_load(&m->shared, path, &options, share, &fresh, &error);
    if (status == LULL_ENOMEM) { /* garbage may hold other models */
        lua_gc(L, LUA_GCCOLLECT, 0);
        status = lull_shared_load(&m->shared, path, &options, share, &fresh, &error);
    }
    if (status != LULL_OK) return lull_push_failure(L, &error);
    lull_model_info_get(lull_shared_model(m->shared), &info);
    m->vocab = info.config.vocab_size;
    if (fresh > 0) lull_nudge(L, fresh);
    return 1;
}

/* ------------------------------------------------------------------------------------ facts */

static void set_count(lua_State *L, const char *name, uint64_t v)
{
    lull_push_count(L, v);
    lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *v)
{
    lua_pushstring(L, v);
    lua_setfield(L, -2, name);
}

static void push_info(lua_State *L, const lull_model_info *info)
{
    const lull_config *c = &info->config;
    int i;
    lua_createtable(L, 0, 32);
    set_string(L, "architecture", info->architecture);
    set_string(L, "format", info->format);
    set_string(L, "byte_order", byte_orders[info->byte_order]);
    set_string(L, "stored", stored_names[info->stored]);
    set_count(L, "stored_group", (uint64_t)info->stored_group);
    set_string(L, "precision", precisions[info->precision]);
    set_count(L, "group", (uint64_t)info->group);
    set_count(L, "dim", (uint64_t)c->dim);
    set_count(L, "hidden_dim", (uint64_t)c->hidden_dim);
    set_count(L, "n_layers", (uint64_t)c->n_layers);
    set_count(L, "n_heads", (uint64_t)c->n_heads);
    set_count(L, "n_kv_heads", (uint64_t)c->n_kv_heads);
    set_count(L, "vocab_size", (uint64_t)c->vocab_size);
    set_count(L, "seq_len", (uint64_t)c->seq_len);
    lua_pushboolean(L, c->shared_classifier);
    lua_setfield(L, -2, "shared_classifier");
    set_count(L, "n_parameters", info->n_parameters);
    set_count(L, "file_bytes", info->file_bytes);
    set_count(L, "weight_bytes", info->weight_bytes);
    set_count(L, "model_bytes", info->model_bytes);
    set_count(L, "kv_bytes_f32", info->kv_bytes_f32);
    set_count(L, "kv_bytes_bf16", info->kv_bytes_bf16);
    set_count(L, "n_tokenizer", (uint64_t)info->n_tokenizer);
    set_count(L, "max_token_bytes", (uint64_t)info->max_token_bytes);
    set_count(L, "n_byte_tokens", (uint64_t)info->n_byte_tokens);
    if (info->bos >= 0) set_count(L, "bos", (uint64_t)info->bos);
    if (info->eos >= 0) set_count(L, "eos", (uint64_t)info->eos);
    if (info->unknown >= 0) set_count(L, "unknown", (uint64_t)info->unknown);
    lua_createtable(L, 0, 3);
    for (i = LULL_F32; i <= LULL_Q4; i++) set_count(L, precisions[i], info->needs_bytes[i]);
    lua_setfield(L, -2, "needs_bytes");
}

int lull_lua_inspect(lua_State *L)
{
    const char *path = lull_check_path(L, 1);
    lull_load_options options;
    lull_model_info info;
    lull_error error;
    int share;
    lua_settop(L, 2);
    read_load_options(L, 2, &options, &share);
    if (lull_inspect(path, &options, &info, &error) != LULL_OK) return lull_push_failure(L, &error);
    push_info(L, &info);
    return 1;
}

int lull_lua_quantize(lua_State *L)
{
    static const char *const names[] = {"format",           "to",        "group",     "byte_order",
                                        "input_byte_order", "tokenizer", "overwrite", NULL};
    static const char *const formats[] = {"llama2c", "gguf", NULL};
    static const char *const targets[] = {"f32", "q8", "q4", "f16", NULL}; /* of lull_precision */
    const char *input = lull_check_path(L, 1), *output = lull_check_path(L, 2);
    lull_quantize_options options;
    lull_quantize_report report;
    lull_error error;
    lua_settop(L, 3);
    lull_quantize_options_init(&options);
    lull_options_check(L, 3, names);
    options.format = (lull_file_format)lull_option_choice(L, 3, "format", formats, 0);
    options.precision = (lull_precision)(1 + lull_option_choice(L, 3, "to", targets, -1));
    options.group = (int32_t)lull_option_integer(L, 3, "group", 1, 65536, 0);
    options.byte_order =
        (lull_byte_order)(1 + lull_option_choice(L, 3, "byte_order", byte_orders + 1, -1));
    options.input_byte_order =
        (lull_byte_order)(1 + lull_option_choice(L, 3, "input_byte_order", byte_orders + 1, -1));
    options.overwrite = lull_option_boolean(L, 3, "overwrite", 0);
    options.tokenizer_path = lull_option_string(L, 3, "tokenizer");
    if (lull_quantize_file(input, output, &options, &report, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lua_createtable(L, 0, 4);
    set_count(L, "group", (uint64_t)report.group);
    set_count(L, "input_bytes", report.input_bytes);
    set_count(L, "output_bytes", report.output_bytes);
    lua_pushnumber(L, report.rms_error);
    lua_setfield(L, -2, "rms_error");
    return 1;
}

/* ------------------------------------------------------------------------------------- text */

int32_t *lull_encode_argument(lua_State *L, int arg, unsigned flags, lull_owner_model owner,
                              int owner_arg, size_t *n, lull_error *error)
{
    size_t bytes, capacity;
    const char *text = lull_check_text(L, arg, &bytes);
    int32_t *ids;
    lull_status status;
    if (bytes > (size_t)INT32_MAX / sizeof *ids) luaL_argerror(L, arg, "text is too long");
    /* At most a token for every byte, one for BOS and one for the dummy space. */
    capacity = bytes + 2;
    ids = lua_newuserdata(L, capacity * sizeof *ids);
    status = lull_encode(owner(L, owner_arg), text, bytes, flags, ids, capacity, n, error);
    return status == LULL_OK ? ids : NULL;
}

int lull_push_decoded(lua_State *L, const int32_t *ids, size_t n, lull_owner_model owner,
                      int owner_arg)
{
    size_t bytes = 0;
    char *text;
    lull_error error;
    lull_status status = lull_decode(owner(L, owner_arg), ids, n, NULL, 0, &bytes, &error);
    if (status != LULL_OK && status != LULL_ELIMIT) return lull_push_failure(L, &error);
    text = lua_newuserdata(L, bytes + 1);
    status = lull_decode(owner(L, owner_arg), ids, n, text, bytes, &bytes, &error);
    if (status != LULL_OK) return lull_push_failure(L, &error);
    lua_pushlstring(L, text, bytes);
    return 1;
}

lull_lua_model *lull_open_model(lua_State *L, int arg)
{
    lull_lua_model *m = lull_object_check(L, arg, &lull_model_kind);
    if (m->shared == NULL) luaL_error(L, "attempt to use a closed model");
    return m;
}

lull_trie *lull_model_trie(lua_State *L, int arg, uint64_t *fresh, lull_error *error)
{
    lull_lua_model *m = lull_open_model(L, arg);
    *fresh = 0;
    if (m->trie == NULL && lull_trie_open(&m->trie, lull_shared_model(m->shared), error) == LULL_OK)
        *fresh = lull_trie_bytes(m->trie);
    return m->trie;
}

static lull_model *model_of(lua_State *L, int arg)
{
    return lull_shared_model(lull_open_model(L, arg)->shared);
}

/* model:encode(text [, {start = true}]) -> list of ids */
static int model_encode(lua_State *L)
{
    static const char *const names[] = {"start", NULL};
    const int32_t *ids;
    size_t i, n;
    lull_error error;
    int start;
    lull_open_model(L, 1);
    lull_check_text(L, 2, NULL);
    lua_settop(L, 3);
    lull_options_check(L, 3, names);
    start = lull_option_boolean(L, 3, "start", 1);
    ids = lull_encode_argument(L, 2, start ? LULL_ENCODE_START : 0, model_of, 1, &n, &error);
    if (ids == NULL) return lull_push_failure(L, &error);
    lua_createtable(L, (int)n, 0);
    for (i = 0; i < n; i++) {
        lua_pushinteger(L, ids[i]);
        lua_rawseti(L, -2, (int)(i + 1));
    }
    return 1;
}

/* model:decode(ids) -> text */
static int model_decode(lua_State *L)
{
    int32_t one;
    size_t n;
    const int32_t *ids;
    lull_lua_model *m = lull_open_model(L, 1);
    ids = lull_check_ids(L, 2, m->vocab, &one, &n);
    return lull_push_decoded(L, ids, n, model_of, 1);
}

/* model:piece(id) -> text */
static int model_piece(lua_State *L)
{
    lull_lua_model *m = lull_open_model(L, 1);
    int32_t id = (int32_t)lull_check_integer(L, 2, 0, m->vocab - 1);
    size_t n = 0;
    const char *text = lull_piece(lull_shared_model(m->shared), id, &n);
    if (text == NULL) {
        lua_pushnil(L);
        lua_pushliteral(L, "the model was loaded without a tokenizer");
        lua_pushstring(L, lull_status_name(LULL_ESTATE));
        return 3;
    }
    lua_pushlstring(L, text, n);
    return 1;
}

/* model:token_text(id) -> how the vocabulary spells it, control tokens too; nil without one */
static int model_token_text(lua_State *L)
{
    lull_lua_model *m = lull_open_model(L, 1);
    int32_t id = (int32_t)lull_check_integer(L, 2, 0, m->vocab - 1);
    size_t n = 0;
    const char *text = lull_token_text(lull_shared_model(m->shared), id, &n);
    if (text == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, text, n);
    return 1;
}

/* model:find_token(text) -> the id that is spelled so, or nil */
static int model_find_token(lua_State *L)
{
    lull_model *model = model_of(L, 1);
    size_t n;
    const char *text = lull_check_text(L, 2, &n);
    int32_t id = lull_token_find(model, text, n);
    if (id < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, id);
    return 1;
}

/* model:chat_template() -> the Jinja template that came with it, or nil */
static int model_chat_template(lua_State *L)
{
    size_t n = 0;
    const char *text = lull_chat_template(model_of(L, 1), &n);
    if (text == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, text, n);
    return 1;
}

/* model:fingerprint() -> "0x" and 16 digits: which model this is, on every machine */
static int model_fingerprint(lua_State *L)
{
    lull_push_hex(L, lull_model_fingerprint(model_of(L, 1)));
    return 1;
}

/* ---------------------------------------------------------------------------------- methods */

static int model_info(lua_State *L)
{
    lull_model_info info;
    lull_model_info_get(model_of(L, 1), &info);
    push_info(L, &info);
    return 1;
}

static int model_vocab_size(lua_State *L)
{
    lua_pushinteger(L, lull_open_model(L, 1)->vocab);
    return 1;
}

static int push_special(lua_State *L, int32_t id)
{
    if (id < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, id);
    return 1;
}

static int model_bos(lua_State *L)
{
    lull_model_info info;
    lull_model_info_get(model_of(L, 1), &info);
    return push_special(L, info.bos);
}

static int model_eos(lua_State *L)
{
    lull_model_info info;
    lull_model_info_get(model_of(L, 1), &info);
    return push_special(L, info.eos);
}

/* close, and __gc */
static int model_close(lua_State *L)
{
    lull_lua_model *m = lull_object_check(L, 1, &lull_model_kind);
    lull_shared *shared = m->shared;
    lull_trie *trie = m->trie;
    m->shared = NULL;
    m->trie = NULL;
    lull_trie_release(trie);
    lull_shared_release(shared);
    lua_pushboolean(L, 1);
    return 1;
}

static int model_tostring(lua_State *L)
{
    lull_lua_model *m = lull_object_check(L, 1, &lull_model_kind);
    lull_model_info info;
    char text[192];
    unsigned long tenths;
    if (m->shared == NULL) {
        lua_pushliteral(L, "lull.model (closed)");
        return 1;
    }
    lull_model_info_get(lull_shared_model(m->shared), &info);
    tenths = (unsigned long)(info.weight_bytes / 100000); /* integers: no locale's decimal comma */
    snprintf(text, sizeof text, "lull.model (%s, %ld layer%s, dim %ld, %ld tokens, %s, %lu.%lu MB)",
             info.architecture, (long)info.config.n_layers, info.config.n_layers == 1 ? "" : "s",
             (long)info.config.dim, (long)info.config.vocab_size, precisions[info.precision],
             tenths / 10, tenths % 10);
    lua_pushstring(L, text);
    return 1;
}

const lull_kind lull_model_kind = {"lull.model", 0x4c4d4f44u, sizeof(lull_lua_model)};

void lull_register_model(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"context", lull_lua_context_new},
        {"encode", model_encode},
        {"decode", model_decode},
        {"piece", model_piece},
        {"token_text", model_token_text},
        {"find_token", model_find_token},
        {"chat_template", model_chat_template},
        {"fingerprint", model_fingerprint},
        {"info", model_info},
        {"vocab_size", model_vocab_size},
        {"bos", model_bos},
        {"eos", model_eos},
        {"close", model_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", model_close}, {"__tostring", model_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_model_kind, methods, metamethods);
}
