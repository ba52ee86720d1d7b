/* verdict.h - what main.c knows of a running test and the tests do not. */
#ifndef VERDICT_H
#define VERDICT_H

#include "check.h"

typedef struct verdict {
    long cases, failures;
    const char *format; /* of the case that runs */
    int value[6];
} verdict;
extern verdict check_verdict;

void check_describe(char *out, size_t size); /* the case that runs */
void check_slots(void);                      /* look before every slot; forget them */

#endif
