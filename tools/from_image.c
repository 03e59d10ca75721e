/* SPDX-License-Identifier: MIT */
#include "tools/from_image.h"
#include "model/noise/cache.h"
#include "model/noise/guidance.h"
#include "model/pipeline/parameters.h"
#include "model/pipeline/precision.h"
#include "runtime/base/numbers.h"
#include "tools/option_values.h"
#include "runtime/files/picture_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *from_image_find(int argc, char **argv)
{
    static const char option[] = "--from-image";
    const size_t n = sizeof option - 1;
    const char *path = NULL;

    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
        if (strncmp(argv[i], option, n)) continue;
        if (argv[i][n] == '=') path = argv[i] + n + 1;
        else if (!argv[i][n] && i + 1 < argc) path = argv[++i];
    }
    return path;
}

/* ---- "key: value" pairs ---- */

/* Takes the first pair off *at, cutting the text up: 0 where none is left. */
static int next_pair(char **at, char **key, char **value)
{
    char *p = *at + strspn(*at, " ,"), *colon = strchr(p, ':');

    if (!*p || !colon) return 0;
    *colon = '\0';
    *key = p;
    p = colon + 1 + strspn(colon + 1, " ");
    *value = p;
    if (*p == '"') {
        char *to = *value = p + 1;
        for (p++; *p && *p != '"'; p++) {
            if (*p == '\\' && p[1]) p++;
            *to++ = *p == 'n' && p[-1] == '\\' ? '\n' : *p;
        }
        p += *p == '"';
        char *rest = p + strcspn(p, ",");
        *at = rest + (*rest != '\0');
        *to = '\0';
        return 1;
    }
    p += strcspn(p, ",");
    *at = p + (*p != '\0');
    *p = '\0';
    return 1;
}

static int whole(int *to, const char *text, int low, int high)
{
    return cli_whole(to, "from-image", text, low, high, NULL);
}

static int size_of(int *width, int *height, const char *text)
{
    return sscanf(text, "%dx%d", width, height) == 2 && *width > 0 && *height > 0 ? SDRT_OK
                                                                                  : SDRT_E_FORMAT;
}

static int number_of(double *to, const char *text)
{
    return cli_number(to, "from-image", text, -1e6, 1e6, NULL);
}

/* A name that a list has, as the options would take it. */
static int name_of(const char **to, enum sdrt_list list, const char *label)
{
    const int i = sdrt_list_find(list, label);

    if (i < 0) return SDRT_E_FORMAT;
    *to = sdrt_list_name(list, i);
    return SDRT_OK;
}

static int seed_of(struct sdgen_options *o, const char *text)
{
    char *end;

    o->request.seed = strtoull(text, &end, 10);
    o->random_seed = 0;
    return *text >= '0' && *text <= '9' && !*end ? SDRT_OK : SDRT_E_FORMAT;
}

/* 1 where nothing is to be repeated of it: it says what is done anyway, or by whom. */
static int is_silent(const char *key)
{
    static const char *const silent[] = { "Version",  "Model",       "Model hash", "VAE",
                                          "VAE hash", "Lora hashes", "TI hashes",  "Hashes" };

    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (!strcmp(key, silent[i])) return 1;
    return 0;
}

static int natural_of(uint64_t *to, const char *text)
{
    char *end;

    *to = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end ? SDRT_OK : SDRT_E_FORMAT;
}

static int share_of(float *to, const char *text)
{
    double value = 0;
    const int status = cli_number(&value, "from-image", text, 0, 1, NULL);

    *to = (float)value;
    return status;
}

/* "0-0.6", as parameters have it. */
static int range_of(float *start, float *last, const char *text)
{
    char first[32] = "";
    const size_t n = strcspn(text, "-");

    if (!text[n] || n >= sizeof first) return SDRT_E_FORMAT;
    memcpy(first, text, n);
    const int status = share_of(start, first);
    return status ? status : share_of(last, text + n + 1);
}

static int scale_of(float *to, const char *text)
{
    double value = 0;
    const int status = cli_number(&value, "from-image", text, 0, 1000, NULL);

    *to = (float)value;
    return status;
}

/* Whether a key is of guidance beside its scale; *status then says whether its value is right. */
static int take_guiding(struct sdrt_request *r, const char *key, const char *value, int *status)
{
    const struct {
        const char *key, **to;
    } texts[] = { { "CFG schedule", &r->cfg_schedule },
                  { "SLG layers", &r->slg_layers },
                  { "PAG layers", &r->pag_layers },
                  { "FreeU", &r->freeu },
                  { "Guidance", &r->guidance } };
    const struct {
        const char *key;
        float *to;
    } scales[] = { { "SLG scale", &r->slg_scale },
                   { "PAG scale", &r->pag_scale },
                   { "PAG adaptive scale", &r->pag_adaptive_scale } };
    struct sdrt_guidance guidance;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].key)) continue;
        *texts[i].to = value;
        if (texts[i].to == &r->guidance) *status = sdrt_guidance_parse(&guidance, value, NULL);
        return 1;
    }
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        if (strcmp(key, scales[i].key)) continue;
        *status = scale_of(scales[i].to, value);
        return 1;
    }
    if (strcmp(key, "SLG range")) return 0;
    *status = range_of(&r->slg_start, &r->slg_end, value);
    return 1;
}

/* Whether a key is of noise that is raised between steps, or of noise levels given one by one. */
static int take_tuning(struct sdgen_options *o, const char *key, const char *value, int *status)
{
    struct sdrt_request *r = &o->request;
    const struct {
        const char *key;
        double *to;
    } numbers[] = { { "Sigma churn", &r->s_churn },
                    { "Sigma tmin", &r->s_tmin },
                    { "Sigma tmax", &r->s_tmax },
                    { "Sigma noise", &r->s_noise } };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i].key)) continue;
        *status = cli_number(numbers[i].to, "from-image", value, 0, 1000, NULL);
        return 1;
    }
    if (!strcmp(key, "Seed resize from"))
        *status = size_of(&r->seed_resize_width, &r->seed_resize_height, value);
    else if (!strcmp(key, "Sigmas")) *status = take_sigmas(o, "from-image", value, NULL);
    else if (!strcmp(key, "Timesteps")) *status = take_timesteps(o, "from-image", value, NULL);
    else return 0;
    return 1;
}

/* A precision that this machine lacks is not repeated. */
static int precision_of(const char **to, const char *text)
{
    struct sdrt_precision read;

    if (sdrt_precision_read(&read, text, "", NULL) != SDRT_OK ||
        !sdrt_list_usable(SDRT_LIST_PRECISIONS, sdrt_list_find(SDRT_LIST_PRECISIONS, read.name)))
        return SDRT_E_UNSUPPORTED;
    *to = text;
    return SDRT_OK;
}

/* The rest of take_pair(): what is told of noise and guidance only where it was asked for. */
static int take_noise(struct sdgen_options *o, const char *key, const char *value)
{
    struct sdrt_request *r = &o->request;
    struct sdrt_cache cache;
    int status = SDRT_OK;

    if (!strcmp(key, "Precision")) return precision_of(&o->model.precision, value);
    if (!strcmp(key, "Prompt style"))
        return name_of(&r->prompt_style, SDRT_LIST_PROMPT_STYLES, value);
    if (take_tuning(o, key, value, &status)) return status;
    if (!strcmp(key, "Eta")) return cli_number(&r->eta, "from-image", value, 0, 100, NULL);
    if (!strcmp(key, "ENSD")) return natural_of(&r->eta_noise_seed_delta, value);
    if (!strcmp(key, "Variation seed")) return natural_of(&r->subseed, value);
    if (!strcmp(key, "Variation seed strength")) return share_of(&r->subseed_strength, value);
    if (!strcmp(key, "CFG Rescale")) return share_of(&r->cfg_rescale, value);
    if (!strcmp(key, "CFG range")) return range_of(&r->cfg_start, &r->cfg_end, value);
    if (take_guiding(r, key, value, &status)) return status;
    if (!strcmp(key, "Cache")) {
        r->cache = value;
        return sdrt_cache_parse(&cache, value, NULL);
    }
    return is_silent(key) ? SDRT_OK : SDRT_E_UNSUPPORTED;
}

/* What is behind "Hires ".  An upscaler that no name here is, is a file. */
static int take_hires_pair(struct sdrt_request *r, const char *key, const char *value)
{
    double number = 0;
    int status;

    if (!strcmp(key, "steps")) return whole(&r->hires_steps, value, 0, 1000);
    if (!strcmp(key, "upscale")) {
        status = cli_number(&number, "from-image", value, 0, 8, NULL);
        r->hires = (float)number;
        return status;
    }
    if (strcmp(key, "upscaler")) return SDRT_E_UNSUPPORTED;
    r->hires_upscaler = !strcmp(value, "Latent")             ? "latent"
                        : !strcmp(value, "Latent (nearest)") ? "latent_nearest"
                        : !strcmp(value, "Lanczos")          ? "lanczos"
                                                             : value;
    return SDRT_OK;
}

/* SDRT_OK, SDRT_E_UNSUPPORTED for a key that is not repeated, SDRT_E_FORMAT for a bad value. */
static int take_pair(struct sdgen_options *o, const char *key, const char *value)
{
    struct sdrt_request *r = &o->request;
    double number = 0;
    int status;

    if (!strcmp(key, "Steps")) return whole(&r->steps, value, 1, 1000);
    if (!strcmp(key, "Sampler")) { /* an older one may say the schedule too: "DPM++ 2M Karras" */
        status = name_of(&r->sampler, SDRT_LIST_SAMPLERS, value);
        if (status == SDRT_OK) r->sampler = value;
        return status;
    }
    if (!strcmp(key, "Schedule type")) return name_of(&r->schedule, SDRT_LIST_SCHEDULES, value);
    if (!strcmp(key, "Prediction"))
        return name_of(&o->model.prediction, SDRT_LIST_PREDICTIONS, value);
    if (!strcmp(key, "Spacing")) return name_of(&r->spacing, SDRT_LIST_SPACINGS, value);
    if (!strcmp(key, "Seed")) return seed_of(o, value);
    if (!strcmp(key, "Size")) return size_of(&r->width, &r->height, value);
    if (!strcmp(key, "Clip skip")) return whole(&r->clip_skip, value, 1, 64);
    if (!strcmp(key, "RNG")) {
        r->rng = strcmp(value, "NV") ? "cpu" : "cuda";
        return SDRT_OK;
    }
    if (!strcmp(key, "CFG scale")) {
        status = number_of(&number, value);
        r->cfg_scale = (float)number;
        o->cfg_scale = 1;
        return status;
    }
    if (!strcmp(key, "Denoising strength")) {
        status = number_of(&number, value);
        if (!status && !(number > 0 && number <= 1)) return SDRT_E_FORMAT;
        r->strength = r->hires_strength = (float)number;
        return status;
    }
    if (!strncmp(key, "Hires ", 6)) return take_hires_pair(r, key + 6, value);
    return take_noise(o, key, value);
}

static int take_pairs(struct sdgen_options *o, const char *path, char *at,
                      const struct sdrt_log *log)
{
    char *key, *value, left[256] = "";
    int status = SDRT_OK;

    while (status == SDRT_OK && next_pair(&at, &key, &value)) {
        status = take_pair(o, key, value);
        if (status == SDRT_E_UNSUPPORTED) {
            const size_t used = strlen(left);
            snprintf(left + used, sizeof left - used, "%s%s", used ? ", " : "", key);
            status = SDRT_OK;
        } else if (status != SDRT_OK) {
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: its parameters say %s: %s, which no option here "
                             "takes",
                             path, key, value);
        }
    }
    if (*left) sdrt_note(log, SDRT_LOG_WARNING, "%s: not repeated: %s", path, left);
    return status;
}

/* ---- the text ---- */

/* The last line, where the pairs are; cut off.  NULL where there is none. */
static char *cut_pairs(char *text)
{
    char *line = strrchr(text, '\n');

    if (!line) return strstr(text, "Steps: ") == text ? text : NULL;
    if (strncmp(line + 1, "Steps: ", 7)) return NULL;
    *line = '\0';
    return line + 1;
}

/* What stands before the pairs: the prompt, then the negative one, each perhaps of several lines;
 * NULL for neither. */
static void take_prompts(struct sdgen_options *o, char *text)
{
    static const char mark[] = "\nNegative prompt: ";
    char *between = text ? strstr(text, mark) : NULL;

    o->request.prompt = text ? text : "";
    if (text && !strncmp(text, mark + 1, sizeof mark - 2)) {
        o->request.prompt = "";
        o->request.negative_prompt = text + sizeof mark - 2;
    } else if (between) {
        *between = '\0';
        o->request.negative_prompt = between + sizeof mark - 1;
    }
}

int from_image_apply(struct sdgen_options *o, const char *path, char **text,
                     const struct sdrt_log *log)
{
    struct sdrt_picture_file file;
    int status = sdrt_picture_file_read(&file, path, log);

    *text = NULL;
    if (status != SDRT_OK) return status;
    *text = file.parameters;
    file.parameters = NULL;
    sdrt_picture_file_free(&file);
    if (!*text) return sdrt_fail(log, SDRT_E_FORMAT, "%s: has no parameters to repeat", path);
    char *pairs = cut_pairs(*text);
    if (!pairs)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: expected parameters that end in \"Steps: ...\"",
                         path);
    take_prompts(o, pairs == *text ? NULL : *text);
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    status = take_pairs(o, path, pairs, log);
    sdrt_numbers_end(&numbers);
    return status;
}
