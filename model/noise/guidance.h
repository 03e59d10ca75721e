/* SPDX-License-Identifier: MIT
 *
 * Other ways than a straight line from what a denoiser says without a prompt to what it says with one.
 */
#ifndef SDRT_MODEL_NOISE_GUIDANCE_H
#define SDRT_MODEL_NOISE_GUIDANCE_H

#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_guidance_kind {
    SDRT_GUIDANCE_PLAIN,
    SDRT_GUIDANCE_APG, /* Sadat et al. 2024 (arXiv:2410.02416): of the difference, the part along the
                            * conditional answer is weakened, its length bounded, and earlier ones count */
    SDRT_GUIDANCE_CFG_ZERO /* Fan et al. 2025 (arXiv:2503.18886): the unconditional answer is scaled to fit,
                            * and the first evaluations answer nothing */
};

struct sdrt_guidance {
    enum sdrt_guidance_kind kind;
    double eta;       /* APG: how much of the part along the conditional answer stays */
    double threshold; /* APG: the most length of the difference of an image; 0: any */
    double momentum;  /* APG: how much of the difference before is added */
    double zero;      /* CFG_ZERO: how many evaluations at the begin answer nothing */
};

/* Name i of a kind but the first, a constant; NULL where the list has ended. */
const char *sdrt_guidance_name(int i);

/* Reads "name" or "name:option=number,..." with the defaults of what is not there; NULL and "none" are
 * SDRT_GUIDANCE_PLAIN.  SDRT_E_ARG, with one line. */
int sdrt_guidance_parse(struct sdrt_guidance *out, const char *text, const struct sdrt_log *log);

/* Writes it so with all options; at most size bytes.  Returns text, "" for SDRT_GUIDANCE_PLAIN. */
char *sdrt_guidance_text(const struct sdrt_guidance *g, char *text, size_t size);

/* Whether the answer of evaluation e is nothing at all. */
int sdrt_guidance_is_zero(const struct sdrt_guidance *g, int e);

/* One image's answers, n numbers each in any order, of a kind that is not PLAIN: out, which may be one of
 * them, from conditional and unconditional by scale.  before [n] is read and written by a momentum that
 * is not 0, else it may be NULL; it begins with zeros.  As diffusers' guiders of these names. */
void sdrt_guidance_apply(const struct sdrt_guidance *g, float scale, size_t n,
                         const float *conditional, const float *unconditional, float *before,
                         float *out);

#ifdef __cplusplus
}
#endif

#endif
