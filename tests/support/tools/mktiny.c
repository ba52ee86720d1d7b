/* mktiny.c - write a tiny model and its tokenizer to files, for tests that are not in C.
 *
 *     mktiny NAME v0|v1|v2 le|be MODEL_OUT TOKENIZER_OUT
 *
 * Exit code 2 on wrong usage, 1 when a file cannot be written. */
#include "../tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int save(const char *path, unsigned char *bytes, size_t n)
{
    int ok = tiny_save(path, bytes, n);
    if (!ok) fprintf(stderr, "mktiny: %s cannot be written\n", path);
    free(bytes);
    return ok;
}

int main(int argc, char **argv)
{
    const tiny_spec *spec = argc == 6 ? tiny_find(argv[1]) : NULL;
    lull_byte_order order;
    unsigned char *bytes;
    size_t n;
    if (!spec || strlen(argv[2]) != 2 || argv[2][0] != 'v' || !strchr("012", argv[2][1]) ||
        (strcmp(argv[3], "le") != 0 && strcmp(argv[3], "be") != 0)) {
        fprintf(stderr, "usage: mktiny odd|gqa|unshared|head8 v0|v1|v2 le|be MODEL TOKENIZER\n");
        return 2;
    }
    order = argv[3][0] == 'l' ? LULL_LITTLE_ENDIAN : LULL_BIG_ENDIAN;
    bytes = tiny_checkpoint(spec, argv[2][1] - '0', order, &n);
    if (!save(argv[4], bytes, n)) return 1;
    bytes = tiny_tokenizer(spec->config.vocab_size, order, &n);
    return save(argv[5], bytes, n) ? 0 : 1;
}
