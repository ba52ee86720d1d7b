/* cut.c - "the first of the sorted tokens, until their weight reaches a need", without sorting: the
 * rank of the last one is found by histograms of weights, which narrow it down 1024-fold each.
 * Masses add up exactly (see logits.h), so it is the rank that sorting would find. */
#include "logits.h"

#define BINS   1024 /* 8 KB of doubles on the stack */
#define LISTED 1024 /* so many values are worth a list of their own */
#define DEPTH  16   /* of the ranks that the first histogram of a share has in BINS equal parts */

/* The ranks of a block, in place or in room. */
static const float *rank_block(const float *v, const float *center, float *room)
{
    float c;
    int j;
    if (center == NULL) return v;
    c = *center;
    for (j = 0; j < LULL_BLOCK; j++) {
        const float up = v[j] - c, down = c - v[j];
        room[j] = up < down ? up : down;
    }
    return room;
}

/* Integers in the order of the floats; -0 is 0. */
static uint32_t key_of(float x)
{
    const uint32_t u = lull_float_bits(x);
    if (u == 0x80000000u) return 0x80000000u;
    return (u & 0x80000000u) != 0 ? ~u : u | 0x80000000u;
}

static float key_value(uint32_t key)
{
    return lull_bits_float((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}

/* The key before; the one of -0, which no value has, would let 0 in. */
static uint32_t key_before(uint32_t key)
{
    return key - 1 == 0x7fffffffu ? key - 2 : key - 1;
}

static int is_inside(float rank, float from, float to)
{
    return rank >= from && rank <= to;
}

/* The values that rank in from..to into list (LISTED); returns how many, or more than LISTED. */
static size_t gather(const lull_ranking *by, float from, float to, float *list)
{
    float pad[LULL_BLOCK], room[LULL_BLOCK];
    size_t count = 0, i, j;
    for (i = 0; i < by->n && count <= LISTED; i += LULL_BLOCK) {
        const float *v = lull_block(by->values, by->n, i, pad);
        const float *rank = rank_block(v, by->center, room);
        if (!lull_reaches(rank, from)) continue;
        for (j = 0; j < LULL_BLOCK; j++) {
            if (!is_inside(rank[j], from, to)) continue;
            if (count < LISTED) list[count] = v[j];
            count++;
        }
    }
    return count;
}

/* Add the weights of all values that rank in low..high to the bins of their keys. */
static void fill_bins(const lull_ranking *by, uint32_t low, uint32_t high, unsigned shift,
                      double *bins)
{
    const float from = key_value(low), to = key_value(high);
    float pad[LULL_BLOCK], room[LULL_BLOCK];
    double weight[LULL_BLOCK];
    size_t i;
    int j;
    for (j = 0; j < LULL_BLOCK; j++) weight[j] = 1;
    for (i = 0; i < by->n; i += LULL_BLOCK) {
        const float *v = lull_block(by->values, by->n, i, pad);
        const float *rank = rank_block(v, by->center, room);
        if (!lull_reaches(rank, from)) continue;
        if (by->scale != NULL) lull_weigh(v, by->scale, weight);
        for (j = 0; j < LULL_BLOCK; j++) {
            if (is_inside(rank[j], from, to)) bins[(key_of(rank[j]) - low) >> shift] += weight[j];
        }
    }
}

/* Of a block: each rank tells whether the cut is above, below or at it. */
static lull_cut find_in_block(const lull_ranking *by, float low, float high, lull_cut c)
{
    float pad[LULL_BLOCK], room[LULL_BLOCK];
    double weight[LULL_BLOCK], rank[LULL_BLOCK], part[LULL_BLOCK], bottom = low, top = INFINITY;
    const float *v = lull_block(by->values, by->n, 0, pad);
    const float *ranks = rank_block(v, by->center, room);
    int j, at;
    for (j = 0; j < LULL_BLOCK; j++) {
        rank[j] = ranks[j] <= high ? (double)ranks[j] : -INFINITY;
        weight[j] = 1;
    }
    if (by->scale != NULL) lull_weigh(v, by->scale, weight);
    c.rank = low;
    for (at = 0; at < LULL_BLOCK; at++) {
        const double r = rank[at];
        double above, down_to;
        if (!(r > bottom && r < top)) continue;
        for (j = 0; j < LULL_BLOCK; j++) part[j] = rank[j] > r && rank[j] < top ? weight[j] : 0;
        above = c.above + lull_sum_block(part);
        for (j = 0; j < LULL_BLOCK; j++) part[j] = rank[j] == r ? weight[j] : 0;
        down_to = above + lull_sum_block(part);
        if (above >= c.need) {
            bottom = r;
        } else if (down_to >= c.need) {
            c.rank = (float)r;
            c.above = above;
            break;
        } else {
            c.above = down_to;
            top = r;
        }
    }
    return c;
}

lull_cut lull_find_cut(const lull_ranking *by, float low, float high, double above, double need)
{
    uint32_t first = key_of(low), last = key_of(high);
    float list[LISTED];
    double bins[BINS];
    lull_ranking some = *by;
    lull_cut c = {0, 0, 0};
    c.above = above;
    c.need = need;
    if (by->n <= LULL_BLOCK && by->n > 0) return find_in_block(by, low, high, c);
    while (first < last) {
        unsigned shift = 0;
        uint32_t b;
        if (some.n > LISTED) {
            const size_t count = gather(by, key_value(first), key_value(last), list);
            if (count <= LISTED) {
                some.values = list;
                some.n = count;
            }
        }
        while ((last - first) >> shift >= BINS) shift++;
        for (b = 0; b < BINS; b++) bins[b] = 0;
        fill_bins(&some, first, last, shift, bins);
        for (b = (last - first) >> shift; b > 0 && c.above + bins[b] < need; b--)
            c.above += bins[b];
        first += b << shift;
        if (last - first >= (uint32_t)1 << shift) last = key_before(first + ((uint32_t)1 << shift));
    }
    c.rank = key_value(first);
    return c;
}

/* ---- a share of all mass */

/* Ranks in steps of DEPTH / BINS from the top; BINS or more where they are deeper. */
static float step_of(float rank, float top)
{
    return (top - rank) * ((float)BINS / DEPTH);
}

/* The key of the lowest rank in the first steps of those from top down. */
static uint32_t key_of_edge(float top, int steps)
{
    uint32_t low = key_of(-FLT_MAX), high = key_of(top);
    while (low < high) { /* high is in, all below low are not */
        const uint32_t middle = low + (high - low) / 2;
        if (step_of(key_value(middle), top) < (float)steps)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Add the mass of each step to its bin; returns that of all there are.  What is deeper goes to bins
 * nobody looks at, one for each place in a block, as adding to one bin over and over takes long. */
static double fill_steps(const lull_ranking *by, float top, double *bins)
{
    const float low = top - DEPTH;
    float pad[LULL_BLOCK], room[LULL_BLOCK];
    double mass[LULL_BLOCK], total = 0;
    int step[LULL_BLOCK], j;
    size_t i;
    for (i = 0; i < by->n; i += LULL_BLOCK) {
        const float *v = lull_block(by->values, by->n, i, pad);
        const float *rank = rank_block(v, by->center, room);
        if (!lull_reaches(v, by->scale->max - LULL_DEEPEST)) continue;
        lull_weigh(v, by->scale, mass);
        total += lull_sum_block(mass);
        if (!lull_reaches(rank, low)) continue;
        for (j = 0; j < LULL_BLOCK; j++) {
            const float x = step_of(rank[j], top), deep = (float)(BINS + j);
            step[j] = (int)(x < BINS ? x : deep);
        }
        for (j = 0; j < LULL_BLOCK; j++) bins[step[j]] += mass[j];
    }
    return total;
}

lull_cut lull_find_share(const lull_ranking *by, float high, double share)
{
    const double unit = by->scale->grid * 0x1p-52;
    double bins[BINS + LULL_BLOCK], need, above = 0;
    float low = -FLT_MAX;
    const float top = high;
    int b;
    if (by->n <= LULL_BLOCK) {
        need = share * lull_total_mass(by->values, by->n, by->scale);
        return lull_find_cut(by, low, high, 0, need >= unit ? need : unit);
    }
    for (b = 0; b < BINS + LULL_BLOCK; b++) bins[b] = 0;
    need = share * fill_steps(by, top, bins);
    if (!(need >= unit)) need = unit;
    for (b = 0; b < BINS && above + bins[b] < need; b++) above += bins[b];
    if (b > 0) high = key_value(key_before(key_of_edge(top, b)));
    if (b < BINS) low = key_value(key_of_edge(top, b + 1));
    return lull_find_cut(by, low, high, above, need);
}

/* ---- banning */

/* Of what ranks at the cut in a block, ban all after the need is met; sum is what is kept so far. */
static double ban_ties(float *v, size_t length, const float *rank, const lull_ranking *by,
                       const lull_cut *c, double sum)
{
    float pad[LULL_BLOCK];
    double weight[LULL_BLOCK];
    size_t j;
    for (j = 0; j < LULL_BLOCK; j++) weight[j] = 1;
    if (by->scale != NULL) lull_weigh(lull_block(v, length, 0, pad), by->scale, weight);
    for (j = 0; j < length; j++) {
        if (rank[j] != c->rank) continue;
        if (sum < c->need)
            sum += weight[j];
        else
            v[j] = -INFINITY;
    }
    return sum;
}

/* Called with a known length for all but the last block, so that it is vectorised. */
static inline void ban_lower(float *v, size_t length, const float *rank, float cut)
{
    size_t j;
    for (j = 0; j < length; j++) v[j] = rank[j] < cut ? -INFINITY : v[j];
}

void lull_ban_after(float *values, const lull_ranking *by, const lull_cut *c)
{
    float pad[LULL_BLOCK], room[LULL_BLOCK];
    double sum = c->above;
    size_t i;
    for (i = 0; i < by->n; i += LULL_BLOCK) {
        const size_t length = lull_block_length(by->n, i);
        const float *rank = rank_block(lull_block(values, by->n, i, pad), by->center, room);
        const float cut = c->rank;
        uint32_t some = 0, ties = 0;
        int j;
        for (j = 0; j < LULL_BLOCK; j++) some |= LULL_MASK(!(rank[j] < cut));
        if (some != 0) {
            for (j = 0; j < LULL_BLOCK; j++) ties |= LULL_MASK(rank[j] == cut);
        }
        if (length < LULL_BLOCK)
            ban_lower(values + i, length, rank, cut);
        else if (some == 0)
            for (j = 0; j < LULL_BLOCK; j++) values[i + (size_t)j] = -INFINITY;
        else if (by->center == NULL)
            lull_ban_some(values + i, LULL_BLOCK, cut);
        else
            ban_lower(values + i, LULL_BLOCK, room, cut);
        if (ties != 0) sum = ban_ties(values + i, length, rank, by, c, sum);
    }
}
