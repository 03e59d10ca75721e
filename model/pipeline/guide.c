/* SPDX-License-Identifier: MIT */
#include "model/pipeline/guide.h"
#include "model/net/unet_parts.h"
#include "model/pipeline/refiner.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_STEPS = 1000, MOST_SCALE = 1000, BITS = 32 };

/* ---- the scale ---- */

/* Number i of a list with commas between; 0 where there is none, or it is no number. */
static int number_at(const char *list, int i, double *value)
{
    char *end;

    for (; i > 0 && *list; i--) {
        list += strcspn(list, ",");
        list += *list == ',';
    }
    if (i || !*list) return 0;
    *value = sdrt_parse_number(list, &end);
    return end > list && (!*end || *end == ',') && isfinite(*value);
}

static int count_of(const char *list)
{
    int n = 1;

    for (; *list; list++) n += *list == ',';
    return n;
}

static float listed(const struct sdrt_request *r, int e, int total)
{
    const int n = count_of(r->cfg_schedule);
    double value = (double)r->cfg_scale;

    number_at(r->cfg_schedule, (int)((long)e * n / total), &value);
    return (float)value;
}

float sdrt_guide_most(const struct sdrt_request *r)
{
    double most, value;

    if (!r->cfg_schedule || !number_at(r->cfg_schedule, 0, &most)) return r->cfg_scale;
    for (int i = 1; number_at(r->cfg_schedule, i, &value); i++) most = fmax(most, value);
    return (float)most;
}

int sdrt_guide_is_guided(const struct sdrt_request *r, int e, int total)
{
    const float share = (float)e / (float)total;

    if (!(share >= r->cfg_start && share < r->cfg_end)) return 0;
    return !r->cfg_schedule || listed(r, e, total) > 1.0f;
}

float sdrt_guide_scale(const struct sdrt_request *r, int e, int total)
{
    if (!sdrt_guide_is_guided(r, e, total)) return 1.0f;
    return r->cfg_schedule ? listed(r, e, total) : r->cfg_scale;
}

static int check_schedule(const struct sdrt_model *m, const struct sdrt_request *r)
{
    const int n = count_of(r->cfg_schedule);
    double value = 0;

    for (int i = 0; i < n; i++)
        if (n > MOST_STEPS || !number_at(r->cfg_schedule, i, &value) ||
            !(fabs(value) <= MOST_SCALE))
            return sdrt_fail(
                m->log, SDRT_E_ARG,
                "cfg schedule \"%.60s\": expected up to %d numbers with commas between, "
                "up to %d",
                r->cfg_schedule, MOST_STEPS, MOST_SCALE);
    if (sdrt_model_config_of(m)->unet.guidance_dim)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cfg schedule: %s is told one guidance scale for all steps: expected none",
                         m->parts[SDRT_PART_BASE].name);
    if (sdrt_model_task(sdrt_model_config_of(m)) == SDRT_TASK_EDIT)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cfg schedule: a model that edits pictures has two scales: expected none");
    return SDRT_OK;
}

/* ---- what is left out of a denoiser ---- */

int sdrt_guide_is_perturbed(const struct sdrt_shape *shape)
{
    unsigned any = 0;

    for (int i = 0; i < SDRT_PERTURBED; i++) any |= shape->perturbed[i];
    return any != 0;
}

static void mark(struct sdrt_shape *shape, int block)
{
    shape->perturbed[block / BITS] |= 1u << block % BITS;
}

/* What neither of them goes with. */
static int check_alone(const struct sdrt_model *m, const struct sdrt_request *r, const char *what)
{
    const char *beside = sdrt_model_refined(m)                       ? "a refiner"
                         : r->n_controls                             ? "control pictures"
                         : r->cache && strcmp(r->cache, "none") != 0 ? "a cache"
                         : r->cfg_rescale > 0.0f                     ? "a cfg rescale"
                         : sdrt_model_task(sdrt_model_config_of(m)) == SDRT_TASK_EDIT
                             ? "a model that edits pictures"
                             : NULL;

    if (!beside) return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s: expected no %s beside it", what,
                     beside + (strncmp(beside, "a ", 2) ? 0 : 2));
}

static int in_range(double value, double low, double high) { return value >= low && value <= high; }

/* Skip-layer guidance, as in diffusers' pipeline of SD 3: numbers of blocks. */
static int check_slg(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_shape *shape)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const char *layers = r->slg_layers ? r->slg_layers : "7,8,9";
    double value = 0;

    if (!in_range((double)r->slg_scale, 0, MOST_SCALE) ||
        !(r->slg_start >= 0.0f && r->slg_start <= r->slg_end && r->slg_end <= 1.0f))
        return sdrt_fail(
            m->log, SDRT_E_ARG,
            "slg scale %g, from %g to %g: expected 0 to %d, and shares that rise from 0 "
            "to 1",
            (double)r->slg_scale, (double)r->slg_start, (double)r->slg_end, MOST_SCALE);
    if (r->slg_scale == 0.0f) return SDRT_OK;
    if (config->denoiser != SDRT_DENOISER_MMDIT)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "slg: %s is no SD 3.x, whose blocks it skips: expected pag of a U-Net",
                         m->parts[SDRT_PART_BASE].name);
    for (int i = 0; i < count_of(layers); i++) {
        if (!number_at(layers, i, &value) || value != rint(value) ||
            !in_range(value, 0, config->mmdit.depth - 1))
            return sdrt_fail(
                m->log, SDRT_E_ARG,
                "slg layers \"%.60s\": expected numbers of blocks from 0 to %d with commas "
                "between",
                layers, config->mmdit.depth - 1);
        mark(shape, (int)value);
    }
    return check_alone(m, r, "slg");
}

/* The name that diffusers has for the self-attention beside a cross-attention. */
static void self_name(const struct sdrt_unet_part *cross, char *name, size_t size)
{
    const char *dot = strchr(cross->name, '.');

    snprintf(name, size, "%s", dot ? dot + 1 : cross->name);
    if (*name) name[strlen(name) - 1] = '1';
}

/* Perturbed-attention guidance, Ahn et al. 2024 (arXiv:2403.17377): layers by a part of their names. */
static int check_pag(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_shape *shape)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const char *layers = r->pag_layers                             ? r->pag_layers
                         : config->denoiser == SDRT_DENOISER_MMDIT ? "blocks.1"
                                                                   : "mid";
    struct sdrt_unet_parts parts = { 0 };

    if (!in_range((double)r->pag_scale, 0, MOST_SCALE) ||
        !in_range((double)r->pag_adaptive_scale, 0, MOST_SCALE))
        return sdrt_fail(m->log, SDRT_E_ARG, "pag scale %g, adaptive %g: expected 0 to %d",
                         (double)r->pag_scale, (double)r->pag_adaptive_scale, MOST_SCALE);
    if (r->pag_scale == 0.0f) return SDRT_OK;
    if (sdrt_guide_is_perturbed(shape))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "pag: expected no slg beside it");
    shape->own = config->denoiser == SDRT_DENOISER_MMDIT;
    if (!shape->own) sdrt_unet_list_parts(&config->unet, &parts);
    const int n_attentions = shape->own ? config->mmdit.depth : parts.n_cross;
    for (const char *at = layers;; at++) {
        char name[160], part[160];
        const size_t n = strcspn(at, ",");
        int found = 0;
        snprintf(part, sizeof part, "%.*s", (int)n, at);
        for (int i = 0; i < n_attentions && n && n < sizeof part; i++) {
            if (shape->own) snprintf(name, sizeof name, "transformer_blocks.%d.attn", i);
            else self_name(&parts.cross[i], name, sizeof name);
            if (!strstr(name, part)) continue;
            mark(shape, i);
            found = 1;
        }
        if (!found)
            return sdrt_fail(
                m->log, SDRT_E_ARG,
                "pag layers: no self-attention of %s has \"%.40s\" in its name: expected %s and "
                "the like",
                m->parts[SDRT_PART_BASE].name, part,
                shape->own ? "blocks.1, blocks.13.attn"
                           : "mid, down_blocks.1, up_blocks.0.attentions.2");
        at += n;
        if (!*at) break;
    }
    return check_alone(m, r, "pag");
}

float sdrt_guide_push(const struct sdrt_request *r, const struct sdrt_shape *shape, int e,
                      int total, double timestep)
{
    if (!sdrt_guide_is_perturbed(shape)) return 0.0f;
    if (r->slg_scale > 0.0f) {
        const int is_in = (double)e > total * (double)r->slg_start &&
                          (double)e < total * (double)r->slg_end;
        return shape->guided && is_in ? r->slg_scale : 0.0f;
    }
    return fmaxf(r->pag_scale - r->pag_adaptive_scale * (float)(1000.0 - timestep), 0.0f);
}

/* ---- FreeU, Si et al. 2023 (arXiv:2309.11497) ---- */

static int check_freeu(const struct sdrt_model *m, const struct sdrt_request *r,
                       struct sdrt_shape *shape)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    double value = 0;

    if (!r->freeu) return SDRT_OK;
    for (int i = 0; i < 4; i++) {
        if (count_of(r->freeu) != 4 || !number_at(r->freeu, i, &value) || !in_range(value, 0, 10))
            return sdrt_fail(m->log, SDRT_E_ARG,
                             "freeu \"%.60s\": expected b1,b2,s1,s2, four numbers from 0 to 10",
                             r->freeu);
        shape->freeu[i] = (float)value;
    }
    if (config->denoiser != SDRT_DENOISER_UNET || config->unet.levels < 2)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "freeu: %s has no U-Net with two up blocks, which it weighs anew",
                         m->parts[SDRT_PART_BASE].name);
    if (r->cache && strcmp(r->cache, "none"))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "freeu: expected no cache beside it");
    return SDRT_OK;
}

/* ---- all of it ---- */

int sdrt_guide_check(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_shape *shape)
{
    struct sdrt_guidance guidance;
    int status = sdrt_guidance_parse(&guidance, r->guidance, m->log);

    if (status == SDRT_OK && guidance.kind && !shape->guided)
        return sdrt_fail(
            m->log, SDRT_E_ARG,
            "guidance %s: there is none without a cfg scale above 1, or where the model is "
            "told it",
            r->guidance);
    if (status == SDRT_OK && r->cfg_schedule) status = check_schedule(m, r);
    if (status == SDRT_OK) status = check_slg(m, r, shape);
    if (status == SDRT_OK) status = check_pag(m, r, shape);
    if (status == SDRT_OK) status = check_freeu(m, r, shape);
    shape->momentum = guidance.kind == SDRT_GUIDANCE_APG && guidance.momentum != 0.0;
    return status;
}
