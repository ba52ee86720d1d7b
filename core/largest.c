/* largest.c - the k largest of a vector of logits, without sorting it.
 *
 * A list of what may be among them is kept; whenever it has grown to 2 k, all but the k largest of it
 * are dropped, and what is not above them is passed over from then on.  So that it need not grow
 * again and again, a value that k of them are above is sought first: the vector is dealt out to
 * groups, and what k groups' maxima are above, k values are. */
#include "logits.h"
#include "fpenv.h"

#define MOST_K 512 /* that a list is made of; more are found by histograms (cut.c) */
/* A vector is cut into runs of blocks; what stands at the same place of a run's blocks is a group. */
#define RUNS      8
#define MOST_RUNS 32 /* where k is larger than MANY */
#define MANY      128
#define DEPTH     32  /* below the largest, where a bound is sought */
#define STEPS     16  /* of halving */
#define HALVED    256 /* of longer lists it takes longer than what misses branches */

/* What is ascending in id and may be among the k largest. */
typedef struct shortlist {
    size_t k, n;
    float low; /* what is not above it is not among them */
    int sound; /* neither a NaN nor +INFINITY was seen */
    float value[2 * MOST_K + LULL_BLOCK];
    int32_t id[2 * MOST_K + LULL_BLOCK];
} shortlist;

/* ---- a bound */

/* The maxima of the groups (runs, LULL_BLOCK); returns how many, which is less for short vectors. */
static size_t find_maxima(const float *values, size_t n, size_t runs, float *maxima)
{
    const size_t run = LULL_BLOCK * (1 + (n - 1) / (runs * LULL_BLOCK));
    float pad[LULL_BLOCK], most[LULL_BLOCK];
    size_t count = 0, i, end;
    int j;
    for (i = 0; i < n; count += LULL_BLOCK) {
        for (j = 0; j < LULL_BLOCK; j++) most[j] = -INFINITY;
        for (end = n - i < run ? n : i + run; i < end; i += LULL_BLOCK) {
            const float *v = lull_block(values, n, i, pad);
            for (j = 0; j < LULL_BLOCK; j++) most[j] = v[j] > most[j] ? v[j] : most[j];
        }
        for (j = 0; j < LULL_BLOCK; j++) maxima[count + (size_t)j] = most[j];
    }
    return count;
}

/* n is a multiple of LULL_BLOCK. */
static size_t count_above(const float *list, size_t n, float low)
{
    uint32_t place[LULL_BLOCK];
    size_t count = 0, i;
    int j;
    for (j = 0; j < LULL_BLOCK; j++) place[j] = 0;
    for (i = 0; i < n; i += LULL_BLOCK) {
        for (j = 0; j < LULL_BLOCK; j++) place[j] += list[i + (size_t)j] > low;
    }
    for (j = 0; j < LULL_BLOCK; j++) count += place[j];
    return count;
}

static float find_max(const float *list, size_t n)
{
    float most[LULL_BLOCK], max = -INFINITY;
    size_t i;
    int j;
    for (j = 0; j < LULL_BLOCK; j++) most[j] = -INFINITY;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = list + i;
        for (j = 0; j < LULL_BLOCK; j++) most[j] = v[j] > most[j] ? v[j] : most[j];
    }
    for (j = 0; j < LULL_BLOCK; j++) max = most[j] > max ? most[j] : max;
    return max;
}

/* Of a list (n, a multiple of LULL_BLOCK), a value that at least k are above and at most `most`, if
 * a few steps find one; otherwise the nearest that they found, at the least low, above which there are
 * k.  *count  how many there are. */
static float find_between(const float *list, size_t n, size_t k, size_t most, float low,
                          size_t *count)
{
    float high = find_max(list, n);
    int i;
    *count = n;
    for (i = 0; i < STEPS; i++) {
        volatile float middle = low + (high - low) / 2; /* rounded before it is compared */
        const size_t above = count_above(list, n, middle);
        if (above < k) {
            high = middle;
            continue;
        }
        low = middle;
        *count = above;
        if (above <= most) break;
    }
    return low;
}

/* A value that at least k are above, and not many more; -INFINITY where it is not easily found. */
static float find_bound(const float *values, size_t n, size_t k)
{
    float maxima[MOST_RUNS * LULL_BLOCK], low;
    size_t groups;
    if (n < 4 * k) return -INFINITY;
    groups = find_maxima(values, n, k > MANY ? MOST_RUNS : RUNS, maxima);
    if (groups < 2 * k) return -INFINITY;
    low = find_max(maxima, groups) - DEPTH;
    if (!(low < INFINITY) || count_above(maxima, groups, low) < k) return -INFINITY;
    return find_between(maxima, groups, k, k + k / 4, low, &groups);
}

/* ---- the list */

/* Hoare's quickselect: moves the k largest of n to the front; 0 < k <= n. */
static void select_largest(float *list, size_t n, size_t k)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)n - 1;
    const ptrdiff_t last = (ptrdiff_t)k - 1;
    while (low < high) {
        const float pivot = list[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (list[i] > pivot) i++;
            while (list[j] < pivot) j--;
            if (i <= j) {
                const float x = list[i];
                list[i++] = list[j];
                list[j--] = x;
            }
        }
        if (last > j && last < i) return;
        if (last <= j)
            high = j;
        else
            low = i;
    }
}

/* A value above which, or from which on, the k largest of the list are. */
static float find_last(const shortlist *s)
{
    float some[2 * MOST_K + LULL_BLOCK];
    const size_t n = (s->n + LULL_BLOCK - 1) / LULL_BLOCK * LULL_BLOCK;
    size_t count, i;
    memcpy(some, s->value, s->n * sizeof *some);
    for (i = s->n; i < n; i++) some[i] = -INFINITY;
    if (s->low > -INFINITY && n <= HALVED) {
        const float low = find_between(some, n, s->k, s->k, s->low, &count);
        if (count == s->k) return low;
    }
    select_largest(some, s->n, s->k);
    return some[s->k - 1];
}

/* Drop all but the k largest, of equal ones the last. */
static void shorten(shortlist *s)
{
    size_t ties = s->k, kept = 0, i;
    if (s->n <= s->k) return;
    s->low = find_last(s);
    for (i = 0; i < s->n; i++) ties -= s->value[i] > s->low;
    for (i = 0; i < s->n; i++) {
        const int is_tie = s->value[i] == s->low && ties > 0;
        s->value[kept] = s->value[i];
        s->id[kept] = s->id[i];
        kept += s->value[i] > s->low || is_tie;
        ties -= is_tie;
    }
    s->n = kept;
}

/* Append what is above low in the block of length values at i. */
static void append(shortlist *s, const float *v, size_t i, size_t length)
{
    unsigned char hit[LULL_BLOCK];
    uint32_t bad = 0;
    size_t j, end;
    for (j = 0; j < LULL_BLOCK; j++) {
        hit[j] = v[j] > s->low;
        bad |= LULL_MASK(!(v[j] < INFINITY));
    }
    if (bad != 0) s->sound = 0;
    for (j = 0; j < length; j = end) {
        uint64_t any;
        end = length - j < 8 ? length : j + 8;
        memcpy(&any, hit + j, sizeof any); /* most eights have none */
        if (any == 0) continue;
        for (; j < end; j++) {
            s->value[s->n] = v[j];
            s->id[s->n] = (int32_t)(i + j);
            s->n += hit[j];
        }
    }
}

/* List the k largest; fewer where fewer are not banned.  0 < k <= MOST_K. */
static void list_largest(shortlist *s, const float *values, size_t n, size_t k)
{
    float pad[LULL_BLOCK];
    size_t i, j;
    s->k = k;
    s->n = 0;
    s->sound = 1;
    s->low = find_bound(values, n, k);
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        const float low = s->low;
        uint32_t any = 0;
        for (j = 0; j < LULL_BLOCK; j++) any |= LULL_MASK(!(v[j] <= low));
        if (any == 0) continue;
        append(s, v, i, lull_block_length(n, i));
        if (s->n >= 2 * k) shorten(s);
    }
    shorten(s);
}

/* ---- what is asked for */

lull_cut lull_find_largest(const float *values, size_t n, size_t k)
{
    lull_cut c = {-INFINITY, 0, 0};
    shortlist s;
    size_t i;
    if (k > MOST_K) {
        const lull_ranking all = {values, n, NULL, NULL};
        return lull_find_cut(&all, -FLT_MAX, lull_find_range(values, n).max, 0, (double)k);
    }
    c.need = (double)k;
    list_largest(&s, values, n, k);
    if (s.n < k) return c;
    c.rank = s.value[0];
    for (i = 1; i < k; i++) c.rank = s.value[i] < c.rank ? s.value[i] : c.rank;
    for (i = 0; i < k; i++) c.above += s.value[i] > c.rank;
    return c;
}

/* More than a list is made of: by the cut. */
static size_t collect_many(const float *values, size_t n, size_t k, lull_candidate *out)
{
    const lull_cut c = lull_find_largest(values, n, k);
    size_t count = 0, above = (size_t)c.above, i, j;
    float pad[LULL_BLOCK];
    for (i = 0; i < n && count < k; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        const size_t length = lull_block_length(n, i);
        if (!lull_reaches(v, c.rank)) continue;
        for (j = 0; j < length; j++) {
            if (!(v[j] >= c.rank) || v[j] == -INFINITY) continue;
            if (v[j] == c.rank && above++ >= k) continue;
            out[count].id = (int32_t)(i + j);
            out[count++].value = v[j];
        }
    }
    return count;
}

size_t lull_find_candidates(const float *values, size_t n, size_t k, lull_candidate *out,
                            int *sound)
{
    shortlist s;
    size_t i;
    if (k == 0 || k > MOST_K) {
        *sound = lull_find_range(values, n).sound;
        return k > 0 ? collect_many(values, n, k, out) : 0;
    }
    list_largest(&s, values, n, k);
    for (i = 0; i < s.n; i++) {
        out[i].id = s.id[i];
        out[i].value = s.value[i];
    }
    *sound = s.sound;
    return s.n;
}

size_t lull_logits_largest(const float *values, size_t n, size_t k, lull_candidate *out, int *sound)
{
    size_t count;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    count = lull_find_candidates(values, n, k, out, sound);
    lull_fpenv_leave(&env);
    return count;
}
