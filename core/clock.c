/* clock.c - seconds, for measuring. */
#include "base.h"

#include <sys/time.h>
#include <time.h>

double lull_clock(void)
{
#if defined(CLOCK_MONOTONIC)
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) == 0) return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
#endif
    {
        struct timeval now;
        gettimeofday(&now, NULL);
        return (double)now.tv_sec + (double)now.tv_usec * 1e-6;
    }
}
