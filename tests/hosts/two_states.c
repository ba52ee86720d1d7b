/* two_states.c - two Lua states of one process use one model, step by step in turns; either may be
 * closed first, and what it leaves behind is nothing. */
#include "host.h"

static const char open_story[] = "core = require 'lull.core'\n"
                                 "model = assert(core.load('" MODEL "'))\n"
                                 "context = assert(model:context{length = 64})\n"
                                 "seq = assert(context:sequence():feed('Once upon a time'))\n";

static const char next_token[] =
    "assert(context:step())\n"
    "local id = assert(seq:logits():sample{seed = 3, position = #seq})\n"
    "assert(seq:feed(id))\n";

static const char all_tokens[] = "return table.concat(seq:tokens(), ' ')";

/* The file's size is over this limit: only a model that is in the cache gets this far. */
static const char is_shared[] = "local m, message = core.load('" MODEL "', {max_file_bytes = 10})\n"
                                "return m == nil and message:match('the file is') or 'no'";

static char *alone(void)
{
    lua_State *L = host_open();
    char *text;
    int i;
    host_do(L, open_story);
    for (i = 0; i < 30; i++) host_do(L, next_token);
    text = host_run(L, all_tokens);
    lua_close(L);
    return text;
}

static void in_turns(const char *expected, int first_to_close)
{
    lua_State *states[2];
    char *text;
    int i, other = 1 - first_to_close;
    for (i = 0; i < 2; i++) {
        states[i] = host_open();
        host_do(states[i], open_story);
    }
    text = host_run(states[1], is_shared);
    host_expect(strcmp(text, "the file is") == 0, "the two states to share the model");
    free(text);
    for (i = 0; i < 20; i++) {
        host_do(states[0], next_token);
        host_do(states[1], next_token);
    }
    host_do(states[first_to_close], "model:close()");
    for (i = 20; i < 25; i++) {
        host_do(states[0], next_token);
        host_do(states[1], next_token);
    }
    lua_close(states[first_to_close]);
    for (i = 25; i < 30; i++) host_do(states[other], next_token);
    text = host_run(states[other], all_tokens);
    host_expect(strcmp(text, expected) == 0, "the text that one state alone tells");
    free(text);
    lua_close(states[other]);
}

int main(int argc, char **argv)
{
    char *expected;
    size_t before = 0;
    int round;
    (void)argc;
    host_count_exactly(argv);
    expected = alone();
    for (round = 0; round < 12; round++) {
        in_turns(expected, round % 2);
        if (round == 3) before = host_bytes();
    }
    host_expect(host_bytes() <= before + HOST_SLACK, "no memory to be left behind");
    free(expected);
    puts("two states share one model, tell what one tells alone, and close in either order");
    return 0;
}
