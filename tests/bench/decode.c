/* decode.c - how fast one stream of one model runs: decoding, through the C API, in one process.
 * usage: decode MODEL [--precision f32|q8|q4] [--group N] [--cpu NAME] [--threads N] [--prefill N]
 *                     [--tokens N] [--repeat N] [--batch N] [--load-only] [--mark]
 *
 * Evaluates --prefill tokens (BOS, then fixed ids; default 1), then decodes --tokens more greedily,
 * one step and one argmax each, and prints one line of JSON.  --repeat does so again with a new
 * sequence; the rates are medians.  `ids` is a hash of the tokens chosen: equal wherever the
 * arithmetic is.  --batch evaluates that many tokens more, in one step of a new sequence.  --mark
 * executes, on PowerPC, the no-op `or 28,28,28` after loading, the prefill, each token and the batch,
 * at which an emulator can divide its counts. */
#include "bench.h"
#include "lull.h"

#include <sys/resource.h>

typedef struct plan {
    const char *path, *cpu;
    lull_precision precision;
    long group, threads, prefill, tokens, repeat, batch;
    int load_only, mark;
} plan;

typedef struct rates {
    double *prefill, *decode, *cpu; /* (repeat) seconds; cpu: of decoding, this process's own */
    uint64_t ids;
} rates;

static void check(lull_status status, const lull_error *error)
{
    if (status == LULL_OK) return;
    fprintf(stderr, "decode: %s: %s\n", lull_status_name(status), error->message);
    exit(1);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: decode MODEL [--precision f32|q8|q4] [--group N] [--cpu NAME] [--threads N] "
            "[--prefill N] [--tokens N] [--repeat N] [--batch N] [--load-only] [--mark]\n");
    exit(2);
}

static lull_precision parse_precision(const char *text)
{
    if (strcmp(text, "f32") == 0) return LULL_F32;
    if (strcmp(text, "q8") == 0) return LULL_Q8;
    if (strcmp(text, "q4") == 0) return LULL_Q4;
    usage();
    return LULL_AS_STORED;
}

static plan parse(int argc, char **argv)
{
    plan p;
    const char *value;
    int i;
    if (argc < 2) usage();
    memset(&p, 0, sizeof p);
    p.path = argv[1];
    p.threads = 1;
    p.prefill = 1;
    p.tokens = 64;
    p.repeat = 1;
    for (i = 2; i < argc; i++) {
        if ((value = bench_option(argc, argv, &i, "--precision")) != NULL)
            p.precision = parse_precision(value);
        else if ((value = bench_option(argc, argv, &i, "--cpu")) != NULL)
            p.cpu = value;
        else if ((value = bench_option(argc, argv, &i, "--group")) != NULL)
            p.group = bench_number("--group", value, 1, 65536);
        else if ((value = bench_option(argc, argv, &i, "--threads")) != NULL)
            p.threads = bench_number("--threads", value, 0, 256);
        else if ((value = bench_option(argc, argv, &i, "--prefill")) != NULL)
            p.prefill = bench_number("--prefill", value, 1, 1000000);
        else if ((value = bench_option(argc, argv, &i, "--batch")) != NULL)
            p.batch = bench_number("--batch", value, 1, 1000000);
        else if ((value = bench_option(argc, argv, &i, "--tokens")) != NULL)
            p.tokens = bench_number("--tokens", value, 1, 1000000);
        else if ((value = bench_option(argc, argv, &i, "--repeat")) != NULL)
            p.repeat = bench_number("--repeat", value, 1, 10000);
        else if (bench_is(argv[i], "--load-only"))
            p.load_only = 1;
        else if (bench_is(argv[i], "--mark"))
            p.mark = 1;
        else
            usage();
    }
    return p;
}

/* Largest resident set of this process so far, bytes. */
static double peak_bytes(void)
{
    struct rusage usage_now;
    getrusage(RUSAGE_SELF, &usage_now);
#ifdef __APPLE__
    return (double)usage_now.ru_maxrss;
#else
    return (double)usage_now.ru_maxrss * 1024.0;
#endif
}

static void step(lull_context *context, lull_sequence *sequence, const int32_t *ids, size_t n)
{
    lull_error error;
    check(lull_sequence_feed(sequence, ids, n, 0, &error), &error);
    check(lull_context_step(context, 0, NULL, &error), &error);
}

static void set_mark(void)
{
#if defined(__powerpc__) || defined(__ppc__)
    __asm__ volatile("or 28,28,28");
#endif
}

static void run_once(lull_context *context, const plan *p, int32_t vocab, const int32_t *prompt,
                     double *prefill_seconds, double *decode_seconds, double *cpu_seconds,
                     uint64_t *ids)
{
    lull_sequence *sequence;
    const float *logits;
    lull_error error;
    double begin, cpu;
    long i;
    *ids = 0xcbf29ce484222325u; /* FNV-1a over the ids */
    check(lull_sequence_open(&sequence, context, &error), &error);
    if (p->mark) set_mark();
    begin = bench_seconds();
    step(context, sequence, prompt, (size_t)p->prefill);
    *prefill_seconds = bench_seconds() - begin;
    if (p->mark) set_mark();
    begin = bench_seconds();
    cpu = bench_cpu_seconds();
    for (i = 0; i < p->tokens; i++) {
        int32_t id;
        check(lull_sequence_logits(sequence, &logits, &error), &error);
        id = lull_logits_argmax(logits, (size_t)vocab);
        if (id < 0) {
            fprintf(stderr, "decode: no token can be chosen at position %ld\n", p->prefill + i);
            exit(1);
        }
        *ids = (*ids ^ (uint32_t)id) * 0x100000001b3u;
        step(context, sequence, &id, 1);
        if (p->mark) set_mark();
    }
    *decode_seconds = bench_seconds() - begin;
    *cpu_seconds = bench_cpu_seconds() - cpu;
    lull_sequence_close(sequence);
}

/* Another prompt in a sequence of its own: what --mark counts after all tokens. */
static void run_batch(lull_context *context, const plan *p, const int32_t *prompt)
{
    lull_sequence *sequence;
    lull_error error;
    check(lull_sequence_open(&sequence, context, &error), &error);
    step(context, sequence, prompt, (size_t)p->batch);
    if (p->mark) set_mark();
    lull_sequence_close(sequence);
}

static rates measure(lull_context *context, const plan *p, int32_t vocab)
{
    const long longest = p->prefill > p->batch ? p->prefill : p->batch;
    int32_t *prompt = malloc((size_t)longest * sizeof *prompt);
    rates r;
    long i;
    r.ids = 0;
    r.prefill = malloc((size_t)p->repeat * sizeof *r.prefill);
    r.decode = malloc((size_t)p->repeat * sizeof *r.decode);
    r.cpu = malloc((size_t)p->repeat * sizeof *r.cpu);
    if (prompt == NULL || r.prefill == NULL || r.decode == NULL || r.cpu == NULL) {
        fprintf(stderr, "decode: out of memory\n");
        exit(1);
    }
    prompt[0] = 1;
    for (i = 1; i < longest; i++) prompt[i] = (int32_t)((i * 7919 + 3) % vocab);
    for (i = 0; i < p->repeat; i++)
        run_once(context, p, vocab, prompt, &r.prefill[i], &r.decode[i], &r.cpu[i], &r.ids);
    if (p->batch > 0) run_batch(context, p, prompt);
    free(prompt);
    return r;
}

static void report_model(const lull_model_info *info, double load_seconds)
{
    static const char *const names[] = {"?", "f32", "q8", "q4"};
    printf("{\"precision\":\"%s\",\"group\":%d,\"format\":\"%s\",\"weight_bytes\":%.0f,"
           "\"model_bytes\":%.0f,\"load_seconds\":%.3f,",
           names[info->precision], (int)info->group, info->format, (double)info->weight_bytes,
           (double)info->model_bytes, load_seconds);
}

int main(int argc, char **argv)
{
    const plan p = parse(argc, argv);
    lull_load_options load;
    lull_context_options options;
    lull_model_info info;
    lull_context_info context_info;
    lull_model *model;
    lull_context *context;
    lull_error error;
    double begin;

    lull_load_options_init(&load);
    load.precision = p.precision;
    load.group = (int32_t)p.group;
    load.no_tokenizer = 1;
    begin = bench_seconds();
    check(lull_model_load(&model, p.path, &load, &error), &error);
    lull_model_info_get(model, &info);
    report_model(&info, bench_seconds() - begin);
    if (!p.load_only) {
        rates r;
        double prefill, decode, cpu;
        lull_context_options_init(&options);
        options.threads = (int32_t)p.threads;
        options.cpu = p.cpu;
        check(lull_context_open(&context, model, &options, &error), &error);
        lull_context_info_get(context, &context_info);
        r = measure(context, &p, info.config.vocab_size);
        prefill = bench_median(r.prefill, (size_t)p.repeat);
        decode = bench_median(r.decode, (size_t)p.repeat);
        cpu = bench_median(r.cpu, (size_t)p.repeat);
        printf("\"kernel\":\"%s\",\"threads\":%d,\"prefill\":%ld,\"tokens\":%ld,\"repeat\":%ld,"
               "\"prefill_seconds\":%.6f,\"decode_seconds\":%.6f,\"decode_cpu_seconds\":%.6f,"
               "\"prefill_per_second\":%.2f,\"tokens_per_second\":%.2f,\"ids\":\"%08lx%08lx\",",
               context_info.kernel, (int)context_info.threads, p.prefill, p.tokens, p.repeat,
               prefill, decode, cpu, (double)p.prefill / prefill, (double)p.tokens / decode,
               (unsigned long)(r.ids >> 32), (unsigned long)(r.ids & 0xffffffffu));
        free(r.prefill);
        free(r.decode);
        free(r.cpu);
        lull_context_close(context);
    }
    lull_model_release(model);
    printf("\"peak_bytes\":%.0f}\n", peak_bytes());
    return fflush(stdout) == 0 ? 0 : 1;
}
