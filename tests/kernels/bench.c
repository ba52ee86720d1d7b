/* bench.c - bytes of weights per second through each kernel, beside a plain loop that only reads
 * the same cache lines.  Medians over rounds that alternate, because a machine is rarely quiet. */
#include "check.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define COLS   768

static volatile uint64_t sink;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other programs' turns do not count */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *t)
{
    qsort(t, ROUNDS, sizeof *t, by_size);
    return t[ROUNDS / 2];
}

/* The roof: a word of every cache line, in order or from four places at once. */
static void read_all(const unsigned char *p, size_t bytes, size_t streams)
{
    const size_t apart = bytes / 64 / streams * 64;
    uint64_t sum[4] = {0};
    size_t i, s;
    for (i = 0; i < apart; i += 64)
        for (s = 0; s < streams; s++) {
            uint64_t word;
            memcpy(&word, p + s * apart + i, 8);
            sum[s] += word;
        }
    sink += sum[0] + sum[1] + sum[2] + sum[3];
}

static void activations(lull_activations *a, const lull_matrix *m, const lull_kernels *k,
                        const float *x)
{
    a->group = m->group;
    a->n_groups = m->n_groups;
    a->group_stride = (int32_t)lull_round_up((size_t)m->group, 16);
    a->token_stride = lull_round_up((size_t)m->n_groups * (size_t)a->group_stride, 64);
    a->q = lull_memory_get_zeroed(NULL, a->token_stride);
    a->scale = lull_memory_get(NULL, (size_t)m->n_groups * 16);
    a->offset = lull_memory_get(NULL, (size_t)m->n_groups * 16);
    if (a->q == NULL || a->scale == NULL || a->offset == NULL) exit(2);
    k->quantize(a, 0, x, COLS);
}

static void one(const lull_kernels *k, const char *name, lull_precision precision,
                lull_scale_type scales, int32_t group, uint64_t wanted)
{
    double run[ROUNDS], roof[ROUNDS], share[ROUNDS], fastest, typical, limit;
    lull_activations a = {0};
    lull_matrix m;
    uint64_t bytes;
    int32_t rows = 16, b;
    float *x, *y, *w;
    int i;

    lull_matrix_plan(&m, precision, scales, rows, COLS, group, &bytes);
    rows = (int32_t)(wanted / bytes) * 16;
    lull_matrix_plan(&m, precision, scales, rows, COLS, group, &bytes);
    m.data = lull_memory_get(NULL, (size_t)bytes);
    x = lull_memory_get(NULL, COLS * 4);
    y = lull_memory_get(NULL, (size_t)rows * 4);
    w = lull_memory_get(NULL, COLS * 16 * 4);
    if (m.data == NULL || x == NULL || y == NULL || w == NULL) exit(2);
    check_fill(x, COLS, SHAPE_EVEN);
    check_fill(w, COLS * 16, SHAPE_EVEN);
    for (b = 0; b < m.n_blocks; b++) lull_matrix_pack_f32(&m, b, w, 16);
    if (precision == LULL_Q8) activations(&a, &m, k, x);
    for (i = 0; i < ROUNDS; i++) {
        double start = seconds(), one_stream, four_streams;
        read_all(m.data, (size_t)bytes, 1);
        one_stream = seconds() - start;
        start = seconds();
        read_all(m.data, (size_t)bytes, 4);
        four_streams = seconds() - start;
        start = seconds();
        if (precision == LULL_Q8)
            k->linear_q8(&m, &a, 1, y, (size_t)rows, 0, m.n_blocks);
        else
            k->linear_f32(&m, x, COLS, 1, y, (size_t)rows, 0, m.n_blocks);
        run[i] = seconds() - start;
        roof[i] = one_stream < four_streams ? one_stream : four_streams;
        share[i] = roof[i] / run[i];
    }
    typical = (double)bytes / median(run) * 1e-9;
    fastest = (double)bytes / run[0] * 1e-9; /* sorted now */
    limit = (double)bytes / median(roof) * 1e-9;
    printf("%-9s %-15s %4.0f MB  %6.2f GB/s (best %6.2f)  plain read %6.2f  %4.0f %%\n", k->name,
           name, (double)bytes * 1e-6, typical, fastest, limit, 100.0 * median(share));
    lull_memory_put(NULL, m.data);
    lull_memory_put(NULL, x);
    lull_memory_put(NULL, y);
    lull_memory_put(NULL, w);
    lull_memory_put(NULL, a.q);
    lull_memory_put(NULL, a.scale);
    lull_memory_put(NULL, a.offset);
}

void bench(const lull_kernels *k)
{
    static const uint64_t sizes[] = {17000000, 118000000};
    int i;
    for (i = 0; i < 2; i++) {
        one(k, "q8 g64 bf16", LULL_Q8, LULL_SCALE_BF16, 64, sizes[i]);
        one(k, "q8 g32 float32", LULL_Q8, LULL_SCALE_F32, 32, sizes[i]);
        one(k, "float32", LULL_F32, LULL_SCALE_NONE, 0, sizes[i]);
    }
}
