/* logits_form.c - how a view of logits holds its values: see logits.h. */
#include "logits.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------ all in an array */

static void scatter(lull_lua_logits *v)
{
    const float others = v->probabilities ? 0.0f : -HUGE_VALF;
    int32_t i;
    if (v->form == LULL_WHOLE) return;
    if (v->form == LULL_CHANGED)
        memcpy(v->values, v->raw, (size_t)v->n * sizeof *v->values);
    else
        for (i = 0; i < v->n; i++) v->values[i] = others;
    for (i = 0; i < v->n_few; i++) v->values[v->few->ids[i]] = v->few->values[i];
}

/* The view with room for all its values, which may allocate. */
static lull_lua_logits *make_room(lua_State *L, int arg)
{
    lull_lua_logits *v = lull_open_view(L, arg);
    float *values;
    if (v->values != NULL) return v;
    lull_getenv(L, arg);
    values = lull_push_buffer(L, SLOT_VALUES, (size_t)v->n * sizeof *values);
    lua_pop(L, 2); /* what holds it is the environment */
    v = lull_open_view(L, arg);
    v->values = values;
    return v;
}

lull_lua_logits *lull_make_whole(lua_State *L, int arg)
{
    lull_lua_logits *v = make_room(L, arg);
    scatter(v);
    v->form = LULL_WHOLE;
    v->n_few = 0;
    return v;
}

const float *lull_read_whole(lua_State *L, int arg)
{
    lull_lua_logits *v = lull_open_view(L, arg);
    if (v->form == LULL_CHANGED && v->n_few == 0) return v->raw;
    if (v->form != LULL_NARROW) return lull_make_whole(L, arg)->values;
    v = make_room(L, arg);
    scatter(v);
    return v->values;
}

void lull_reset_view(lull_lua_logits *v)
{
    v->form = LULL_CHANGED;
    v->n_few = 0;
    v->probabilities = 0;
}

/* ----------------------------------------------------------------------------------- the few */

/* The index of the first of the few that is not below id. */
static int32_t find(const lull_lua_logits *v, int32_t id)
{
    int32_t low = 0, high = v->n_few;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (v->few->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

float lull_value(const lull_lua_logits *v, int32_t id)
{
    int32_t i;
    if (v->form == LULL_WHOLE) return v->values[id];
    i = find(v, id);
    if (i < v->n_few && v->few->ids[i] == id) return v->few->values[i];
    if (v->form == LULL_CHANGED) return v->raw[id];
    return v->probabilities ? 0.0f : -HUGE_VALF;
}

int lull_change(lull_lua_logits *v, int32_t id, float value)
{
    lull_few *few = v->few;
    int32_t i;
    if (v->form == LULL_WHOLE) {
        v->values[id] = value;
        return 1;
    }
    i = find(v, id);
    if (i == v->n_few || few->ids[i] != id) {
        const size_t after = (size_t)(v->n_few - i);
        if (v->form == LULL_NARROW) return value == -HUGE_VALF;
        if (v->n_few == LULL_CHANGES) return 0;
        memmove(few->ids + i + 1, few->ids + i, after * sizeof few->ids[0]);
        memmove(few->values + i + 1, few->values + i, after * sizeof few->values[0]);
        few->ids[i] = id;
        v->n_few++;
    }
    few->values[i] = value;
    return 1;
}

void lull_change_any(lua_State *L, int32_t id, float value)
{
    lull_lua_logits *v = lull_open_view(L, 1);
    if (!lull_change(v, id, value)) lull_change(lull_make_whole(L, 1), id, value);
}

/* ------------------------------------------------------------------------------------- parts */

lull_part lull_part_open(lua_State *L)
{
    lull_lua_logits *v = lull_open_view(L, 1);
    lull_part part = {NULL, 0, NULL};
    if (v->form != LULL_NARROW) v = lull_make_whole(L, 1);
    if (v->form == LULL_NARROW) {
        part.values = v->few->values;
        part.ids = v->few->ids;
        part.n = (size_t)v->n_few;
    } else {
        part.values = v->values;
        part.n = (size_t)v->n;
    }
    return part;
}

lull_reading lull_part_read(lua_State *L)
{
    const lull_lua_logits *v = lull_open_view(L, 1);
    lull_reading reading = {NULL, 0, NULL};
    if (v->form == LULL_NARROW) {
        reading.values = v->few->values;
        reading.ids = v->few->ids;
        reading.n = (size_t)v->n_few;
    } else {
        reading.values = lull_read_whole(L, 1);
        reading.n = (size_t)lull_open_view(L, 1)->n;
    }
    return reading;
}

/* --------------------------------------------------------------------------------- narrowing */

void lull_find_few(lua_State *L)
{
    lull_lua_logits *v = lull_open_view(L, 1);
    size_t count;
    int32_t i;
    if (v->form != LULL_WHOLE) return;
    count = lull_logits_support(v->values, (size_t)v->n, v->few->ids, LULL_FEW);
    if (count > LULL_FEW) return;
    v->n_few = (int32_t)count;
    v->form = LULL_NARROW;
    for (i = 0; i < v->n_few; i++) v->few->values[i] = v->values[v->few->ids[i]];
}

/* Put in order what is largest of the raw values and not changed, and what is changed and not
 * banned; returns how many, or -1 where one of these is a NaN or +INFINITY. */
static int32_t merge(const lull_lua_logits *v, const lull_candidate *largest, size_t n,
                     lull_few *to)
{
    const lull_few *few = v->few;
    size_t i = 0;
    int32_t j, count = 0;
    for (j = 0; j <= v->n_few; j++) {
        for (; i < n && (j == v->n_few || largest[i].id < few->ids[j]); i++) {
            to->ids[count] = largest[i].id;
            to->values[count++] = largest[i].value;
        }
        if (j == v->n_few) break;
        if (i < n && largest[i].id == few->ids[j]) i++;
        if (few->values[j] == -HUGE_VALF) continue;
        if (!(few->values[j] < HUGE_VALF)) return -1;
        to->ids[count] = few->ids[j];
        to->values[count++] = few->values[j];
    }
    return count;
}

int lull_narrow(lull_lua_logits *v, size_t k)
{
    const size_t changed = (size_t)v->n_few;
    const float *values = v->form == LULL_WHOLE ? v->values : v->raw;
    lull_candidate largest[LULL_FEW];
    lull_few all;
    size_t count;
    int32_t n, i;
    int sound;
    if (v->form == LULL_NARROW || k > LULL_FEW - 2 * LULL_CHANGES) return 0;
    count = lull_logits_largest(values, (size_t)v->n, k + changed, largest, &sound);
    n = merge(v, largest, count, &all);
    if (!sound || n < 0) return 0;
    lull_logits_top_k(all.values, (size_t)n, k);
    v->n_few = 0;
    for (i = 0; i < n; i++) {
        if (all.values[i] == -HUGE_VALF) continue;
        v->few->ids[v->n_few] = all.ids[i];
        v->few->values[v->n_few++] = all.values[i];
    }
    v->form = LULL_NARROW;
    return 1;
}
