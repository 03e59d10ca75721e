/* SPDX-License-Identifier: MIT
 *
 * Caches: which evaluations of a denoiser do less than the whole, as a rule that is known before the
 * first of them.
 */
#ifndef SDRT_MODEL_NOISE_CACHE_H
#define SDRT_MODEL_NOISE_CACHE_H

#include "runtime/base/error.h"

#include <stddef.h>

enum sdrt_cache_kind {
    SDRT_CACHE_NONE,
    SDRT_CACHE_TAYLOR, /* after TaylorSeer, Liu et al. 2025 (arXiv:2503.06923), of the answer alone: between
                        * whole evaluations it is taken from the line through the last two */
    SDRT_CACHE_EASY, /* EasyCache, Zhou et al. 2025 (arXiv:2507.02860): an evaluation is left out while what
                      * it would change, as estimated on the way, stays small */
    SDRT_CACHE_DEEP, /* DeepCache, Ma et al. 2024 (arXiv:2312.00858): what enters a U-Net's last layers is
                      * kept from the last whole one; here also carried on from the last two */
    SDRT_CACHE_GATE /* T-GATE, Zhang et al. 2024 (arXiv:2404.02747): what cross-attentions add is kept from the
                     * last of the first ones, and the others have no guidance */
};

enum {
    SDRT_CACHE_LEAST = 8 /* evaluations: with fewer, each differs too much from the one before */
};

struct sdrt_cache {
    enum sdrt_cache_kind kind;
    double every; /* DEEP, TAYLOR: after the first ones each so-manieth is whole */
    /* So many evaluations at the beginning, one at least, and at the end are whole.  GATE: first alone, which
     * its options call gate. */
    double first, last;
    double
        threshold; /* EASY: of the answer's relative change, summed up since the last whole one */
    /* DEEP: 0: what is kept is taken as it was; 1: carried on along the line through the last two, on
     * processors. */
    double order;
    double layers; /* DEEP: how many of a U-Net's last layers are computed in all */
};

/* Name i of a kind but the first, a constant; NULL where the list has ended. */
const char *sdrt_cache_name(int i);

/* Reads "name" or "name:option=number,..." with the defaults of what is not there; NULL is
 * SDRT_CACHE_NONE.  SDRT_E_ARG, with one line. */
int sdrt_cache_parse(struct sdrt_cache *out, const char *text, const struct sdrt_log *log);

/* Writes it so with all options; at most size bytes.  Returns text, "" for SDRT_CACHE_NONE. */
char *sdrt_cache_text(const struct sdrt_cache *c, char *text, size_t size);

/* Whether evaluation e of n computes the whole denoiser; for EASY, whether it must. */
int sdrt_cache_whole(const struct sdrt_cache *c, int e, int n);

#endif
