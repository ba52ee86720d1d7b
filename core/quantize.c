/* quantize.c - a float checkpoint rewritten in another format: what can be checked before anything is
 * written, and the life of the output.
 *
 * Rows stream from one file to the other.  The numbers are those that loading the input in the same
 * precision and group would choose (group.h), so both files give the same logits. */
#include "quantize.h"
#include "formats/gguf.h"
#include "fpenv.h"
#include "group.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

void lull_quantize_options_init(lull_quantize_options *options)
{
    memset(options, 0, sizeof *options);
}

/* ---- before anything is written */

static lull_status check_options(const lull_quantize_options *o, lull_error *error)
{
    if (o->format != LULL_FILE_LLAMA2C && o->format != LULL_FILE_GGUF)
        return lull_fail(error, LULL_EINVAL, 0, 0, "format is %d, expected 0..1", (int)o->format);
    if (o->precision < LULL_AS_STORED || o->precision > LULL_F16)
        return lull_fail(error, LULL_EINVAL, 0, 0, "precision is %d, expected 0..4",
                         (int)o->precision);
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
static lull_status check_output(const lull_quantize_job *j, const char *output, lull_error *error)
{
    const char *tail = lull_path_tail(output);
    struct stat in, out;
    if (stat(output, &out) != 0) {
        if (errno == ENOENT) return LULL_OK;
        return lull_fail(error, LULL_EIO, errno, 0, "%s: %s", tail, strerror(errno));
    }
    if (fstat(j->in.reader.fd, &in) != 0)
        return lull_fail(error, LULL_EIO, errno, 0, "%s: %s", lull_path_tail(j->in.reader.name),
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

/* What has been rounded once is not rounded again. */
static lull_status check_input(const lull_quantize_job *j, lull_error *error)
{
    const lull_layout *l = &j->in.layout;
    const char *tail = lull_path_tail(j->in.reader.name);
    if (l->stored == LULL_F32 || l->stored == LULL_F16) return LULL_OK;
    if (l->stored == LULL_MIXED)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: has matrices of several types; quantise the float32 original", tail);
    return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                     "%s: has %d bits already (groups of %ld); quantise the float32 original", tail,
                     l->stored == LULL_Q8 ? 8 : 4, (long)l->group);
}

/* A GGUF file is complete with its tokenizer. */
static lull_status read_tokenizer(lull_quantize_job *j, lull_error *error)
{
    lull_error e;
    lull_status status;
    lull_error_clear(&e);
    status = lull_loading_tokenizer(&j->in, NULL, &e);
    if (status == LULL_EIO && e.sys == ENOENT && !j->options.tokenizer_path)
        return lull_fail(
            error, status, e.sys, 0,
            "%s: no tokenizer in it or beside it, and GGUF holds one: give the path of "
            "its tokenizer",
            lull_path_tail(j->in.reader.name));
    if (status != LULL_OK && error != NULL) *error = e;
    return status;
}

static lull_status read_input(lull_quantize_job *j, lull_error *error)
{
    lull_status status = lull_loading_plan(&j->in, error);
    if (status == LULL_OK) status = check_input(j, error);
    if (status == LULL_OK)
        status = j->options.format == LULL_FILE_GGUF ? lull_gguf_check(j, error)
                                                     : lull_llama2c_check(j, error);
    if (status != LULL_OK || j->options.format != LULL_FILE_GGUF) return status;
    return read_tokenizer(j, error);
}

/* The largest tensor's weights, and the widest row. */
static void largest(const lull_config *c, uint64_t *most, size_t *cols)
{
    const uint64_t dim = (uint64_t)c->dim, hidden = (uint64_t)c->hidden_dim;
    *most = (uint64_t)c->vocab_size * dim;
    if (hidden * dim > *most) *most = hidden * dim;
    if (dim * dim > *most) *most = dim * dim;
    *cols = (size_t)(dim > hidden ? dim : hidden);
}

/* llama2.c wants a tensor's scales after all of its weights, GGUF beside them. */
static lull_status reserve(lull_quantize_job *j, lull_error *error)
{
    uint64_t scales = 0, bytes;
    size_t cols, n;
    unsigned char *memory = NULL;
    largest(&j->in.layout.config, &scales, &cols);
    if (j->options.format == LULL_FILE_GGUF) scales = cols;
    scales = j->group ? scales / (uint64_t)j->group : 0;
    bytes = (scales + cols) * sizeof(float) + 3 * (uint64_t)cols; /* below 2^45 */
    if (lull_u64_to_size(bytes, &n)) memory = lull_memory_get(&j->options.allocator, n);
    if (!memory) return lull_memory_fail(error, "scales of a tensor", bytes);
    j->memory = memory;
    j->row = (float *)memory;
    j->scales = j->row + cols;
    j->raw = (unsigned char *)(j->scales + scales);
    j->q = (int8_t *)(j->raw + 2 * cols);
    return LULL_OK;
}

/* ---- rows */

lull_status lull_quantize_read(lull_quantize_job *j, const lull_tensor *t, int32_t row,
                               const char *what, lull_error *error)
{
    const size_t cols = (size_t)t->cols, width = t->type == LULL_TENSOR_F16 ? 2 : 4;
    const uint64_t at = t->offset + (uint64_t)row * cols * width;
    lull_reader *r = &j->in.reader;
    lull_status status = lull_reader_seek(r, at, what, error);
    if (status != LULL_OK) return status;
    if (t->type == LULL_TENSOR_F32) return lull_reader_f32(r, j->row, cols, what, error);
    status = lull_reader_bytes(r, j->raw, 2 * cols, what, error);
    if (status == LULL_OK) lull_f16_unpack(j->raw, cols, r->swap, j->row);
    return status;
}

void lull_quantize_row(lull_quantize_job *j, int32_t cols, float *scales)
{
    const size_t group = (size_t)j->group;
    size_t begin, k;
    for (begin = 0; begin < (size_t)cols; begin += group) {
        const lull_grid grid = lull_grid_choose(j->precision, j->row + begin, group);
        lull_grid_apply(&grid, j->row + begin, group, j->q + begin);
        *scales++ = grid.scale;
        for (k = begin; k < begin + group; k++) {
            const double off = (double)j->q[k] * grid.scale - j->row[k];
            j->squares += off * off;
        }
    }
    j->weights += (uint64_t)cols;
}

/* ---- the whole */

/* The input is read as for loading, whatever its size. */
static lull_status begin(lull_quantize_job *j, lull_error *error)
{
    lull_load_options o;
    lull_load_options_init(&o);
    o.precision = LULL_F32;
    o.byte_order = j->options.input_byte_order;
    o.tokenizer_path = j->options.tokenizer_path;
    o.max_file_bytes = UINT64_MAX;
    o.allocator = j->options.allocator;
    return lull_loading_begin(&j->in, &o, error);
}

static lull_status run(lull_quantize_job *j, const char *input, const char *output,
                       lull_error *error)
{
    lull_status status = check_options(&j->options, error);
    if (status == LULL_OK) status = begin(j, error);
    if (status == LULL_OK) status = lull_reader_open(&j->in.reader, input, UINT64_MAX, error);
    if (status == LULL_OK) status = check_output(j, output, error);
    if (status == LULL_OK) status = read_input(j, error);
    if (status == LULL_OK) status = reserve(j, error);
    if (status == LULL_OK)
        status = lull_writer_open(&j->writer, output, j->options.byte_order, &j->options.allocator,
                                  error);
    if (status != LULL_OK) return status;
    status = j->options.format == LULL_FILE_GGUF ? lull_gguf_write(j, error)
                                                 : lull_llama2c_write(j, error);
    if (status == LULL_OK) status = lull_reader_check_unchanged(&j->in.reader, error);
    return status;
}

lull_status lull_quantize_file(const char *input, const char *output,
                               const lull_quantize_options *options, lull_quantize_report *report,
                               lull_error *error)
{
    lull_quantize_report done;
    lull_fpenv env;
    lull_status status;
    lull_quantize_job j;
    lull_error_clear(error);
    if (report) memset(report, 0, sizeof *report);
    if (input == NULL || output == NULL)
        return lull_fail(error, LULL_EINVAL, 0, 0, "no %s path given", input ? "output" : "input");
    memset(&j, 0, sizeof j);
    if (options) j.options = *options;
    if (j.options.byte_order == LULL_ANY_ORDER) j.options.byte_order = LULL_LITTLE_ENDIAN;
    j.precision = j.options.precision == LULL_AS_STORED ? LULL_Q8 : j.options.precision;
    lull_fpenv_enter(&env);
    status = run(&j, input, output, error);
    done.group = j.group;
    done.input_bytes = j.in.reader.size;
    done.output_bytes = j.writer.size;
    done.rms_error = j.weights ? sqrt(j.squares / (double)j.weights) : 0;
    if (status == LULL_OK)
        status = lull_writer_commit(&j.writer, error);
    else
        lull_writer_abandon(&j.writer);
    lull_memory_put(&j.options.allocator, j.memory);
    lull_loading_end(&j.in);
    lull_fpenv_leave(&env);
    if (status == LULL_OK && report) *report = done;
    return status;
}
