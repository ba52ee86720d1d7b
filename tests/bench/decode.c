/* decode.c - how fast a model runs: prefill and decoding, through the C API, in one process.
 * usage: decode MODEL [--precision f32|q8|q4] [--group N] [--kv f32|bf16] [--cpu NAME]
 *                     [--threads N] [--batch N] [--streams N] [--prefill N] [--tokens N]
 *                     [--repeat N] [--extra N] [--load-only] [--mark]
 *
 * Evaluates --prefill tokens (BOS, then fixed ids; default 1), which is the depth decoding begins
 * at, then decodes --tokens more greedily, one step and one argmax each, and prints one line of
 * JSON.  With --streams N there are N sequences, each with a prompt of its own, and a step decodes
 * one token of each: rates are of all of them together, and --batch (tokens in one pass over the
 * weights) is at least N unless given.  --repeat does so again with new sequences; the rates are
 * medians.  `ids` is a hash of the tokens chosen: equal wherever the arithmetic is.  --extra
 * evaluates N tokens more, in one step of a new sequence.  --mark executes, on PowerPC, the no-op
 * `or 28,28,28` after loading, the prefill, each step and what is extra, at which an emulator can
 * divide its counts. */
#include "bench.h"
#include "lull.h"

#include <sys/resource.h>

typedef struct plan {
    const char *path, *cpu;
    lull_precision precision;
    lull_kv_type kv;
    long group, threads, batch, streams, prefill, tokens, repeat, extra;
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
            "usage: decode MODEL [--precision f32|q8|q4] [--group N] [--kv f32|bf16] [--cpu NAME] "
            "[--threads N] [--batch N] [--streams N] [--prefill N] [--tokens N] [--repeat N] "
            "[--extra N] [--load-only] [--mark]\n");
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

static lull_kv_type parse_kv(const char *text)
{
    if (strcmp(text, "f32") == 0) return LULL_KV_F32;
    if (strcmp(text, "bf16") == 0) return LULL_KV_BF16;
    usage();
    return LULL_KV_DEFAULT;
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
    p.streams = 1;
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
        else if ((value = bench_option(argc, argv, &i, "--kv")) != NULL)
            p.kv = parse_kv(value);
        else if ((value = bench_option(argc, argv, &i, "--batch")) != NULL)
            p.batch = bench_number("--batch", value, 1, 1024);
        else if ((value = bench_option(argc, argv, &i, "--streams")) != NULL)
            p.streams = bench_number("--streams", value, 1, 1024);
        else if ((value = bench_option(argc, argv, &i, "--prefill")) != NULL)
            p.prefill = bench_number("--prefill", value, 1, 1000000);
        else if ((value = bench_option(argc, argv, &i, "--tokens")) != NULL)
            p.tokens = bench_number("--tokens", value, 1, 1000000);
        else if ((value = bench_option(argc, argv, &i, "--repeat")) != NULL)
            p.repeat = bench_number("--repeat", value, 1, 10000);
        else if ((value = bench_option(argc, argv, &i, "--extra")) != NULL)
            p.extra = bench_number("--extra", value, 1, 1000000);
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

static void feed(lull_sequence *sequence, const int32_t *ids, size_t n)
{
    lull_error error;
    check(lull_sequence_feed(sequence, ids, n, 0, &error), &error);
}

static void step(lull_context *context)
{
    lull_error error;
    check(lull_context_step(context, 0, NULL, &error), &error);
}

static void set_mark(void)
{
#if defined(__powerpc__) || defined(__ppc__)
    __asm__ volatile("or 28,28,28");
#endif
}

static void *get(size_t n, size_t bytes)
{
    void *block = calloc(n, bytes);
    if (block == NULL) {
        fprintf(stderr, "decode: out of memory\n");
        exit(1);
    }
    return block;
}

/* A sequence with a prompt of n tokens queued: BOS, then ids that differ by stream. */
static lull_sequence *open_stream(lull_context *context, long n, long stream, int32_t vocab)
{
    int32_t *prompt = get((size_t)n, sizeof *prompt);
    lull_sequence *sequence;
    lull_error error;
    long i;
    prompt[0] = 1;
    for (i = 1; i < n; i++) prompt[i] = (int32_t)((i * 7919 + stream * 104729 + 3) % vocab);
    check(lull_sequence_open(&sequence, context, &error), &error);
    feed(sequence, prompt, (size_t)n);
    free(prompt);
    return sequence;
}

/* Choose a token and queue it; it goes into the hash. */
static void choose(lull_sequence *sequence, int32_t vocab, uint64_t *ids)
{
    const float *logits;
    lull_error error;
    int32_t id;
    check(lull_sequence_logits(sequence, &logits, &error), &error);
    id = lull_logits_argmax(logits, (size_t)vocab);
    if (id < 0) {
        fprintf(stderr, "decode: no token can be chosen at position %ld\n",
                (long)lull_sequence_length(sequence));
        exit(1);
    }
    *ids = (*ids ^ (uint32_t)id) * 0x100000001b3u;
    feed(sequence, &id, 1);
}

static void run_once(lull_context *context, const plan *p, int32_t vocab, rates *r, long run)
{
    lull_sequence **streams = get((size_t)p->streams, sizeof(lull_sequence *));
    double begin, cpu;
    long i, s;
    r->ids = 0xcbf29ce484222325u; /* FNV-1a over the ids */
    for (s = 0; s < p->streams; s++) streams[s] = open_stream(context, p->prefill, s, vocab);
    if (p->mark) set_mark();
    begin = bench_seconds();
    step(context);
    r->prefill[run] = bench_seconds() - begin;
    if (p->mark) set_mark();
    begin = bench_seconds();
    cpu = bench_cpu_seconds();
    for (i = 0; i < p->tokens; i++) {
        for (s = 0; s < p->streams; s++) choose(streams[s], vocab, &r->ids);
        step(context);
        if (p->mark) set_mark();
    }
    r->decode[run] = bench_seconds() - begin;
    r->cpu[run] = bench_cpu_seconds() - cpu;
    for (s = 0; s < p->streams; s++) lull_sequence_close(streams[s]);
    free(streams);
}

static void run_extra(lull_context *context, const plan *p, int32_t vocab)
{
    lull_sequence *sequence = open_stream(context, p->extra, 0, vocab);
    step(context);
    if (p->mark) set_mark();
    lull_sequence_close(sequence);
}

static rates measure(lull_context *context, const plan *p, int32_t vocab)
{
    rates r;
    long i;
    r.ids = 0;
    r.prefill = get((size_t)p->repeat, sizeof *r.prefill);
    r.decode = get((size_t)p->repeat, sizeof *r.decode);
    r.cpu = get((size_t)p->repeat, sizeof *r.cpu);
    for (i = 0; i < p->repeat; i++) run_once(context, p, vocab, &r, i);
    if (p->extra > 0) run_extra(context, p, vocab);
    return r;
}

static void report_rates(const rates *r, const plan *p, const lull_context_info *info)
{
    static const char *const kv_names[] = {"?", "f32", "bf16"};
    const double prefill = bench_median(r->prefill, (size_t)p->repeat);
    const double decode = bench_median(r->decode, (size_t)p->repeat);
    const double cpu = bench_median(r->cpu, (size_t)p->repeat);
    printf("\"kernel\":\"%s\",\"threads\":%d,\"batch\":%d,\"kv\":\"%s\",\"streams\":%ld,"
           "\"prefill\":%ld,\"tokens\":%ld,\"repeat\":%ld,\"prefill_seconds\":%.6f,"
           "\"decode_seconds\":%.6f,\"decode_cpu_seconds\":%.6f,",
           info->kernel, (int)info->threads, (int)info->batch, kv_names[info->kv], p->streams,
           p->prefill, p->tokens, p->repeat, prefill, decode, cpu);
    printf("\"prefill_per_second\":%.2f,\"tokens_per_second\":%.2f,\"ids\":\"%08lx%08lx\",",
           (double)(p->streams * p->prefill) / prefill, (double)(p->streams * p->tokens) / decode,
           (unsigned long)(r->ids >> 32), (unsigned long)(r->ids & 0xffffffffu));
}

static lull_context *open_context(lull_model *model, const plan *p, const lull_config *config)
{
    lull_context_options options;
    lull_context *context;
    lull_error error;
    lull_context_options_init(&options);
    options.threads = (int32_t)p->threads;
    options.cpu = p->cpu;
    options.kv = p->kv;
    options.sequences = (int32_t)p->streams;
    options.length = (int32_t)(p->prefill + p->tokens);
    if (options.length < p->extra) options.length = (int32_t)p->extra;
    if (options.length > config->seq_len) options.length = config->seq_len;
    if (p->batch > 0)
        options.batch = (int32_t)p->batch;
    else if (p->streams > options.batch)
        options.batch = (int32_t)p->streams;
    check(lull_context_open(&context, model, &options, &error), &error);
    return context;
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
    lull_model_info info;
    lull_model *model;
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
        lull_context *context = open_context(model, &p, &info.config);
        rates r = measure(context, &p, info.config.vocab_size);
        lull_context_info context_info;
        lull_context_info_get(context, &context_info);
        report_rates(&r, &p, &context_info);
        free(r.prefill);
        free(r.decode);
        free(r.cpu);
        lull_context_close(context);
    }
    lull_model_release(model);
    printf("\"peak_bytes\":%.0f}\n", peak_bytes());
    return fflush(stdout) == 0 ? 0 : 1;
}
