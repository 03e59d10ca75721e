/* SPDX-License-Identifier: MIT */
#include "model/pipeline/parameters.h"
#include "model/pipeline/hashes.h"
#include "model/pipeline/hires.h"
#include "model/pipeline/run.h"
#include "runtime/base/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const labels[][2] = {
    { "euler", "Euler" },
    { "euler_a", "Euler a" },
    { "ddim", "DDIM" },
    { "dpmpp_2m", "DPM++ 2M" },
    { "heun", "Heun" },
    { "lcm", "LCM" },
    { "default", "Automatic" },
    { "karras", "Karras" },
    { "dpm2", "DPM2" },
    { "dpm2_a", "DPM2 a" },
    { "dpmpp_2s_a", "DPM++ 2S a" },
    { "dpmpp_sde", "DPM++ SDE" },
    { "dpmpp_2m_sde", "DPM++ 2M SDE" },
    { "dpmpp_3m_sde", "DPM++ 3M SDE" },
    { "unipc", "UniPC" },
    { "unipc_bh2", "UniPC bh2" },
    { "unipc_2", "UniPC 2" },
    { "plms", "PLMS" },
    { "tcd", "TCD" },
    { "deis", "DEIS" },
    { "dpm_fast", "DPM fast" },
    { "dpm_adaptive", "DPM adaptive" },
    { "restart", "Restart" },
    { "er_sde", "ER SDE" },
    { "euler_cfg_pp", "Euler CFG++" },
    { "euler_a_cfg_pp", "Euler a CFG++" },
    { "dpmpp_2m_cfg_pp", "DPM++ 2M CFG++" },
    { "dpmpp_2s_a_cfg_pp", "DPM++ 2S a CFG++" },
    { "lms", "LMS" },
    { "heunpp2", "HeunPP2" },
    { "exponential", "Exponential" },
    { "sgm_uniform", "SGM Uniform" },
    { "simple", "Simple" },
    { "normal", "Normal" },
    { "ddim_uniform", "DDIM" },
    { "beta", "Beta" },
    { "ays", "Align Your Steps" },
    { "ays_sdxl", "Align Your Steps" },
    { "kl_optimal", "KL Optimal" },
};
enum { LABELS = sizeof labels / sizeof *labels };

const char *sdrt_parameters_label(const char *name)
{
    for (int i = 0; i < LABELS; i++)
        if (!strcmp(labels[i][0], name)) return labels[i][1];
    return name;
}

const char *sdrt_parameters_name(const char *label)
{
    for (int i = 0; i < LABELS; i++)
        if (!strcasecmp(labels[i][1], label)) return labels[i][0];
    return label;
}

/* ", key: value", the value in JSON's quotes where it would not end where it does. */
static void write_text(FILE *f, const char *key, const char *value)
{
    fprintf(f, ", %s: ", key);
    if (!strpbrk(value, ",:\n\"")) {
        fputs(value, f);
        return;
    }
    fputc('"', f);
    for (; *value; value++) {
        if (*value == '\n') fputs("\\n", f);
        else if (*value == '"' || *value == '\\') fprintf(f, "\\%c", *value);
        else fputc(*value, f);
    }
    fputc('"', f);
}

/* What A1111 writes of a picture that was begun with, in its words. */
static void write_begin(const struct sdrt_request *r, FILE *f)
{
    fprintf(f, ", Denoising strength: %g", (double)r->strength);
    if (!sdrt_begin_masked(r)) return;
    if (r->mask_blur > 0.0f) fprintf(f, ", Mask blur: %g", (double)r->mask_blur);
    if (r->mask_invert) fputs(", Mask mode: Inpaint not masked", f);
    if (r->mask_only)
        fprintf(f, ", Inpaint area: Only masked, Masked area padding: %d", r->mask_padding);
    fprintf(f, ", Masked content: %s", sdrt_masked_content_name((int)sdrt_begin_content(r)));
}

/* And of an image that is drawn twice. */
static void write_hires(const struct sdrt_request *r, FILE *f)
{
    if (!sdrt_hires_asked(r)) return;
    fprintf(f, ", Denoising strength: %g, Hires upscale: %g", (double)r->hires_strength,
            (double)r->hires);
    if (r->hires_steps) fprintf(f, ", Hires steps: %d", r->hires_steps);
    write_text(f, "Hires upscaler", sdrt_hires_label(r));
}

/* Ends one, whose text goes to f, and frees it.  This and those that call it give 0 without memory. */
static int write_stream(FILE *f, const char *key, FILE *one, char **text)
{
    const int good = !fclose(one);

    if (good) write_text(f, key, *text);
    free(*text);
    return good;
}

static int write_loras(const struct sdrt_request *r, FILE *f)
{
    char *text = NULL;
    size_t size;
    FILE *list = r->n_loras ? open_memstream(&text, &size) : NULL;

    if (!list) return !r->n_loras;
    for (int i = 0; i < r->n_loras; i++) {
        /* Its folder is the user's own affair. */
        const char *slash = strrchr(r->loras[i].path, '/');
        fprintf(list, "%s%s:%g", i ? ", " : "", slash ? slash + 1 : r->loras[i].path,
                (double)r->loras[i].scale);
    }
    return write_stream(f, "LoRA", list, &text);
}

/* As A1111's extension writes them. */
static int write_controls(const struct sdrt_request *r, FILE *f)
{
    for (int i = 0; i < r->n_controls; i++) {
        const struct sdrt_control *c = &r->controls[i];
        const char *slash = strrchr(c->net, '/');
        char key[24], *text = NULL;
        size_t size;
        FILE *one = open_memstream(&text, &size);
        if (!one) return 0;
        if (r->control_maps && r->control_maps[i]) fprintf(one, "Module: %s, ", r->control_maps[i]);
        if (r->control_types && r->control_types[i])
            fprintf(one, "Type: %s, ", r->control_types[i]);
        fprintf(one,
                "Model: %s, Weight: %g, Guidance Start: %g, Guidance End: %g, Control Mode: %s",
                slash && slash[1] ? slash + 1 : c->net, (double)c->scale, (double)c->start,
                (double)c->end, r->control_guess ? "ControlNet is more important" : "Balanced");
        snprintf(key, sizeof key, "ControlNet %d", i);
        if (!write_stream(f, key, one, &text)) return 0;
    }
    return 1;
}

static int write_image_prompts(const struct sdrt_request *r, FILE *f)
{
    for (int i = 0; i < r->n_ip_adapters; i++) {
        const char *slash = strrchr(r->ip_adapters[i].file, '/');
        char key[24], *text = NULL;
        size_t size;
        if (r->ip_adapters[i].scale == 0.0f) continue;
        FILE *one = open_memstream(&text, &size);
        if (!one) return 0;
        fprintf(one, "Model: %s, Weight: %g",
                slash && slash[1] ? slash + 1 : r->ip_adapters[i].file,
                (double)r->ip_adapters[i].scale);
        snprintf(key, sizeof key, "IP-Adapter %d", i);
        if (!write_stream(f, key, one, &text)) return 0;
    }
    return 1;
}

static void write_list(FILE *f, const char *key, const double *values, int n)
{
    for (int i = 0; i < n; i++) fprintf(f, "%s%g", i ? "," : key, values[i]);
    if (n) fputc('"', f);
}

static void write_guidance(const struct sdrt_run *run, FILE *f)
{
    const struct sdrt_request *r = run->r;
    char text[128];

    if (run->guidance.kind)
        write_text(f, "Guidance", sdrt_guidance_text(&run->guidance, text, sizeof text));
    if (r->cfg_schedule) write_text(f, "CFG schedule", r->cfg_schedule);
    if (r->slg_scale > 0.0f) {
        fprintf(f, ", SLG scale: %g, SLG range: %g-%g", (double)r->slg_scale, (double)r->slg_start,
                (double)r->slg_end);
        if (r->slg_layers) write_text(f, "SLG layers", r->slg_layers);
    }
    if (r->pag_scale > 0.0f) {
        fprintf(f, ", PAG scale: %g", (double)r->pag_scale);
        if (r->pag_adaptive_scale > 0.0f)
            fprintf(f, ", PAG adaptive scale: %g", (double)r->pag_adaptive_scale);
        if (r->pag_layers) write_text(f, "PAG layers", r->pag_layers);
    }
    if (r->freeu) write_text(f, "FreeU", r->freeu);
}

/* What changes the image only where it is asked for. */
static void write_noise(const struct sdrt_run *run, FILE *f)
{
    const struct sdrt_request *r = run->r;
    char cache[128];

    if (r->prompt_style) fprintf(f, ", Prompt style: %s", r->prompt_style);
    if (r->eta >= 0.0) fprintf(f, ", Eta: %g", r->eta);
    if (r->s_churn > 0.0) fprintf(f, ", Sigma churn: %g", r->s_churn);
    if (r->s_churn > 0.0 && r->s_tmin > 0.0) fprintf(f, ", Sigma tmin: %g", r->s_tmin);
    if (r->s_churn > 0.0 && r->s_tmax > 0.0) fprintf(f, ", Sigma tmax: %g", r->s_tmax);
    if (r->s_noise != 1.0) fprintf(f, ", Sigma noise: %g", r->s_noise);
    if (r->eta_noise_seed_delta)
        fprintf(f, ", ENSD: %llu", (unsigned long long)r->eta_noise_seed_delta);
    if (r->subseed_strength > 0.0f)
        fprintf(f, ", Variation seed: %llu, Variation seed strength: %g",
                (unsigned long long)r->subseed, (double)r->subseed_strength);
    if (r->seed_resize_width && r->seed_resize_height)
        fprintf(f, ", Seed resize from: %dx%d", r->seed_resize_width, r->seed_resize_height);
    write_list(f, ", Sigmas: \"", r->sigmas, r->n_sigmas);
    write_list(f, ", Timesteps: \"", r->timesteps, r->n_timesteps);
    if (r->cfg_rescale > 0.0f) fprintf(f, ", CFG Rescale: %g", (double)r->cfg_rescale);
    write_guidance(run, f);
    if (run->cache.kind) write_text(f, "Cache", sdrt_cache_text(&run->cache, cache, sizeof cache));
    if (r->cfg_start > 0.0f || r->cfg_end < 1.0f)
        fprintf(f, ", CFG range: %g-%g", (double)r->cfg_start, (double)r->cfg_end);
}

static int write_settings(const struct sdrt_run *run, int i, FILE *f)
{
    const struct sdrt_request *r = run->r;
    const struct sdrt_model *m = run->s->model;

    fprintf(f, "Steps: %d, Sampler: %s, Schedule type: %s, CFG scale: %g, Seed: %llu, Size: %dx%d",
            r->steps, sdrt_parameters_label(r->sampler), sdrt_parameters_label(r->schedule),
            (double)r->cfg_scale, (unsigned long long)(r->seed + (uint64_t)i), r->width, r->height);
    sdrt_hashes_write_model(m, f);
    write_text(f, "Model", m->parts[SDRT_PART_BASE].name);
    if (m->hashes.vae_name) write_text(f, "VAE", m->hashes.vae_name);
    if (m->told_prediction) fprintf(f, ", Prediction: %s", m->told_prediction);
    if (r->init) write_begin(r, f);
    write_hires(r, f);
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(m)->vae;
    if (vae->tiny_encoder && r->init) fputs(", VAE Encoder: TAESD", f);
    if (vae->tiny_decoder) fputs(", VAE Decoder: TAESD", f);
    if (sdrt_model_task(sdrt_model_config_of(m)) == SDRT_TASK_EDIT)
        fprintf(f, ", Image CFG scale: %g", (double)r->image_cfg_scale);
    if (r->clip_skip) fprintf(f, ", Clip skip: %d", r->clip_skip);
    write_noise(run, f);
    if (r->spacing) fprintf(f, ", Spacing: %s", r->spacing);
    fprintf(f, ", RNG: %s", strcmp(r->rng, "cuda") ? "CPU" : "NV");
    write_text(f, "Precision", sdrt_model_precision_text(m));
    if (sdrt_model_refined(m)) {
        write_text(f, "Refiner", m->parts[SDRT_PART_REFINER].name);
        fprintf(f, ", Refiner switch at: %g", r->refiner_start);
    }
    char *hashes = NULL;
    const int whole = write_controls(r, f) && write_image_prompts(r, f) && write_loras(r, f) &&
                      sdrt_hashes_of_loras(m, r, &hashes) == SDRT_OK;
    if (hashes) write_text(f, "Lora hashes", hashes);
    free(hashes);
    fprintf(f, ", Version: sdrt %s", sdrt_version());
    return whole;
}

char *sdrt_parameters_text(const struct sdrt_run *run, int i)
{
    const struct sdrt_request *r = run->r;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f) return NULL;
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    fprintf(f, "%s\n", r->prompt);
    if (r->negative_prompt && r->negative_prompt[0])
        fprintf(f, "Negative prompt: %s\n", r->negative_prompt);
    const int whole = write_settings(run, i, f);
    sdrt_numbers_end(&numbers);
    if (fclose(f) == 0 && whole) return text;
    free(text);
    return NULL;
}
