/* select.c - which kernels there are, which of them this machine runs, and which were asked for. */
#if defined(__linux__)
#define _DEFAULT_SOURCE 1 /* syscall */ /* NOLINT(bugprone-reserved-identifier) */
#endif

#include "tables.h"

#include <stdio.h>

/* ---- what the machine has */

#if defined(LULL_HAVE_AVX2) || defined(LULL_HAVE_AVX512)
#include <cpuid.h>

#define CPUID1_FMA        (1u << 12) /* leaf 1, ecx */
#define CPUID1_OSXSAVE    (1u << 27) /* leaf 1, ecx */
#define CPUID7_AVX2       (1u << 5)  /* leaf 7, ebx */
#define CPUID7_AVX512F    (1u << 16)
#define CPUID7_AVX512DQ   (1u << 17)
#define CPUID7_AVX512BW   (1u << 30)
#define CPUID7_AVX512VL   (1u << 31)
#define CPUID7_AVX512VNNI (1u << 11) /* leaf 7, ecx */
#define CPUID7_GFNI       (1u << 8)
#define CPUID7_AMX_TILE   (1u << 24) /* leaf 7, edx */
#define CPUID7_AMX_INT8   (1u << 25)
#define XCR0_YMM          0x06u    /* the system saves xmm and ymm */
#define XCR0_ZMM          0xe6u    /* and masks and zmm */
#define XCR0_TILES        0x60000u /* and the shapes of tiles and tiles */

typedef struct features {
    unsigned ecx1, ebx7, ecx7, edx7, xcr0;
} features;

static features read_features(void)
{
    features f = {0, 0, 0, 0, 0};
    unsigned eax, ebx, ecx, edx;

    if (__get_cpuid_max(0, NULL) < 7) return f;
    __cpuid(1, eax, ebx, ecx, edx);
    if ((ecx & CPUID1_OSXSAVE) == 0) return f;
    f.ecx1 = ecx;
    __cpuid_count(7, 0, eax, ebx, ecx, edx);
    f.ebx7 = ebx;
    f.ecx7 = ecx;
    f.edx7 = edx;
    __asm__ volatile("xgetbv" : "=a"(f.xcr0), "=d"(edx) : "c"(0));
    return f;
}

int lull_has_avx2(void)
{
    const features f = read_features();
    return (f.xcr0 & XCR0_YMM) == XCR0_YMM && (f.ecx1 & CPUID1_FMA) != 0 &&
           (f.ebx7 & CPUID7_AVX2) != 0;
}

int lull_has_avx512(void)
{
    const unsigned wanted = CPUID7_AVX512F | CPUID7_AVX512DQ | CPUID7_AVX512BW | CPUID7_AVX512VL;
    const features f = read_features();
    return lull_has_avx2() && (f.xcr0 & XCR0_ZMM) == XCR0_ZMM && (f.ebx7 & wanted) == wanted &&
           (f.ecx7 & CPUID7_AVX512VNNI) != 0;
}
#endif

#if defined(LULL_HAVE_AMX)
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023 /* arch_prctl: may this process use a large part of the state? */
#define XFEATURE_XTILEDATA  18

/* A thread's tiles are 8 KB that Linux saves only for processes that have asked; asking again is
 * harmless.  Old kernels refuse, and so may a sandbox. */
static int may_use_tiles(void)
{
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
static int may_use_tiles(void)
{
    return 0; /* how other systems are asked is not known here */
}
#endif

int lull_has_amx(void)
{
    const unsigned wanted = CPUID7_AMX_TILE | CPUID7_AMX_INT8;
    const features f = read_features();
    return lull_has_avx512() && (f.ecx7 & CPUID7_GFNI) != 0 && (f.edx7 & wanted) == wanted &&
           (f.xcr0 & XCR0_TILES) == XCR0_TILES && may_use_tiles();
}
#endif

#if defined(LULL_HAVE_ALTIVEC)
#if defined(__APPLE__)
#include <sys/sysctl.h>
#include <sys/types.h>

int lull_has_altivec(void)
{
    int has = 0;
    size_t bytes = sizeof has;
    return sysctlbyname("hw.optional.altivec", &has, &bytes, NULL, 0) == 0 && has != 0;
}
#else
#include <sys/auxv.h>

#define HWCAP_ALTIVEC 0x10000000ul

int lull_has_altivec(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_ALTIVEC) != 0;
}
#endif
#endif

#if defined(LULL_HAVE_NEON)
int lull_has_neon(void)
{
    return 1; /* ARMv8-A has it */
}
#endif

#if defined(LULL_HAVE_DOTPROD)
#if defined(__APPLE__)
#include <sys/sysctl.h>
#include <sys/types.h>

int lull_has_dotprod(void)
{
    int has = 0;
    size_t bytes = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &bytes, NULL, 0) == 0 && has != 0;
}
#elif defined(__linux__)
#include <sys/auxv.h>

#define HWCAP_DOTPROD (1ul << 20) /* HWCAP_ASIMDDP */

int lull_has_dotprod(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_DOTPROD) != 0;
}
#else
int lull_has_dotprod(void)
{
    return 0; /* no way to ask is known */
}
#endif
#endif

/* ---- the tables */

static const lull_kernels *const tables[] = {
    &lull_kernels_portable,
#if defined(LULL_HAVE_AVX2)
    &lull_kernels_avx2,
#endif
#if defined(LULL_HAVE_AVX512)
    &lull_kernels_avx512,
#endif
#if defined(LULL_HAVE_AMX)
    &lull_kernels_amx,
#endif
#if defined(LULL_HAVE_ALTIVEC)
    &lull_kernels_altivec,
#endif
#if defined(LULL_HAVE_NEON)
    &lull_kernels_neon,
#endif
#if defined(LULL_HAVE_DOTPROD)
    &lull_kernels_dotprod,
#endif
};
#define N_TABLES ((int)(sizeof tables / sizeof tables[0]))

const lull_kernels *const *lull_kernels_all(int *n)
{
    *n = N_TABLES;
    return tables;
}

/* "portable, avx2, avx512" */
static void list_names(char *out, size_t size)
{
    size_t used = 0;
    int i;
    out[0] = '\0';
    for (i = 0; i < N_TABLES && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", tables[i]->name);
}

lull_status lull_kernels_select(const char *name, const lull_kernels **out, lull_error *error)
{
    char names[128];
    int i;

    *out = NULL;
    for (i = N_TABLES - 1; i >= 0; i--) {
        if (name != NULL && strcmp(name, tables[i]->name) != 0) continue;
        if (tables[i]->available()) {
            *out = tables[i];
            return LULL_OK;
        }
        if (name != NULL)
            return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                             "cpu \"%s\": this machine does not have these instructions", name);
    }
    list_names(names, sizeof names);
    return lull_fail(error, LULL_EINVAL, 0, 0, "cpu \"%.32s\": unknown, expected one of: %s",
                     name != NULL ? name : "", names);
}
