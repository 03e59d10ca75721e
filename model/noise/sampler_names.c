/* SPDX-License-Identifier: MIT
 *
 * Samplers and schedules under all the names that people paste: the web UI's, ComfyUI's, diffusers'
 * classes and stable-diffusion.cpp's.  Names are compared by letters and digits alone, small, "+" being
 * "p", without k-diffusion's "k_" and "sample_" in front.
 */
#include "model/noise/sampler_internal.h"
#include "runtime/base/choices.h"

#include <ctype.h>
#include <string.h>

/* Others than the name itself, blanks between. */
static const char *const sampler_spellings[SDRT_SAMPLER_COUNT] = {
    [SDRT_SAMPLER_EULER] = ("eulerdiscretescheduler eulerdiscrete flowmatcheulerdiscretescheduler "
                            "edmeulerscheduler"),
    [SDRT_SAMPLER_EULER_A] =
        ("eulerancestral eulerancestraldiscretescheduler eulerancestraldiscrete "
         "ddpm ddpmscheduler ddpmparallelscheduler"), /* whose step is this one with an eta of 1 */
    [SDRT_SAMPLER_DDIM] = "ddimscheduler ddimparallelscheduler ddimtrailing",
    [SDRT_SAMPLER_DPMPP_2M] = ("dpmsolvermultistepscheduler dpmsolvermultistep dpmsolverpp "
                               "edmdpmsolvermultistepscheduler"),
    [SDRT_SAMPLER_HEUN] = "heundiscretescheduler heundiscrete flowmatchheundiscretescheduler",
    [SDRT_SAMPLER_LCM] = "lcmscheduler",
    [SDRT_SAMPLER_DPM2] = "kdpm2discretescheduler kdpm2discrete",
    [SDRT_SAMPLER_DPM2_A] = "dpm2ancestral kdpm2ancestraldiscretescheduler kdpm2ancestraldiscrete",
    [SDRT_SAMPLER_DPMPP_2S_A] = "dpmpp2sancestral",
    [SDRT_SAMPLER_DPMPP_SDE] = "dpmsolversdescheduler dpmsolversde dpmppsdegpu",
    [SDRT_SAMPLER_DPMPP_2M_SDE] = "dpmpp2msdegpu",
    [SDRT_SAMPLER_DPMPP_3M_SDE] = "dpmpp3msdegpu",
    [SDRT_SAMPLER_LMS] = "lmsdiscretescheduler lmsdiscrete",
    [SDRT_SAMPLER_IPNDM] = "ipndmscheduler",
    [SDRT_SAMPLER_RES_MULTISTEP] = "resmultistep",
    [SDRT_SAMPLER_UNIPC_2] = "unipcmultistepscheduler unipcmultistep",
    [SDRT_SAMPLER_UNIPC] = "unipcbh1",
    [SDRT_SAMPLER_PLMS] = "pndm pndmscheduler",
    [SDRT_SAMPLER_TCD] = "tcdscheduler",
    [SDRT_SAMPLER_DEIS] = "deismultistepscheduler deismultistep",
    [SDRT_SAMPLER_EULER_A_CFG_PP] = "eulerancestralcfgpp",
    [SDRT_SAMPLER_DPMPP_2S_A_CFG_PP] = "dpmpp2sancestralcfgpp",
};

static const struct {
    const char *name, *spellings;
} schedules[SDRT_SCHEDULE_COUNT] = {
    [SDRT_SCHEDULE_DEFAULT] = { "default", "automatic auto discrete" },
    [SDRT_SCHEDULE_KARRAS] = { "karras", "usekarrassigmas" },
    [SDRT_SCHEDULE_EXPONENTIAL] = { "exponential", "polyexponential useexponentialsigmas" },
    [SDRT_SCHEDULE_SGM_UNIFORM] = { "sgm_uniform", "sgmuniform" },
    [SDRT_SCHEDULE_SIMPLE] = { "simple", "" },
    [SDRT_SCHEDULE_NORMAL] = { "normal", "uniform" },
    [SDRT_SCHEDULE_DDIM] = { "ddim_uniform", "ddim" },
    [SDRT_SCHEDULE_BETA] = { "beta", "usebetasigmas" },
    [SDRT_SCHEDULE_AYS] = { "ays", "alignyoursteps ayssd15" },
    [SDRT_SCHEDULE_AYS_SDXL] = { "ays_sdxl", "alignyourstepssdxl" },
    [SDRT_SCHEDULE_KL_OPTIMAL] = { "kl_optimal", "" },
    [SDRT_SCHEDULE_LINEAR_QUADRATIC] = { "linear_quadratic", "" },
};

/* ---- names of what is not here, folded, with the nearest that is ---- */

struct absent {
    const char *names, *near;
};

static const struct absent absent_samplers[] = {
    { "dpmpp2mv2 dpmpp2malt", "dpmpp_2m" },
    { "dpmpp2msdeheun dpmpp2msdeheungpu sasolver sasolverpece sasolverscheduler "
      "cosinedpmsolvermultistepscheduler",
      "dpmpp_2m_sde" },
    { "dpmsolversinglestepscheduler dpmsolversinglestep expheun2x0 res2s", "dpmpp_2s_a" },
    { "seeds2 seeds3 expheun2x0sde", "dpmpp_sde" },
    { "ipndmv", "ipndm" },
    { "res2m resmultistepancestral", "res_multistep" },
    { "resmultistepancestralcfgpp", "res_multistep_cfg_pp" },
    { "ddimcfgpp cfgppddim", "euler_cfg_pp" },
    { "ddiminversescheduler dpmsolvermultistepinversescheduler repaintscheduler", "ddim" },
    { "karrasvescheduler scoresdevescheduler", "heun" },
    { "unclipscheduler ddpmwuerstchenscheduler ltxeulerancestralrfscheduler", "euler_a" },
    { "cmstochasticiterativescheduler flowmatchlcmscheduler", "lcm" },
    { "eulerdy eulersmeady eulermax eulernegative eulerdynegative", "euler" },
};

static const struct absent absent_schedules[] = {
    { "gits aysgits alignyourstepsgits ays11 ays32 alignyoursteps11 alignyoursteps32", "ays" },
    { "beta57", "beta" },
    { "bongtangent smoothstep", "kl_optimal" },
    { "laplace", "karras" },
    { "vp", "normal" },
    { "turbo sdturbo lcm", "sgm_uniform" },
    { "uselulambdas lulambdas", "exponential" },
    { "useflowsigmas flowsigmas", "default" },
};

const char *sdrt_schedule_name(int kind)
{
    return (unsigned)kind < SDRT_SCHEDULE_COUNT ? schedules[kind].name : NULL;
}

/* ---- comparing ---- */

enum { WORD = 64 };

static char lower(char c) { return (char)tolower((unsigned char)c); }

/* The letters and digits of a name. */
static void fold(char to[WORD], const char *name)
{
    static const char *const fronts[] = { "sample", "k" };
    size_t n = 0;

    for (; *name && n < WORD - 1; name++) {
        if (isalnum((unsigned char)*name)) to[n++] = lower(*name);
        else if (*name == '+') to[n++] = 'p';
    }
    to[n] = '\0';
    for (int i = 0; i < 2; i++) {
        const size_t m = strlen(fronts[i]);
        /* "k_euler", but not "karras" or diffusers' "KDPM2". */
        if (!strncmp(to, fronts[i], m) && strncmp(to, "kdpm2", 5) && strncmp(to, "kl", 2) &&
            strncmp(to, "kar", 3))
            memmove(to, to + m, strlen(to + m) + 1);
    }
}

/* Whether word is one of a list with blanks between. */
static int is_among(const char *list, const char *word)
{
    const size_t n = strlen(word);

    if (!n || !list) return 0;
    for (const char *p = strstr(list, word); p; p = strstr(p + 1, word))
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return 1;
    return 0;
}

static int sampler_of(const char *folded)
{
    char own[WORD];

    for (int i = 0; i < SDRT_SAMPLER_COUNT; i++) {
        fold(own, sdrt_sampler_name(i));
        if (!strcmp(own, folded) || is_among(sampler_spellings[i], folded)) return i;
    }
    return -1;
}

static int schedule_of(const char *folded)
{
    char own[WORD];

    for (int i = 0; i < SDRT_SCHEDULE_COUNT; i++) {
        fold(own, schedules[i].name);
        if (!strcmp(own, folded) || is_among(schedules[i].spellings, folded)) return i;
    }
    return -1;
}

int sdrt_sampler_find(const char *name, int *schedule)
{
    char folded[WORD];
    int found;

    fold(folded, name);
    if (schedule) *schedule = -1;
    found = sampler_of(folded);
    /* "DPM++ 2M Karras", as older web UIs have it: the longest sampler in front wins. */
    for (size_t n = strlen(folded); found < 0 && schedule && n-- > 1;) {
        char front[WORD];
        memcpy(front, folded, n);
        front[n] = '\0';
        found = sampler_of(front);
        if (found >= 0 && (*schedule = schedule_of(folded + n)) < 0) found = -1;
    }
    return found;
}

int sdrt_schedule_find(const char *name)
{
    char folded[WORD];

    fold(folded, name);
    return schedule_of(folded);
}

/* The nearest to a name that is known but means nothing here, else NULL. */
static const char *near_absent(const struct absent *list, size_t n, const char *name)
{
    char folded[WORD];

    fold(folded, name);
    for (size_t i = 0; i < n; i++)
        if (is_among(list[i].names, folded)) return list[i].near;
    return NULL;
}

static int refuse_absent(const struct sdrt_log *log, const char *what, const char *name,
                         const char *near)
{
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "%s '%s' is not among those here: expected %s, which is nearest", what, name,
                     near);
}

int sdrt_sampler_parse(const char *name, enum sdrt_sampler_kind *out, const struct sdrt_log *log)
{
    const int kind = sdrt_sampler_find(name, NULL);
    const char *near = sdrt_choice_near(sdrt_sampler_name, name);
    const char *nearest = near_absent(absent_samplers,
                                      sizeof absent_samplers / sizeof *absent_samplers, name);
    char known[SDRT_CHOICES];

    if (kind < 0 && nearest) return refuse_absent(log, "sampler", name, nearest);
    if (kind < 0)
        return sdrt_fail(log, SDRT_E_ARG, "unknown sampler '%s'%s%s%s: expected %s", name,
                         near ? " (is it '" : "", near ? near : "", near ? "'?)" : "",
                         sdrt_choices(known, sdrt_sampler_name));
    *out = (enum sdrt_sampler_kind)kind;
    return SDRT_OK;
}

int sdrt_schedule_parse(const char *name, enum sdrt_schedule_kind *out, const struct sdrt_log *log)
{
    const int kind = sdrt_schedule_find(name);
    const char *near = sdrt_choice_near(sdrt_schedule_name, name);
    const char *nearest = near_absent(absent_schedules,
                                      sizeof absent_schedules / sizeof *absent_schedules, name);
    char known[SDRT_CHOICES];

    if (kind < 0 && nearest) return refuse_absent(log, "schedule", name, nearest);
    if (kind < 0)
        return sdrt_fail(log, SDRT_E_ARG, "unknown schedule '%s'%s%s%s: expected %s", name,
                         near ? " (is it '" : "", near ? near : "", near ? "'?)" : "",
                         sdrt_choices(known, sdrt_schedule_name));
    *out = (enum sdrt_schedule_kind)kind;
    return SDRT_OK;
}
