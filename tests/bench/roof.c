/* roof.c - how fast one core can read that many bytes: the limit of a decode step.
 * usage: roof BYTES [--repeat N] [--pages small|huge]
 *
 * A step reads all weights once and multiplies each once; no program reads them faster than a loop
 * that does nothing else.  Four streams, a quarter of the buffer apart, keep most lines of memory
 * under way at once.  Seconds are those of the process itself.  Prints one line of JSON: GB/s
 * (10^9), the median and the best of N passes (default 15).  Compile for the machine: -O3
 * -march=native. */
#define _DEFAULT_SOURCE 1 /* madvise */ /* NOLINT(bugprone-reserved-identifier) */
#include "bench.h"

#include <stdint.h>
#include <sys/mman.h>

#define LINE    64
#define STREAMS 4

/* GCC's vectors: as wide as the machine has, and plain C elsewhere. */
typedef uint64_t wide __attribute__((vector_size(LINE)));

static uint64_t pass(const wide *from, size_t lines)
{
    const size_t quarter = lines / STREAMS;
    const wide *a = from, *b = from + quarter, *c = b + quarter, *d = c + quarter;
    wide sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0};
    size_t i;
    for (i = 0; i < quarter; i++) {
        sum0 ^= a[i];
        sum1 ^= b[i];
        sum2 ^= c[i];
        sum3 ^= d[i];
#if defined(__GNUC__)
        __builtin_prefetch(&a[i + 32], 0, 2);
        __builtin_prefetch(&b[i + 32], 0, 2);
        __builtin_prefetch(&c[i + 32], 0, 2);
        __builtin_prefetch(&d[i + 32], 0, 2);
#endif
    }
    sum0 = (sum0 ^ sum1) ^ (sum2 ^ sum3);
    return sum0[0] ^ sum0[1] ^ sum0[2] ^ sum0[3] ^ sum0[4] ^ sum0[5] ^ sum0[6] ^ sum0[7];
}

static void *get_pages(size_t bytes, int huge)
{
    const size_t align = (size_t)2 << 20;
    char *block =
        mmap(NULL, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        perror("roof: mmap");
        exit(1);
    }
    block += align - (size_t)((uintptr_t)block % align);
#if defined(MADV_HUGEPAGE) && defined(MADV_NOHUGEPAGE)
    if (madvise(block, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0) perror("roof: madvise");
#else
    (void)huge;
#endif
    return block;
}

int main(int argc, char **argv)
{
    long repeat = 15, bytes, i;
    int huge = 1;
    double *rates;
    const char *value;
    uint64_t checksum = 0; /* printed, so that no pass can be left out */
    wide *block;
    size_t lines, k;

    if (argc < 2) {
        fprintf(stderr, "usage: roof BYTES [--repeat N] [--pages small|huge]\n");
        return 2;
    }
    bytes = bench_number("BYTES", argv[1], (long)STREAMS * LINE, 2147483647);
    for (i = 2; i < argc; i++) {
        int at = (int)i;
        if ((value = bench_option(argc, argv, &at, "--repeat")) != NULL)
            repeat = bench_number("--repeat", value, 1, 10000);
        else if ((value = bench_option(argc, argv, &at, "--pages")) != NULL)
            huge = strcmp(value, "small") != 0;
        else {
            fprintf(stderr, "roof: unknown option %s\n", argv[i]);
            return 2;
        }
        i = at;
    }
    lines = (size_t)bytes / ((size_t)STREAMS * LINE) * STREAMS;
    block = get_pages(lines * LINE, huge);
    rates = malloc((size_t)repeat * sizeof *rates);
    if (rates == NULL) return 1;
    for (k = 0; k < lines * LINE; k++)
        ((unsigned char *)block)[k] = (unsigned char)((uint32_t)k * 2654435761u >> 24);
    for (i = -2; i < repeat; i++) { /* the first two passes only warm up */
        const double begin = bench_cpu_seconds();
        const uint64_t sum = pass(block, lines);
        const double seconds = bench_cpu_seconds() - begin;
        checksum ^= sum;
        if (i >= 0) rates[i] = (double)lines * LINE / seconds / 1e9;
    }
    {
        const double median = bench_median(rates, (size_t)repeat);
        printf("{\"bytes\":%ld,\"pages\":\"%s\",\"gb_per_second\":%.2f,\"best\":%.2f,"
               "\"xor\":%lu}\n",
               bytes, huge ? "huge" : "small", median, rates[repeat - 1],
               (unsigned long)(checksum & 0xffffffffu));
    }
    free(rates);
    return fflush(stdout) == 0 ? 0 : 1;
}
