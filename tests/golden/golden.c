/* golden.c - the same logits on every machine: hashes of all logits at chosen positions, for every
 * kernel set this machine runs, in several ways of feeding, against one committed file.
 *
 *   golden [FILE]            check against FILE (default tests/golden/logits.txt)
 *   golden --print           write the lines of this machine to stdout instead
 *   golden --models a,b      only these models
 *
 * Run from the top of the repository.  A line is: model precision class position hash.  The class is
 * "any" for quantised models; for float32 ones "fused" or "split", whether the kernel's multiply-add
 * rounds once or twice. */
#include "golden.h"
#include "tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int32_t POSITIONS[] = {0, 1, 2, 15, 16, 17, 33, 47};
#define N_POSITIONS   ((int)(sizeof POSITIONS / sizeof POSITIONS[0]))
#define LAST_POSITION 47

typedef struct golden_line {
    char key[96]; /* "model precision class position" */
    uint64_t hash;
} golden_line;

static golden_line lines[1024];
static int n_lines, n_passed, n_failed, n_skipped;
static int printing;

void golden_die(const char *what, const lull_error *error)
{
    fprintf(stderr, "golden: %s: %s\n", what, error->message);
    exit(2);
}

uint64_t golden_hash(uint64_t h, const float *logits, int32_t n)
{
    int32_t i;
    for (i = 0; i < n; i++) {
        uint32_t u = logits[i] != logits[i] ? 0x7fc00000u : lull_float_bits(logits[i]);
        h = (h ^ u) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* Does this kernel's f32 multiply-add round once?  (1+e)(1-e) - 1 = -e*e is lost in two roundings. */
static const char *f32_class(const lull_kernels *kernels)
{
    static union {
        float f[64];
        unsigned char bytes[256];
    } w_space, x_space, y_space;
    float e = 1.0f / 8192.0f;
    uint64_t bytes;
    lull_matrix w;
    float *x, *y;
    /* Statics are not 64-byte aligned by themselves; the union leaves room to align by hand. */
    unsigned char *aligned = w_space.bytes + (64 - (size_t)(uintptr_t)w_space.bytes % 64) % 64;
    lull_matrix_plan(&w, LULL_F32, LULL_SCALE_NONE, 1, 2, 0, &bytes);
    w.data = aligned;
    memset(aligned, 0, 128);
    ((float *)(void *)aligned)[0] = -1.0f;
    ((float *)(void *)aligned)[16] = 1.0f + e;
    x = (float *)(void *)(x_space.bytes + (64 - (size_t)(uintptr_t)x_space.bytes % 64) % 64);
    y = (float *)(void *)(y_space.bytes + (64 - (size_t)(uintptr_t)y_space.bytes % 64) % 64);
    x[0] = 1.0f;
    x[1] = 1.0f - e;
    kernels->linear_f32(&w, x, 16, 1, y, 16, 0, 1);
    return y[0] == 0.0f ? "split" : "fused";
}

const char *golden_class(lull_model *model, const lull_kernels *kernels)
{
    lull_model_info info;
    lull_model_info_get(model, &info);
    return info.precision == LULL_F32 ? f32_class(kernels) : "any";
}

/* ---- ways of feeding; each ends with the hash at every chosen position */

typedef struct way {
    const char *name;
    int32_t batch, threads, one_by_one, company;
} way;

static const way WAYS[] = {
    {"one by one", 1, 1, 1, 0},
    {"chunks of 64", 64, 1, 0, 0},
    {"chunks of 7, 2 threads", 7, 2, 0, 0},
    {"in company, forked and rewound, 3 threads", 5, 3, 0, 1},
};
#define N_WAYS   ((int)(sizeof WAYS / sizeof WAYS[0]))
#define ALL_WAYS 0xfu
#define CHUNKS   0x2u /* the quickest */
#define EXTREMES 0x9u /* the first and the last */

int32_t golden_token(int32_t i, int32_t salt, int32_t vocab_size)
{
    return i == 0 ? 1 : (int32_t)(((int64_t)i * 7919 + (int64_t)salt * 104729 + 13) % vocab_size);
}

static void feed(lull_sequence *s, int32_t from, int32_t to, int32_t salt, int32_t vocab_size)
{
    int32_t tokens[LAST_POSITION + 1], i;
    lull_error error;
    for (i = from; i < to; i++) tokens[i - from] = golden_token(i, salt, vocab_size);
    if (lull_sequence_feed(s, tokens, (size_t)(to - from), 0, &error) != LULL_OK)
        golden_die("feed", &error);
}

static void step(lull_context *c, size_t max_tokens)
{
    lull_error error;
    if (lull_context_step(c, max_tokens, NULL, &error) != LULL_OK) golden_die("step", &error);
}

/* Replace s by a fork that took a wrong turn and came back. */
static lull_sequence *detour(lull_context *c, lull_sequence *s, int32_t length, int32_t vocab_size)
{
    lull_sequence *child;
    lull_error error;
    if (lull_sequence_fork(&child, s, &error) != LULL_OK) golden_die("fork", &error);
    feed(child, length, length + 5 < LAST_POSITION ? length + 5 : LAST_POSITION, 9, vocab_size);
    step(c, 0);
    if (lull_sequence_rewind(child, (size_t)length, &error) != LULL_OK)
        golden_die("rewind", &error);
    lull_sequence_close(s);
    return child;
}

static void run_way(lull_model *model, const char *cpu, const way *w, lull_kv_type kv,
                    uint64_t hashes[N_POSITIONS])
{
    lull_context_options options;
    lull_context *c;
    lull_sequence *s, *other[2] = {NULL, NULL};
    lull_model_info info;
    lull_error error;
    int32_t at = 0, other_at[2] = {0, 0};
    int i, j;
    lull_model_info_get(model, &info);
    lull_context_options_init(&options);
    options.sequences = 4;
    options.length = LAST_POSITION + 1;
    options.batch = w->batch;
    options.threads = w->threads;
    options.cpu = cpu;
    options.kv = kv;
    if (lull_context_open(&c, model, &options, &error) != LULL_OK) golden_die("context", &error);
    for (j = 0; j < 2 && w->company; j++)
        if (lull_sequence_open(&other[j], c, &error) != LULL_OK) golden_die("sequence", &error);
    if (lull_sequence_open(&s, c, &error) != LULL_OK) golden_die("sequence", &error);
    for (i = 0; i < N_POSITIONS; i++) {
        const float *logits;
        int32_t end = POSITIONS[i] + 1;
        for (j = 0; j < 2 && w->company; j++) {
            int32_t to = other_at[j] + 3 + 4 * j;
            if (to > LAST_POSITION) continue;
            feed(other[j], other_at[j], to, j + 1, info.config.vocab_size);
            other_at[j] = to;
        }
        if (w->company && i == 5) s = detour(c, s, at, info.config.vocab_size);
        while (at < end) {
            int32_t to = w->one_by_one ? at + 1 : end;
            feed(s, at, to, 0, info.config.vocab_size);
            at = to;
            if (w->company) step(c, 3);
            step(c, 0);
        }
        if (lull_sequence_logits(s, &logits, &error) != LULL_OK) golden_die("logits", &error);
        hashes[i] = golden_hash(GOLDEN_START, logits, info.config.vocab_size);
    }
    for (j = 0; j < 2; j++) lull_sequence_close(other[j]);
    lull_sequence_close(s);
    lull_context_close(c);
}

/* ---- comparing */

/* 1 = as the line says, or there was none and it is printed now. */
static int compare(const char *key, uint64_t hash)
{
    int j;
    for (j = 0; j < n_lines && strcmp(lines[j].key, key) != 0; j++) continue;
    if (j < n_lines) return lines[j].hash == hash;
    if (!printing || n_lines == (int)(sizeof lines / sizeof lines[0])) {
        fprintf(stderr, "golden: no line \"%s\"; make it with --print\n", key);
        return 0;
    }
    snprintf(lines[n_lines].key, sizeof lines[n_lines].key, "%s", key);
    lines[n_lines++].hash = hash;
    printf("%s %016llx\n", key, (unsigned long long)hash);
    return 1;
}

static void report(int wrong_position, const char *model, const char *precision, const char *cpu,
                   const char *way_name)
{
    if (wrong_position < 0) {
        n_passed++;
        return;
    }
    n_failed++;
    fprintf(stderr, "FAIL  %s %s on %s, %s: other logits at position %d\n", model, precision, cpu,
            way_name, wrong_position);
}

void golden_check_one(const char *model, const char *precision, const char *class, int position,
                      uint64_t hash, const char *cpu, const char *way_name)
{
    char key[96];
    snprintf(key, sizeof key, "%s %s %s %d", model, precision, class, position);
    report(compare(key, hash) ? -1 : position, model, precision, cpu, way_name);
}

static void check(const char *model, const char *precision, const char *class, const char *cpu,
                  const char *way_name, const uint64_t hashes[N_POSITIONS])
{
    int i, wrong = -1;
    for (i = 0; i < N_POSITIONS && wrong < 0; i++) {
        char key[96];
        snprintf(key, sizeof key, "%s %s %s %d", model, precision, class, (int)POSITIONS[i]);
        if (!compare(key, hashes[i])) wrong = POSITIONS[i];
    }
    report(wrong, model, precision, cpu, way_name);
}

/* One loaded model on all kernels, in the ways whose bits are set. */
static void check_model(lull_model *model, const char *name, const char *precision, unsigned ways)
{
    int n_tables, i, w;
    const lull_kernels *const *tables = lull_kernels_all(&n_tables);
    for (i = 0; i < n_tables; i++) {
        const char *class;
        if (!tables[i]->available()) continue;
        class = golden_class(model, tables[i]);
        for (w = 0; w < N_WAYS; w++) {
            uint64_t hashes[N_POSITIONS];
            if ((ways >> w & 1) == 0) continue;
            run_way(model, tables[i]->name, &WAYS[w], LULL_KV_DEFAULT, hashes);
            check(name, precision, class, tables[i]->name, WAYS[w].name, hashes);
        }
    }
}

/* Kernels of this build that this machine does not run, named once. */
static void report_absent(void)
{
    int n, i;
    const lull_kernels *const *tables = lull_kernels_all(&n);
    for (i = 0; i < n; i++) {
        if (tables[i]->available()) continue;
        printf("skip  %s: this machine has no such unit\n", tables[i]->name);
        n_skipped++;
    }
}

static const char *precision_name(lull_precision p)
{
    return p == LULL_F32 ? "f32" : p == LULL_Q8 ? "q8" : p == LULL_Q4 ? "q4" : "stored";
}

/* ---- the models */

static void check_tiny(const tiny_spec *spec)
{
    static const struct {
        int version;
        lull_byte_order order;
        lull_precision precision;
        unsigned ways; /* a model is fed in all ways once a precision; other files need only load */
    } cases[] = {
        {0, LULL_LITTLE_ENDIAN, LULL_F32, ALL_WAYS},
        {0, LULL_BIG_ENDIAN, LULL_F32, CHUNKS},
        {1, LULL_BIG_ENDIAN, LULL_F32, CHUNKS},
        {0, LULL_LITTLE_ENDIAN, LULL_Q8, ALL_WAYS},
        {0, LULL_BIG_ENDIAN, LULL_Q8, CHUNKS},
        {0, LULL_LITTLE_ENDIAN, LULL_Q4, ALL_WAYS},
        {0, LULL_BIG_ENDIAN, LULL_Q4, CHUNKS},
        {2, LULL_LITTLE_ENDIAN, LULL_AS_STORED, CHUNKS},
        {2, LULL_BIG_ENDIAN, LULL_AS_STORED, CHUNKS},
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lull_load_options options;
        lull_model *model;
        lull_error error;
        size_t bytes;
        unsigned char *file = tiny_checkpoint(spec, cases[i].version, cases[i].order, &bytes);
        lull_load_options_init(&options);
        options.precision = cases[i].precision;
        options.no_tokenizer = 1;
        if (lull_model_load_memory(&model, file, bytes, NULL, 0, &options, &error) != LULL_OK)
            golden_die(spec->name, &error);
        check_model(model, spec->name, precision_name(cases[i].precision), cases[i].ways);
        if (cases[i].ways == ALL_WAYS && strcmp(spec->name, "gqa") == 0)
            golden_company(model, spec->name, precision_name(cases[i].precision));
        lull_model_release(model);
        free(file);
    }
}

static void check_file(const char *name, const char *path, lull_precision precision)
{
    lull_load_options options;
    lull_model *model;
    lull_error error;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        printf("skip  %s %s: there is no %s\n", name, precision_name(precision), path);
        n_skipped++;
        return;
    }
    fclose(f);
    lull_load_options_init(&options);
    options.precision = precision;
    options.no_tokenizer = 1;
    if (lull_model_load(&model, path, &options, &error) != LULL_OK) golden_die(path, &error);
    check_model(model, name, precision_name(precision), EXTREMES);
    if (strcmp(name, "lullaby") == 0 && precision == LULL_AS_STORED)
        golden_company(model, name, precision_name(precision));
    lull_model_release(model);
}

static int read_lines(const char *path)
{
    char text[160], a[32], b[16], c[16];
    int position;
    unsigned long long hash;
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "golden: %s: cannot be opened; run from the top of the repository\n", path);
        return 0;
    }
    while (fgets(text, sizeof text, f) != NULL && n_lines < (int)(sizeof lines / sizeof lines[0])) {
        if (sscanf(text, "%31s %15s %15s %d %llx", a, b, c, &position, &hash) != 5) continue;
        snprintf(lines[n_lines].key, sizeof lines[n_lines].key, "%s %s %s %d", a, b, c, position);
        lines[n_lines++].hash = hash;
    }
    fclose(f);
    return 1;
}

static int wanted(const char *only, const char *name)
{
    return only == NULL || strstr(only, name) != NULL;
}

int main(int argc, char **argv)
{
    const char *file = "tests/golden/logits.txt", *only = NULL;
    const tiny_spec *specs;
    size_t n_specs, i;
    int a;
    for (a = 1; a < argc; a++) {
        if (strcmp(argv[a], "--print") == 0)
            printing = 1;
        else if (strcmp(argv[a], "--models") == 0 && a + 1 < argc)
            only = argv[++a];
        else
            file = argv[a];
    }
    if (!printing && !read_lines(file)) return 2;
    specs = tiny_all(&n_specs);
    for (i = 0; i < n_specs; i++)
        if (wanted(only, specs[i].name)) check_tiny(&specs[i]);
    if (wanted(only, "lullaby")) {
        check_file("lullaby", "examples/models/lullaby.bin", LULL_AS_STORED);
        check_file("lullaby", "examples/models/lullaby.bin", LULL_F32);
        check_file("lullaby", "examples/models/lullaby.bin", LULL_Q4);
    }
    if (wanted(only, "stories260K")) {
        check_file("stories260K", "../shared/models/stories260K.bin", LULL_F32);
        check_file("stories260K", "../shared/models/stories260K.bin", LULL_Q8);
        check_file("stories260K", "../shared/models/stories260K.bin", LULL_Q4);
    }
    if (!printing) report_absent();
    if (!printing) printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return n_failed != 0;
}
