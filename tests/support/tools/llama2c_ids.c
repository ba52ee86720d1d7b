/* llama2c_ids.c - what llama2.c's own encode() makes of texts: the expected ids of test_tokenizer.c.
 *
 *     git clone https://github.com/karpathy/llama2.c && cd llama2.c && git checkout 350e04fe
 *     cc -O2 -I. -o ids .../tests/support/tools/llama2c_ids.c -lm
 *     ./ids NAME TOKENIZER VOCAB_SIZE < .../tests/unit/tokenizer_texts.txt
 *
 * Every line of input is a text, with \n and \xHH for what a line cannot hold.  Every line of
 * output is one text: the tokenizer's name, how many ids, the ids. */
#define TESTING
#include "run.c"

static size_t unescape(char *s)
{
    char *out = s, *start = s;
    for (; *s != 0 && *s != '\n'; s++) {
        unsigned byte;
        if (s[0] == '\\' && s[1] == 'n') {
            *out++ = '\n';
            s++;
        } else if (s[0] == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1) {
            *out++ = (char)byte;
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = 0;
    return (size_t)(out - start);
}

int main(int argc, char **argv)
{
    static char line[65536];
    static int ids[65536 + 2];
    Tokenizer t;
    int n, i;
    if (argc != 4) return 2;
    build_tokenizer(&t, argv[2], atoi(argv[3]));
    while (fgets(line, sizeof line, stdin)) {
        unescape(line);
        encode(&t, line, 1, 0, ids, &n);
        printf("%s %d", argv[1], n);
        for (i = 0; i < n; i++) printf(" %d", ids[i]);
        printf("\n");
    }
    free_tokenizer(&t);
    return 0;
}
