/* mkmodel.c - writes checkpoints of random weights, to measure with.
 * usage: mkmodel OUT SHAPE [--seed N] [--tokenizer FILE] [--v2 FILE [--group N]]
 *
 * OUT is llama2.c's version 0 (float32, little-endian), SHAPE one of 260K 15M 42M 110M or seven
 * numbers "dim,hidden_dim,layers,heads,kv_heads,vocab,seq_len".  --v2 also writes the 8-bit form
 * (version 2) with N weights per scale (default: what fits).  --tokenizer writes a tokenizer.bin of
 * as many tokens.  The bytes depend on shape and seed alone, on every machine.
 *
 * The classifier is the embedding table, so a random model repeats its last token for ever, which
 * is all the same to a clock; but BOS (id 1) ends some programs.  Its row is therefore made so
 * small that it is never the most probable. */
#include "bench.h"
#include "lull.h"

#include <stdint.h>

typedef struct shape {
    const char *name;
    int32_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len;
} shape;

static const shape shapes[] = {{"260K", 64, 172, 5, 8, 4, 512, 512},
                               {"15M", 288, 768, 6, 6, 6, 32000, 256},
                               {"42M", 512, 1376, 8, 8, 8, 32000, 1024},
                               {"110M", 768, 2048, 12, 12, 12, 32000, 1024}};

#define SPREAD   0.034641016f /* half the width of a flat distribution with deviation 0.02 */
#define BUFFERED 16384        /* floats */

typedef struct writer {
    FILE *file;
    const char *path;
    uint64_t state; /* of the generator */
} writer;

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "mkmodel: %s: %s: %s\n", path, what, strerror(errno));
    exit(1);
}

static void put_bytes(writer *w, const void *bytes, size_t n)
{
    if (fwrite(bytes, 1, n, w->file) != n) fail(w->path, "write");
}

static void put_32(unsigned char *to, uint32_t v)
{
    int i;
    for (i = 0; i < 4; i++) to[i] = (unsigned char)(v >> (8 * i));
}

static void put_int(writer *w, int32_t v)
{
    unsigned char bytes[4];
    put_32(bytes, (uint32_t)v);
    put_bytes(w, bytes, 4);
}

static void put_float_at(unsigned char *to, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    put_32(to, bits);
}

/* splitmix64 (Steele, Lea and Flood 2014): flat in -spread..spread, exact in float32. */
static float draw(writer *w, float spread)
{
    uint64_t z = w->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((float)(uint32_t)(z >> 40) * (1.0f / 8388608.0f) - 1.0f) * spread;
}

/* n random floats; or n times `constant` where spread is 0. */
static void put_floats(writer *w, uint64_t n, float spread, float constant)
{
    static unsigned char buffer[BUFFERED * 4];
    while (n > 0) {
        size_t count = n < BUFFERED ? (size_t)n : BUFFERED, i;
        for (i = 0; i < count; i++)
            put_float_at(buffer + 4 * i, spread > 0.0f ? draw(w, spread) : constant);
        put_bytes(w, buffer, count * 4);
        n -= count;
    }
}

static void put_weights(writer *w, uint64_t rows, uint64_t cols, float spread)
{
    put_floats(w, rows * cols, spread, 0.0f);
}

static writer open_writer(const char *path, uint64_t seed)
{
    writer w;
    w.path = path;
    w.state = seed;
    w.file = fopen(path, "wb");
    if (w.file == NULL) fail(path, "open");
    return w;
}

static void close_writer(writer *w)
{
    if (fclose(w->file) != 0) fail(w->path, "close");
}

static void write_model(const char *path, const shape *s, uint64_t seed)
{
    const uint64_t dim = (uint64_t)s->dim, hidden = (uint64_t)s->hidden_dim;
    const uint64_t layers = (uint64_t)s->n_layers, vocab = (uint64_t)s->vocab_size;
    const uint64_t head_dim = dim / (uint64_t)s->n_heads, kv = head_dim * (uint64_t)s->n_kv_heads;
    writer w = open_writer(path, seed);

    put_int(&w, s->dim);
    put_int(&w, s->hidden_dim);
    put_int(&w, s->n_layers);
    put_int(&w, s->n_heads);
    put_int(&w, s->n_kv_heads);
    put_int(&w, s->vocab_size); /* positive: the classifier is the embedding table */
    put_int(&w, s->seq_len);
    put_weights(&w, 1, dim, SPREAD);
    put_weights(&w, 1, dim, SPREAD / 1024.0f); /* BOS */
    put_weights(&w, vocab - 2, dim, SPREAD);
    put_floats(&w, layers * dim, 0.0f, 1.0f);          /* rms_att (layers, dim) */
    put_weights(&w, layers * dim, dim, SPREAD);        /* wq (layers, dim, dim) */
    put_weights(&w, layers * kv, dim, SPREAD);         /* wk (layers, kv, dim) */
    put_weights(&w, layers * kv, dim, SPREAD);         /* wv */
    put_weights(&w, layers * dim, dim, SPREAD / 4);    /* wo (layers, dim, dim) */
    put_floats(&w, layers * dim, 0.0f, 1.0f);          /* rms_ffn (layers, dim) */
    put_weights(&w, layers * hidden, dim, SPREAD);     /* w1 (layers, hidden, dim) */
    put_weights(&w, layers * dim, hidden, SPREAD / 4); /* w2 (layers, dim, hidden) */
    put_weights(&w, layers * hidden, dim, SPREAD);     /* w3 (layers, hidden, dim) */
    put_floats(&w, dim, 0.0f, 1.0f);                   /* rms_final (dim) */
    /* RoPE tables (seq_len, head_dim / 2), cosines then sines, which every reader skips */
    put_floats(&w, (uint64_t)s->seq_len * (head_dim / 2) * 2, 0.0f, 0.0f);
    close_writer(&w);
}

/* <unk>, BOS, EOS, the 256 byte tokens, then words. */
static void write_tokenizer(const char *path, int32_t vocab_size)
{
    static const char *const special[] = {"<unk>", "\n<s>\n", "\n</s>\n"};
    writer w = open_writer(path, 0);
    char text[32];
    int32_t i;
    put_int(&w, (int32_t)sizeof text);
    for (i = 0; i < vocab_size; i++) {
        if (i < 3)
            sprintf(text, "%s", special[i]);
        else if (i < 259)
            sprintf(text, "<0x%02X>", (unsigned)(i - 3));
        else
            sprintf(text, " word%d", (int)i);
        put_floats(&w, 1, 0.0f, (float)-i); /* score */
        put_int(&w, (int32_t)strlen(text));
        put_bytes(&w, text, strlen(text));
    }
    close_writer(&w);
}

static void write_v2(const char *from, const char *to, int32_t group)
{
    lull_quantize_options options;
    lull_quantize_report report;
    lull_error error;
    lull_quantize_options_init(&options);
    options.group = group;
    options.byte_order = LULL_LITTLE_ENDIAN;
    options.overwrite = 1;
    if (lull_quantize_file(from, to, &options, &report, &error) != LULL_OK) {
        fprintf(stderr, "mkmodel: %s: %s\n", lull_status_name(error.code), error.message);
        exit(1);
    }
    printf("%s: 8 bit, group %d\n", to, (int)report.group);
}

static void refuse_shape(const char *text)
{
    fprintf(stderr,
            "mkmodel: shape %s: expected 260K, 15M, 42M, 110M or dim,hidden_dim,layers,heads,"
            "kv_heads,vocab,seq_len with heads dividing dim and at least 260 tokens\n",
            text);
    exit(2);
}

static shape parse_shape(const char *text)
{
    int32_t n[7]; /* in the order of struct shape */
    const char *from = text;
    size_t i;
    for (i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(text, shapes[i].name) == 0) return shapes[i];
    for (i = 0; i < 7; i++) {
        char *end;
        const long value = strtol(from, &end, 10);
        if (end == from || *end != (i < 6 ? ',' : '\0') || value < 1 || value > 1000000)
            refuse_shape(text);
        n[i] = (int32_t)value;
        from = end + 1;
    }
    if (n[0] % n[3] != 0 || n[5] < 260) refuse_shape(text);
    {
        const shape s = {text, n[0], n[1], n[2], n[3], n[4], n[5], n[6]};
        return s;
    }
}

int main(int argc, char **argv)
{
    const char *v2 = NULL, *tokenizer = NULL, *value;
    long seed = 1, group = 0;
    shape s;
    int i;

    if (argc < 3) {
        fprintf(stderr, "usage: mkmodel OUT SHAPE [--seed N] [--tokenizer FILE] "
                        "[--v2 FILE [--group N]]\n");
        return 2;
    }
    s = parse_shape(argv[2]);
    for (i = 3; i < argc; i++) {
        if ((value = bench_option(argc, argv, &i, "--seed")) != NULL)
            seed = bench_number("--seed", value, 0, 2147483647);
        else if ((value = bench_option(argc, argv, &i, "--group")) != NULL)
            group = bench_number("--group", value, 1, 65536);
        else if ((value = bench_option(argc, argv, &i, "--v2")) != NULL)
            v2 = value;
        else if ((value = bench_option(argc, argv, &i, "--tokenizer")) != NULL)
            tokenizer = value;
        else {
            fprintf(stderr, "mkmodel: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    write_model(argv[1], &s, (uint64_t)seed);
    if (tokenizer != NULL) write_tokenizer(tokenizer, s.vocab_size);
    if (v2 != NULL) write_v2(argv[1], v2, (int32_t)group);
    return 0;
}
