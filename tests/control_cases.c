/* SPDX-License-Identifier: MIT */
#include "tests/control_cases.h"
#include "runtime/graph/program.h"
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void shown_make(struct shown *s)
{
    int w, h;

    s->rgb[0] = golden_picture("init", &w, &h);
    s->rgb[1] = golden_picture("mask", &w, &h);
    s->rgb[2] = malloc(N);
    for (int i = 0; i < W * H; i++)
        memcpy(s->rgb[2] + i * 3, s->rgb[0] + (i / W * W + W - 1 - i % W) * 3, 3);
    for (int i = 0; i < 3; i++) s->pictures[i] = (struct sdrt_picture){ s->rgb[i], W, H, 3, 0 };
}

void shown_free(struct shown *s)
{
    for (int i = 0; i < 3; i++) free(s->rgb[i]);
}

struct sdrt_request control_case_request(const struct picture_case *p, struct shown *s,
                                         const char *net)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = "a photo of a small red cat, 42 stars";
    r.negative_prompt = p->negative;
    r.sampler = p->sampler;
    r.steps = p->steps;
    r.cfg_scale = p->cfg;
    r.width = W;
    r.height = H;
    r.seed = 7;
    r.control_guess = p->guess;
    r.n_controls = p->n;
    r.controls = s->controls;
    for (int i = 0; i < p->n; i++)
        s->controls[i] = (struct sdrt_control){ net, &s->pictures[i], p->scale[i], p->start[i],
                                                p->end[i] };
    if (p->strength > 0.0f) {
        r.init = &s->pictures[2];
        r.strength = p->strength;
    }
    return r;
}

void expect_lower_bounds(const struct sdrt_context *c, const char *name)
{
    const struct sdrt_session *s = sdrt_session_of(c);

    for (int i = 0; i < s->n_passes; i++)
        if (s->programs[i])
            cr_expect_eq(sdrt_program_peak(s->programs[i]),
                         sdrt_program_lower_bound(s->programs[i]), "%s: %s", name,
                         s->model->passes[i].name);
}

void control_case_check(struct sdrt_context *c, const struct picture_case *p, const char *kind,
                        const char *net, const char *const *types)
{
    struct shown s;
    char name[64];
    int w, h;

    shown_make(&s);
    struct sdrt_request r = control_case_request(p, &s, net);
    r.control_types = types;
    snprintf(name, sizeof name, "%s-%s-%s", p->model, kind, p->name);
    uint8_t *want = golden_picture(name, &w, &h);
    expect_quiet(sdrt_generate(c, &r), name);
    const double db = pictures_psnr(sdrt_image(c, 0, NULL, NULL), want, N);
    cr_expect_gt(db, 50.0, "%s: %.1f dB from diffusers'", name, db);
    if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s: %.1f dB\n", name, db);
    expect_lower_bounds(c, name);
    free(want);
    shown_free(&s);
}
