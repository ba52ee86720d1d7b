/* main.c - runs every test of the kernels on every table that this machine has.
 *
 *   kernels [--seed N] [--test PART] [--cpu NAME] [--chosen NAME] [--quick | --thorough] [--list]
 *           [--bench]
 *
 * A crash fails the test it happens in, and the next one runs.  The seed is printed: with it and
 * --test a failure repeats.  With --chosen NAME it is a failure if this machine's choice is another
 * table. */
#include "fpenv.h"
#include "verdict.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct test {
    const char *name;
    void (*run)(const lull_kernels *k);
    int once; /* with the portable table only */
} test;

static const test tests[] = {
    {"select", test_select, 1},
    {"packing", test_packing, 1},
    {"expf", test_expf, 1},
    {"linear_f32", test_linear_f32, 0},
    {"linear_q8", test_linear_q8, 0},
    {"linear_q8_tokens", test_linear_q8_tokens, 0},
    {"linear_q4", test_linear_q4, 0},
    {"linear_q4_tokens", test_linear_q4_tokens, 0},
    {"quantize", test_quantize, 0},
    {"rmsnorm", test_rmsnorm, 0},
    {"swiglu", test_swiglu, 0},
    {"log_sum", test_log_sum, 0},
    {"add", test_add, 0},
    {"attention_f32", test_attention_f32, 0},
    {"attention_bf16", test_attention_bf16, 0},
    {"environment", test_environment, 0},
    {"same_everywhere", test_same_everywhere, 0},
};
#define N_TESTS ((int)(sizeof tests / sizeof tests[0]))

static sigjmp_buf escape;

static void caught(int number)
{
    siglongjmp(escape, number);
}

static void catch_crashes(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction action;
    size_t i;
    memset(&action, 0, sizeof action);
    action.sa_handler = caught;
    action.sa_flags = SA_NODEFER;
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaction(numbers[i], &action, NULL);
}

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    }
    return "a signal";
}

/* 1 = passed. */
static int run(const test *t, const lull_kernels *k, uint64_t seed)
{
    volatile uint32_t vector_state = 0; /* survives the jump back */
    lull_fpenv env;
    char where[200];
    int number;

    memset(&check_verdict, 0, sizeof check_verdict);
    check_seed(seed);
    lull_fpenv_enter(&env);
    number = sigsetjmp(escape, 1);
    if (number == 0) {
        if (k->enter != NULL) vector_state = k->enter();
        t->run(k);
        check_slots();
    } else {
        check_describe(where, sizeof where);
        printf("    %s: %s\n", where, signal_name(number));
        check_verdict.failures++;
    }
    if (k->leave != NULL) k->leave(vector_state);
    lull_fpenv_leave(&env);
    printf("%-4s  %s/%s: %ld cases", check_verdict.failures ? "FAIL" : "ok",
           t->once ? "all" : k->name, t->name, check_verdict.cases);
    if (check_verdict.failures) printf(", %ld checks failed", check_verdict.failures);
    printf("\n");
    fflush(stdout);
    return check_verdict.failures == 0;
}

typedef struct options {
    const char *part, *cpu, *chosen;
    uint64_t seed;
    int bench;
} options;

static int usage(void)
{
    fprintf(stderr, "usage: kernels [--seed N] [--test PART] [--cpu NAME] [--chosen NAME] "
                    "[--quick | --thorough] [--list] [--bench]\n");
    return 2;
}

static void list(void)
{
    int n, i;
    const lull_kernels *const *all = lull_kernels_all(&n);
    for (i = 0; i < n; i++)
        printf("%s%s\n", all[i]->name, all[i]->available() ? "" : " (not on this machine)");
    for (i = 0; i < N_TESTS; i++) printf("  %s\n", tests[i].name);
}

/* 0 = go on; else an exit code + 1. */
static int parse(options *o, int argc, char **argv)
{
    int i;
    for (i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--bench") == 0) {
            o->bench = 1;
        } else if (strcmp(arg, "--quick") == 0) {
            check_thorough = 0;
        } else if (strcmp(arg, "--thorough") == 0) {
            check_thorough = 1;
        } else if (strcmp(arg, "--list") == 0) {
            list();
            return 1;
        } else if (i + 1 < argc && strcmp(arg, "--seed") == 0) {
            o->seed = strtoull(argv[++i], NULL, 0);
        } else if (i + 1 < argc && strcmp(arg, "--test") == 0) {
            o->part = argv[++i];
        } else if (i + 1 < argc && strcmp(arg, "--cpu") == 0) {
            o->cpu = argv[++i];
        } else if (i + 1 < argc && strcmp(arg, "--chosen") == 0) {
            o->chosen = argv[++i];
        } else {
            return usage() + 1;
        }
    }
    return 0;
}

static int chooses(const char *name)
{
    const lull_kernels *best;
    const int good = lull_kernels_select(NULL, &best, NULL) == LULL_OK;
    const int same = good && strcmp(best->name, name) == 0;
    printf("%-4s  this machine's choice is %s\n", same ? "ok" : "FAIL", good ? best->name : "none");
    return same;
}

int main(int argc, char **argv)
{
    options o = {"", NULL, NULL, 0, 0};
    int n, i, j, stop, passed = 0, failed = 0;
    const lull_kernels *const *all = lull_kernels_all(&n);

#if defined(__x86_64__)
    check_thorough = 1; /* other machines are emulated, mostly */
#endif
    o.seed = (uint64_t)time(NULL);
    stop = parse(&o, argc, argv);
    if (stop != 0) return stop - 1;
    catch_crashes();
    if (!o.bench) printf("seed %lu\n", (unsigned long)o.seed);
    if (o.chosen != NULL && chooses(o.chosen))
        passed++;
    else if (o.chosen != NULL)
        failed++;
    for (i = 0; i < n; i++) {
        if (o.cpu != NULL && strcmp(o.cpu, all[i]->name) != 0) continue;
        if (!all[i]->available()) {
            printf("      %s: not on this machine\n", all[i]->name);
            continue;
        }
        if (o.bench) {
            bench(all[i]);
            continue;
        }
        for (j = 0; j < N_TESTS; j++) {
            if ((tests[j].once && i > 0) || strstr(tests[j].name, o.part) == NULL) continue;
            if (run(&tests[j], all[i], o.seed + (uint64_t)j))
                passed++;
            else
                failed++;
        }
    }
    if (!o.bench) printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || (!o.bench && passed == 0);
}
