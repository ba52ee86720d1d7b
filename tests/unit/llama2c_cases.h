/* llama2c_cases.h - the cases of test_llama2c_sampler.c, made of integers, so that llama2.c's sampler
 * and ours see the same floats on every machine. */
#ifndef LLAMA2C_CASES_H
#define LLAMA2C_CASES_H

#include <stdint.h>

#define CASES       60
#define DRAWS       8
#define MOST_LOGITS 2048

typedef struct draw_case {
    int n;
    float temperature, top_p;
    unsigned long long seed;
} draw_case;

static draw_case make_case(int c)
{
    static const int sizes[3] = {32, 512, 2048};
    static const float temperatures[5] = {0.8f, 1.0f, 0.0f, 0.5f, 1.7f};
    static const float top_ps[4] = {0.9f, 1.0f, 0.5f, 0.0f};
    draw_case d;
    d.n = sizes[c % 3];
    d.temperature = temperatures[c % 5];
    d.top_p = top_ps[c % 4];
    d.seed = 1 + (unsigned long long)c * 123456789;
    return d;
}

/* Logits of case c, draw i: random, every fifth case coarse so that many are equal. */
static void make_logits(int c, int i, float *logits)
{
    const int n = make_case(c).n, unit = c % 5 == 4 ? 1 << 12 : 1;
    uint64_t x = 88172645463325252u + (uint64_t)c * 1000 + (uint64_t)i;
    int k;
    for (k = 0; k < n; k++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        logits[k] = (float)((int32_t)(x >> 48) & -unit) / 4096.0f - 8.0f;
    }
}

#endif
