"""lull in Python, through lupa: a story, streamed, and one with a sampler written in Python.

    LULL_MODEL=/path/to/lullaby.bin python3 story.py "Once upon a time" 7

Debian's python3-lupa brings LuaJIT along, so it loads the module that is built for Lua 5.1.
"""
import os
import sys

import lupa

lua = lupa.LuaRuntime(unpack_returned_tuples=True)
lull = lua.require("lull")
# A Python function is no Lua function; this makes one of it.
function = lua.eval("function(f) return function(...) return f(...) end end")

model = lull.load(os.environ.get("LULL_MODEL", "/usr/local/share/lull/models/lullaby.bin"))
if isinstance(model, tuple):  # nil, message, code
    sys.exit(model[1])


def stream(prompt, **given):
    """The pieces of a story."""
    next_piece, _ = model.stream(model, prompt, lua.table_from(given))
    piece, message, code = next_piece()
    while piece is not None:
        yield piece
        piece, message, code = next_piece()


def short_words(logits, seq, draw):
    """A sampler: none of the long tokens among the twenty likeliest, if there are others."""
    logits.top_k(logits, 20)
    likely = [id for id, _ in iter(logits.candidates(logits, 20), None)]
    for id in likely[1:]:
        if len(model.piece(model, id)) > 5:
            logits.ban(logits, id)
    return logits.sample(logits, draw())


prompt, seed = (sys.argv[1:] + ["Once upon a time", "7"][len(sys.argv) - 1:])[:2]
for piece in stream(prompt, seed=int(seed), max_tokens=100):
    print(piece, end="", flush=True)
print()

given = {"seed": int(seed), "max_tokens": 30, "sampler": function(short_words)}
text, facts = model.generate(model, prompt, lua.table_from(given))
print(prompt + text)
