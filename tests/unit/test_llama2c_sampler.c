/* test_llama2c_sampler.c - the sampler of llama2.c's run.c against what run.c itself draws (see
 * tests/support/tools/llama2c_draws.c), and where run.c reads outside its arrays. */
#include "llama2c_cases.h"
#include "logits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    int32_t ids[DRAWS];
    uint64_t state;
} expected[CASES] = {
    {{23, 20, 4, 21, 29, 13, 26, 23}, 0x10bed091d1ccd331u},
    {{181, 478, 256, 210, 144, 321, 24, 249}, 0x5ed6f1e0a036f091u},
    {{897, 1649, 382, 1433, 942, 1590, 1256, 1309}, 0xeb79a2bu},
    {{20, 21, 3, 11, 13, 3, 24, 5}, 0x3af6c0b9bcca9ae0u},
    {{113, 18, 461, 290, 36, 83, 388, 202}, 0x7e40c68acdff6115u},
    {{1114, 1375, 1172, 337, 1156, 832, 798, 848}, 0xb0f5020ec9becf1fu},
    {{22, 3, 29, 8, 11, 14, 28, 4}, 0xca3f217ae46bf02cu},
    {{457, 129, 369, 170, 420, 503, 227, 444}, 0x33829b94u},
    {{1154, 590, 1858, 134, 2038, 507, 1317, 1050}, 0x9c8ac9f270c50e3fu},
    {{28, 7, 12, 22, 15, 6, 14, 28}, 0x388123328cf17529u},
    {{208, 382, 481, 381, 260, 102, 285, 28}, 0xb7ce69f2c0861f5cu},
    {{1615, 501, 664, 1983, 314, 1275, 22, 906}, 0x3670e2cc8776175du},
    {{4, 13, 7, 15, 2, 5, 12, 29}, 0x584d9cfdu},
    {{339, 195, 294, 285, 427, 35, 157, 383}, 0xa43a55920d8bfdc9u},
    {{649, 243, 923, 519, 1048, 186, 951, 186}, 0xf7aac2ca712dd890u},
    {{28, 2, 19, 6, 5, 5, 29, 23}, 0xe8a32efd4e713c7au},
    {{398, 484, 376, 379, 508, 277, 478, 353}, 0xd9b90690d8dd0958u},
    {{301, 278, 2013, 409, 206, 559, 1282, 883}, 0x7d189e66u},
    {{11, 28, 6, 20, 21, 29, 11, 26}, 0x63fb8b4b24a6a7d9u},
    {{34, 261, 213, 132, 296, 498, 437, 127}, 0x433a43db1a94cd82u},
    {{1471, 1981, 788, 1866, 1655, 1247, 1442, 1194}, 0xcf7776a591001487u},
    {{12, 19, 20, 24, 24, 16, 21, 31}, 0x63b9d1207cfe2c7cu},
    {{433, 359, 76, 104, 340, 36, 134, 362}, 0xa1e39fcfu},
    {{90, 134, 467, 548, 61, 309, 1349, 424}, 0x6dcfca220c294d94u},
    {{31, 20, 5, 26, 27, 25, 8, 7}, 0x384b5bc887b2f56eu},
    {{446, 14, 141, 439, 209, 412, 368, 495}, 0x45ce57b876aeac44u},
    {{706, 1, 519, 30, 118, 1702, 1503, 1253}, 0x6c6f8b85a96c29e6u},
    {{13, 5, 29, 16, 4, 25, 26, 8}, 0xc6aea138u},
    {{1, 229, 136, 140, 303, 33, 34, 88}, 0xdf33612f5164fb8eu},
    {{1391, 692, 1641, 971, 1296, 1117, 1711, 1634}, 0xd487e9de0c356c2bu},
    {{23, 29, 9, 16, 17, 15, 19, 24}, 0x70e887730dfe860cu},
    {{376, 469, 47, 187, 462, 173, 177, 170}, 0xedc306793d171bcu},
    {{1282, 1127, 1954, 942, 919, 92, 35, 1398}, 0xeb79a2a1u},
    {{26, 24, 15, 19, 4, 23, 12, 29}, 0x85a60e001c76462eu},
    {{241, 506, 335, 29, 358, 117, 172, 15}, 0x59fa01b1a57788e4u},
    {{1147, 1237, 268, 1569, 790, 841, 1542, 1249}, 0x352d0fc3cbb78fe1u},
    {{19, 16, 16, 26, 7, 20, 13, 14}, 0xaf35a7f764248341u},
    {{410, 401, 363, 91, 202, 56, 158, 206}, 0x11044a40au},
    {{144, 1292, 239, 1331, 1094, 100, 1147, 390}, 0x85e792b03f0b6b3u},
    {{1, 9, 19, 12, 2, 29, 5, 17}, 0xe2e3d83ecc14c260u},
    {{207, 156, 335, 277, 228, 207, 510, 211}, 0x554664c8d4b4653cu},
    {{366, 938, 495, 1474, 756, 86, 1881, 575}, 0x967b614f0baf29beu},
    {{16, 28, 2, 14, 31, 24, 18, 17}, 0x1350fa573u},
    {{413, 479, 249, 209, 350, 154, 415, 427}, 0xfae0ee0c01b01eddu},
    {{826, 1821, 659, 356, 632, 1471, 1288, 418}, 0xdd84372f5e71b125u},
    {{12, 16, 8, 25, 12, 19, 25, 13}, 0x6b5e0d8f006fb6cu},
    {{384, 164, 7, 42, 19, 175, 408, 348}, 0xc7627bc45f1e7be4u},
    {{1941, 542, 1263, 110, 11, 868, 701, 1800}, 0x159daa6dcu},
    {{9, 4, 19, 10, 9, 23, 21, 19}, 0xa7323f7d1134438eu},
    {{277, 211, 455, 87, 285, 510, 177, 51}, 0xef1729b7ac5a11f5u},
    {{222, 283, 1432, 2038, 653, 1557, 163, 214}, 0x87dd7a4e3e2fc608u},
    {{5, 13, 25, 8, 21, 3, 8, 3}, 0x7a47cf712287d42fu},
    {{45, 441, 457, 350, 95, 270, 264, 483}, 0x17ea5a845u},
    {{1449, 35, 118, 739, 1480, 1823, 814, 1732}, 0x7671f0bdeceb0b0cu},
    {{13, 20, 3, 24, 7, 22, 21, 29}, 0xbddfb5cf872d2689u},
    {{454, 165, 270, 323, 4, 152, 212, 229}, 0x72bfe227e85d41b2u},
    {{201, 1913, 438, 1647, 704, 1438, 1762, 1817}, 0xebd1827e6827b117u},
    {{4, 22, 12, 9, 23, 7, 11, 9}, 0x1a370a9aeu},
    {{465, 335, 293, 501, 272, 189, 43, 480}, 0x892db23b3d1908e1u},
    {{757, 875, 1040, 1001, 328, 1834, 143, 810}, 0x10cf1a616ae48600u},
};

/* libm's expf and ours may differ in the last place once in a few hundred times, which moves a draw
 * only when the coin falls within 1e-7 of a border: none of these does. */
static void draws_as_run_c(void **unused)
{
    int c, i;
    (void)unused;
    for (c = 0; c < CASES; c++) {
        const draw_case d = make_case(c);
        float *logits = malloc((size_t)d.n * sizeof *logits);
        lull_candidate *scratch = malloc((size_t)d.n * sizeof *scratch);
        uint64_t state = d.seed;
        assert_true(logits != NULL && scratch != NULL);
        for (i = 0; i < DRAWS; i++) {
            int32_t id;
            make_logits(c, i, logits);
            assert_int_equal(lull_llama2c_sample(logits, (size_t)d.n, d.temperature, d.top_p,
                                                 &state, scratch, &id, NULL),
                             LULL_OK);
            if (id != expected[c].ids[i]) {
                fail_msg("case %d draw %d: %d, expected %d", c, i, (int)id,
                         (int)expected[c].ids[i]);
            }
        }
        assert_true(state == expected[c].state);
        free(scratch);
        free(logits);
    }
}

/* Logits become probabilities, but for greedy choice. */
static void logits_become_probabilities(void **unused)
{
    float v[4] = {0, 1, 2, -INFINITY};
    lull_candidate scratch[4];
    uint64_t state = 1;
    int32_t id;
    float sum;
    (void)unused;
    assert_int_equal(lull_llama2c_sample(v, 4, 0, 0.9f, &state, scratch, &id, NULL), LULL_OK);
    assert_int_equal(id, 2);
    assert_true(state == 1 && v[2] == 2);
    assert_int_equal(lull_llama2c_sample(v, 4, 1, 1, &state, scratch, &id, NULL), LULL_OK);
    assert_true(state != 1);
    sum = v[0] + v[1] + v[2];
    assert_true(fabsf(sum - 1) < 1e-6f);
    assert_true(v[3] == 0);
}

/* Where run.c's list is empty: one token (the cutoff is divided by 0), or top_p below 1 / n. */
static void an_empty_list_gives_the_most_probable(void **unused)
{
    float v[100];
    lull_candidate scratch[100];
    uint64_t state = 7;
    int32_t id;
    int i;
    (void)unused;
    v[0] = 3;
    assert_int_equal(lull_llama2c_sample(v, 1, 1, 0.9f, &state, scratch, &id, NULL), LULL_OK);
    assert_int_equal(id, 0);
    for (i = 0; i < 100; i++) v[i] = 1;
    assert_int_equal(lull_llama2c_sample(v, 100, 1, 1e-6f, &state, scratch, &id, NULL), LULL_OK);
    assert_int_equal(id, 0);
}

static void check_refused(float bad, float temperature, uint64_t seed, const char *message)
{
    float v[4] = {0, 1, 2, 3}, w[4];
    lull_candidate scratch[4];
    uint64_t state = seed;
    int32_t id = 9;
    lull_error error;
    v[2] = bad;
    memcpy(w, v, sizeof w);
    assert_int_equal(lull_llama2c_sample(v, 4, temperature, 0.9f, &state, scratch, &id, &error),
                     LULL_EINVAL);
    assert_string_equal(error.message, message);
    assert_true(state == seed);
    assert_int_equal(id, 0);
    assert_memory_equal(v, w, sizeof w);
}

static void bad_arguments_are_refused(void **unused)
{
    float banned[3] = {-INFINITY, -INFINITY, -INFINITY};
    lull_candidate scratch[3];
    uint64_t state = 1;
    int32_t id;
    lull_error error;
    (void)unused;
    check_refused(NAN, 1, 1, "logits are not finite (first at token 2)");
    check_refused(NAN, 0, 1, "logits are not finite (first at token 2)");
    check_refused(INFINITY, 1, 1, "logits are not finite (first at token 2)");
    check_refused(2, -1, 1, "temperature is -1, expected at least 0");
    check_refused(2, 1, 0, "the generator's state is 0, expected at least 1");
    assert_int_equal(lull_llama2c_sample(banned, 3, 1, 0.9f, &state, scratch, &id, &error),
                     LULL_EINVAL);
    assert_string_equal(error.message, "no token is allowed");
}

/* Dividing by a denormal overflows; infinite temperature makes all equal. */
static void extreme_temperatures(void **unused)
{
    float v[3] = {1, 2, 3}, w[3] = {1, 2, 3};
    lull_candidate scratch[3];
    uint64_t state = 5;
    int32_t id;
    lull_error error;
    (void)unused;
    assert_int_equal(lull_llama2c_sample(v, 3, 1e-45f, 0, &state, scratch, &id, &error),
                     LULL_EINVAL);
    assert_string_equal(error.message, "logits are not finite (first at token 0)");
    assert_int_equal(lull_llama2c_sample(v, 3, NAN, 0, &state, scratch, &id, &error), LULL_EINVAL);
    assert_int_equal(lull_llama2c_sample(w, 3, INFINITY, 0, &state, scratch, &id, &error), LULL_OK);
    assert_true(w[0] == w[1] && w[1] == w[2]);
}

/* NaN is outside (0, 1), and so plain. */
static void top_p_outside_its_range_is_plain(void **unused)
{
    static const float plain[] = {0, 1, -1, 2, NAN};
    int32_t first = 0, id;
    size_t i;
    (void)unused;
    for (i = 0; i < 5; i++) {
        float v[512];
        lull_candidate scratch[512];
        uint64_t state = 11;
        make_logits(1, 0, v);
        assert_int_equal(lull_llama2c_sample(v, 512, 1, plain[i], &state, scratch, &id, NULL),
                         LULL_OK);
        if (i == 0) first = id;
        assert_int_equal(id, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_as_run_c),
        cmocka_unit_test(logits_become_probabilities),
        cmocka_unit_test(an_empty_list_gives_the_most_probable),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(extreme_temperatures),
        cmocka_unit_test(top_p_outside_its_range_is_plain),
    };
    return cmocka_run_group_tests_name("llama2c_sampler", tests, NULL, NULL);
}
