/* failing.h - an allocator that counts what is out and fails when told, for out-of-memory tests:
 * fail the first allocation, then the second, ... until the operation succeeds. */
#ifndef FAILING_H
#define FAILING_H

#include "lull.h"

typedef struct failing {
    lull_allocator allocator; /* hand this to the library; user points back here */
    long calls;               /* allocations asked for */
    long fail_at;             /* fail the allocation of this number, from 1; 0 = none */
    int for_ever;             /* and all after it */
    size_t largest;           /* fail what is larger; 0 = no limit */
    long blocks;              /* out now; 0 at the end or there is a leak */
    size_t bytes, peak;       /* out now, and at most */
} failing;

/* Reset the counters; fail_at 0 never fails. */
void failing_init(failing *f, long fail_at, int for_ever);

#endif
