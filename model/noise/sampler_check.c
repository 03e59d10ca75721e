/* SPDX-License-Identifier: MIT
 *
 * What a sampler is asked for, checked before it is planned.
 */
#include "model/noise/sampler_internal.h"

enum { MAX_TRAIN_STEPS = 100000 };

static int check_noise_model(const struct sdrt_noise_model *m, const struct sdrt_log *log)
{
    if (m->train_steps < 2 || m->train_steps > MAX_TRAIN_STEPS)
        return sdrt_fail(log, SDRT_E_ARG, "noise model: %d training steps, expected 2 to %d",
                         m->train_steps, MAX_TRAIN_STEPS);
    if (m->prediction == SDRT_PREDICTION_FLOW) {
        if (m->flow_shift > 0.0 && m->flow_shift <= 1000.0) return 0;
        return sdrt_fail(log, SDRT_E_ARG, "noise model: flow shift %g, expected above 0 to 1000",
                         m->flow_shift);
    }
    if (m->edm) {
        if (m->sigma_min > 0.0 && m->sigma_min < m->sigma_max && m->sigma_max < 1e6 &&
            m->sigma_data > 0.0 && m->sigma_data < 1e6)
            return 0;
        return sdrt_fail(log, SDRT_E_ARG,
                         "noise model: sigmas %g to %g, of data of %g: expected rising above 0",
                         m->sigma_min, m->sigma_max, m->sigma_data);
    }
    if (m->steps_offset < 0 || m->steps_offset >= m->train_steps)
        return sdrt_fail(log, SDRT_E_ARG, "noise model: steps offset %d, expected 0 to %d",
                         m->steps_offset, m->train_steps - 1);
    if (m->beta_start > 0.0 && m->beta_start <= m->beta_end && m->beta_end < 1.0) return 0;
    return sdrt_fail(log, SDRT_E_ARG, "noise model: betas %g to %g, expected rising within 0 to 1",
                     m->beta_start, m->beta_end);
}

/* Noise levels or timesteps of the caller's own. */
static int check_given(const struct sdrt_sampler_params *p,
                       const struct sdrt_sampler_method *method)
{
    const int n = p->n_sigmas ? p->n_sigmas : p->n_timesteps;
    const double *at = p->n_sigmas ? p->sigmas : p->own_timesteps;
    const double most = p->n_sigmas ? 1e6 : p->noise.train_steps - 1.0;
    const char *what = p->n_sigmas ? "sigma" : "timestep";

    if (!n) return SDRT_OK;
    if (p->n_sigmas && !method->has_schedules)
        return sdrt_fail(p->log, SDRT_E_ARG, "sampler %s: expected timesteps, not sigmas",
                         method->name);
    if (p->noise.edm && p->n_timesteps)
        return sdrt_fail(p->log, SDRT_E_ARG,
                         "sampler %s: expected sigmas, since a model of EDM has no "
                         "timesteps",
                         method->name);
    if (p->schedule != SDRT_SCHEDULE_DEFAULT)
        return sdrt_fail(p->log, SDRT_E_ARG, "schedule %s: expected none beside %ss of one's own",
                         sdrt_schedule_name(p->schedule), what);
    for (int i = 0; i < n; i++)
        if (!(at[i] >= (p->n_sigmas ? 1e-6 : 0.0) && at[i] <= most) || (i && at[i] >= at[i - 1]))
            return sdrt_fail(p->log, SDRT_E_ARG,
                             "%s %g: expected them to fall, from at most %g to above "
                             "0",
                             what, at[i], most);
    return SDRT_OK;
}

static int check_params(const struct sdrt_sampler_params *p,
                        const struct sdrt_sampler_method *method)
{
    const int flow = p->noise.prediction == SDRT_PREDICTION_FLOW;

    if (!method || (unsigned)p->schedule >= SDRT_SCHEDULE_COUNT ||
        (unsigned)p->noise.prediction > SDRT_PREDICTION_FLOW ||
        (unsigned)p->noise.spacing >= SDRT_SPACING_COUNT)
        return sdrt_fail(p->log, SDRT_E_ARG,
                         "sampler: a sampler, schedule, prediction or spacing that is none of "
                         "their enums");
    if (p->schedule != SDRT_SCHEDULE_DEFAULT && !method->has_schedules)
        return sdrt_fail(p->log, SDRT_E_UNSUPPORTED, "sampler %s has no %s schedule", method->name,
                         sdrt_schedule_name(p->schedule));
    if (flow && !method->has_flow)
        return sdrt_fail(
            p->log, SDRT_E_UNSUPPORTED,
            "sampler %s cannot run a flow-matching model, expected euler, dpmpp_2m, heun, dpm2, "
            "lms, ipndm, res_multistep, er_sde, gradient_estimation, heunpp2, euler_cfg_pp or "
            "euler_a_cfg_pp",
            method->name);
    if (p->noise.edm && !method->uses_sigmas && p->kind != SDRT_SAMPLER_DPMPP_2M)
        return sdrt_fail(
            p->log, SDRT_E_UNSUPPORTED,
            "sampler %s cannot run a model of EDM, expected one of euler, euler_a, heun, "
            "dpmpp_2m and the others of k-diffusion",
            method->name);
    if (flow && (p->schedule == SDRT_SCHEDULE_AYS || p->schedule == SDRT_SCHEDULE_AYS_SDXL))
        return sdrt_fail(p->log, SDRT_E_UNSUPPORTED,
                         "schedule %s is not for flow-matching models, expected default",
                         sdrt_schedule_name(p->schedule));
    if (p->noise.edm && p->schedule > SDRT_SCHEDULE_EXPONENTIAL)
        return sdrt_fail(p->log, SDRT_E_UNSUPPORTED,
                         "schedule %s is not for models of EDM, expected default, karras or "
                         "exponential",
                         sdrt_schedule_name(p->schedule));
    if (check_given(p, method)) return SDRT_E_ARG;
    /* At train_steps the leading spacing would reach past the last timestep. */
    if (p->steps < 1 || p->steps >= p->noise.train_steps)
        return sdrt_fail(p->log, SDRT_E_ARG, "sampler %s: %d steps, expected 1 to %d", method->name,
                         p->steps, p->noise.train_steps - 1);
    if (p->first_step < 0 || p->first_step >= p->steps)
        return sdrt_fail(p->log, SDRT_E_ARG, "sampler %s: first step %d, expected 0 to %d",
                         method->name, p->first_step, p->steps - 1);
    return 0;
}

/* Whether its noise can be raised between steps. */
static int check_churn(const struct sdrt_sampler_params *p,
                       const struct sdrt_sampler_method *method)
{
    const struct sdrt_sampler_tuning *t = p->tuning;

    if (!t || t->churn == 0.0) return SDRT_OK;
    if (!(t->churn > 0.0 && t->churn <= 1000.0) || !(t->tmin >= 0.0) || !(t->tmax >= 0.0))
        return sdrt_fail(p->log, SDRT_E_ARG,
                         "s_churn %g, s_tmin %g, s_tmax %g: expected numbers of 0 and more, up to "
                         "1000",
                         t->churn, t->tmin, t->tmax);
    if (!method->churns)
        return sdrt_fail(p->log, SDRT_E_UNSUPPORTED,
                         "sampler %s: has no s_churn, expected euler, heun or dpm2", method->name);
    if (p->noise.prediction == SDRT_PREDICTION_FLOW)
        return sdrt_fail(p->log, SDRT_E_UNSUPPORTED,
                         "sampler %s: s_churn is not for flow-matching models", method->name);
    return SDRT_OK;
}

int sdrt_sampler_check(const struct sdrt_sampler_params *p,
                       const struct sdrt_sampler_method *method)
{
    int status = check_noise_model(&p->noise, p->log);

    if (!status) status = check_params(p, method);
    return status ? status : check_churn(p, method);
}
