/* story.c - a story told from C, without Lua.
 *
 *   cc story.c $(pkg-config --cflags --libs lull) -o story
 *   ./story lullaby.bin "Once upon a time" 7 */
#include "lull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROMPT = 256, MAX_TOKENS = 200 };

static int failed(const char *what, const lull_error *error)
{
    fprintf(stderr, "story: %s: %s\n", what, error->message);
    return EXIT_FAILURE;
}

/* The usual chain, on a copy of the logits: the 40 likeliest, then chance. */
static lull_status choose(const lull_sequence *seq, float *work, size_t vocab, uint64_t seed,
                          int32_t *id, lull_error *error)
{
    const float *logits;
    double u = lull_random(seed, 0, (uint32_t)lull_sequence_length(seq), 0, 0);
    lull_status status = lull_sequence_logits(seq, &logits, error);
    if (status != LULL_OK) return status;
    memcpy(work, logits, vocab * sizeof *work);
    lull_logits_top_k(work, vocab, 40);
    lull_logits_top_p(work, vocab, 0.95f);
    lull_logits_scale(work, vocab, 1.0f / 0.8f); /* temperature 0.8 */
    return lull_logits_sample(work, vocab, u, id, error);
}

static int tell(const lull_model *model, lull_context *context, const char *prompt, uint64_t seed)
{
    lull_model_info info;
    lull_sequence *seq = NULL;
    lull_error error;
    int32_t ids[MAX_PROMPT], id;
    size_t n, bytes, vocab;
    float *work;
    int told, result = EXIT_FAILURE;

    lull_model_info_get(model, &info);
    vocab = (size_t)info.config.vocab_size;
    work = malloc(vocab * sizeof *work);
    if (work == NULL) return EXIT_FAILURE;

    if (lull_encode(model, prompt, strlen(prompt), LULL_ENCODE_START, ids, MAX_PROMPT, &n,
                    &error) ||
        lull_sequence_open(&seq, context, &error) || lull_sequence_feed(seq, ids, n, 0, &error)) {
        failed("prompt", &error);
        goto done;
    }
    fputs(prompt, stdout);
    for (told = 0; told < MAX_TOKENS; told++) {
        const char *piece;
        if (lull_context_step(context, 0, NULL, &error) ||
            choose(seq, work, vocab, seed, &id, &error)) {
            failed("step", &error);
            goto done;
        }
        if (id == info.bos || id == info.eos) break;
        piece = lull_piece(model, id, &bytes);
        fwrite(piece, 1, bytes, stdout);
        fflush(stdout);
        if (lull_sequence_feed(seq, &id, 1, 0, &error)) break; /* the context is full */
    }
    putchar('\n');
    result = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
done:
    lull_sequence_close(seq);
    free(work);
    return result;
}

int main(int argc, char **argv)
{
    lull_model *model;
    lull_context *context;
    lull_error error;
    int result;

    if (argc < 3) {
        fputs("usage: story MODEL PROMPT [SEED]\n", stderr);
        return 2;
    }
    if (lull_model_load(&model, argv[1], NULL, &error)) return failed("load", &error);
    if (lull_context_open(&context, model, NULL, &error)) {
        lull_model_release(model);
        return failed("context", &error);
    }
    result = tell(model, context, argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 7);
    lull_context_close(context);
    lull_model_release(model);
    return result;
}
