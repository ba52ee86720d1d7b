/** lull.h - the public C API of lull, and the only header a host includes.
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

/* ---------------------------------------------------------------------- primitives on logits */
/* Plain functions of (values, n); no allocation; deterministic on every machine; ties go to the
 * lower id.  -INFINITY means banned.  A NaN is never chosen and never indexes anything; what bans
 * leaves it in place, so that drawing reports it. */

typedef struct lull_candidate {
    int32_t id;
    float value; /* logit or probability, as the function says */
} lull_candidate;

/** Index of the largest value, the lowest of equals; -1 when nothing is above -INFINITY. */
LULL_API int32_t lull_logits_argmax(const float *values, size_t n);

/** log(sum(exp(values))); -INFINITY when everything is banned, NaN when a value is NaN or +inf. */
LULL_API double lull_logits_logsumexp(const float *values, size_t n);

/** values -> probabilities, in place.  Errors  EINVAL: a value is NaN or +inf (the first is
 *  named), or everything is banned; values are then unchanged. */
LULL_API lull_status lull_logits_softmax(float *values, size_t n, lull_error *error);

/** Entropy of softmax(values) in nats; NaN as logsumexp. */
LULL_API double lull_logits_entropy(const float *values, size_t n);

/** Mean and population standard deviation of what is not banned; both NaN where a value is NaN or +inf
 *  or everything is banned. */
LULL_API void lull_logits_moments(const float *values, size_t n, double *mean, double *deviation);

/** Jensen-Shannon divergence of softmax(values) and softmax(other) (n each) in nats, 0..log(2) (Lin
 *  1991); NaN where a value of either is NaN or +inf or all of one are banned. */
LULL_API double lull_logits_divergence(const float *values, const float *other, size_t n);

/** Kullback-Leibler divergence of softmax(other) (n) from softmax(values) (n) in nats,
 *  sum(p log(p / q)) with p of values and q of other: what it costs to take q for p.  0 and more;
 *  exactly 0 for equal values; INFINITY where other bans a token that values does not; NaN as
 *  lull_logits_divergence.  (Kullback & Leibler 1951.) */
LULL_API double lull_logits_kl(const float *values, const float *other, size_t n);

/** values[i] *= factor for all that are not banned. */
LULL_API void lull_logits_scale(float *values, size_t n, float factor);

/** Scale by 1 / t, rounded to float; t = 0, the limit, bans all but the largest.  t >= 0. */
LULL_API void lull_logits_temperature(float *values, size_t n, double t);

/** v' = max - factor * (v - max)^2 * ((3 - curve) / 2 - (curve - 1) / 2 * (v - max)), in float:
 *  quadratic sampling (kalomaze; smoothing_factor and smoothing_curve of text-generation-webui).
 *  curve = 1 is the parabola max - factor * (v - max)^2; up to 3 the order of the tokens stays as it is,
 *  beyond it need not.  factor <= 0 changes nothing, nor is anything changed where a value is NaN or
 *  +inf. */
LULL_API void lull_logits_smooth(float *values, size_t n, double factor, double curve);

/** Temperature t = low + (high - low) * (H / Hmax)^exponent, where H is the entropy and Hmax that of
 *  equal probabilities, log(number of tokens not banned): sure tokens get low, a flat distribution high
 *  (arXiv:2309.02772; dynamic temperature of KoboldCpp).  H / Hmax is 0 for a single token; t below
 *  1e-6 is 0, the limit.  low, high, exponent >= 0.
 *  Returns t; NaN, and nothing is changed, where a value is NaN or +inf or everything is banned. */
LULL_API double lull_logits_dynamic_temperature(float *values, size_t n, double low, double high,
                                                double exponent);

/** v' = 5 - 10 d^2 / (1 + d), d = |p - target| / 0.3, in float: the most likely are those whose
 *  probability is near the target (adaptive-p of llama.cpp, pull request 17927; the caller moves the
 *  target).  Nothing is changed where a value is NaN or +inf. */
LULL_API void lull_logits_toward(float *values, size_t n, double target);

/** values -> log-probabilities, in place, rounded once; what softmax makes of them is the same.
 *  Errors as lull_logits_softmax. */
LULL_API lull_status lull_logits_log_softmax(float *values, size_t n, lull_error *error);

/** values[i] += a * other[i] (n each), in double and rounded once; a = 0 changes nothing.  What is
 *  banned stays banned.  What is banned in other gets banned where a > 0, as the sum says, and is left
 *  as it is where a < 0. */
LULL_API void lull_logits_add_scaled(float *values, const float *other, size_t n, double a);

/** Is id in the pseudo-random part gamma (0..1) of all ids that key stands for?  Equal on every machine
 *  and for every vocabulary; of two gammas, the larger's part has all of the smaller's. */
LULL_API int lull_green(uint64_t key, int32_t id, double gamma);

/** Add delta to the tokens that are lull_green: a watermark (Kirchenbauer et al. 2023, arXiv:2301.10226,
 *  where key is a hash of the token before).  A detector needs lull_green alone.
 *  ids  (n) of the values; NULL = 0..n-1. */
LULL_API void lull_logits_green(float *values, const int32_t *ids, size_t n, uint64_t key,
                                double gamma, double delta);

/** Ban all but the k largest.  k >= n changes nothing.  O(n). */
LULL_API void lull_logits_top_k(float *values, size_t n, size_t k);

/** Ban all but the smallest set of the most probable whose mass reaches p (Holtzman et al. 2019,
 *  arXiv:1904.09751).  p >= 1 changes nothing; at least one stays.  O(n). */
LULL_API void lull_logits_top_p(float *values, size_t n, float p);

/** Ban what is less probable than p times the most probable (Nguyen et al. 2024,
 *  arXiv:2407.01082).  p <= 0 changes nothing; the most probable stays.  O(n). */
LULL_API void lull_logits_min_p(float *values, size_t n, float p);

/** Ban what is less probable than a times the square of the largest probability (text-generation-webui's
 *  top_a).  a <= 0 changes nothing; the most probable stays.  O(n). */
LULL_API void lull_logits_top_a(float *values, size_t n, double a);

/** Ban what is below the largest value by more than sigmas times the standard deviation of all that are
 *  not banned (Tang et al. 2024, arXiv:2411.07641).  Before any temperature it keeps the same tokens as
 *  after it.  sigmas < 0 changes nothing.  O(n). */
LULL_API void lull_logits_top_n_sigma(float *values, size_t n, double sigmas);

/** Keep the tokens of which |-log p - H| is smallest, H the entropy, until their mass reaches p; of
 *  equal ones the lower id first (Meister et al. 2022, arXiv:2202.00666).  The distance is taken between
 *  logits, in float: |v - mean of v under softmax|.  p >= 1 changes nothing; at least one stays.
 *  O(n). */
LULL_API void lull_logits_typical(float *values, size_t n, double p);

/** Tail-free sampling (Bricken 2020; as llama.cpp had it).  With the probabilities p[0] >= p[1] >= ... of
 *  the m tokens not banned and c[i] = |(p[i] - p[i+1]) - (p[i+1] - p[i+2])|, i = 0..m-3: keep the first i,
 *  but at least one, for the least i with c[0] + ... + c[i] > z * (c[0] + ... + c[m-3]); all where there
 *  is none, or m <= 2.  z >= 1 changes nothing.  O(n).
 *  work  (2, n), anything. */
LULL_API void lull_logits_tail_free(float *values, size_t n, double z, uint32_t *work);

/** Ban what is less probable than p (Hewitt et al. 2022, arXiv:2210.15191); the most probable stays.
 *  p <= 0 changes nothing.  O(n). */
LULL_API void lull_logits_epsilon(float *values, size_t n, double p);

/** The same with p = min(e, sqrt(e) * exp(-H)), H the entropy: eta sampling of that paper. */
LULL_API void lull_logits_eta(float *values, size_t n, double e);

/** Exclude top choices: where at least two tokens are more probable than threshold, ban all of these but
 *  the least probable, of equal ones the lowest id.  threshold <= 0 changes nothing.  (p-e-w;
 *  text-generation-webui, pull request 6335.  There it is done in a part of the steps only, and some
 *  tokens are never banned: both are the caller's.)  O(n). */
LULL_API void lull_logits_xtc(float *values, size_t n, double threshold);

/** The ids of all that are not banned, NaNs included, ascending, into ids (capacity).  Returns how many
 *  there are, or capacity + 1 where they are more.  What is left after a narrow filter is worked on
 *  faster in a vector of its own, values[ids[i]]: every function here gives the same on it, to within
 *  the rounding of sums. */
LULL_API size_t lull_logits_support(const float *values, size_t n, int32_t *ids, size_t capacity);

/** The k largest that are not banned, ascending in id, into out (k); value = the logit: what top_k leaves,
 *  and the vector stays as it is.  Returns how many there were.
 *  *sound  0 where a NaN or +INFINITY is among the values: top_k would leave it.  O(n). */
LULL_API size_t lull_logits_largest(const float *values, size_t n, size_t k, lull_candidate *out,
                                    int *sound);

/** The k largest that are not banned, largest first, into out (k); value = probability under
 *  softmax(values).  Returns how many there were. */
LULL_API size_t lull_logits_candidates(const float *values, size_t n, size_t k,
                                       lull_candidate *out);

/** log softmax(values)[id]. */
LULL_API double lull_logits_logprob(const float *values, size_t n, int32_t id);

/** Draw an id from softmax(values) with u in [0, 1): the first id, ascending, at which the
 *  cumulated probability exceeds u.
 *  Errors  EINVAL "logits are not finite (first at token 17)", "no token is allowed". */
LULL_API lull_status lull_logits_sample(const float *values, size_t n, double u, int32_t *id,
                                        lull_error *error);

/** The same draw when values are probabilities (or any weights >= 0), not logits. */
LULL_API lull_status lull_probabilities_sample(const float *values, size_t n, double u, int32_t *id,
                                               lull_error *error);

/** The sampler of llama2.c's run.c, draw for draw: xorshift* state (>= 1), sequential float32 sums,
 *  temperature 0 = greedy, top_p outside (0, 1) = plain multinomial.  logits (n) are overwritten
 *  with probabilities, scratch has room for n.  Errors  EINVAL as lull_logits_sample. */
LULL_API lull_status lull_llama2c_sample(float *logits, size_t n, float temperature, float top_p,
                                         uint64_t *state, lull_candidate *scratch, int32_t *id,
                                         lull_error *error);

/* ---- what the text so far does to the next token's logits
 *
 * tokens (n_tokens) is the part of the history that counts, oldest first, ids below n; usually the
 * end of lull_sequence_tokens.  O(n_tokens), never O(n).  Values that are not finite (banned, NaN)
 * stay as they are; penalties are computed in double, rounded once, and keep finite values finite.
 *
 *  work     (n), all zero before and after
 *  lengths  (n_tokens), overwritten */

typedef struct lull_penalty {
    double repetition; /* > 0; 1 = none */
    double frequency;  /* 0 = none */
    double presence;   /* 0 = none */
    size_t last;       /* how many of the newest tokens count in full; SIZE_MAX = all */
    size_t decay;      /* and how many before them count less and less */
} lull_penalty;

/** Penalize each distinct token among the newest last + decay: a positive value is divided by
 *  repetition and a negative one multiplied (Keskar et al. 2019, arXiv:1909.05858), then
 *  count * frequency + presence is taken off.
 *
 *  With decay the penalties fade, as in exllamav2 (token_repetition_range, token_repetition_decay):
 *  the token at distance d from the newest (0) has the weight w = 1 for d <= last, then
 *  1 - (d - last) / decay.  Each occurrence adds its w to the count; repetition becomes
 *  1 + (repetition - 1) * w and presence w * presence with the w of the newest occurrence. */
LULL_API void lull_logits_penalize(float *values, const int32_t *tokens, size_t n_tokens,
                                   const lull_penalty *penalty, double *work);

typedef struct lull_dry {
    double multiplier;        /* >= 0; 0 = none */
    double base;              /* >= 1 */
    size_t allowed_length;    /* >= 1: shorter repetitions are free */
    const uint32_t *breakers; /* tokens that no repetition reaches over: a set (below), or NULL */
} lull_dry;

/** "Don't repeat yourself" (text-generation-webui, pull request 5677; as llama.cpp, 9702, with
 *  breakers of one token): where the text's last `length` tokens, as many as possible and none of
 *  them a breaker, have occurred before and were followed by a token, that token would repeat them
 *  further; if length >= allowed_length it loses multiplier * base^(length - allowed_length).
 *  Breakers themselves lose nothing.  The power is at most about FLT_MAX. */
LULL_API void lull_logits_dry(float *values, const int32_t *tokens, size_t n_tokens,
                              const lull_dry *dry, double *work, int32_t *lengths);

/** Ban every token that would complete a run of n tokens that is in the history already (fairseq's
 *  and transformers' no_repeat_ngram_size).  n >= 1; 1 bans all that has occurred. */
LULL_API void lull_logits_no_repeat(float *values, const int32_t *tokens, size_t n_tokens, size_t n,
                                    int32_t *lengths);

/* ------------------------------------------------------------------------------- sets of tokens */
/* A set of ids of a vocabulary of n: LULL_TOKEN_SET_WORDS(n) words of the caller's, in which id is
 * bit id % 32 of word id / 32 and bits past the last id are 0; all zero is the empty set.  ids are
 * below n, sets that meet are of the same n. */

#define LULL_TOKEN_SET_WORDS(n) (((size_t)(n) + 31) / 32)

LULL_API int lull_token_set_has(const uint32_t *set, int32_t id);
LULL_API void lull_token_set_add(uint32_t *set, const int32_t *ids, size_t n_ids);
LULL_API void lull_token_set_remove(uint32_t *set, const int32_t *ids, size_t n_ids);

/** In place: what is in either, in both, in set but not in other, in the vocabulary but not in set. */
LULL_API void lull_token_set_union(uint32_t *set, const uint32_t *other, size_t n);
LULL_API void lull_token_set_intersect(uint32_t *set, const uint32_t *other, size_t n);
LULL_API void lull_token_set_subtract(uint32_t *set, const uint32_t *other, size_t n);
LULL_API void lull_token_set_complement(uint32_t *set, size_t n);

/** How many ids are in it; the ids, ascending, into ids (that many), and how many they are. */
LULL_API size_t lull_token_set_count(const uint32_t *set, size_t n);
LULL_API size_t lull_token_set_ids(const uint32_t *set, size_t n, int32_t *ids);

/** Ban what is in the set, or all that is not; add value to what is in it.  Unlike those that
 *  compare values, the first two ban a NaN too.  O(n), 32 values at a time. */
LULL_API void lull_logits_ban(float *values, size_t n, const uint32_t *set);
LULL_API void lull_logits_allow(float *values, size_t n, const uint32_t *set);
LULL_API void lull_logits_add(float *values, size_t n, const uint32_t *set, float value);

/* --------------------------------------------------------------------------- constrained texts */
/* A grammar says which bytes a text may consist of, whatever tokens they come in; a matcher follows
 * one text and says which tokens may be next.  The cheap way to use it: draw a token, ask
 * lull_matcher_allows, and only when the answer is no mask the logits and draw again.
 *
 *     lull_trie     a model's vocabulary, made for this; immutable, shared by any threads
 *     lull_grammar  a program, and all that was found out about it so far; with its matchers used
 *                   by one thread at a time
 *     lull_matcher  where a text stands; a few words of memory */

typedef struct lull_trie lull_trie;
typedef struct lull_grammar lull_grammar;
typedef struct lull_matcher lull_matcher;

/** Make the trie of a model's vocabulary; the model may be released then.  About 50 bytes a token.
 *  Tokens that give no text, or none that is meant (BOS, EOS, unknown, other control tokens), are
 *  not in it.  Errors  ESTATE (no tokenizer), ENOMEM, ELIMIT.  Begins with one reference. */
LULL_API lull_status lull_trie_open(lull_trie **out, const lull_model *model, lull_error *error);
LULL_API lull_trie *lull_trie_retain(lull_trie *trie);
LULL_API void lull_trie_release(lull_trie *trie);
LULL_API uint64_t lull_trie_bytes(const lull_trie *trie); /* of memory */

/** A context-free grammar over bytes.  Rule 0 is what the whole text must match; a rule matches what
 *  one of its alternatives does, an alternative what its elements do one after the other (without
 *  elements: nothing).  Only read during the call it is given to. */
typedef struct lull_program {
    int32_t n_rules, n_alternatives, n_elements, n_sets;
    /* (n_rules + 1): rule r has the alternatives rules[r] .. rules[r + 1] - 1 */
    const int32_t *rules;
    /* (n_alternatives + 1): alternative a has the elements alternatives[a] .. alternatives[a+1] - 1 */
    const int32_t *alternatives;
    /* (n_elements): i >= 0 is one byte of set i; -1 - r is what rule r matches */
    const int32_t *elements;
    const uint8_t *sets; /* (n_sets, 32): bit b % 8 of byte b / 8 says whether b is in the set */
    const char *const *names; /* (n_rules), for messages; NULL, or NULL for rules without one */
} lull_program;

typedef struct lull_grammar_options {
    uint64_t max_memory_bytes; /* for what is found out; 0 = 32 MiB, at most 4 GiB.  When full, all
                                * but the places of open matchers is thrown away and found again */
    int32_t max_depth; /* rules within rules that are not last in theirs; default 1000, 1..60000 */
    lull_allocator allocator;
} lull_grammar_options;

LULL_API void lull_grammar_options_init(lull_grammar_options *options);

/** Check and compile a program.
 *
 *  trie     retained; NULL for a grammar that is only asked about bytes
 *  Errors   EINVAL: an index out of range, an empty set, a rule that matches no finite text, one that
 *           can begin with itself (unless it is the last element of an alternative of its own, which
 *           is how repeats are written), over 2^20 rules, 2^22 elements or 2^16 sets; ENOMEM.
 *  Begins with one reference; matchers hold their own.  Not for several threads at once. */
LULL_API lull_status lull_grammar_open(lull_grammar **out, lull_trie *trie,
                                       const lull_program *program,
                                       const lull_grammar_options *options, lull_error *error);
LULL_API lull_grammar *lull_grammar_retain(lull_grammar *grammar);
LULL_API void lull_grammar_release(lull_grammar *grammar);

typedef struct lull_grammar_info {
    int32_t rules;
    int32_t states, masks; /* found so far: places in texts, and of those with a mask */
    uint64_t flushes;      /* times that they were thrown away */
    uint64_t memory_bytes; /* all but the trie */
} lull_grammar_info;

LULL_API void lull_grammar_info_get(const lull_grammar *grammar, lull_grammar_info *info);

/** A matcher before the first byte of a text.
 *
 *  at_start  1: the tokens come right after BOS, where decoding drops the space that the first one
 *            begins with: it is not part of the text for the grammar either
 *  Errors    ENOMEM, ELIMIT. */
LULL_API lull_status lull_matcher_open(lull_matcher **out, lull_grammar *grammar, int at_start,
                                       lull_error *error);
LULL_API lull_status lull_matcher_clone(lull_matcher **out, const lull_matcher *matcher,
                                        lull_error *error);
LULL_API void lull_matcher_close(lull_matcher *matcher);

/** Back to before the first byte.  Errors  ENOMEM, ELIMIT; then nothing has changed. */
LULL_API lull_status lull_matcher_reset(lull_matcher *matcher, lull_error *error);

/** May token come next?  Its bytes may cross any borders inside the grammar.  EOS may when the text
 *  may end here, and nothing after it; BOS, unknown and other control tokens never.
 *  Errors  EINVAL (no such token), ESTATE (no vocabulary); ELIMIT, when the text is nested deeper than
 *  max_depth, could go on in more than 65536 ways, or needs more than max_memory_bytes at once;
 *  ENOMEM.  These two are errors of all functions below, and leave the matcher as it was. */
LULL_API lull_status lull_matcher_allows(lull_matcher *matcher, int32_t token, int *allowed,
                                         lull_error *error);

/** Take token as the next one.  Errors  as allows; EINVAL where it is not allowed. */
LULL_API lull_status lull_matcher_accept(lull_matcher *matcher, int32_t token, lull_error *error);

/** Take bytes, in no particular tokens: all of them, or none when one is not allowed (EINVAL; its
 *  place, counted from the start of the text, is error->offset). */
LULL_API lull_status lull_matcher_accept_text(lull_matcher *matcher, const char *text, size_t bytes,
                                              lull_error *error);

/** Ban (-INFINITY) in values (n, the size of the vocabulary) all tokens that may not come next.
 *  The answer is kept for the next text that comes to the same place.  O(n); the first time at
 *  most O(bytes of all tokens).  Where a vocabulary lacks a byte token, all may be banned. */
LULL_API lull_status lull_matcher_mask(lull_matcher *matcher, float *values, size_t n,
                                       lull_error *error);

/** May the text end here?  Also 1 after EOS. */
LULL_API int lull_matcher_complete(const lull_matcher *matcher);

/** What must come next.
 *
 *  text      out, room for capacity bytes: those that every text goes on with, as many as there are
 *  bytes     out, how many
 *  token     out, the one token that is allowed, or -1 where there are more or none */
LULL_API lull_status lull_matcher_forced(lull_matcher *matcher, char *text, size_t capacity,
                                         size_t *bytes, int32_t *token, lull_error *error);

/* ------------------------------------------------------------------------------ random numbers */

/** A uniform number in [0, 1), a function of its arguments alone: Philox4x32-10 (Salmon et al.
 *  2011), top 24 bits.  Hence no generator state, and a text does not depend on what ran beside it.
 *
 *  seed      the user's
 *  stream    which text; lull_hash of a story's id
 *  position  of the token that is drawn
 *  purpose   separates independent draws at one position; 0 = choosing the token
 *  attempt   draws already discarded here */
LULL_API double lull_random(uint64_t seed, uint64_t stream, uint32_t position, uint16_t purpose,
                            uint16_t attempt);

/** 64-bit hash of bytes (FNV-1a with a finishing mix): stable across machines and versions. */
LULL_API uint64_t lull_hash(const void *bytes, size_t n);

/* --------------------------------------------------------------------------- elementary functions */
/* Made of +, -, *, / and sqrt in double, so equal bits everywhere, which no two libm's give.
 * Within 2 ulp; special values as C99. */
LULL_API double lull_exp(double x);
LULL_API double lull_log(double x);
LULL_API double lull_pow(double x, double y);
LULL_API double lull_sin(double x);
LULL_API double lull_cos(double x);

#ifdef __cplusplus
}
#endif
#endif
