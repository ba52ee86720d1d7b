/* program.c - the rules of a grammar, checked and compiled.  A program that passes needs no further
 * checks: every search of the machine over it ends.
 *
 *  1. indices are in range, arrays ascend to their ends, no byte set is empty
 *  2. every rule can match some finite text; so every state of the machine can be completed
 *  3. no rule begins with itself, directly, through others or behind what may be empty; except in
 *     the last place of its own alternatives, which is how repeats are written */
#include "grammar.h"

#include <stdio.h>

#define MOST_RULES    (1 << 20)
#define MOST_ELEMENTS (1 << 22)
#define MOST_SETS     (1 << 16)

/* ---- messages */

typedef struct rule_name {
    char text[80];
} rule_name;

static rule_name name_of(const lull_program *p, int32_t rule)
{
    rule_name name;
    if (p->names != NULL && p->names[rule] != NULL)
        snprintf(name.text, sizeof name.text, "rule '%.64s'", p->names[rule]);
    else
        snprintf(name.text, sizeof name.text, "rule %ld", (long)rule);
    return name;
}

/* ---- 1: shape */

static lull_status check_counts(const lull_program *p, lull_error *error)
{
    if (p->n_rules < 1 || p->n_rules > MOST_RULES || p->n_alternatives < 0 ||
        p->n_alternatives > MOST_ELEMENTS || p->n_elements < 0 || p->n_elements > MOST_ELEMENTS ||
        p->n_sets < 0 || p->n_sets > MOST_SETS) {
        return lull_fail(error, LULL_EINVAL, 0, 0,
                         "grammar: %ld rules, %ld alternatives, %ld elements and %ld byte sets, "
                         "expected 1..%ld, 0..%ld, 0..%ld and 0..%ld",
                         (long)p->n_rules, (long)p->n_alternatives, (long)p->n_elements,
                         (long)p->n_sets, (long)MOST_RULES, (long)MOST_ELEMENTS,
                         (long)MOST_ELEMENTS, (long)MOST_SETS);
    }
    return LULL_OK;
}

/* Does at (n + 1) ascend from 0 to end? */
static int ascends(const int32_t *at, int32_t n, int32_t end)
{
    int32_t i;
    if (at[0] != 0 || at[n] != end) return 0;
    for (i = 0; i < n; i++) {
        if (at[i] > at[i + 1]) return 0;
    }
    return 1;
}

static lull_status check_elements(const lull_program *p, lull_error *error)
{
    int32_t r, a, e;
    for (r = 0; r < p->n_rules; r++) {
        for (a = p->rules[r]; a < p->rules[r + 1]; a++) {
            for (e = p->alternatives[a]; e < p->alternatives[a + 1]; e++) {
                const int32_t v = p->elements[e];
                if (v >= 0 ? v < p->n_sets : ~v < p->n_rules) continue;
                return lull_fail(error, LULL_EINVAL, 0, 0,
                                 "grammar: %s refers to %s %ld, and there are %ld",
                                 name_of(p, r).text, v >= 0 ? "byte set" : "rule",
                                 (long)(v >= 0 ? v : ~v), (long)(v >= 0 ? p->n_sets : p->n_rules));
            }
        }
    }
    return LULL_OK;
}

static lull_status check_shape(const lull_program *p, lull_error *error)
{
    static const uint8_t empty[32] = {0};
    lull_status status = check_counts(p, error);
    int32_t s;
    if (status != LULL_OK) return status;
    if (!ascends(p->rules, p->n_rules, p->n_alternatives) ||
        !ascends(p->alternatives, p->n_alternatives, p->n_elements))
        return lull_fail(error, LULL_EINVAL, 0, 0, "grammar: offsets do not ascend to their end");
    status = check_elements(p, error);
    for (s = 0; s < p->n_sets && status == LULL_OK; s++) {
        if (memcmp(p->sets + 32 * (size_t)s, empty, 32) == 0)
            status = lull_fail(error, LULL_EINVAL, 0, 0, "grammar: byte set %ld is empty", (long)s);
    }
    return status;
}

/* ---- 2: which rules match something finite, and which match nothing at all
 *
 * Both spread from alternatives whose elements all do: missing[a] counts those that do not yet. */

typedef struct checker {
    const lull_program *p;
    int32_t *users_at;    /* (n_rules + 1) */
    int32_t *users;       /* (n_elements): alternatives that refer to rule r, from users_at[r] on */
    int32_t *rule_of;     /* (n_alternatives) */
    int32_t *missing;     /* (n_alternatives) */
    int32_t *queue;       /* (n_rules) */
    unsigned char *known; /* (n_rules): what spread finds */
    unsigned char *nullable; /* (n_rules) */
    unsigned char *color;    /* (n_rules): 0 not seen, 1 open, 2 done */
    int32_t *alternative;    /* (n_rules): of an open rule, where the search is */
    int32_t *element;
} checker;

static void list_users(const checker *c)
{
    const lull_program *p = c->p;
    int32_t r, a, e;
    memset(c->users_at, 0, ((size_t)p->n_rules + 1) * sizeof *c->users_at);
    for (e = 0; e < p->n_elements; e++) {
        if (p->elements[e] < 0) c->users_at[~p->elements[e] + 1]++;
    }
    for (r = 0; r < p->n_rules; r++) c->users_at[r + 1] += c->users_at[r];
    for (r = 0; r < p->n_rules; r++) {
        for (a = p->rules[r]; a < p->rules[r + 1]; a++) {
            c->rule_of[a] = r;
            for (e = p->alternatives[a]; e < p->alternatives[a + 1]; e++) {
                if (p->elements[e] < 0) c->users[c->users_at[~p->elements[e]]++] = a;
            }
        }
    }
    for (r = p->n_rules; r > 0; r--) c->users_at[r] = c->users_at[r - 1];
    c->users_at[0] = 0;
}

/* known[r] = some alternative of r has only elements that are known; byte sets count as given. */
static void spread(const checker *c, unsigned char *known, int sets_known)
{
    const lull_program *p = c->p;
    int32_t a, e, i, n = 0, done;
    memset(known, 0, (size_t)p->n_rules);
    for (a = 0; a < p->n_alternatives; a++) {
        c->missing[a] = 0;
        for (e = p->alternatives[a]; e < p->alternatives[a + 1]; e++) {
            c->missing[a] += p->elements[e] < 0 || !sets_known;
        }
        if (c->missing[a] > 0 || known[c->rule_of[a]]) continue;
        known[c->rule_of[a]] = 1;
        c->queue[n++] = c->rule_of[a];
    }
    for (done = 0; done < n; done++) {
        const int32_t r = c->queue[done];
        for (i = c->users_at[r]; i < c->users_at[r + 1]; i++) {
            const int32_t user = c->rule_of[c->users[i]];
            if (--c->missing[c->users[i]] > 0 || known[user]) continue;
            known[user] = 1;
            c->queue[n++] = user;
        }
    }
}

/* The first rule with a name is told, if there is one. */
static lull_status check_finite(const checker *c, lull_error *error)
{
    const lull_program *p = c->p;
    int32_t r, bad = -1;
    spread(c, c->known, 1);
    for (r = 0; r < p->n_rules; r++) {
        if (c->known[r]) continue;
        if (bad < 0) bad = r;
        if (p->names != NULL && p->names[r] != NULL) {
            bad = r;
            break;
        }
    }
    if (bad < 0) return LULL_OK;
    return lull_fail(error, LULL_EINVAL, 0, 0, "grammar: %s can never match a finite text",
                     name_of(p, bad).text);
}

/* ---- 3: left recursion, by a depth-first search over "begins with" */

static void open_rule(const checker *c, int32_t r)
{
    c->color[r] = 1;
    c->alternative[r] = c->p->rules[r];
    c->element[r] = c->p->rules[r] < c->p->rules[r + 1] ? c->p->alternatives[c->p->rules[r]] : 0;
}

/* The next rule that r may begin with, or -1. */
static int32_t next_left(const checker *c, int32_t r)
{
    const lull_program *p = c->p;
    while (c->alternative[r] < p->rules[r + 1]) {
        const int32_t a = c->alternative[r], e = c->element[r];
        if (e < p->alternatives[a + 1] && p->elements[e] < 0) {
            const int32_t left = ~p->elements[e], last = e + 1 == p->alternatives[a + 1];
            c->element[r] = c->nullable[left] ? e + 1 : p->alternatives[a + 1];
            if (left != r || !last) return left;
        } else {
            c->alternative[r] = a + 1; /* alternatives follow one another */
            if (a + 1 < p->n_alternatives) c->element[r] = p->alternatives[a + 1];
        }
    }
    return -1;
}

/* The open rules from `from` on are a circle. */
static lull_status refuse_circle(const checker *c, int32_t n, int32_t from, lull_error *error)
{
    const lull_program *p = c->p;
    int32_t i = n - 1, named = from;
    while (c->queue[i] != from) i--;
    for (; i < n; i++) {
        if (p->names == NULL || p->names[c->queue[i]] == NULL) continue;
        named = c->queue[i];
        break;
    }
    return lull_fail(error, LULL_EINVAL, 0, 0,
                     "grammar: %s is left-recursive: it can begin with itself",
                     name_of(p, named).text);
}

static lull_status check_left(const checker *c, lull_error *error)
{
    int32_t r, n;
    spread(c, c->nullable, 0);
    memset(c->color, 0, (size_t)c->p->n_rules);
    for (r = 0; r < c->p->n_rules; r++) {
        if (c->color[r] != 0) continue;
        n = 0;
        c->queue[n++] = r;
        open_rule(c, r);
        while (n > 0) {
            const int32_t top = c->queue[n - 1], left = next_left(c, top);
            if (left < 0) {
                c->color[top] = 2;
                n--;
            } else if (c->color[left] == 1) {
                return refuse_circle(c, n, left, error);
            } else if (c->color[left] == 0) {
                c->queue[n++] = left;
                open_rule(c, left);
            }
        }
    }
    return LULL_OK;
}

static lull_status check_meaning(const lull_program *p, const lull_allocator *allocator,
                                 lull_error *error)
{
    const size_t rules = (size_t)p->n_rules, alternatives = (size_t)p->n_alternatives;
    const size_t words = 4 * rules + 1 + (size_t)p->n_elements + 2 * alternatives;
    const size_t bytes = words * sizeof(int32_t) + 3 * rules;
    int32_t *work = lull_memory_get(allocator, bytes);
    lull_status status;
    checker c;
    if (work == NULL) return lull_memory_fail(error, "grammar", bytes);
    c.p = p;
    c.users_at = work;
    c.queue = c.users_at + rules + 1;
    c.alternative = c.queue + rules;
    c.element = c.alternative + rules;
    c.rule_of = c.element + rules;
    c.missing = c.rule_of + alternatives;
    c.users = c.missing + alternatives;
    c.known = (unsigned char *)(work + words);
    c.nullable = c.known + rules;
    c.color = c.nullable + rules;
    list_users(&c);
    status = check_finite(&c, error);
    if (status == LULL_OK) status = check_left(&c, error);
    lull_memory_put(allocator, work);
    return status;
}

/* ---- compiling */

/* Split the classes so that the set is a union of some. */
static void split_classes(lull_code *code, const uint8_t *set)
{
    int32_t inside[256], other[256], b, n = code->n_classes;
    memset(inside, 0, sizeof inside);
    for (b = 0; b < 256; b++) inside[code->class_of[b]] += set[b / 8] >> b % 8 & 1;
    for (b = 0; b < n; b++) {
        other[b] = b;
        if (inside[b] == 0 || inside[b] == code->class_size[b]) continue;
        other[b] = code->n_classes++;
        code->class_size[other[b]] = inside[b];
        code->class_size[b] -= inside[b];
    }
    for (b = 0; b < 256; b++) {
        if (set[b / 8] >> b % 8 & 1) code->class_of[b] = (unsigned char)other[code->class_of[b]];
    }
}

static void find_classes(lull_code *code, const lull_program *p)
{
    int32_t s, b;
    memset(code->class_of, 0, sizeof code->class_of);
    code->n_classes = 1;
    code->class_size[0] = 256;
    for (s = 0; s < p->n_sets; s++) split_classes(code, p->sets + 32 * (size_t)s);
    for (b = 255; b >= 0; b--) code->example[code->class_of[b]] = (unsigned char)b;
}

/* There is room: all edges together have fewer than 512 bytes. */
static void find_edges(lull_code *code)
{
    int e;
    uint16_t n = 0;
    for (e = 0; e < LULL_PLAIN_EDGES; e++) {
        unsigned char seen[256];
        unsigned byte;
        memset(seen, 0, sizeof seen);
        code->edge_at[e] = n;
        for (byte = lull_plain_edges[e].first; byte <= lull_plain_edges[e].last; byte++) {
            const unsigned char class_ = code->class_of[byte];
            if (!seen[class_]) code->edge_classes[n++] = class_;
            seen[class_] = 1;
        }
    }
    code->edge_at[e] = n;
}

static void fill_sets(const lull_code *code, const lull_program *p)
{
    int32_t s, c;
    memset(code->has, 0, (size_t)p->n_sets * code->has_words * sizeof *code->has);
    for (s = 0; s < p->n_sets; s++) {
        const uint8_t *set = p->sets + 32 * (size_t)s;
        uint32_t *has = code->has + (size_t)s * code->has_words;
        for (c = 0; c < code->n_classes; c++) {
            const unsigned char b = code->example[c];
            has[c / 32] |= (uint32_t)(set[b / 8] >> b % 8 & 1) << c % 32;
        }
    }
}

static void fill_positions(const lull_code *code, const lull_program *p)
{
    int32_t a, e, at = 0;
    memcpy(code->rules, p->rules, ((size_t)p->n_rules + 1) * sizeof *code->rules);
    for (a = 0; a < p->n_alternatives; a++) {
        code->alternatives[a] = at;
        for (e = p->alternatives[a]; e < p->alternatives[a + 1]; e++)
            code->positions[at++] = p->elements[e];
        code->positions[at++] = LULL_END;
    }
}

/* One block: rules, alternatives, positions, sets. */
lull_status lull_code_make(lull_code *code, const lull_program *p, const lull_allocator *allocator,
                           lull_error *error)
{
    lull_status status = check_shape(p, error);
    size_t words;
    memset(code, 0, sizeof *code);
    if (status == LULL_OK) status = check_meaning(p, allocator, error);
    if (status != LULL_OK) return status;
    find_classes(code, p);
    find_edges(code);
    code->n_rules = p->n_rules;
    code->n_alternatives = p->n_alternatives;
    code->n_sets = p->n_sets;
    code->n_positions = (uint32_t)p->n_elements + (uint32_t)p->n_alternatives;
    code->has_words = ((size_t)code->n_classes + 31) / 32;
    words = (size_t)p->n_rules + 1 + (size_t)p->n_alternatives + code->n_positions +
            (size_t)p->n_sets * code->has_words;
    code->bytes = words * sizeof *code->rules;
    code->rules = lull_memory_get(allocator, words * sizeof *code->rules);
    if (code->rules == NULL) return lull_memory_fail(error, "grammar", code->bytes);
    code->alternatives = code->rules + p->n_rules + 1;
    code->positions = code->alternatives + p->n_alternatives;
    code->has = (uint32_t *)(code->positions + code->n_positions);
    fill_sets(code, p);
    fill_positions(code, p);
    return LULL_OK;
}

void lull_code_free(lull_code *code, const lull_allocator *allocator)
{
    lull_memory_put(allocator, code->rules);
    code->rules = NULL;
}
