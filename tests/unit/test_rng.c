/* test_rng.c - Philox against the published vectors, lull_random against its definition, lull_hash
 * against vectors that must never change, and the draws as a whole. */
#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* philox4x32 10 of kat_vectors in Random123 (Salmon et al.): counter, key, result. */
static void philox_gives_the_published_numbers(void **unused)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    size_t i;
    (void)unused;
    for (i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t out[4];
        lull_philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

/* Where each argument goes. */
static void random_is_philox_of_its_arguments(void **unused)
{
    const uint32_t key[2] = {0x89abcdef, 0x01234567};
    const uint32_t counter[4] = {0x00000bad, 0xcafe1234, 0x76543210, 0xfedcba98};
    uint32_t out[4];
    double u;
    (void)unused;
    lull_philox(counter, key, out);
    u = lull_random(0x0123456789abcdefu, 0xfedcba9876543210u, 0xbad, 0xcafe, 0x1234);
    assert_true(u == (double)(out[0] >> 8) / 16777216.0);
    /* The first published vector: 0x6627e8 of 2^24. */
    assert_true(lull_random(0, 0, 0, 0, 0) == 0x6627e8 / 16777216.0);
}

static void every_argument_changes_the_draw(void **unused)
{
    const double u = lull_random(7, 9, 3, 0, 0);
    (void)unused;
    assert_true(u == lull_random(7, 9, 3, 0, 0));
    assert_true(u != lull_random(8, 9, 3, 0, 0));
    assert_true(u != lull_random(7 + ((uint64_t)1 << 32), 9, 3, 0, 0));
    assert_true(u != lull_random(7, 10, 3, 0, 0));
    assert_true(u != lull_random(7, 9 + ((uint64_t)1 << 32), 3, 0, 0));
    assert_true(u != lull_random(7, 9, 4, 0, 0));
    assert_true(u != lull_random(7, 9, 3, 1, 0));
    assert_true(u != lull_random(7, 9, 3, 0, 1));
}

/* chi^2 with 63 degrees of freedom stays below 103.4 in 99.9 % of cases; here it is one case. */
static void draws_are_uniform(void **unused)
{
    int count[64] = {0}, i;
    double chi2 = 0;
    (void)unused;
    for (i = 0; i < 64000; i++) {
        const double u = lull_random(1, 2, (uint32_t)i, 0, 0);
        assert_true(u >= 0 && u < 1);
        count[(int)(u * 64)]++;
    }
    for (i = 0; i < 64; i++) chi2 += (count[i] - 1000.0) * (count[i] - 1000.0) / 1000;
    assert_true(chi2 < 103.4);
}

/* Computed apart from this code, by the definition: FNV-1a 64 (offset cbf29ce484222325, prime
 * 100000001b3), then h ^= h >> 33, h *= ff51afd7ed558ccd, h ^= h >> 33, h *= c4ceb9fe1a85ec53,
 * h ^= h >> 33. */
static void hash_never_changes(void **unused)
{
    unsigned char all[256];
    int i;
    (void)unused;
    for (i = 0; i < 256; i++) all[i] = (unsigned char)i;
    assert_true(lull_hash("", 0) == 0xefd01f60ba992926u);
    assert_true(lull_hash(NULL, 0) == 0xefd01f60ba992926u);
    assert_true(lull_hash("a", 1) == 0x82a2a958a9bece5bu);
    assert_true(lull_hash("lily", 4) == 0xf4b35a555fe79744u);
    assert_true(lull_hash(all, 256) == 0x2067db6dbd4efa06u);
    assert_true(lull_hash("\0", 1) != lull_hash("\0\0", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(random_is_philox_of_its_arguments),
        cmocka_unit_test(every_argument_changes_the_draw),
        cmocka_unit_test(draws_are_uniform),
        cmocka_unit_test(hash_never_changes),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
