/* reference.c - each kernel's definition, said in the plainest way; see reference.h. */
#include "reference.h"

#include "kernels/expf.h"

static uint64_t double_bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

/* The product is exact in double.  The sum is rounded to odd (its last bit says whether anything
 * was lost), so that rounding it again to float32 decides rightly: Boldo and Melquiond 2008. */
float ref_fused(float a, float b, float c)
{
    const double p = (double)a * b, sum = p + c;
    const double back = sum - p, lost = (p - (sum - back)) + (c - back);
    uint64_t u = double_bits(sum);
    double odd = sum;

    if (lost == lost && lost != 0.0 && (u & 1) == 0) {
        u += (lost > 0.0) == (sum > 0.0) ? 1u : -(uint64_t)1;
        memcpy(&odd, &u, sizeof odd);
    }
    return (float)odd;
}

float ref_unfused(float a, float b, float c)
{
    const float p = a * b;
    return p + c;
}

float ref_sqrt(float x)
{
    uint32_t low = 0, high = 0x7f7fffffu;
    double middle;

    if (!(lull_float_bits(x) < 0x7f800000u)) return x;
    while (low < high) { /* the largest float whose square is <= x */
        const uint32_t m = low + (high - low + 1) / 2;
        const double r = lull_bits_float(m);
        if (r * r <= x)
            low = m;
        else
            high = m - 1;
    }
    middle = ((double)lull_bits_float(low) + lull_bits_float(low + 1)) / 2;
    return lull_bits_float(middle * middle < x ? low + 1 : low);
}

double ref_exp(double x)
{
    int n = (int)(2.0 * x), i; /* x = n / 2 + r */
    const double r = x - 0.5 * n;
    double term = 1.0, sum = 1.0;

    for (i = 1; i < 20; i++) {
        term *= r / i;
        sum += term;
    }
    for (; n > 0; n--) sum *= 1.6487212707001282; /* exp(0.5) */
    for (; n < 0; n++) sum *= 0.60653065971263342;
    return sum;
}

void ref_linear_f32(float *y, const float *w, const float *x, int32_t rows, int32_t cols,
                    float (*multiply_add)(float, float, float))
{
    int32_t r, c;
    for (r = 0; r < rows; r++, w += cols) {
        y[r] = 0.0f;
        for (c = 0; c < cols; c++) y[r] = multiply_add(w[c], x[c], y[r]);
    }
}

void ref_linear_quantised(float *y, const int8_t *w, const float *sw, const int8_t *q,
                          size_t q_stride, const float *sx, int32_t rows, int32_t cols,
                          int32_t group)
{
    int32_t r, c, g;
    for (r = 0; r < rows; r++) {
        y[r] = 0.0f;
        for (g = 0; g * group < cols; g++) {
            const int32_t n = cols - g * group < group ? cols - g * group : group;
            int32_t sum = 0;
            float scale, product;
            for (c = 0; c < n; c++) sum += *w++ * q[(size_t)g * q_stride + (size_t)c];
            scale = *sw++ * sx[4 * g];
            product = (float)sum * scale;
            y[r] = y[r] + product;
        }
    }
}

static float magnitude(float x)
{
    return lull_bits_float(lull_float_bits(x) & 0x7fffffffu);
}

/* |v| <= 128, half to even. */
static int nearest(float v)
{
    int whole = (int)v; /* towards 0 */
    const float rest = magnitude(v - (float)whole);
    if (rest > 0.5f || (rest == 0.5f && whole % 2 != 0)) whole += v > 0.0f ? 1 : -1;
    return whole;
}

int32_t ref_quantize(int8_t *q, float *scale, const float *x, int32_t n)
{
    float m = 0.0f, inverse;
    int32_t sum = 0, i, finite = 1;

    for (i = 0; i < n; i++) {
        if (!lull_is_finite(x[i])) finite = 0;
        if (magnitude(x[i]) > m) m = magnitude(x[i]);
    }
    for (i = 0; i < n; i++) q[i] = 0;
    *scale = finite ? 0.0f : lull_bits_float(0x7fc00000u);
    if (!finite || m < 1e-12f) return 0;
    *scale = m / 127.0f;
    inverse = 127.0f / m;
    for (i = 0; i < n; i++) {
        const float v = x[i] * inverse;
        q[i] = (int8_t)nearest(v);
        sum += q[i];
    }
    return sum;
}

/* 16 lanes to one number. */
static float folded(float *lane)
{
    int step, i;
    for (step = 8; step > 0; step /= 2)
        for (i = 0; i < step; i++) lane[i] = lane[i] + lane[i + step];
    return lane[0];
}

static float dot(const float *a, const float *b, int32_t n)
{
    float lane[16] = {0};
    int32_t i;
    for (i = 0; i < n; i++) lane[i % 16] = ref_unfused(a[i], b[i], lane[i % 16]);
    return folded(lane);
}

void ref_rmsnorm(float *y, const float *x, const float *weight, int32_t dim)
{
    const float mean = dot(x, x, dim) / (float)dim;
    const float scale = 1.0f / ref_sqrt(mean + 1e-5f);
    int32_t i;
    for (i = 0; i < dim; i++) {
        const float normed = x[i] * scale;
        y[i] = normed * weight[i];
    }
}

void ref_swiglu(float *gate, const float *up, int32_t n)
{
    int32_t i;
    for (i = 0; i < n; i++) {
        const float silu = gate[i] / (1.0f + lull_expf(-gate[i]));
        gate[i] = silu * up[i];
    }
}

void ref_attention(float *out, float *scores, const float *query, const float *k, const float *v,
                   int32_t n, int32_t dim, float scale)
{
    float most = lull_bits_float(0xff800000u), lane[16] = {0}, one_over_sum;
    int32_t t, d;

    for (t = 0; t < n; t++) {
        scores[t] = dot(query, k + (size_t)t * (size_t)dim, dim) * scale;
        if (scores[t] > most) most = scores[t];
    }
    for (t = 0; t < n; t++) {
        scores[t] = lull_expf(scores[t] - most);
        lane[t % 16] += scores[t];
    }
    one_over_sum = 1.0f / folded(lane);
    for (d = 0; d < dim; d++) {
        float sum = 0.0f;
        for (t = 0; t < n; t++)
            sum = ref_unfused(scores[t], v[(size_t)t * (size_t)dim + (size_t)d], sum);
        out[d] = sum * one_over_sum;
    }
}
