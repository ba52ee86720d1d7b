/* llama2c_draws.c - what llama2.c's own sample() draws: the expected ids of test_llama2c_sampler.c.
 *
 *     git clone https://github.com/karpathy/llama2.c && cd llama2.c && git checkout 350e04fe
 *     cc -O2 -ffp-contract=off -I. -o draws .../tests/support/tools/llama2c_draws.c -lm && ./draws
 *
 * For each case of the test one line: the ids of its draws, and the state they leave. */
#define TESTING
#include "run.c"
#include "../../unit/llama2c_cases.h"

int main(void)
{
    static float logits[MOST_LOGITS];
    int c, i;
    for (c = 0; c < CASES; c++) {
        const draw_case d = make_case(c);
        Sampler s;
        build_sampler(&s, d.n, d.temperature, d.top_p, d.seed);
        printf("    { {");
        for (i = 0; i < DRAWS; i++) {
            make_logits(c, i, logits);
            printf("%s %d", i ? "," : "", sample(&s, logits));
        }
        printf(" }, 0x%llxu },\n", s.rng_state);
        free_sampler(&s);
    }
    return 0;
}
