/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kernels/blas/threads.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The flags to take as they are, and in *emulated those to emulate on top. */
static unsigned own_flags(const char *name, unsigned *emulated)
{
    const struct sdrt_isa_level *l = sdrt_isa_find(name);
    const unsigned have = sdrt_isa_detect(), missing = l ? l->flags & ~have : 0;

    *emulated = 0;
    if (!missing || (missing & ~(unsigned)TEMULATED) || getenv("SDRT_REQUIRE_ISA"))
        return tlevel(name);
    fprintf(stderr, "%s is emulated here\n", name);
    *emulated = missing;
    return l->flags & have;
}

static void fill(struct sdrt_ops *ops, unsigned own, unsigned emulated)
{
    memset(ops, 0, sizeof *ops);
    sdrt_ops_init(ops, own);
#if HAVE_EMULATION
    sdrt_ops_init_emulated(ops, emulated);
#else
    (void)emulated;
#endif
}

/* Fills the bytes of *ops from at on, which are one family's, at the level. */
static void fill_family(void *ops, size_t at, size_t bytes, const char *level)
{
    unsigned emulated;
    const unsigned own = own_flags(level, &emulated), flag = sdrt_isa_find(level)->own;
    struct sdrt_ops all, below;

    fill(&all, own, emulated);
    fill(&below, own & ~flag, emulated & ~flag);
    if (flag && !memcmp((const char *)&all + at, (const char *)&below + at, bytes))
        cr_skip_test("%s has no kernels of its own here", level);
    memcpy(ops, (const char *)&all + at, bytes);
    sdrt_blas_hold(); /* until the test's process ends: it calls the kernels itself */
}

void tgemm_init(struct sdrt_gemm_ops *ops, const char *level)
{
    fill_family(ops, offsetof(struct sdrt_ops, gemm), sizeof *ops, level);
}

void tconv_init(struct sdrt_conv_ops *ops, const char *level)
{
    fill_family(ops, offsetof(struct sdrt_ops, conv), sizeof *ops, level);
}

void tattention_init(struct sdrt_attention_ops *ops, const char *level)
{
    fill_family(ops, offsetof(struct sdrt_ops, attention), sizeof *ops, level);
}

void tnorm_init(struct sdrt_norm_ops *ops, const char *level)
{
    fill_family(ops, offsetof(struct sdrt_ops, norm), sizeof *ops, level);
}

void telementwise_init(struct sdrt_elementwise_ops *ops, const char *level)
{
    fill_family(ops, offsetof(struct sdrt_ops, elementwise), sizeof *ops, level);
}
