/* token_set.c - sets of token ids as bits: id i of a vocabulary of n is bit i % 32 of word i / 32.
 * Bits past the last id are always 0. */
#include "base.h"
#include "fpenv.h"

#include <math.h> /* INFINITY */

static size_t count_words(size_t n)
{
    return LULL_TOKEN_SET_WORDS(n);
}

static uint32_t bit_of(int32_t id)
{
    return (uint32_t)1 << (id & 31);
}

/* How many ones: sums of 2, then 4, then 8 bits side by side; the product adds the four bytes. */
static uint32_t count_bits(uint32_t word)
{
    word -= word >> 1 & 0x55555555u;
    word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
    return ((word + (word >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
}

int lull_token_set_has(const uint32_t *set, int32_t id)
{
    return (set[id / 32] & bit_of(id)) != 0;
}

void lull_token_set_add(uint32_t *set, const int32_t *ids, size_t n_ids)
{
    size_t i;
    for (i = 0; i < n_ids; i++) set[ids[i] / 32] |= bit_of(ids[i]);
}

void lull_token_set_remove(uint32_t *set, const int32_t *ids, size_t n_ids)
{
    size_t i;
    for (i = 0; i < n_ids; i++) set[ids[i] / 32] &= ~bit_of(ids[i]);
}

void lull_token_set_union(uint32_t *set, const uint32_t *other, size_t n)
{
    size_t i;
    for (i = 0; i < count_words(n); i++) set[i] |= other[i];
}

void lull_token_set_intersect(uint32_t *set, const uint32_t *other, size_t n)
{
    size_t i;
    for (i = 0; i < count_words(n); i++) set[i] &= other[i];
}

void lull_token_set_subtract(uint32_t *set, const uint32_t *other, size_t n)
{
    size_t i;
    for (i = 0; i < count_words(n); i++) set[i] &= ~other[i];
}

void lull_token_set_complement(uint32_t *set, size_t n)
{
    size_t i;
    for (i = 0; i < count_words(n); i++) set[i] = ~set[i];
    if (n % 32 != 0) set[n / 32] &= ((uint32_t)1 << n % 32) - 1;
}

size_t lull_token_set_count(const uint32_t *set, size_t n)
{
    size_t i, count = 0;
    for (i = 0; i < count_words(n); i++) count += count_bits(set[i]);
    return count;
}

size_t lull_token_set_ids(const uint32_t *set, size_t n, int32_t *ids)
{
    size_t i, count = 0;
    for (i = 0; i < count_words(n); i++) {
        uint32_t word = set[i];
        int32_t id = (int32_t)(i * 32);
        for (; word != 0; word >>= 1, id++) {
            if ((word & 1) != 0) ids[count++] = id;
        }
    }
    return count;
}

/* ---- logits, a word at a time: all of its 32 values are passed over or go through one loop */

static size_t word_length(size_t n, size_t first)
{
    return n - first < 32 ? n - first : 32;
}

/* Ban the values whose bits differ from what `flip` has everywhere: ~0 bans the complement. */
static void ban_bits(float *values, size_t n, const uint32_t *set, uint32_t flip)
{
    size_t i, j;
    for (i = 0; i < n; i += 32) {
        const uint32_t word = set[i / 32] ^ flip;
        const size_t length = word_length(n, i);
        float *v = values + i;
        if (word == 0) continue;
        for (j = 0; j < length; j++) v[j] = (word >> j & 1) != 0 ? -INFINITY : v[j];
    }
}

void lull_logits_ban(float *values, size_t n, const uint32_t *set)
{
    ban_bits(values, n, set, 0);
}

void lull_logits_allow(float *values, size_t n, const uint32_t *set)
{
    ban_bits(values, n, set, ~(uint32_t)0);
}

void lull_logits_add(float *values, size_t n, const uint32_t *set, float value)
{
    lull_fpenv env;
    size_t i, j;
    lull_fpenv_enter(&env);
    for (i = 0; i < n; i += 32) {
        const uint32_t word = set[i / 32];
        const size_t length = word_length(n, i);
        float *v = values + i;
        if (word == 0) continue;
        for (j = 0; j < length; j++) v[j] = (word >> j & 1) != 0 ? v[j] + value : v[j];
    }
    lull_fpenv_leave(&env);
}
