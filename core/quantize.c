/* quantize.c - a float32 checkpoint rewritten as llama2.c version 2 (8 bits).
 *
 * Rows stream from one file to the other; only the scales of one tensor are held, because the
 * format wants them after all of the tensor's weights.  The numbers are those that loading the
 * input as q8 would choose (group.h), so both files give the same logits. */
#include "formats/formats.h"
#include "fpenv.h"
#include "group.h"
#include "matrix.h"
#include "writer.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define LARGEST_DEFAULT_GROUP 64
#define HEADER_BYTES          256
#define MAGIC                 0x616b3432u

void lull_quantize_options_init(lull_quantize_options *options)
{
    memset(options, 0, sizeof *options);
}

typedef struct job {
    lull_quantize_options options;
    lull_reader reader;
    lull_layout layout;
    lull_writer writer;
    int32_t group;
    float *row;     /* (widest row) */
    int8_t *q;      /* (widest row) */
    float *scales;  /* of the largest tensor */
    void *memory;   /* the block that holds these */
    double squares; /* sum of (dequantised - original)^2 */
    uint64_t weights;
} job;

/* ---- before anything is written */

static lull_status check_options(const lull_quantize_options *o, lull_error *error)
{
    if (o->group < 0 || o->group > LULL_MAX_GROUP)
        return lull_fail(error, LULL_EINVAL, 0, 0, "group is %ld, expected 1..%d (or 0)",
                         (long)o->group, LULL_MAX_GROUP);
    if (o->byte_order < LULL_ANY_ORDER || o->byte_order > LULL_BIG_ENDIAN ||
        o->input_byte_order < LULL_ANY_ORDER || o->input_byte_order > LULL_BIG_ENDIAN)
        return lull_fail(error, LULL_EINVAL, 0, 0, "byte order is %d and %d, expected 0..2",
                         (int)o->byte_order, (int)o->input_byte_order);
    return LULL_OK;
}

/* The output must not exist (unless it may be replaced) and never be the input, by whatever name.
 */
static lull_status check_output(const job *j, const char *output, lull_error *error)
{
    const char *tail = lull_path_tail(output);
    struct stat in, out;
    if (stat(output, &out) != 0) {
        if (errno == ENOENT) return LULL_OK;
        return lull_fail(error, LULL_EIO, errno, 0, "%s: %s", tail, strerror(errno));
    }
    if (fstat(j->reader.fd, &in) != 0)
        return lull_fail(error, LULL_EIO, errno, 0, "%s: %s", lull_path_tail(j->reader.name),
                         strerror(errno));
    if (in.st_dev == out.st_dev && in.st_ino == out.st_ino)
        return lull_fail(error, LULL_ESTATE, 0, 0, "%s: is the input itself", tail);
    if (!S_ISREG(out.st_mode))
        return lull_fail(error, LULL_EIO, S_ISDIR(out.st_mode) ? EISDIR : 0, 0,
                         "%s: exists and is not a regular file", tail);
    if (!j->options.overwrite)
        return lull_fail(error, LULL_ESTATE, 0, 0, "%s: exists already", tail);
    return LULL_OK;
}

static int divides(int32_t group, const lull_config *c)
{
    return c->dim % group == 0 && c->hidden_dim % group == 0;
}

/* dim and hidden_dim are the lengths of all rows there are. */
static lull_status choose_group(job *j, lull_error *error)
{
    const lull_config *c = &j->layout.config;
    int32_t largest = LARGEST_DEFAULT_GROUP;
    if (j->layout.stored != LULL_F32)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: has 8 bits already (groups of %ld); quantise the float32 original",
                         lull_path_tail(j->reader.name), (long)j->layout.group);
    while (!divides(largest, c)) largest /= 2;
    j->group = j->options.group ? j->options.group : largest;
    if (divides(j->group, c)) return LULL_OK;
    return lull_fail(error, LULL_EINVAL, 0, 0,
                     "%s: group %ld divides not both dim %ld and hidden_dim %ld, as llama2.c "
                     "version 2 demands; %ld does",
                     lull_path_tail(j->reader.name), (long)j->group, (long)c->dim,
                     (long)c->hidden_dim, (long)largest);
}

static lull_status reserve(job *j, lull_error *error)
{
    const lull_config *c = &j->layout.config;
    const uint64_t cols = (uint64_t)(c->dim > c->hidden_dim ? c->dim : c->hidden_dim);
    const uint64_t table = (uint64_t)c->vocab_size * (uint64_t)c->dim;
    const uint64_t ffn = (uint64_t)c->hidden_dim * (uint64_t)c->dim;
    const uint64_t square = (uint64_t)c->dim * (uint64_t)c->dim;
    uint64_t most = table > ffn ? table : ffn, bytes;
    unsigned char *memory = NULL;
    size_t n;
    if (square > most) most = square;
    bytes = (most / (uint64_t)j->group + cols) * sizeof(float) + cols; /* below 2^45 */
    if (lull_u64_to_size(bytes, &n)) memory = lull_memory_get(&j->options.allocator, n);
    if (!memory) return lull_memory_fail(error, "scales of a tensor", bytes);
    j->memory = memory;
    j->row = (float *)memory;
    j->scales = j->row + cols;
    j->q = (int8_t *)(j->scales + most / (uint64_t)j->group);
    return LULL_OK;
}

/* ---- writing */

static lull_status write_header(job *j, lull_error *error)
{
    static const unsigned char zeros[HEADER_BYTES] = {0};
    const lull_config *c = &j->layout.config;
    const int32_t numbers[8] = {2,          c->dim,        c->hidden_dim, c->n_layers,
                                c->n_heads, c->n_kv_heads, c->vocab_size, c->seq_len};
    const unsigned char shared = (unsigned char)c->shared_classifier;
    lull_writer *w = &j->writer;
    lull_status status = lull_writer_u32(w, MAGIC, error);
    size_t i;
    for (i = 0; i < sizeof numbers / sizeof numbers[0] && status == LULL_OK; i++)
        status = lull_writer_u32(w, (uint32_t)numbers[i], error);
    if (status == LULL_OK) status = lull_writer_bytes(w, &shared, 1, error);
    if (status == LULL_OK) status = lull_writer_u32(w, (uint32_t)j->group, error);
    if (status != LULL_OK) return status;
    return lull_writer_bytes(w, zeros, HEADER_BYTES - (size_t)w->size, error);
}

static lull_status copy_vector(job *j, const lull_tensor *t, const char *what, lull_error *error)
{
    lull_status status = lull_reader_seek(&j->reader, t->offset, what, error);
    if (status == LULL_OK)
        status = lull_reader_f32(&j->reader, j->row, (size_t)t->cols, what, error);
    if (status != LULL_OK) return status;
    return lull_writer_f32(&j->writer, j->row, (size_t)t->cols, error);
}

/* Quantise the row that was read, group after group. */
static void quantise_row(job *j, int32_t cols, float *scales)
{
    const size_t group = (size_t)j->group;
    size_t begin, k;
    for (begin = 0; begin < (size_t)cols; begin += group) {
        const lull_grid grid = lull_grid_choose(LULL_Q8, j->row + begin, group);
        lull_grid_apply(&grid, j->row + begin, group, j->q + begin);
        *scales++ = grid.scale;
        for (k = begin; k < begin + group; k++) {
            const double off = (double)j->q[k] * grid.scale - j->row[k];
            j->squares += off * off;
        }
    }
    j->weights += (uint64_t)cols;
}

static lull_status write_matrix(job *j, const lull_tensor *t, const char *what, lull_error *error)
{
    const size_t n_groups = (size_t)(t->cols / j->group), cols = (size_t)t->cols;
    lull_status status = lull_reader_seek(&j->reader, t->offset, what, error);
    int32_t row;
    for (row = 0; row < t->rows && status == LULL_OK; row++) {
        status = lull_reader_f32(&j->reader, j->row, cols, what, error);
        if (status != LULL_OK) return status;
        quantise_row(j, t->cols, j->scales + (size_t)row * n_groups);
        status = lull_writer_bytes(&j->writer, j->q, cols, error);
    }
    if (status != LULL_OK) return status;
    return lull_writer_f32(&j->writer, j->scales, (size_t)t->rows * n_groups, error);
}

/* The sections in the order of the version 2 layout (formats/llama2c_ak42.c). */
static lull_status write_tensors(job *j, lull_error *error)
{
    static const int kinds[] = {LULL_WQ, LULL_WK, LULL_WV, LULL_WO, LULL_W1, LULL_W2, LULL_W3};
    const lull_layout *l = &j->layout;
    const int32_t n = l->config.n_layers;
    lull_status status = LULL_OK;
    size_t k;
    int32_t i;
    for (i = 0; i < n && status == LULL_OK; i++)
        status =
            copy_vector(j, &l->layers[i * LULL_LAYER_TENSORS + LULL_RMS_ATT], "rms_att", error);
    for (i = 0; i < n && status == LULL_OK; i++)
        status =
            copy_vector(j, &l->layers[i * LULL_LAYER_TENSORS + LULL_RMS_FFN], "rms_ffn", error);
    if (status == LULL_OK) status = copy_vector(j, &l->rms_final, "rms_final", error);
    if (status == LULL_OK) status = write_matrix(j, &l->embedding, "embedding", error);
    for (k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (i = 0; i < n && status == LULL_OK; i++)
            status = write_matrix(j, &l->layers[i * LULL_LAYER_TENSORS + kinds[k]], "layer weights",
                                  error);
    if (status == LULL_OK && !l->config.shared_classifier)
        status = write_matrix(j, &l->classifier, "classifier", error);
    return status;
}

static lull_status run(job *j, const char *input, const char *output, lull_error *error)
{
    lull_status status = check_options(&j->options, error);
    if (status == LULL_OK) status = lull_reader_open(&j->reader, input, UINT64_MAX, error);
    if (status == LULL_OK) status = check_output(j, output, error);
    if (status == LULL_OK)
        status = lull_layout_read(&j->layout, &j->reader, j->options.input_byte_order,
                                  &j->options.allocator, error);
    if (status == LULL_OK) status = choose_group(j, error);
    if (status == LULL_OK) status = reserve(j, error);
    if (status == LULL_OK)
        status = lull_writer_open(&j->writer, output, j->options.byte_order, &j->options.allocator,
                                  error);
    if (status == LULL_OK) status = write_header(j, error);
    if (status == LULL_OK) status = write_tensors(j, error);
    if (status == LULL_OK) status = lull_reader_check_unchanged(&j->reader, error);
    return status;
}

lull_status lull_quantize_file(const char *input, const char *output,
                               const lull_quantize_options *options, lull_quantize_report *report,
                               lull_error *error)
{
    lull_quantize_report done;
    lull_fpenv env;
    lull_status status;
    job j;
    lull_error_clear(error);
    if (report) memset(report, 0, sizeof *report);
    if (input == NULL || output == NULL)
        return lull_fail(error, LULL_EINVAL, 0, 0, "no %s path given", input ? "output" : "input");
    memset(&j, 0, sizeof j);
    if (options) j.options = *options;
    if (j.options.byte_order == LULL_ANY_ORDER) j.options.byte_order = LULL_LITTLE_ENDIAN;
    lull_fpenv_enter(&env);
    status = run(&j, input, output, error);
    done.group = j.group;
    done.input_bytes = j.reader.size;
    done.output_bytes = j.writer.size;
    done.rms_error = j.weights ? sqrt(j.squares / (double)j.weights) : 0;
    if (status == LULL_OK)
        status = lull_writer_commit(&j.writer, error);
    else
        lull_writer_abandon(&j.writer);
    lull_memory_put(&j.options.allocator, j.memory);
    lull_layout_free(&j.layout, &j.options.allocator);
    lull_reader_close(&j.reader);
    lull_fpenv_leave(&env);
    if (status == LULL_OK && report) *report = done;
    return status;
}
