/** lull.h - the public C API of lull, and the only header a host includes.  Here are models, contexts
 *  and sequences; it includes lull_logits.h, sampling's primitives, and lull_grammar.h.
 *
 *  lull runs Llama-family language models on the CPU.  This library is mechanism: it loads a
 *  checkpoint, turns text into tokens and back, evaluates tokens and offers primitives on the
 *  logits that come out.  What to do with them (sampling strategies, templates, batches) is the
 *  caller's, in C or in Lua.
 *
 *      lull_model    immutable weights and tokenizer; shared by any number of threads
 *      lull_context  KV memory, kernels and threads; used by one thread at a time
 *      lull_sequence one text inside a context: its tokens, what is queued, its logits
 *
 *  The promise: a quantised model gives bit-identical logits on every instruction set, with every
 *  number of threads, in every batching and on both byte orders.
 *
 *  Manners: no function exits, aborts, prints, reads the environment or installs a handler.
 *  Functions that can fail return a lull_status and fill the caller's lull_error (which may be
 *  NULL).  Out parameters are set to NULL or 0 first.  Close functions accept NULL.
 *  Shapes are written (a, b), row-major, last index fastest.  Sizes are bytes where a name says
 *  so, otherwise counts.  Text is bytes with a length; nothing need be UTF-8 or free of zeros. */
#ifndef LULL_H
#define LULL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && __GNUC__ >= 4
#define LULL_API __attribute__((visibility("default")))
#else
#define LULL_API
#endif

#define LULL_VERSION "0.1.0"

/* ------------------------------------------------------------------------- status and errors */

/** What a call came to.  Values are stable; new ones may be added. */
typedef enum lull_status {
    LULL_OK = 0,
    LULL_ENOMEM = -1,       /* the allocator returned NULL; the message has the bytes wanted */
    LULL_EINVAL = -2,       /* the caller's mistake: an argument out of its range */
    LULL_EIO = -3,          /* the system refused a file operation; lull_error.sys is errno */
    LULL_EFORMAT = -4,      /* the file is not what it should be */
    LULL_EUNSUPPORTED = -5, /* the request is right, but this build or machine cannot do it */
    LULL_ELIMIT = -6,       /* over a limit: the caller's, or of a 32-bit address space */
    LULL_ECONTEXT = -7,     /* the sequence would pass the context's length */
    LULL_ECANCELED = -8,    /* lull_context_cancel was called */
    LULL_ESTATE = -9        /* closed, nothing evaluated yet, used after fork() */
} lull_status;

/** The account of a failure, owned by the caller; only valid after a call that failed. */
typedef struct lull_error {
    lull_status code;
    int sys;           /* errno of the failing system call, or 0 */
    uint64_t offset;   /* byte in the file where reading stopped making sense, or 0 */
    char message[256]; /* what, where, expected and found; NUL-terminated */
} lull_error;

/** "EFORMAT" for LULL_EFORMAT, "OK" for LULL_OK, "EUNKNOWN" for anything else.  Never NULL. */
LULL_API const char *lull_status_name(lull_status status);

/** The library's version, "0.1.0". */
LULL_API const char *lull_version(void);

/** Seconds since some moment, for measuring: of a clock that nobody sets, where there is one. */
LULL_API double lull_clock(void);

/* --------------------------------------------------------------------------------- allocation */

/** Where memory comes from; the shape of lua_Alloc.
 *
 *  realloc  new_bytes 0 frees ptr and returns NULL; ptr NULL allocates (old_bytes is 0).
 *           Returns NULL when out of memory, and then ptr is untouched.  Must be thread-safe.
 *  A zeroed struct means libc's realloc and free. */
typedef struct lull_allocator {
    void *(*realloc)(void *user, void *ptr, size_t old_bytes, size_t new_bytes);
    void *user;
} lull_allocator;

/* -------------------------------------------------------------------------------- the machine */

/** How fast this machine reads so many bytes over and over: a decode step reads all weights once, so
 *  none takes less than weight_bytes / this.
 *
 *  bytes      1..2^40; rounded up to whole cache lines.  What fits a cache is read from there
 *  threads    that read at once, each its share; 0 = the cores this process may use; 0..256
 *  seconds    to go on for; the best of at least 6 samples of 2 ms and more counts.  0..3600
 *  allocator  NULL = libc; bytes are taken from it, and given back
 *  Errors     EINVAL, ENOMEM, EIO (threads). */
LULL_API lull_status lull_read_bandwidth(uint64_t bytes, int32_t threads, double seconds,
                                         const lull_allocator *allocator, double *bytes_per_second,
                                         lull_error *error);

/* -------------------------------------------------------------------------------------- models */

typedef struct lull_model lull_model;

typedef enum lull_precision {
    LULL_AS_STORED = 0, /* what the file has; float and mixed files load as LULL_Q8 */
    LULL_F32 = 1,
    LULL_Q8 = 2, /* 8 bits a weight and a scale a group */
    LULL_Q4 = 3, /* 4 bits a weight and a scale a group */
    /* in files only: */
    LULL_F16 = 4,  /* half precision */
    LULL_MIXED = 5 /* not the same for every matrix */
} lull_precision;

typedef enum lull_byte_order {
    LULL_ANY_ORDER = 0, /* found out per file */
    LULL_LITTLE_ENDIAN = 1,
    LULL_BIG_ENDIAN = 2
} lull_byte_order;

/** The hyper-parameters of a checkpoint. */
typedef struct lull_config {
    int32_t dim;        /* width of the residual stream */
    int32_t hidden_dim; /* width of the feed-forward layer */
    int32_t n_layers;
    int32_t n_heads;    /* query heads; head_dim = dim / n_heads */
    int32_t n_kv_heads; /* key and value heads; each serves n_heads / n_kv_heads query heads */
    int32_t vocab_size;
    int32_t seq_len;           /* the longest sequence the model was made for, in tokens */
    int32_t shared_classifier; /* 1: the embedding table is the classifier too */
} lull_config;

typedef struct lull_load_options {
    lull_precision precision;   /* default LULL_AS_STORED */
    int32_t group;              /* weights per scale when quantising here; 0 = 64.  1..65536 */
    lull_byte_order byte_order; /* of the model file; overrides detection */
    const char *tokenizer_path; /* NULL = the one in the file (GGUF), or tokenizer.bin beside it */
    int no_tokenizer;           /* 1: load none; encode and decode then return ESTATE */
    uint64_t max_file_bytes;    /* larger files are refused; 0 = 64 GiB */
    uint64_t max_memory_bytes;  /* models with more model_bytes are refused; 0 = no limit */
    lull_allocator allocator;   /* kept by the model and by all that is opened on it */
} lull_load_options;

/** Fill in the defaults.  Every lull_load_options starts here; NULL in a call means the same. */
LULL_API void lull_load_options_init(lull_load_options *options);

/** What a file or a loaded model is. */
typedef struct lull_model_info {
    lull_config config;
    const char *architecture;   /* "llama"; static */
    const char *format;         /* "llama2.c v0", "... v1", "... v2", "GGUF v2", "... v3"; static */
    lull_byte_order byte_order; /* of the file */
    lull_precision stored;      /* precision of the matrices in the file */
    int32_t stored_group;       /* weights per scale in the file; 0 for floats and mixtures */
    lull_precision precision;   /* in memory; what loading would choose, for lull_inspect */
    int32_t group;              /* weights per scale in memory; 0 for float32 */
    uint64_t n_parameters;      /* weights, a shared classifier counted once */
    uint64_t file_bytes;
    uint64_t weight_bytes;     /* packed weights and norms in memory: what a step reads, about */
    uint64_t model_bytes;      /* all of the model in memory, tokenizer included where known */
    uint64_t needs_bytes[4];   /* weight_bytes by lull_precision (index 0 = as precision) */
    uint64_t kv_bytes_f32;     /* KV memory per position of one sequence */
    uint64_t kv_bytes_bf16;    /* the same in 16 bits */
    int32_t n_tokenizer;       /* tokens in the tokenizer; 0 without one */
    int32_t max_token_bytes;   /* the longest token */
    int32_t n_byte_tokens;     /* distinct <0xHH> tokens; 256 = any bytes survive encode, decode */
    int32_t bos, eos, unknown; /* token ids; -1 where there is none */
} lull_model_info;

/** Load a checkpoint and its tokenizer.
 *
 *  The format and byte order are found out from the file.  Reading is one pass in blocks; the
 *  peak of memory is the packed model and one block.  Nothing is ever half-loaded.
 *  Errors  EIO, EFORMAT, ELIMIT, ENOMEM, EUNSUPPORTED, EINVAL (options).
 *  The model starts with one reference; end with lull_model_release. */
LULL_API lull_status lull_model_load(lull_model **out, const char *path,
                                     const lull_load_options *options, lull_error *error);

/** The same from bytes in memory, which are only read during the call.
 *  tokenizer may be NULL (0 bytes) where the checkpoint holds its own (GGUF), or together with
 *  options->no_tokenizer. */
LULL_API lull_status lull_model_load_memory(lull_model **out, const void *checkpoint,
                                            size_t checkpoint_bytes, const void *tokenizer,
                                            size_t tokenizer_bytes,
                                            const lull_load_options *options, lull_error *error);

/** One more reference; returns model.  Any thread. */
LULL_API lull_model *lull_model_retain(lull_model *model);

/** One reference less; the last frees the model.  Contexts hold their own.  Any thread. */
LULL_API void lull_model_release(lull_model *model);

/** Facts of a loaded model; strings are static. */
LULL_API void lull_model_info_get(const lull_model *model, lull_model_info *info);

/** 64 bits that say which model this is: a hash of shape, precision, weights and vocabulary.  Equal
 *  on every machine, and for files of one model in another byte order or format; another precision
 *  or group is another model.  Reads all weights: about a nanosecond for 4 bytes. */
LULL_API uint64_t lull_model_fingerprint(const lull_model *model);

/** Facts of a file without loading its weights: format, byte order, shapes, what it would need.
 *  options as for loading (the tokenizer is read too unless no_tokenizer; a missing one beside
 *  the model is no error here: n_tokenizer is then 0). */
LULL_API lull_status lull_inspect(const char *path, const lull_load_options *options,
                                  lull_model_info *info, lull_error *error);

typedef enum lull_file_format {
    LULL_FILE_LLAMA2C = 0, /* llama2.c version 2: 8 bits */
    LULL_FILE_GGUF = 1     /* GGUF version 3, architecture "llama", with its tokenizer */
} lull_file_format;

typedef struct lull_quantize_options {
    lull_file_format format;
    /* Of the matrices in the output: LULL_Q8 (also as 0); in GGUF LULL_Q4, LULL_F16 and LULL_F32 too.
     * Norms are float32. */
    lull_precision precision;
    /* Weights per scale.  llama2.c: must divide every row; 0 = the largest power of two <= 64 that
     * does.  GGUF: 32, of which every row must be a multiple; or 0. */
    int32_t group;
    lull_byte_order byte_order; /* of the output; LULL_ANY_ORDER = little-endian */
    lull_byte_order input_byte_order;
    const char *tokenizer_path; /* for GGUF; NULL = as for loading the input */
    int overwrite;              /* 1: an existing output file is replaced */
    lull_allocator allocator;
} lull_quantize_options;

LULL_API void lull_quantize_options_init(lull_quantize_options *options);

typedef struct lull_quantize_report {
    int32_t group; /* weights per scale in the output; 0 for floats */
    uint64_t input_bytes, output_bytes;
    double rms_error; /* root mean square of (dequantised - original) over all matrices */
} lull_quantize_report;

/** Write a float checkpoint (float32 or f16) in another format and precision.
 *
 *  The output is written beside its final name, synced and renamed: it is whole or absent.
 *  As q8 or q4, loading it equals, bit for bit in every logit, loading the input in that precision
 *  with the report's group.  f16 rounds the weights.  A group with a weight that is no finite number
 *  gets the scale NaN, as it does when loading.
 *  Errors  as loading; EINVAL where format, precision and group do not go together or a row does not
 *  divide; EUNSUPPORTED where the input is quantised already, or a number is too large for f16; EIO;
 *  ESTATE where the output exists (unless overwrite) or is the input itself.  report may be NULL. */
LULL_API lull_status lull_quantize_file(const char *input, const char *output,
                                        const lull_quantize_options *options,
                                        lull_quantize_report *report, lull_error *error);

/* --------------------------------------------------------------------------------------- text */

/** A flag of lull_encode: put BOS first, and the dummy space the vocabulary was trained with. */
#define LULL_ENCODE_START 1u

/** Text to token ids, as llama2.c does: UTF-8 characters, byte tokens for what has none, then
 *  greedy merges by score, the leftmost of equals first.  O(bytes log bytes).
 *
 *  ids       out, room for capacity ids; may be NULL when capacity is 0
 *  n         out, ids needed; when n > capacity the call returns ELIMIT and ids is untouched
 *  Control tokens and byte tokens are never matched by text.
 *  Errors    ELIMIT, ENOMEM, ESTATE (no tokenizer). */
LULL_API lull_status lull_encode(const lull_model *model, const char *text, size_t bytes,
                                 unsigned flags, int32_t *ids, size_t capacity, size_t *n,
                                 lull_error *error);

/** The bytes of one token as they appear in text: a byte token gives its byte, BOS and EOS give
 *  none.  *bytes gets the length; not NUL-terminated; lives as long as the model.
 *  NULL when id is outside the vocabulary or there is no tokenizer. */
LULL_API const char *lull_piece(const lull_model *model, int32_t id, size_t *bytes);

/** How the vocabulary spells a token, control tokens ("<s>", "<|im_end|>") included; else as
 *  lull_piece, but a byte token is "<0x0A>". */
LULL_API const char *lull_token_text(const lull_model *model, int32_t id, size_t *bytes);

/** The lowest id that is spelled so, of any kind; -1 when there is none.  O(vocab_size). */
LULL_API int32_t lull_token_find(const lull_model *model, const char *text, size_t bytes);

/** The Jinja template for chats that came with the model (GGUF's tokenizer.chat_template); as
 *  lull_piece.  NULL when there is none. */
LULL_API const char *lull_chat_template(const lull_model *model, size_t *bytes);

/** Token ids to text.  The one space that follows BOS is dropped (it is the dummy prefix), so
 *  decode(encode(x)) == x for any bytes where the vocabulary has all byte tokens.
 *
 *  text      out, room for capacity bytes; not NUL-terminated
 *  bytes     out, bytes needed; when more than capacity: ELIMIT and text is untouched
 *  Errors    EINVAL (id outside the vocabulary, named), ELIMIT, ESTATE (no tokenizer). */
LULL_API lull_status lull_decode(const lull_model *model, const int32_t *ids, size_t n, char *text,
                                 size_t capacity, size_t *bytes, lull_error *error);

/** How many bytes at the start of text are whole UTF-8 characters: what may be shown now.  Only
 *  an incomplete character at the very end (at most 3 bytes) is held back; bytes that can never
 *  become one count as whole.  bytes - result is in 0..3. */
LULL_API size_t lull_utf8_complete(const char *text, size_t bytes);

/* ----------------------------------------------------------------------------------- contexts */

typedef struct lull_context lull_context;
typedef struct lull_sequence lull_sequence;

typedef enum lull_kv_type {
    LULL_KV_DEFAULT = 0, /* bf16 for quantised models, f32 for float models; on every machine */
    LULL_KV_F32 = 1,
    LULL_KV_BF16 = 2
} lull_kv_type;

typedef struct lull_context_options {
    int32_t sequences; /* how many may be open at once; default 1, 1..65536 */
    int32_t length;    /* tokens a sequence may hold; default and limit: the model's seq_len */
    int32_t threads;   /* default 1; 0 = the cores this process may use; 0..256 */
    int32_t batch;     /* tokens evaluated in one pass; default 64, 1..1024; changes no result */
    lull_kv_type kv;
    const char *cpu;           /* kernels by name, NULL = the best here; see lull_cpu_name */
    uint64_t max_memory_bytes; /* 0 = no limit */
    int profile; /* 1: measure where the time of steps goes; see lull_context_times_get */
} lull_context_options;

LULL_API void lull_context_options_init(lull_context_options *options);

/** The i-th kernel set of this build, or NULL past the last; portable first, best last.
 *  *available (may be NULL) says whether this machine can run it. */
LULL_API const char *lull_cpu_name(int i, int *available);

/** Open a context on a model (and retain the model).  All memory is taken here.
 *  Errors  EINVAL (options; an unknown cpu lists the names), EUNSUPPORTED (this machine lacks
 *  those instructions), ELIMIT (with the bytes wanted), ENOMEM. */
LULL_API lull_status lull_context_open(lull_context **out, lull_model *model,
                                       const lull_context_options *options, lull_error *error);

/** Close: its sequences stay valid handles that answer ESTATE; memory goes with the last of them. */
LULL_API void lull_context_close(lull_context *context);

typedef struct lull_context_info {
    int32_t sequences, open_sequences; /* places, and how many are taken */
    int32_t length, threads, batch;
    lull_kv_type kv;
    const char *kernel;          /* "portable", "avx2", ...; static */
    uint64_t memory_bytes;       /* KV and work buffers */
    uint64_t kv_bytes;           /* of those, KV blocks */
    int32_t blocks, blocks_used; /* KV blocks of 16 positions */
} lull_context_info;

LULL_API void lull_context_info_get(const lull_context *context, lull_context_info *info);

/** Where the time of a context's steps went, in seconds of lull_clock. */
typedef struct lull_context_times {
    double linear;    /* products with weights */
    double attention; /* over the KV cache */
    double other;     /* norms, RoPE, embedding and the rest of a pass */
    uint64_t passes;  /* over the weights */
    uint64_t tokens;  /* evaluated */
} lull_context_times;

/** Since the context was opened.  All zero unless options.profile was set: reading the clock a few
 *  times a layer would slow small models. */
LULL_API void lull_context_times_get(const lull_context *context, lull_context_times *times);

/** Evaluate queued tokens of all sequences, at most max_tokens of them (0 = all).
 *
 *  remaining out, tokens (and guesses) still queued afterwards; may be NULL.
 *  Cost      one pass over the weights per options.batch tokens; allocates nothing.
 *  Errors    ECANCELED (tokens already evaluated stay so; step again to go on), ESTATE. */
LULL_API lull_status lull_context_step(lull_context *context, size_t max_tokens, size_t *remaining,
                                       lull_error *error);

/** Make the step that is running, or else the next one, return ECANCELED.  Takes effect within one
 *  layer.  Any thread, and signal handlers. */
LULL_API void lull_context_cancel(lull_context *context);

/* ---- the same step in the background, so that an event loop stays alive
 *
 * Between lull_context_start and the lull_context_wait (or successful poll) that ends it, a step runs
 * on a thread of the context's own, which has all signals blocked.  Meanwhile every other call on
 * the context and its sequences that can fail returns ESTATE and the rest show the state before the
 * start; closing a sequence is put off until the step has ended; closing the context cancels the
 * step and waits for it. */

/** Begin a step of at most max_tokens (0 = all).  The thread, and the pipe of lull_context_fd, are
 *  made at the first call and kept.  Errors  ESTATE (running already, closed), ENOMEM, EIO. */
LULL_API lull_status lull_context_start(lull_context *context, size_t max_tokens,
                                        lull_error *error);

/** 1 while a started step runs, 0 when it has come to its end (then lull_context_wait returns at
 *  once) or none was started. */
LULL_API int lull_context_running(const lull_context *context);

/** Wait for the end of the started step and return what it came to, exactly as lull_context_step
 *  would have.  ESTATE when none was started. */
LULL_API lull_status lull_context_wait(lull_context *context, size_t *remaining, lull_error *error);

/** A descriptor that is readable while a started step has ended and was not waited for; for poll(2)
 *  and event loops.  Close-on-exec; never read from it and never close it.  -1 and an error (EIO)
 *  when the system has none. */
LULL_API int lull_context_fd(lull_context *context, lull_error *error);

/* ---------------------------------------------------------------------------------- sequences */

/** Open an empty sequence.  Errors  ELIMIT (all places taken), ENOMEM, ESTATE (context closed). */
LULL_API lull_status lull_sequence_open(lull_sequence **out, lull_context *context,
                                        lull_error *error);
LULL_API void lull_sequence_close(lull_sequence *sequence);

/** What evaluating the tokens of one feed shall leave behind, beside the logits of the last. */
typedef struct lull_feed_options {
    int score;      /* 1: the log-probability of each of these tokens (lull_sequence_scores) */
    int all_logits; /* 1: the logits after each of these tokens (lull_sequence_logits_at), until the
                     * next feed that asks for this */
    int hidden;     /* 1: the hidden state of each of these tokens (lull_sequence_hidden) */
    /* (n_layers), 0-based and ascending: the logits that the last of these tokens would have if the
     * network ended after each of these layers. */
    const int32_t *layers;
    int32_t n_layers;
} lull_feed_options;

/** Queue tokens and reserve their KV, and memory for what options (NULL = nothing) ask to keep;
 *  nothing is computed before the next step.
 *  Errors  EINVAL (an id outside the vocabulary, named; layers), ECONTEXT (with the numbers),
 *  ENOMEM, ESTATE; on any error the sequence is unchanged. */
LULL_API lull_status lull_sequence_feed(lull_sequence *sequence, const int32_t *tokens, size_t n,
                                        const lull_feed_options *options, lull_error *error);

/** Guess what will be fed after the tokens held: coming steps evaluate the guesses along with what is
 *  queued, which costs little more than one token alone.  A feed (without options) that brings the
 *  guessed token has its logits at once; the first feed that differs, a rewind and the next guess drop
 *  what is left.  Guesses are no part of the text: not of length, pending and tokens, and no fork has
 *  them.  So every loop that feeds token by token may be sped up without changing what it tells.
 *  (Speculative decoding, Leviathan et al. 2023, arXiv:2211.17192, by exact agreement.)
 *
 *  n       in: how many; out: how many are kept, fewer where the context's length ends
 *  Errors  EINVAL (an id outside the vocabulary), ESTATE (empty, closed), ENOMEM (then no guess is
 *          left). */
LULL_API lull_status lull_sequence_guess(lull_sequence *sequence, const int32_t *tokens, size_t *n,
                                         lull_error *error);

/** Guesses that still hold. */
LULL_API size_t lull_sequence_guesses(const lull_sequence *sequence);

/** Tokens held, queued ones included; tokens queued; the tokens themselves (valid until the next
 *  call that changes the sequence); the context it lives in. */
LULL_API size_t lull_sequence_length(const lull_sequence *sequence);
LULL_API size_t lull_sequence_pending(const lull_sequence *sequence);
LULL_API const int32_t *lull_sequence_tokens(const lull_sequence *sequence);
LULL_API lull_context *lull_sequence_context(const lull_sequence *sequence);

/** Log-probabilities (natural, of the raw logits) of tokens fed with options.score, one per token
 *  held; NaN for the others, those not yet evaluated, and the first in the sequence. */
LULL_API const float *lull_sequence_scores(const lull_sequence *sequence);

/** The raw logits (vocab_size) after the last token; owned by the sequence, valid until its
 *  logits change.  Errors  ESTATE: empty, tokens still queued, or closed. */
LULL_API lull_status lull_sequence_logits(const lull_sequence *sequence, const float **logits,
                                          lull_error *error);

/** log(sum(exp)) of these logits: a token's log-probability is its logit less this.  The bits of
 *  lull_logits_logsumexp, by the kernels of the context and so much faster, and remembered until the
 *  logits change.  NaN where there are none, or one of them is NaN or +infinity. */
LULL_API double lull_sequence_logsumexp(lull_sequence *sequence);

/** The raw logits (vocab_size) after token i of the sequence, 0-based: the last one's, or of an
 *  earlier one that was fed with all_logits.  layer -1 is the whole network; else one of the layers
 *  asked for with the last token.  Owned by the sequence, valid until it is fed, stepped or rewound.
 *  A fork does not inherit these.  Errors  EINVAL (i, layer), ESTATE (not asked for, not evaluated). */
LULL_API lull_status lull_sequence_logits_at(const lull_sequence *sequence, size_t i, int32_t layer,
                                             const float **logits, lull_error *error);

/** The hidden state (dim) of token i, 0-based: the residual stream after the last layer and the final
 *  norm, what the classifier sees.  Owned by the sequence; kept until the token is rewound, and
 *  inherited by forks.  Errors  EINVAL (i), ESTATE (not fed with hidden, not evaluated). */
LULL_API lull_status lull_sequence_hidden(const lull_sequence *sequence, size_t i,
                                          const float **hidden, lull_error *error);

/** Of tokens first .. first + n - 1, the one whose hidden state is most like that of token i: the
 *  largest cosine of the angle between the two into *similarity, and *at, the lowest index that has
 *  it (contrastive search: Su et al. 2022, arXiv:2202.06417).  Sums in double, in a fixed order: the
 *  same on every machine.  0 where a state is zero; NaN, at the first, where one is not a number.
 *  Errors  EINVAL (n is 0, a token outside), ESTATE, as lull_sequence_hidden. */
LULL_API lull_status lull_sequence_similarity(const lull_sequence *sequence, size_t i, size_t first,
                                              size_t n, double *similarity, size_t *at,
                                              lull_error *error);

/** A number that changes whenever this sequence's logits or history change other than by feeding:
 *  what was copied from lull_sequence_logits is current while it stays the same. */
LULL_API uint64_t lull_sequence_serial(const lull_sequence *sequence);

/** A copy with the same history, queued tokens and logits; KV blocks are shared and copied when
 *  written.  Takes a place in the context.  Errors  ELIMIT, ENOMEM, ESTATE. */
LULL_API lull_status lull_sequence_fork(lull_sequence **out, lull_sequence *sequence,
                                        lull_error *error);

/** Keep the first n tokens.  The last kept one is queued again, so that the next step restores its
 *  logits bit for bit.  Errors  EINVAL (n > length), ESTATE. */
LULL_API lull_status lull_sequence_rewind(lull_sequence *sequence, size_t n, lull_error *error);

/** log p(tokens[i] | the sequence, tokens[0..i-1]) into logprobs (n); the sequence is left as it
 *  was.  Evaluates this sequence's queue and no other's.  Errors as feed and step; ESTATE empty. */
LULL_API lull_status lull_sequence_score(lull_sequence *sequence, const int32_t *tokens, size_t n,
                                         float *logprobs, lull_error *error);

#ifdef __cplusplus
}
#endif

#include "lull_grammar.h"
#include "lull_logits.h"
#endif
