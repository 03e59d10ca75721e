/* SPDX-License-Identifier: MIT
 *
 * Brownian motion at any times, bit for bit that of torchsde 0.2.6's BrownianTree on the CPU (tol 1e-6,
 * pool_size 24), which k-diffusion's samplers of stochastic equations take their noise from.  So a
 * seed gives their picture whatever the number of steps.
 *
 * The motion over [t0, t1] is halved again and again; what falls to the left half of an interval is
 * drawn given what falls to all of it (Lévy's construction), by a generator whose seed comes from
 * the place of the interval in the tree, through numpy's SeedSequence.
 */
#ifndef SDRT_RUNTIME_RANDOM_BROWNIAN_H
#define SDRT_RUNTIME_RANDOM_BROWNIAN_H

#include "runtime/base/error.h"
#include "runtime/random/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_brownian;

/* Room for the motion of n numbers between t0 < t1.  *out is the caller's, freed by
 * sdrt_brownian_free(); NULL after SDRT_E_ARG or SDRT_E_NOMEM. */
int sdrt_brownian_create(struct sdrt_brownian **out, double t0, double t1, size_t n,
                         const struct sdrt_log *log);
void sdrt_brownian_free(struct sdrt_brownian **b);

/* out [n]: how far the motion of a seed goes from ta to tb, ta <= tb; times are cut to t0 .. t1 and
 * rounded to 1e-6.  Allocates nothing.  One thread at a time. */
void sdrt_brownian_between(struct sdrt_brownian *b, enum sdrt_rng_kind kind, uint64_t seed,
                           double ta, double tb, float *out);

/* numpy.random.SeedSequence(entropy, spawn_key=key, pool_size=24).generate_state(n): the first n words,
 * with n_key parts of the key, none for a root. */
void sdrt_seed_sequence(uint64_t entropy, const uint64_t *key, int n_key, uint32_t *words, int n);

#ifdef __cplusplus
}
#endif

#endif
