/* utf8.h - text that most grammars take in bulk: characters of UTF-8 (RFC 3629, section 4) but control
 * characters, quotation mark and backslash.  Called plain here. */
#ifndef LULL_UTF8_H
#define LULL_UTF8_H

#include <stdint.h>

enum { LULL_PLAIN_BETWEEN = 0, LULL_PLAIN_NO = 8 }; /* between characters; no plain text */

/* In state from, the bytes first..last lead to state to.  States 1 to 7 are inside a character. */
typedef struct lull_plain_edge {
    unsigned char from, first, last, to;
} lull_plain_edge;

static const lull_plain_edge lull_plain_edges[] = {
    {0, 0x20, 0x21, 0}, {0, 0x23, 0x5b, 0}, {0, 0x5d, 0x7e, 0}, {0, 0xc2, 0xdf, 1},
    {0, 0xe0, 0xe0, 4}, {0, 0xe1, 0xec, 2}, {0, 0xed, 0xed, 5}, {0, 0xee, 0xef, 2},
    {0, 0xf0, 0xf0, 6}, {0, 0xf1, 0xf3, 3}, {0, 0xf4, 0xf4, 7}, {1, 0x80, 0xbf, 0},
    {2, 0x80, 0xbf, 1}, {3, 0x80, 0xbf, 2}, {4, 0xa0, 0xbf, 1}, {5, 0x80, 0x9f, 1},
    {6, 0x90, 0xbf, 2}, {7, 0x80, 0x8f, 2},
};

enum { LULL_PLAIN_EDGES = sizeof lull_plain_edges / sizeof *lull_plain_edges };

static inline unsigned lull_plain_after(unsigned from, unsigned char byte)
{
    int i;
    for (i = 0; i < LULL_PLAIN_EDGES; i++) {
        const lull_plain_edge *e = &lull_plain_edges[i];
        if (e->from == from && byte >= e->first && byte <= e->last) return e->to;
    }
    return LULL_PLAIN_NO;
}

#endif
