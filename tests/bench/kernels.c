/* kernels.c - what one kernel costs at one size: the parts of which decode.c measures the sum.
 * usage: kernels NAME [--cpu CPU] [--rows N] [--cols N] [--group N] [--tokens N] [--positions N]
 *                     [--heads N] [--repeat N]
 *
 * NAME: linear_f32 linear_q8 linear_q4 (rows x cols, that many tokens), quantize rmsnorm swiglu add
 * argmax (cols), attention_f32 attention_bf16 (heads x cols / heads, over that many positions).
 * Prints one line of JSON.  Under an emulator that counts instructions, the difference between two
 * --repeat is what the calls cost. */
#include "bench.h"
#include "kernels/kernels.h"
#include "memory.h"

typedef struct bench {
    const lull_kernels *kernels;
    const char *name;
    long rows, cols, group, tokens, positions, heads, repeat;
    lull_matrix w;
    lull_activations xq;
    lull_attention a;
    size_t x_stride, out_stride;
    float *x, *y, *out; /* (tokens, x_stride), (cols), (tokens, out_stride) */
    volatile int32_t chosen;
    double bytes; /* read by one call, where that is what limits it */
} bench;

static const lull_allocator libc_allocator;

static void *get(size_t bytes)
{
    void *p = lull_memory_get_zeroed(&libc_allocator, bytes);
    if (p == NULL) {
        fprintf(stderr, "kernels: out of memory\n");
        exit(1);
    }
    return p;
}

static float *get_floats(size_t n)
{
    float *p = get(lull_round_up(n, 16) * sizeof *p);
    uint32_t state = 12345;
    size_t i;
    for (i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (float)(int32_t)(state >> 8) * (1.0f / 8388608.0f) - 1.0f;
    }
    return p;
}

static void make_matrix(bench *b, lull_precision precision)
{
    uint64_t bytes;
    int32_t block;
    float *rows = get_floats((size_t)LULL_LANES * (size_t)b->cols);
    lull_matrix_plan(&b->w, precision, precision == LULL_F32 ? LULL_SCALE_NONE : LULL_SCALE_BF16,
                     (int32_t)b->rows, (int32_t)b->cols, (int32_t)b->group, &bytes);
    b->w.data = get((size_t)bytes);
    for (block = 0; block < b->w.n_blocks; block++) {
        const long left = b->rows - (long)block * LULL_LANES;
        if (block > 0 && left >= LULL_LANES) /* the same rows again: packing takes its time */
            memcpy(b->w.data + (size_t)block * b->w.block_bytes, b->w.data, b->w.block_bytes);
        else
            lull_matrix_pack_f32(&b->w, block, rows,
                                 (int32_t)(left < LULL_LANES ? left : LULL_LANES));
    }
    b->bytes = (double)bytes;
    lull_memory_put(&libc_allocator, rows);
}

static void make_activations(bench *b)
{
    lull_activations *q = &b->xq;
    const size_t tokens = (size_t)b->tokens;
    int32_t t;
    q->group = (int32_t)b->group;
    q->n_groups = (int32_t)((b->cols + b->group - 1) / b->group);
    q->group_stride = (int32_t)lull_round_up((size_t)b->group, 16);
    q->token_stride = lull_round_up((size_t)q->n_groups * (size_t)q->group_stride, 64);
    q->q = get(tokens * q->token_stride);
    q->scale = get(tokens * (size_t)q->n_groups * 16);
    q->offset = get(tokens * (size_t)q->n_groups * 16);
    for (t = 0; t < (int32_t)b->tokens; t++)
        b->kernels->quantize(q, t, b->x + (size_t)t * b->x_stride, (int32_t)b->cols);
}

static void make_attention(bench *b, size_t element)
{
    lull_attention *a = &b->a;
    const long n_blocks = (b->positions + 15) / 16;
    const unsigned char **blocks = get((size_t)n_blocks * sizeof *blocks);
    size_t kv_bytes;
    long i;
    a->n_heads = a->n_kv_heads = (int32_t)b->heads;
    a->head_dim = (int32_t)(b->cols / b->heads);
    a->head_stride = (int32_t)lull_round_up((size_t)a->head_dim, 16);
    a->scores_stride = lull_round_up((size_t)b->positions, 16) + 16;
    a->scores = get((size_t)b->heads * a->scores_stride * sizeof(float));
    a->sums = get_floats((size_t)b->heads * (size_t)a->head_stride);
    a->rows = (int32_t)b->heads;
    a->n_queries = 1;
    a->query = get_floats((size_t)b->heads * (size_t)a->head_stride);
    a->out = b->y;
    a->n_positions = (int32_t)b->positions;
    a->scale = 0.125f;
    kv_bytes = (size_t)b->heads * 16 * (size_t)a->head_stride * element;
    a->v_offset = kv_bytes;
    for (i = 0; i < n_blocks; i++) blocks[i] = get(2 * kv_bytes);
    a->blocks = blocks;
    b->bytes = 2.0 * (double)kv_bytes * (double)n_blocks;
}

static void prepare(bench *b)
{
    b->x_stride = lull_round_up((size_t)b->cols, 16);
    b->out_stride = lull_round_up((size_t)b->rows, 16);
    b->x = get_floats((size_t)b->tokens * b->x_stride);
    b->y = get_floats((size_t)b->cols);
    b->out = get_floats((size_t)b->tokens * b->out_stride);
    b->x[b->cols / 2] = 1.5f; /* argmax finds it half way, as it would on average */
    if (strcmp(b->name, "linear_f32") == 0) make_matrix(b, LULL_F32);
    if (strcmp(b->name, "linear_q8") == 0) make_matrix(b, LULL_Q8);
    if (strcmp(b->name, "linear_q4") == 0) make_matrix(b, LULL_Q4);
    if (strcmp(b->name, "attention_f32") == 0) make_attention(b, 4);
    if (strcmp(b->name, "attention_bf16") == 0) make_attention(b, 2);
    make_activations(b);
}

/* One call; 0 where there is no such kernel. */
static int call(bench *b)
{
    const lull_kernels *k = b->kernels;
    const int32_t cols = (int32_t)b->cols;
    const int32_t tokens = (int32_t)b->tokens;
    if (strcmp(b->name, "linear_f32") == 0)
        k->linear_f32(&b->w, b->x, b->x_stride, tokens, b->out, b->out_stride, 0, b->w.n_blocks);
    else if (strcmp(b->name, "linear_q8") == 0)
        k->linear_q8(&b->w, &b->xq, tokens, b->out, b->out_stride, 0, b->w.n_blocks);
    else if (strcmp(b->name, "linear_q4") == 0)
        k->linear_q4(&b->w, &b->xq, tokens, b->out, b->out_stride, 0, b->w.n_blocks);
    else if (strcmp(b->name, "quantize") == 0)
        k->quantize(&b->xq, 0, b->x, cols);
    else if (strcmp(b->name, "rmsnorm") == 0)
        k->rmsnorm(b->y, b->x, b->x, cols);
    else if (strcmp(b->name, "swiglu") == 0)
        k->swiglu(b->y, b->x, cols);
    else if (strcmp(b->name, "add") == 0)
        k->add(b->y, b->x, cols);
    else if (strcmp(b->name, "attention_f32") == 0)
        k->attention_f32(&b->a, 0, (int32_t)b->heads);
    else if (strcmp(b->name, "attention_bf16") == 0)
        k->attention_bf16(&b->a, 0, (int32_t)b->heads);
    else if (strcmp(b->name, "argmax") == 0)
        b->chosen = lull_logits_argmax(b->x, (size_t)b->cols);
    else
        return 0;
    return 1;
}

static void parse(bench *b, const char **cpu, int argc, char **argv)
{
    const struct number {
        const char *name;
        long *to, high;
    } numbers[] = {{"--rows", &b->rows, 1000000},         {"--cols", &b->cols, 1000000},
                   {"--group", &b->group, 65536},         {"--tokens", &b->tokens, 1024},
                   {"--positions", &b->positions, 65536}, {"--heads", &b->heads, 1024},
                   {"--repeat", &b->repeat, 100000000}};
    const char *value;
    size_t n;
    int i;
    for (i = 2; i < argc; i++) {
        if ((value = bench_option(argc, argv, &i, "--cpu")) != NULL) {
            *cpu = value;
            continue;
        }
        for (n = 0; n < sizeof numbers / sizeof *numbers; n++)
            if ((value = bench_option(argc, argv, &i, numbers[n].name)) != NULL) {
                *numbers[n].to = bench_number(numbers[n].name, value, 1, numbers[n].high);
                break;
            }
        if (n == sizeof numbers / sizeof *numbers) {
            fprintf(stderr, "kernels: unknown option %s\n", argv[i]);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    bench b;
    const char *cpu = NULL;
    lull_error error;
    double begin, seconds;
    long i;

    memset(&b, 0, sizeof b);
    b.rows = 2048;
    b.cols = 768;
    b.group = 64;
    b.tokens = 1;
    b.heads = 12;
    b.positions = 16;
    b.repeat = 100;
    if (argc < 2) {
        fprintf(stderr, "usage: kernels NAME [--cpu CPU] [--rows N] [--cols N] [--group N] "
                        "[--tokens N] [--positions N] [--heads N] [--repeat N]\n");
        return 2;
    }
    b.name = argv[1];
    parse(&b, &cpu, argc, argv);
    if (lull_kernels_select(cpu, &b.kernels, &error) != LULL_OK) {
        fprintf(stderr, "kernels: %s\n", error.message);
        return 1;
    }
    if (b.kernels->enter != NULL) b.kernels->enter();
    prepare(&b);
    if (!call(&b)) {
        fprintf(stderr, "kernels: no kernel is called %s\n", b.name);
        return 2;
    }
    begin = bench_cpu_seconds();
    for (i = 0; i < b.repeat; i++) call(&b);
    seconds = (bench_cpu_seconds() - begin) / (double)b.repeat;
    printf("{\"name\":\"%s\",\"kernel\":\"%s\",\"rows\":%ld,\"cols\":%ld,\"group\":%ld,"
           "\"tokens\":%ld,\"positions\":%ld,\"microseconds\":%.3f,\"bytes\":%.0f,\"gb_per_"
           "second\":%.2f}\n",
           b.name, b.kernels->name, b.rows, b.cols, b.group, b.tokens, b.positions, seconds * 1e6,
           b.bytes, b.bytes / seconds / 1e9);
    return fflush(stdout) == 0 ? 0 : 1;
}
