/* tables.h - what select.c and the files of the instruction sets share: the tables, and the
 * question whether this machine runs them.  The answers are in select.c, which is compiled for the
 * plainest machine: nothing of an instruction set's file runs before the machine is known to have
 * it.
 * Which files a build has, the Makefile says by LULL_HAVE_<set>. */
#ifndef LULL_KERNELS_TABLES_H
#define LULL_KERNELS_TABLES_H

#include "kernels.h"

extern const lull_kernels lull_kernels_portable;
extern const lull_kernels lull_kernels_avx2;
extern const lull_kernels lull_kernels_avx512;
extern const lull_kernels lull_kernels_amx;
extern const lull_kernels lull_kernels_altivec;
extern const lull_kernels lull_kernels_neon;
extern const lull_kernels lull_kernels_dotprod;

int lull_has_avx2(void);   /* AVX2 and FMA */
int lull_has_avx512(void); /* AVX-512 F, BW, DQ, VL and VNNI */
int lull_has_amx(void); /* those, GFNI, and AMX with int8, which the system lets this process use */
int lull_has_altivec(void);
int lull_has_neon(void);    /* 64-bit ARM */
int lull_has_dotprod(void); /* FEAT_DotProd */

#endif
