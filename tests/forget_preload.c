/* forget_preload.c - preloaded behind a sanitizer's runtime, so that the programs a test starts do
 * not inherit it: a shell under ThreadSanitizer crashes.  Those that need it set it again. */
#include <stdlib.h>

__attribute__((constructor)) static void forget(void)
{
    unsetenv("LD_PRELOAD");
}
