/* sampling.c - what each step of sampling costs over a whole vocabulary, and whole chains.
 * usage: sampling [--n N] [--rounds N] [--repeat N]
 *
 * With -DLULL_BENCH_LLAMA (sampling.sh gives it, and the library) llama.cpp's sampler of the same step
 * takes turns with it, its array of candidates filled before the clock starts; a chain begins with
 * filling it, as there is no other way to begin.  Prints lines of JSON: the median of repeat calls, a
 * line each round. */
#include "bench.h"
#include "lull.h"

#include <math.h>
#ifdef LULL_BENCH_LLAMA
#include "llama.h"
#endif

enum { MOST = 1 << 20 };

static float logits[MOST], values[MOST], other[MOST];
static uint32_t work[2 * MOST];
static size_t n = 32000;
static volatile int32_t chosen;

/* ---- logits */

static double uniform(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return ((double)(state >> 8) + 0.5) * 0x1p-24;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* normal: a wide choice, as of a model that knows little; flat: all tokens alike; peaked: a few that
 * stand out, as most positions of a text are. */
static const char *const shapes[] = {"normal", "flat", "peaked"};

static void make_logits(int shape)
{
    size_t i;
    for (i = 0; i < n; i++) {
        logits[i] = (float)(shape == 1 ? 3 + 0.01 * normal() : 2 * normal());
        if (shape == 2 && uniform() < 0.0005) logits[i] += 14;
        other[i] = (float)(2 * normal());
    }
}

/* ---- lull's steps */

static void top_k_40(void)
{
    lull_logits_top_k(values, n, 40);
}

static void top_k_400(void)
{
    lull_logits_top_k(values, n, 400);
}

static void top_p(void)
{
    lull_logits_top_p(values, n, 0.9f);
}

static void min_p(void)
{
    lull_logits_min_p(values, n, 0.05f);
}

static void typical(void)
{
    lull_logits_typical(values, n, 0.9);
}

static void top_n_sigma(void)
{
    lull_logits_top_n_sigma(values, n, 1);
}

static void xtc(void)
{
    lull_logits_xtc(values, n, 0.01);
}

static void temperature(void)
{
    lull_logits_temperature(values, n, 0.8);
}

static void dynamic_temperature(void)
{
    lull_logits_dynamic_temperature(values, n, 0.5, 1.5, 1);
}

static void sample(void)
{
    int32_t id;
    lull_logits_sample(values, n, 0.5, &id, NULL);
    chosen = id;
}

static void greedy(void)
{
    chosen = lull_logits_argmax(values, n);
}

static void adaptive_p(void)
{
    lull_logits_toward(values, n, 0.5);
    sample();
}

static void top_a(void)
{
    lull_logits_top_a(values, n, 0.2);
}

static void epsilon(void)
{
    lull_logits_epsilon(values, n, 3e-4);
}

static void eta(void)
{
    lull_logits_eta(values, n, 3e-4);
}

static void tail_free(void)
{
    lull_logits_tail_free(values, n, 0.95, work);
}

static void smooth(void)
{
    lull_logits_smooth(values, n, 0.25, 1);
}

static void green(void)
{
    lull_logits_green(values, NULL, n, 17, 0.5, 2);
}

static void add_scaled(void)
{
    lull_logits_add_scaled(values, other, n, -0.5);
}

static void log_softmax(void)
{
    lull_logits_log_softmax(values, n, NULL);
}

static void softmax(void)
{
    lull_logits_softmax(values, n, NULL);
}

static void entropy(void)
{
    chosen = lull_logits_entropy(values, n) > 1;
}

static void divergence(void)
{
    chosen = lull_logits_divergence(values, other, n) > 1;
}

/* The chains as the Lua module runs them: on the few that are left, once they are few. */
static void chain(float p, float min)
{
    lull_candidate largest[40];
    float few[40];
    size_t count, k;
    int32_t i;
    int sound;
    count = lull_logits_largest(logits, n, 40, largest, &sound);
    for (k = 0; k < count; k++) few[k] = largest[k].value;
    lull_logits_top_p(few, count, p);
    if (min > 0) lull_logits_min_p(few, count, min);
    lull_logits_temperature(few, count, 0.8);
    lull_logits_sample(few, count, 0.5, &i, NULL);
    chosen = largest[i].id;
}

static void chain_top_p(void)
{
    chain(0.9f, 0);
}

static void chain_default(void)
{
    chain(0.95f, 0.05f);
}

/* Without narrowing: what a C host gets that only calls one function after the other. */
static void chain_plain(void)
{
    memcpy(values, logits, n * sizeof *values);
    lull_logits_top_k(values, n, 40);
    lull_logits_top_p(values, n, 0.9f);
    lull_logits_temperature(values, n, 0.8);
    sample();
}

/* ---- llama.cpp's */

#ifdef LULL_BENCH_LLAMA

static llama_token_data *candidates;
static llama_token_data_array array;

static void fill(void)
{
    size_t i;
    for (i = 0; i < n; i++) {
        candidates[i].id = (llama_token)i;
        candidates[i].logit = logits[i];
        candidates[i].p = 0;
    }
    array.data = candidates;
    array.size = n;
    array.selected = -1;
    array.sorted = false;
}

static struct llama_sampler *make_chain(float p, float min)
{
    struct llama_sampler *c = llama_sampler_chain_init(llama_sampler_chain_default_params());
    llama_sampler_chain_add(c, llama_sampler_init_top_k(40));
    llama_sampler_chain_add(c, llama_sampler_init_top_p(p, 1));
    if (min > 0) llama_sampler_chain_add(c, llama_sampler_init_min_p(min, 1));
    llama_sampler_chain_add(c, llama_sampler_init_temp(0.8f));
    llama_sampler_chain_add(c, llama_sampler_init_dist(1));
    return c;
}

static struct llama_sampler *make_sampler(const char *step)
{
    if (bench_is(step, "top_k 40")) return llama_sampler_init_top_k(40);
    if (bench_is(step, "top_k 400")) return llama_sampler_init_top_k(400);
    if (bench_is(step, "top_p 0.9")) return llama_sampler_init_top_p(0.9f, 1);
    if (bench_is(step, "min_p 0.05")) return llama_sampler_init_min_p(0.05f, 1);
    if (bench_is(step, "typical 0.9")) return llama_sampler_init_typical(0.9f, 1);
    if (bench_is(step, "top_n_sigma 1")) return llama_sampler_init_top_n_sigma(1);
    if (bench_is(step, "xtc 0.01")) return llama_sampler_init_xtc(1, 0.01f, 1, 1);
    if (bench_is(step, "temperature")) return llama_sampler_init_temp(0.8f);
    if (bench_is(step, "dynamic_temperature")) return llama_sampler_init_temp_ext(1, 0.5f, 1);
    if (bench_is(step, "sample")) return llama_sampler_init_dist(1);
    if (bench_is(step, "argmax")) return llama_sampler_init_greedy();
    if (bench_is(step, "toward + sample")) return llama_sampler_init_adaptive_p(0.5f, 0.9f, 1);
    if (bench_is(step, "chain: top_k 40 + top_p 0.9 + temperature + sample"))
        return make_chain(0.9f, 0);
    if (bench_is(step, "chain: top_k 40 + top_p 0.95 + min_p 0.05 + temperature + sample"))
        return make_chain(0.95f, 0.05f);
    return NULL;
}

static double llama_microseconds(const char *step, long repeat, double *times)
{
    struct llama_sampler *s = make_sampler(step);
    const int whole = strncmp(step, "chain", 5) == 0;
    long i;
    if (s == NULL) return -1;
    for (i = 0; i < repeat; i++) {
        double begin;
        if (!whole) fill();
        begin = lull_clock();
        if (whole) fill();
        llama_sampler_apply(s, &array);
        times[i] = lull_clock() - begin;
    }
    llama_sampler_free(s);
    return 1e6 * bench_median(times, (size_t)repeat);
}

#endif

/* ---- measuring */

static const struct {
    const char *name;
    void (*run)(void);
} steps[] = {
    {"chain: top_k 40 + top_p 0.9 + temperature + sample", chain_top_p},
    {"chain: top_k 40 + top_p 0.95 + min_p 0.05 + temperature + sample", chain_default},
    {"chain: the first as plain calls", chain_plain},
    {"top_k 40", top_k_40},
    {"top_k 400", top_k_400},
    {"top_p 0.9", top_p},
    {"min_p 0.05", min_p},
    {"typical 0.9", typical},
    {"top_n_sigma 1", top_n_sigma},
    {"xtc 0.01", xtc},
    {"temperature", temperature},
    {"dynamic_temperature", dynamic_temperature},
    {"sample", sample},
    {"argmax", greedy},
    {"toward + sample", adaptive_p},
    {"top_a 0.2", top_a},
    {"epsilon", epsilon},
    {"eta", eta},
    {"tail_free 0.95", tail_free},
    {"smooth", smooth},
    {"green", green},
    {"add_scaled", add_scaled},
    {"softmax", softmax},
    {"log_softmax", log_softmax},
    {"entropy", entropy},
    {"divergence", divergence},
};

static double microseconds(void (*run)(void), long repeat, double *times)
{
    long i;
    for (i = 0; i < repeat; i++) {
        double begin;
        memcpy(values, logits, n * sizeof *values);
        begin = lull_clock();
        run();
        times[i] = lull_clock() - begin;
    }
    return 1e6 * bench_median(times, (size_t)repeat);
}

static void report(long round, int shape, const char *step, const char *name, double us)
{
    if (us < 0) return;
    printf(
        "{\"round\":%ld,\"shape\":\"%s\",\"step\":\"%s\",\"name\":\"%s\",\"n\":%lu,\"us\":%.2f}\n",
        round, shapes[shape], step, name, (unsigned long)n, us);
}

int main(int argc, char **argv)
{
    long rounds = 5, repeat = 50, round;
    double *times;
    size_t s;
    int i, shape;
    for (i = 1; i < argc; i++) {
        const char *value;
        if ((value = bench_option(argc, argv, &i, "--n")) != NULL)
            n = (size_t)bench_number("--n", value, 1, MOST);
        else if ((value = bench_option(argc, argv, &i, "--rounds")) != NULL)
            rounds = bench_number("--rounds", value, 1, 10000);
        else if ((value = bench_option(argc, argv, &i, "--repeat")) != NULL)
            repeat = bench_number("--repeat", value, 1, 100000);
        else {
            fprintf(stderr, "sampling: %s: unknown option\n", argv[i]);
            return 2;
        }
    }
    times = malloc((size_t)repeat * sizeof *times);
    if (times == NULL) return 1;
#ifdef LULL_BENCH_LLAMA
    candidates = malloc(n * sizeof *candidates);
    if (candidates == NULL) return 1;
#endif
    for (shape = 0; shape < 3; shape++) {
        make_logits(shape);
        for (round = 1; round <= rounds; round++) {
            for (s = 0; s < sizeof steps / sizeof steps[0]; s++) {
                report(round, shape, steps[s].name, "lull",
                       microseconds(steps[s].run, repeat, times));
#ifdef LULL_BENCH_LLAMA
                report(round, shape, steps[s].name, "llama.cpp",
                       llama_microseconds(steps[s].name, repeat, times));
#endif
            }
        }
    }
    return 0;
}
