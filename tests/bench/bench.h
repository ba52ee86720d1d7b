/* bench.h - what the measuring programs share: a clock, options, medians. */
#ifndef LULL_TESTS_BENCH_H
#define LULL_TESTS_BENCH_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

/* Seconds on the wall; only differences mean anything. */
static inline double bench_seconds(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec * 1e-6;
}

/* Seconds this process computed for: what the wall would show if nothing else ran. */
static inline double bench_cpu_seconds(void)
{
    return (double)clock() / (double)CLOCKS_PER_SEC;
}

static inline int bench_is(const char *argument, const char *name)
{
    return argument != NULL && strcmp(argument, name) == 0;
}

/* If argv[*i] is --name, its value (and *i moves on to it), else NULL.  Ends the program when the
 * value is missing. */
static inline const char *bench_option(int argc, char **argv, int *i, const char *name)
{
    if (!bench_is(argv[*i], name)) return NULL;
    if (*i + 1 >= argc) {
        fprintf(stderr, "%s: %s needs a value\n", argv[0], name);
        exit(2);
    }
    return argv[++*i];
}

/* A whole number in low..high, or the end of the program. */
static inline long bench_number(const char *name, const char *text, long low, long high)
{
    char *end;
    long n;
    errno = 0;
    n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < low || n > high) {
        fprintf(stderr, "%s is %s, expected a number in %ld..%ld\n", name, text, low, high);
        exit(2);
    }
    return n;
}

static inline int bench_ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of n values, which get sorted. */
static inline double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, bench_ascending);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2.0;
}

#endif
