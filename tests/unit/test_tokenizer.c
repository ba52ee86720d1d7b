/* test_tokenizer.c - encoding against llama2.c's ids and against a plain quadratic encoder on random
 * vocabularies; decoding; memory.  Files are test_tokenizer_files.c's concern. */
#include "tokenizer_cases.h"

/* ---- encoding: an encoder as plain as can be */

/* Is token i one that text can match? */
static int is_text(const entry *e, int i)
{
    const char *s = e[i].text;
    if (i < 3 || e[i].n == 0) return 0;
    return !(e[i].n == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>' &&
             strspn(s + 3, "0123456789abcdefABCDEF") == 2);
}

static int lookup(const entry *e, int n, const char *s, size_t bytes)
{
    int i;
    for (i = 0; i < n; i++) {
        if (is_text(e, i) && e[i].n == bytes && memcmp(e[i].text, s, bytes) == 0) return i;
    }
    return -1;
}

static int byte_token(const entry *e, int n, unsigned char byte)
{
    char upper[8], lower[8];
    int i;
    snprintf(upper, sizeof upper, "<0x%02X>", byte);
    snprintf(lower, sizeof lower, "<0x%02x>", byte);
    for (i = 3; i < n; i++) {
        if (e[i].n == 6 && (!memcmp(e[i].text, upper, 6) || !memcmp(e[i].text, lower, 6))) return i;
    }
    return 0;
}

static size_t plain_encode(const entry *e, int n, const char *text, size_t bytes, int start,
                           int *ids)
{
    size_t count = 0, i, k;
    if (start && n > 1) {
        ids[count++] = 1;
        if (bytes > 0 && lookup(e, n, " ", 1) >= 0) ids[count++] = lookup(e, n, " ", 1);
    }
    for (i = 0; i < bytes; i += k) {
        int id;
        for (k = 1; k < 4 && i + k < bytes && ((unsigned char)text[i + k] & 0xc0) == 0x80; k++) {
        }
        id = lookup(e, n, text + i, k);
        if (id >= 0)
            ids[count++] = id;
        else {
            size_t j;
            for (j = 0; j < k; j++) ids[count++] = byte_token(e, n, (unsigned char)text[i + j]);
        }
    }
    for (;;) {
        float best = -1e10f;
        int best_id = -1;
        size_t best_at = 0;
        for (i = 0; i + 1 < count; i++) {
            const entry *a = &e[ids[i]], *b = &e[ids[i + 1]];
            char both[64];
            int id;
            if (!is_text(e, ids[i]) || !is_text(e, ids[i + 1])) continue;
            memcpy(both, a->text, a->n);
            memcpy(both + a->n, b->text, b->n);
            id = lookup(e, n, both, a->n + b->n);
            if (id >= 0 && e[id].score > best) {
                best = e[id].score;
                best_id = id;
                best_at = i;
            }
        }
        if (best_id < 0) return count;
        ids[best_at] = best_id;
        memmove(ids + best_at + 1, ids + best_at + 2, (count - best_at - 2) * sizeof *ids);
        count--;
    }
}

static uint32_t random_state;

static int pick(int n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (int)((random_state >> 8) % (uint32_t)n);
}

/* Few letters, so that everything happens: lone and grouped continuation bytes, zeros, spaces. */
static size_t random_text(char *out, int longest)
{
    static const char letters[] = {'a', 'a', 'b', ' ', 0, '\xc3', '\xa9', '\x80', '<', '\xf0'};
    size_t n = (size_t)pick(longest + 1), i;
    for (i = 0; i < n; i++) out[i] = letters[pick((int)sizeof letters)];
    return n;
}

static int random_vocabulary(entry *e)
{
    static const float scores[] = {-1,     -2,     0,        3,         0x1p-149f,
                                   -1e10f, -2e10f, INFINITY, -INFINITY, NAN};
    const int n = 1 + pick(60);
    int i;
    for (i = 0; i < n; i++) {
        char text[24];
        size_t bytes = random_text(text, i % 3 == 0 ? 1 : 5);
        if (pick(6) == 0) bytes = (size_t)snprintf(text, sizeof text, "<0x%02x>", pick(256));
        if (pick(20) == 0) bytes = (size_t)snprintf(text, sizeof text, "<0x%02X>", 'a');
        if (pick(10) == 0) bytes = (size_t)snprintf(text, sizeof text, " ");
        e[i] = text_entry(text, bytes, scores[pick((int)(sizeof scores / sizeof scores[0]))]);
    }
    return n;
}

/* Encode with room to spare, with exactly enough, and with one too little; the ids are the same. */
static size_t encode(const lull_model *m, const char *text, size_t bytes, unsigned flags,
                     int32_t *ids)
{
    int32_t *exact, mark = 0x5a5a5a5a;
    char *copy = malloc(bytes ? bytes : 1);
    size_t n, again, i;
    lull_error error;
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    assert_int_equal(lull_encode(m, copy, bytes, flags, ids, bytes + 2, &n, &error), LULL_OK);
    assert_true(n <= bytes + 2);
    exact = malloc((n ? n : 1) * sizeof *exact);
    assert_non_null(exact);
    assert_int_equal(lull_encode(m, copy, bytes, flags, exact, n, &again, &error), LULL_OK);
    assert_int_equal(again, n);
    assert_memory_equal(exact, ids, n * sizeof *ids);
    if (n > 0) {
        for (i = 0; i < n; i++) exact[i] = mark;
        assert_int_equal(lull_encode(m, copy, bytes, flags, exact, n - 1, &again, &error),
                         LULL_ELIMIT);
        assert_int_equal(again, n);
        for (i = 0; i < n; i++) assert_int_equal(exact[i], mark);
    }
    free(exact);
    free(copy);
    return n;
}

static void encodes_as_the_plain_encoder(void **unused)
{
    int round, k;
    (void)unused;
    random_state = 1;
    for (round = 0; round < 600; round++) {
        entry e[64];
        const int n = random_vocabulary(e);
        lull_model m;
        load_entries(&m, e, (size_t)n);
        for (k = 0; k < 12; k++) {
            char text[48];
            int want[64] = {0};
            int32_t got[64];
            const size_t bytes = random_text(text, 40);
            const unsigned flags = (unsigned)pick(2);
            const size_t wanted = plain_encode(e, n, text, bytes, (int)flags, want);
            size_t count = encode(&m, text, bytes, flags, got), i;
            if (count != wanted)
                fail_msg("round %d: %d ids, expected %d", round, (int)count, (int)wanted);
            for (i = 0; i < count; i++) {
                assert_int_equal(got[i], want[i]);
                assert_in_range(got[i], 0, n - 1);
            }
        }
        lull_tokenizer_free(m.tokenizer);
    }
}

/* ---- encoding: what llama2.c makes of tests/unit/tokenizer_texts.txt (see llama2c_ids.c) */

static size_t unescape(char *s)
{
    char *out = s, *start = s;
    for (; *s != 0 && *s != '\n'; s++) {
        unsigned byte;
        if (s[0] == '\\' && s[1] == 'n') {
            *out++ = '\n';
            s++;
        } else if (s[0] == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1) {
            *out++ = (char)byte;
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    return (size_t)(out - start);
}

static void check_line(const lull_model *m, char *text, FILE *ids)
{
    const size_t bytes = unescape(text);
    int32_t got[400];
    int wanted, id;
    size_t count = encode(m, text, bytes, LULL_ENCODE_START, got), i;
    assert_int_equal(fscanf(ids, "%d", &wanted), 1);
    assert_int_equal(count, wanted);
    for (i = 0; i < count; i++) {
        assert_int_equal(fscanf(ids, "%d", &id), 1);
        assert_int_equal(got[i], id);
    }
}

/* All texts with the tokenizer that the table calls `name`. */
static void check_table(const char *name, const char *path, int32_t vocab_size)
{
    FILE *texts = fopen("tests/unit/tokenizer_texts.txt", "r");
    FILE *ids = fopen("tests/unit/tokenizer_ids.txt", "r");
    char line[400], found[16];
    lull_model m;
    lull_reader r;
    int checked = 0;
    assert_true(texts != NULL && ids != NULL);
    memset(&m, 0, sizeof m);
    assert_int_equal(lull_reader_open(&r, path, 1 << 24, NULL), LULL_OK);
    assert_int_equal(lull_tokenizer_load(&m.tokenizer, &r, vocab_size, &m.allocator, NULL),
                     LULL_OK);
    lull_reader_close(&r);
    while (fscanf(ids, "%15s", found) == 1) {
        if (strcmp(found, name) != 0) {
            while (fgetc(ids) != '\n') assert_false(feof(ids));
            continue;
        }
        assert_non_null(fgets(line, sizeof line, texts));
        check_line(&m, line, ids);
        checked++;
    }
    assert_null(fgets(line, sizeof line, texts));
    assert_int_equal(checked, 54);
    lull_tokenizer_free(m.tokenizer);
    fclose(texts);
    fclose(ids);
}

static void shipped_tokenizer_gives_llama2c_ids(void **unused)
{
    (void)unused;
    check_table("lullaby", "examples/models/tokenizer.bin", 2048);
}

static void skip_without(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        skip();
    else
        fclose(f);
}

static void tok512_gives_llama2c_ids(void **unused)
{
    (void)unused;
    skip_without("../shared/models/tok512.bin");
    check_table("tok512", "../shared/models/tok512.bin", 512);
}

static void llama2_tokenizer_gives_llama2c_ids(void **unused)
{
    (void)unused;
    skip_without("../shared/models/tokenizer.bin");
    check_table("llama2", "../shared/models/tokenizer.bin", 32000);
}

/* ---- encoding: particular cases */

static void check_ids(const lull_model *m, const char *text, size_t bytes, unsigned flags,
                      const char *expected)
{
    int32_t ids[64];
    char found[400] = "";
    size_t n = encode(m, text, bytes, flags, ids), i;
    for (i = 0; i < n; i++) snprintf(found + strlen(found), 12, "%s%d", i ? " " : "", (int)ids[i]);
    assert_string_equal(found, expected);
}

static void particular_texts(void **unused)
{
    entry e[SMALL];
    lull_model m;
    (void)unused;
    small_vocabulary(e);
    load_entries(&m, e, SMALL);
    check_ids(&m, "", 0, 0, "");
    check_ids(&m, "", 0, LULL_ENCODE_START, "1");
    check_ids(&m, "the", 3, 0, "266");
    check_ids(&m, "the", 3, LULL_ENCODE_START, "1 267");
    check_ids(&m, " the", 4, LULL_ENCODE_START, "1 259 267");
    check_ids(&m, "aaaaa", 5, 0, "269 260");
    check_ids(&m, "aaa", 3, 0, "268 260");
    check_ids(&m, "\xc3\xa9", 2, 0, "270");
    check_ids(&m, "\xc3", 1, 0, "198");
    check_ids(&m, "a\0b", 3, 0, "260 3 261");
    /* What looks like a control or a byte token is text. */
    check_ids(&m, "<0x41>", 6, 0, "63 51 123 55 52 65");
    check_ids(&m, "\n<s>\n", 5, 0, "13 63 118 65 13");
    check_ids(&m, "<unk>", 5, 0, "63 120 113 110 65");
    lull_tokenizer_free(m.tokenizer);
}

/* Byte tokens are exactly <0xHH>; of two for one byte the first counts. */
static void malformed_byte_tokens_are_text(void **unused)
{
    static const char *const texts[] = {"<unk>",  "<s>",     "</s>",   "<0x-1>", "<0x4",   "<0x 4>",
                                        "<0xZZ>", "<0x41>x", "<0x+4>", "0x41>",  "<0X41>", "<0x41>",
                                        "<0x41>", "<0xfF>",  "",       "<0x42x"};
    entry e[16];
    lull_model m;
    size_t n, bytes;
    int b;
    (void)unused;
    for (n = 0; n < 16; n++) e[n] = text_entry(texts[n], strlen(texts[n]), 0);
    load_entries(&m, e, n);
    assert_int_equal(m.tokenizer->n_byte_tokens, 2);
    for (b = 0; b < 256; b++) {
        assert_int_equal(m.tokenizer->byte_token[b], b == 0x41 ? 11 : b == 0xff ? 13 : -1);
    }
    assert_int_equal(lull_piece(&m, 11, &bytes)[0], 'A');
    assert_int_equal(bytes, 1);
    assert_int_equal(lull_piece(&m, 12, &bytes)[0], 'A');
    assert_int_equal((unsigned char)lull_piece(&m, 13, &bytes)[0], 0xff);
    assert_memory_equal(lull_piece(&m, 3, &bytes), "<0x-1>", 6);
    assert_int_equal(bytes, 6);
    assert_memory_equal(lull_piece(&m, 7, &bytes), "<0x41>x", 7);
    assert_int_equal(bytes, 7);
    assert_non_null(lull_piece(&m, 14, &bytes));
    assert_int_equal(bytes, 0);
    check_ids(&m, "A", 1, 0, "11");
    check_ids(&m, "B\xff", 2, 0, "0 13");
    lull_tokenizer_free(m.tokenizer);
}

/* A vocabulary of one, two, three tokens: everything is unknown, nothing is -1. */
static void tiny_vocabularies(void **unused)
{
    static const char *const expected[] = {"0 0", "1 0 0", "1 0 0"};
    entry e[3];
    size_t n;
    (void)unused;
    for (n = 0; n < 3; n++) e[n] = text_entry("ab", 2, 0);
    for (n = 1; n <= 3; n++) {
        lull_model m;
        load_entries(&m, e, n);
        assert_int_equal(m.tokenizer->prefix, -1);
        check_ids(&m, "ab", 2, LULL_ENCODE_START, expected[n - 1]);
        lull_tokenizer_free(m.tokenizer);
    }
}

/* Joining is not quadratic: with the plain encoder this would take hours. */
static void long_texts_encode_soon(void **unused)
{
    static char text[1000000];
    static int32_t ids[sizeof text + 2];
    const size_t n = sizeof text;
    entry e[SMALL];
    lull_model m;
    size_t count;
    (void)unused;
    small_vocabulary(e);
    load_entries(&m, e, SMALL);
    memset(text, 'a', n);
    assert_int_equal(lull_encode(&m, text, n, 0, ids, n + 2, &count, NULL), LULL_OK);
    assert_int_equal(count, n / 4);
    assert_int_equal(ids[0], 269);
    assert_int_equal(ids[count - 1], 269);
    lull_tokenizer_free(m.tokenizer);
}

static void too_long_texts_are_refused(void **unused)
{
    entry e[SMALL];
    lull_model m;
    lull_error error;
    size_t n = 1;
    (void)unused;
    small_vocabulary(e);
    load_entries(&m, e, SMALL);
    assert_int_equal(lull_encode(&m, NULL, (size_t)INT32_MAX, 0, NULL, 0, &n, &error), LULL_ELIMIT);
    assert_contains(error.message, "text has 2147483647 bytes, the limit is 2147483645");
    assert_int_equal(lull_encode(&m, NULL, SIZE_MAX, 0, NULL, 0, &n, &error), LULL_ELIMIT);
    assert_int_equal(n, 0);
    lull_tokenizer_free(m.tokenizer);
}

/* ---- decoding */

static void check_round_trip(const lull_model *m, const char *text, size_t bytes, unsigned flags)
{
    int32_t *ids = malloc((bytes + 2) * sizeof *ids);
    char *back;
    size_t n, found;
    lull_error error;
    assert_non_null(ids);
    n = encode(m, text, bytes, flags, ids);
    assert_int_equal(lull_decode(m, ids, n, NULL, 0, &found, &error),
                     bytes ? LULL_ELIMIT : LULL_OK);
    assert_int_equal(found, bytes);
    back = malloc(bytes ? bytes : 1);
    assert_non_null(back);
    assert_int_equal(lull_decode(m, ids, n, back, bytes, &found, &error), LULL_OK);
    assert_int_equal(found, bytes);
    assert_memory_equal(back, text, bytes);
    free(back);
    free(ids);
}

static void any_bytes_survive(void **unused)
{
    entry e[SMALL];
    char text[200];
    int with_prefix, i, k;
    (void)unused;
    random_state = 2;
    small_vocabulary(e);
    for (with_prefix = 1; with_prefix >= 0; with_prefix--) {
        lull_model m;
        if (!with_prefix) e[259] = text_entry(" a", 2, 0); /* and then there is no " " */
        load_entries(&m, e, SMALL);
        assert_int_equal(m.tokenizer->prefix, with_prefix ? 259 : -1);
        for (i = 0; i < 2000; i++) {
            size_t n = i % 2 ? random_text(text, 60) : (size_t)pick(60);
            if (i % 2 == 0) {
                for (k = 0; k < (int)n; k++) text[k] = (char)pick(256);
            }
            for (k = 0; k < i % 4 && (size_t)k < n; k++) text[k] = ' ';
            check_round_trip(&m, text, n, LULL_ENCODE_START);
            check_round_trip(&m, text, n, 0);
        }
        lull_tokenizer_free(m.tokenizer);
    }
}

static void pieces(void **unused)
{
    static const int32_t outside[] = {-1, SMALL, INT_MAX, INT_MIN};
    entry e[SMALL];
    lull_model m, none;
    size_t bytes, i;
    (void)unused;
    small_vocabulary(e);
    load_entries(&m, e, SMALL);
    memset(&none, 0, sizeof none);
    assert_non_null(lull_piece(&m, 1, &bytes));
    assert_int_equal(bytes, 0);
    assert_non_null(lull_piece(&m, 2, &bytes));
    assert_int_equal(bytes, 0);
    assert_memory_equal(lull_piece(&m, 0, &bytes), "<unk>", 5);
    assert_int_equal(bytes, 5);
    for (i = 0; i < 256; i++) {
        assert_int_equal((unsigned char)lull_piece(&m, (int32_t)(3 + i), &bytes)[0], i);
        assert_int_equal(bytes, 1);
    }
    assert_memory_equal(lull_piece(&m, 267, &bytes), " the", 4);
    assert_int_equal(bytes, 4);
    for (i = 0; i < 4; i++) {
        bytes = 9;
        assert_null(lull_piece(&m, outside[i], &bytes));
        assert_int_equal(bytes, 0);
    }
    assert_null(lull_piece(&none, 1, &bytes));
    lull_tokenizer_free(m.tokenizer);
}

static void bad_ids_are_named(void **unused)
{
    static const int32_t outside[] = {-1, SMALL, INT_MAX, INT_MIN};
    entry e[SMALL];
    lull_model m;
    size_t i;
    (void)unused;
    small_vocabulary(e);
    load_entries(&m, e, SMALL);
    for (i = 0; i < 4; i++) {
        const int32_t ids[3] = {266, 267, outside[i]};
        char text[16] = "unchanged", expected[64];
        size_t bytes = 1;
        lull_error error;
        assert_int_equal(lull_decode(&m, ids, 3, text, sizeof text, &bytes, &error), LULL_EINVAL);
        snprintf(expected, sizeof expected, "token %d at index 2, expected 0..271",
                 (int)outside[i]);
        assert_contains(error.message, expected);
        assert_string_equal(text, "unchanged");
        assert_int_equal(bytes, 0);
    }
    lull_tokenizer_free(m.tokenizer);
}

/* Only the space that follows BOS is the prefix, and only of a text token. */
static void only_the_prefix_is_dropped(void **unused)
{
    static const int32_t ids[] = {1, 267, 267, 1, 259, 259, 1, 3 + ' ', 2, 267};
    static const char expected[] = "the the   the";
    entry e[SMALL];
    char text[32];
    size_t bytes;
    lull_model m;
    (void)unused;
    small_vocabulary(e);
    load_entries(&m, e, SMALL);
    assert_int_equal(lull_decode(&m, ids, 10, text, sizeof text, &bytes, NULL), LULL_OK);
    assert_int_equal(bytes, sizeof expected - 1);
    assert_memory_equal(text, expected, bytes);
    lull_tokenizer_free(m.tokenizer);
}

static void without_a_tokenizer(void **unused)
{
    lull_model m;
    size_t n = 1;
    int32_t id = 0;
    char c;
    (void)unused;
    memset(&m, 0, sizeof m);
    assert_int_equal(lull_encode(&m, "a", 1, 0, &id, 1, &n, NULL), LULL_ESTATE);
    assert_int_equal(n, 0);
    assert_int_equal(lull_decode(&m, &id, 1, &c, 1, &n, NULL), LULL_ESTATE);
}

/* ---- UTF-8 */

/* Can these bytes be the beginning of a longer character?  Tries the ends of all ranges that follow
 * and asks whether the code point is one. */
static int is_beginning(const unsigned char *s, size_t n)
{
    static const unsigned char follow[] = {0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf};
    const size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 1;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t tries, t, i, k;
    if (length <= n || s[0] >= 0xf8) return 0;
    for (tries = 1, i = n; i < length; i++) tries *= 6;
    for (t = 0; t < tries; t++) {
        uint32_t point = s[0] & (0xffu >> (length + 1));
        int sound = 1;
        for (i = 1, k = t; i < length; i++) {
            const unsigned char c = i < n ? s[i] : follow[k % 6];
            if (i >= n) k /= 6;
            if ((c & 0xc0) != 0x80) sound = 0;
            point = point << 6 | (c & 0x3f);
        }
        if (sound && point >= least[length] && point <= 0x10ffff &&
            (point < 0xd800 || point > 0xdfff)) {
            return 1;
        }
    }
    return 0;
}

static void only_unfinished_characters_are_held_back(void **unused)
{
    static const unsigned char bytes[] = {'a',  0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                          0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef,
                                          0xf0, 0xf1, 0xf4, 0xf5, 0xf8, 0xff};
    const size_t kinds = sizeof bytes;
    size_t n, code, all, i;
    (void)unused;
    assert_int_equal(lull_utf8_complete("", 0), 0);
    for (n = 1, all = kinds; n <= 4; n++, all *= kinds) {
        for (code = 0; code < all; code++) {
            unsigned char s[4] = {0};
            size_t want = n, back, k = code;
            for (i = 0; i < n; i++, k /= kinds) s[i] = bytes[k % kinds];
            for (back = 1; back <= 3 && back <= n; back++) {
                if (is_beginning(s + n - back, back)) want = n - back;
            }
            if (lull_utf8_complete((const char *)s, n) != want) {
                fail_msg("%02x %02x %02x %02x (%d): %d, expected %d", s[0], s[1], s[2], s[3],
                         (int)n, (int)lull_utf8_complete((const char *)s, n), (int)want);
            }
        }
    }
}

/* ---- memory */

static void running_out_of_memory_while_encoding(void **unused)
{
    entry e[SMALL];
    size_t at[SMALL + 1], n;
    unsigned char *file;
    int32_t ids[8];
    failing f;
    lull_model m;
    lull_error error;
    long before;
    (void)unused;
    small_vocabulary(e);
    file = make_file(e, SMALL, LULL_LITTLE_ENDIAN, at);
    failing_init(&f, 0, 0);
    assert_int_equal(load(&m, file, at[SMALL], SMALL, &f.allocator, &error), LULL_OK);
    before = f.calls;
    assert_int_equal(lull_encode(&m, "the", 3, 1, ids, 8, &n, &error), LULL_OK);
    assert_int_equal(f.calls, before + 1);
    f.fail_at = f.calls + 1;
    assert_int_equal(lull_encode(&m, "the", 3, 1, ids, 8, &n, &error), LULL_ENOMEM);
    assert_int_equal(n, 0);
    assert_contains(error.message, "encode");
    assert_int_equal(lull_encode(&m, "the", 3, 1, ids, 8, &n, &error), LULL_OK);
    assert_int_equal(n, 2);
    lull_tokenizer_free(m.tokenizer);
    assert_int_equal(f.blocks, 0);
    assert_int_equal(f.bytes, 0);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_as_the_plain_encoder),
        cmocka_unit_test(shipped_tokenizer_gives_llama2c_ids),
        cmocka_unit_test(tok512_gives_llama2c_ids),
        cmocka_unit_test(llama2_tokenizer_gives_llama2c_ids),
        cmocka_unit_test(particular_texts),
        cmocka_unit_test(malformed_byte_tokens_are_text),
        cmocka_unit_test(tiny_vocabularies),
        cmocka_unit_test(long_texts_encode_soon),
        cmocka_unit_test(too_long_texts_are_refused),
        cmocka_unit_test(any_bytes_survive),
        cmocka_unit_test(pieces),
        cmocka_unit_test(bad_ids_are_named),
        cmocka_unit_test(only_the_prefix_is_dropped),
        cmocka_unit_test(without_a_tokenizer),
        cmocka_unit_test(only_unfinished_characters_are_held_back),
        cmocka_unit_test(running_out_of_memory_while_encoding),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
