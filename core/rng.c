/* rng.c - random numbers without state, and the hash that names their streams. */
#include "rng.h"

void lull_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    int round;
    for (round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xd2511f53u * x0, b = (uint64_t)0xcd9e8d57u * x2;
        x0 = (uint32_t)(b >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)b;
        x2 = (uint32_t)(a >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)a;
        k0 += 0x9e3779b9u; /* the golden ratio */
        k1 += 0xbb67ae85u; /* sqrt(3) - 1 */
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

double lull_random(uint64_t seed, uint64_t stream, uint32_t position, uint16_t purpose,
                   uint16_t attempt)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {position, (uint32_t)purpose << 16 | attempt, (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    uint32_t out[4];
    lull_philox(counter, key, out);
    return (double)(out[0] >> 8) * 0x1p-24;
}

/* FNV-1a with its 64-bit offset and prime, then the finishing mix of MurmurHash3 (Appleby), since
 * FNV alone leaves the high bits of short keys alike. */
uint64_t lull_hash(const void *bytes, size_t n)
{
    const unsigned char *s = bytes;
    uint64_t h = 0xcbf29ce484222325u;
    size_t i;
    for (i = 0; i < n; i++) h = (h ^ s[i]) * 0x100000001b3u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}
