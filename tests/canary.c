/* canary.c - plants one fault of the kind a sanitizer is to report, so that a sanitized test run
 * which would report nothing fails.  usage: canary asan|ubsan|tsan.  Never part of the product. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *count(void *unused)
{
    int i;
    for (i = 0; i < 100000; i++) shared++;
    return unused;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    volatile int one = argc - 1; /* unknown to the optimiser */

    if (strcmp(kind, "asan") == 0) {
        char *bytes = malloc(16);
        if (bytes == NULL) return 2;
        memset(bytes, one, 16);
        printf("one past the end: %d\n", bytes[15 + one]);
        free(bytes);
    } else if (strcmp(kind, "ubsan") == 0) {
        printf("overflow: %d\n", INT_MAX + one);
    } else if (strcmp(kind, "tsan") == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, count, NULL) != 0) return 2;
        count(NULL);
        pthread_join(thread, NULL);
        printf("raced to %d\n", shared);
    } else {
        return 2;
    }
    return 0;
}
