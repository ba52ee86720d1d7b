/* bandwidth.c - how fast this machine reads memory: the roof over a decode step, which reads all
 * weights once.
 *
 * A word of every 32 bytes is loaded.  That moves every cache line (they have 32 bytes or more), and
 * leaves the processor time to spare without vector instructions: what is measured is the way to
 * memory, or to the cache that holds so many bytes.  Four streams, a quarter of the block apart, keep
 * more lines under way than one does.  Asking for lines ahead helps some processors and hinders
 * others, so both ways are tried; the fastest of all samples counts, since nothing reads faster than
 * the machine can and much else makes it slower. */
#include "memory.h"
#include "threads.h"

#define LINE    8 /* words: 64 bytes */
#define STREAMS 4
#define AHEAD   256   /* words asked for ahead in each stream */
#define SAMPLE  0.002 /* seconds, at least: reading the clock must not count */
#define SAMPLES 3     /* of each way, at least */

typedef struct reading {
    const uint64_t *block; /* (n_parts, STREAMS, quarter) */
    size_t quarter;        /* words in a stream, whole lines */
    int ahead;             /* 1: ask for lines ahead */
    uint64_t n_passes;     /* in a sample */
    uint64_t *sums;        /* (n_parts, LINE): kept, so that no load can be left out */
} reading;

static uint64_t read_plainly(const uint64_t *from, size_t quarter)
{
    const uint64_t *a = from, *b = a + quarter, *c = b + quarter, *d = c + quarter;
    uint64_t sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
    size_t i;
    for (i = 0; i < quarter; i += LINE) {
        sum_a += a[i] + a[i + LINE / 2];
        sum_b += b[i] + b[i + LINE / 2];
        sum_c += c[i] + c[i + LINE / 2];
        sum_d += d[i] + d[i + LINE / 2];
    }
    return sum_a + sum_b + sum_c + sum_d;
}

static uint64_t read_ahead(const uint64_t *from, size_t quarter)
{
#if defined(__GNUC__)
    const uint64_t *a = from, *b = a + quarter, *c = b + quarter, *d = c + quarter;
    uint64_t sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
    size_t i;
    for (i = 0; i < quarter; i += LINE) {
        __builtin_prefetch(a + i + AHEAD);
        __builtin_prefetch(b + i + AHEAD);
        __builtin_prefetch(c + i + AHEAD);
        __builtin_prefetch(d + i + AHEAD);
        sum_a += a[i] + a[i + LINE / 2];
        sum_b += b[i] + b[i + LINE / 2];
        sum_c += c[i] + c[i + LINE / 2];
        sum_d += d[i] + d[i + LINE / 2];
    }
    return sum_a + sum_b + sum_c + sum_d;
#else
    return read_plainly(from, quarter);
#endif
}

static void read_part(void *argument, int part, int n_parts)
{
    const reading *r = argument;
    const uint64_t *from = r->block + (size_t)part * STREAMS * r->quarter;
    uint64_t sum = 0, i;
    (void)n_parts;
    for (i = 0; i < r->n_passes; i++)
        sum += r->ahead ? read_ahead(from, r->quarter) : read_plainly(from, r->quarter);
    r->sums[(size_t)part * LINE] += sum;
}

static double sample(lull_pool *pool, reading *r)
{
    const double begin = lull_clock();
    lull_pool_run(pool, read_part, r);
    return lull_clock() - begin;
}

/* Bytes per second, the best of samples that take `seconds` together. */
static double measure(lull_pool *pool, reading *r, double bytes, double seconds)
{
    const double end = lull_clock() + seconds;
    double best = 0.0;
    int i;
    r->n_passes = 1;
    while (sample(pool, r) < SAMPLE) r->n_passes *= 2; /* and what they read is in the caches now */
    for (i = 0; i < 2 * SAMPLES || lull_clock() < end; i++) {
        double taken, rate;
        r->ahead = i % 2;
        taken = sample(pool, r);
        rate = taken > 0.0 ? bytes * (double)r->n_passes / taken : 0.0;
        if (rate > best) best = rate;
    }
    return best;
}

static lull_status open_reading(reading *r, lull_pool **pool, uint64_t *block_bytes, int n_parts,
                                const lull_allocator *allocator, lull_error *error)
{
    const uint64_t unit = (uint64_t)n_parts * STREAMS * LINE * sizeof(uint64_t);
    const uint64_t quarter = (*block_bytes + unit - 1) / unit * LINE;
    const size_t sums_bytes = (size_t)n_parts * LINE * sizeof(uint64_t);
    void *block = NULL;
    size_t bytes;

    *block_bytes = quarter / LINE * unit;
    if (!lull_u64_to_size(*block_bytes, &bytes) ||
        (block = lull_memory_get(allocator, bytes)) == NULL)
        return lull_memory_fail(error, "read bandwidth", *block_bytes);
    memset(block, 1, bytes); /* pages that were never written may all be the same one */
    r->block = block;
    r->quarter = (size_t)quarter;
    r->sums = lull_memory_get_zeroed(allocator, sums_bytes);
    if (r->sums == NULL) return lull_memory_fail(error, "read bandwidth", sums_bytes);
    return lull_pool_open(pool, n_parts, allocator, error);
}

lull_status lull_read_bandwidth(uint64_t bytes, int32_t threads, double seconds,
                                const lull_allocator *allocator, double *bytes_per_second,
                                lull_error *error)
{
    const int n_parts = threads > 0 ? (int)threads : lull_cpu_count();
    lull_allocator hook;
    lull_pool *pool = NULL;
    lull_status status;
    reading r;

    lull_error_clear(error);
    *bytes_per_second = 0.0;
    if (bytes < 1 || bytes > (uint64_t)1 << 40)
        return lull_fail(error, LULL_EINVAL, 0, 0, "bytes: expected 1..2^40");
    if (threads < 0 || threads > 256)
        return lull_fail(error, LULL_EINVAL, 0, 0, "threads is %ld, expected 0..256",
                         (long)threads);
    if (!(seconds >= 0.0 && seconds <= 3600.0))
        return lull_fail(error, LULL_EINVAL, 0, 0, "seconds: expected 0..3600");
    memset(&r, 0, sizeof r);
    memset(&hook, 0, sizeof hook);
    if (allocator != NULL) hook = *allocator;
    status = open_reading(&r, &pool, &bytes, n_parts, &hook, error);
    if (status == LULL_OK) *bytes_per_second = measure(pool, &r, (double)bytes, seconds);
    lull_pool_close(pool);
    lull_memory_put(&hook, r.sums);
    lull_memory_put(&hook, (void *)(uintptr_t)r.block);
    return status;
}
