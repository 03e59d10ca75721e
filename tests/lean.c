/* SPDX-License-Identifier: MIT */
#include "tests/lean.h"

#include "bench/allocations.h"
#include "model/pipeline/bands.h"

#include <criterion/criterion.h>

int lean_count(void *user, enum sdrt_stage stage, int done, int total)
{
    struct lean *l = user;

    if (stage != SDRT_STAGE_DENOISE) return 0;
    if (done == 1) l->first = sdrt_allocations();
    if (done == total && total > 1) {
        l->allocated += sdrt_allocations() - l->first;
        l->runs++;
    }
    return 0;
}

void expect_lean(struct sdrt_context *c, const struct lean *l, const char *name)
{
    const struct sdrt_session *s = sdrt_session_of(c);

    cr_expect_gt(l->runs, 0, "%s: no steps", name);
    cr_expect_gt(l->first, 0, "%s: the counter counts nothing", name);
    cr_expect_eq(l->allocated, 0, "%s: %ld allocations in its steps", name, l->allocated);
    for (int i = 0; i < s->n_passes; i++)
        if (s->programs[i])
            cr_expect_eq(sdrt_program_peak(s->programs[i]),
                         sdrt_program_lower_bound(s->programs[i]), "%s: %s", name,
                         s->model->passes[i].name);
    for (int i = 0; i < SDRT_VAE_SIDES; i++)
        if (s->bands[i]) cr_expect_eq(sdrt_bands_excess(s->bands[i]), 0, "%s: bands", name);
}
