/* config.c - what hyper-parameters a model may have, whatever format it came in. */
#include "formats.h"

/* The bounds leave today's largest models far behind (dim 16384, hidden 53248, 126 layers) and keep
 * every product of the loader below 2^62 bytes.  That layers and heads stay below 65536 also means
 * that a header is in range in one byte order at most.  No section of some formats depends on
 * seq_len, so its bound is what keeps a small file from asking for endless rotary tables. */
#define MAX_WIDTH      (1 << 20)
#define MAX_LAYERS     4096
#define MAX_HEADS      4096
#define MAX_VOCABULARY (1 << 22)
#define MAX_POSITIONS  (1 << 20)

typedef struct field {
    const char *name;
    int32_t value, least, most;
} field;

lull_status lull_config_check(const lull_config *c, const char *name, lull_error *error)
{
    field fields[8] = {{"dim", 0, 2, MAX_WIDTH},         {"hidden_dim", 0, 1, MAX_WIDTH},
                       {"n_layers", 0, 1, MAX_LAYERS},   {"n_heads", 0, 1, MAX_HEADS},
                       {"n_kv_heads", 0, 1, MAX_HEADS},  {"vocab_size", 0, 1, MAX_VOCABULARY},
                       {"seq_len", 0, 1, MAX_POSITIONS}, {"shared_classifier", 0, 0, 1}};
    size_t i;
    fields[0].value = c->dim;
    fields[1].value = c->hidden_dim;
    fields[2].value = c->n_layers;
    fields[3].value = c->n_heads;
    fields[4].value = c->n_kv_heads;
    fields[5].value = c->vocab_size;
    fields[6].value = c->seq_len;
    fields[7].value = c->shared_classifier;
    for (i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].value < fields[i].least || fields[i].value > fields[i].most)
            return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: %s is %ld, expected %ld..%ld", name,
                             fields[i].name, (long)fields[i].value, (long)fields[i].least,
                             (long)fields[i].most);
    if (c->dim % c->n_heads != 0)
        return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: dim %ld is not a multiple of n_heads %ld",
                         name, (long)c->dim, (long)c->n_heads);
    if (c->dim / c->n_heads % 2 != 0)
        return lull_fail(error, LULL_EFORMAT, 0, 0,
                         "%s: head size %ld (dim / n_heads) is odd, rotary positions need pairs",
                         name, (long)(c->dim / c->n_heads));
    if (c->n_heads % c->n_kv_heads != 0)
        return lull_fail(error, LULL_EFORMAT, 0, 0,
                         "%s: n_heads %ld is not a multiple of n_kv_heads %ld", name,
                         (long)c->n_heads, (long)c->n_kv_heads);
    return LULL_OK;
}
