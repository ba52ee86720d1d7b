/* replay.c - run a fuzz target on files: replay_NAME FILE...
 * How the corpus is tested without libFuzzer.  A file that cannot be read is a failure; a crash
 * ends the program and leaves the name of its input as the last line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The whole of a file, or NULL. */
static uint8_t *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size = -1;
    if (!f) return NULL;
    if (fseek(f, 0, SEEK_END) == 0) size = ftell(f);
    if (size >= 0 && fseek(f, 0, SEEK_SET) == 0) bytes = malloc((size_t)size + 1);
    *n = bytes ? (size_t)size : 0;
    if (bytes && fread(bytes, 1, *n, f) != *n) {
        free(bytes);
        bytes = NULL;
    }
    fclose(f);
    return bytes;
}

int main(int argc, char **argv)
{
    int i, passed = 0, failed = 0;
    for (i = 1; i < argc; i++) {
        size_t n;
        uint8_t *bytes = slurp(argv[i], &n);
        if (!bytes) {
            printf("%s: cannot be read\n", argv[i]);
            failed++;
            continue;
        }
        printf("%s\n", argv[i]);
        fflush(stdout);
        LLVMFuzzerTestOneInput(bytes, n);
        free(bytes);
        passed++;
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed || !passed;
}
