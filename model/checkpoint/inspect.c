/* SPDX-License-Identifier: MIT
 *
 * Says what a file is: its tensors by parts, and whether a checkpoint can be made of them.
 */
#include "model/checkpoint/inspect.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/folder_weights.h"
#include "model/sdrt.h"
#include "runtime/base/numbers.h"
#include "runtime/base/printable.h"
#include "runtime/files/path.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 256, LINE = 600 };

struct work {
    const struct sdrt_log *log;
    struct sdrt_tensor_file *files[MAX_FILES];
    int n_files;
    struct sdrt_inspection in;
};

static int out_of_memory(const struct work *w, const char *path)
{
    return sdrt_fail(w->log, SDRT_E_NOMEM, "%s: no memory to inspect it", path);
}

/* Adds a file's tensors, each behind front. */
static int add_file(struct work *w, const char *path, const char *front)
{
    if (w->n_files == MAX_FILES)
        return sdrt_fail(w->log, SDRT_E_UNSUPPORTED, "%s: more than %d files", path,
                         (int)MAX_FILES);
    const int status = sdrt_tensor_file_open(&w->files[w->n_files], path, w->log);
    if (status != SDRT_OK) return status;
    const struct sdrt_tensor_file *f = w->files[w->n_files++];
    const size_t count = sdrt_tensor_file_count(f);
    struct sdrt_inspected *at = realloc(w->in.at, (w->in.n + count + 1) * sizeof *at);
    if (!at) return out_of_memory(w, path);
    w->in.at = at;
    for (size_t i = 0; i < count; i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(f, i);
        const size_t size = strlen(front) + strlen(t->name) + 1;
        char *name = malloc(size);
        if (!name) return out_of_memory(w, path);
        snprintf(name, size, "%s%s", front, t->name);
        w->in.at[w->in.n++] = (struct sdrt_inspected){ name, t };
    }
    return SDRT_OK;
}

/* Adds the files that hold a part's weights, where it has any; what is wrong with them shows when
 * the folder is opened as a model. */
static int add_part(struct work *w, const char *folder, const char *base, const char *front)
{
    struct sdrt_folder_weights weights;
    int status = SDRT_OK;

    status = sdrt_folder_weights_find(&weights, folder, base, "", NULL);
    if (status == SDRT_E_NOMEM) return out_of_memory(w, folder);
    if (status != SDRT_OK) return SDRT_OK;
    for (size_t i = 0; i < weights.n && status == SDRT_OK; i++)
        status = add_file(w, weights.paths[i], front);
    sdrt_folder_weights_free(&weights);
    return status;
}

/* Adds all tensor files of a folder that is neither a model's nor a part's. */
static int add_files_of(struct work *w, const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    int status = SDRT_OK;

    while (d && status == SDRT_OK && (e = readdir(d))) {
        if (*e->d_name == '.' || !sdrt_tensor_file_extension(e->d_name)) continue;
        char *path = sdrt_path_join(folder, e->d_name);
        status = path ? add_file(w, path, "") : out_of_memory(w, folder);
        free(path);
    }
    if (d) closedir(d);
    return status;
}

static int add_folder(struct work *w, const char *path)
{
    static const char *const parts[] = { "unet",         "transformer",    "vae",
                                         "text_encoder", "text_encoder_2", "text_encoder_3" };
    char front[32];
    int status = SDRT_OK;

    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == SDRT_OK; i++) {
        const int text = !strncmp(parts[i], "text", 4);
        char *inner = sdrt_path_join(path, parts[i]);
        snprintf(front, sizeof front, "%s/", parts[i]);
        status = inner ? add_part(w, inner,
                                  text ? sdrt_transformers_weights : sdrt_diffusion_weights, front)
                       : out_of_memory(w, path);
        free(inner);
    }
    if (status == SDRT_OK && !w->n_files) status = add_part(w, path, sdrt_diffusion_weights, "");
    if (status == SDRT_OK && !w->n_files) status = add_part(w, path, sdrt_transformers_weights, "");
    if (status == SDRT_OK && !w->n_files) status = add_files_of(w, path);
    if (status == SDRT_OK && !w->n_files)
        status = sdrt_fail(w->log, SDRT_E_MISSING,
                           "%s: has no %s file, itself or in unet/, transformer/, vae/, "
                           "text_encoder/",
                           path, sdrt_tensor_file_extensions);
    return status;
}

/* ---- the text ---- */

struct part_line {
    const char *part;
    size_t tensors;
    uint64_t parameters;
    const char *types[8];
    uint64_t of_type[8];
    int n_types;
};

static void count_tensor(struct part_line *p, const struct sdrt_file_tensor *t)
{
    uint64_t n = 1;
    int k = 0;

    for (int i = 0; i < t->rank; i++) n *= (uint64_t)t->shape[i];
    p->tensors++;
    p->parameters += n;
    while (k < p->n_types && strcmp(p->types[k], t->dtype_name)) k++;
    if (k == 8) return;
    if (k == p->n_types) p->types[p->n_types++] = t->dtype_name;
    p->of_type[k] += n;
}

/* A name that may have ends of lines in it, in one line. */
static void print_line(FILE *f, const char *text)
{
    for (; *text; text++) fputc(*text == '\n' ? '?' : *text, f);
    fputc('\n', f);
}

static void print_parts(FILE *f, const struct sdrt_inspection *in)
{
    enum { MOST = 16, SHOWN = 64 };
    struct part_line lines[MOST] = { { 0 } };
    int n = 0;

    for (size_t i = 0; i < in->n; i++) {
        const char *part = sdrt_inspect_part(in->at[i].name);
        int k = 0;
        while (k < n && strcmp(lines[k].part, part)) k++;
        if (k == MOST) continue;
        if (k == n) lines[n++].part = part;
        count_tensor(&lines[k], in->at[i].tensor);
    }
    for (int i = 0; i < n; i++) {
        const struct part_line *p = &lines[i];
        char type[SHOWN];
        fprintf(f, "%s: %zu tensors, %llu parameters", p->part, p->tensors,
                (unsigned long long)p->parameters);
        for (int k = 0; k < p->n_types; k++) {
            snprintf(type, sizeof type, "%s", p->types[k]);
            sdrt_text_printable(type, 0); /* a file may call a type as it likes */
            fprintf(f, "%s %s%s", k ? "" : ",", type, k + 1 < p->n_types ? "," : "");
        }
        fputc('\n', f);
    }
}

static void keep_line(void *user, enum sdrt_log_level level, const char *text)
{
    if (level == SDRT_LOG_ERROR) snprintf(user, LINE, "%s", text);
}

static void print_model(FILE *f, const struct sdrt_model_config *m)
{
    static const char *const tasks[] = { [SDRT_TASK_DRAW] = "",
                                         [SDRT_TASK_INPAINT] = "inpainting ",
                                         [SDRT_TASK_EDIT] = "editing ",
                                         [SDRT_TASK_UNKNOWN] = "" };

    fprintf(f, "kind: %s %scheckpoint\n", m->family, tasks[sdrt_model_task(m)]);
    if (m->noise.prediction == SDRT_PREDICTION_FLOW)
        fprintf(f, "predicts: flow; shift %g\n", m->noise.flow_shift);
    else if (m->noise.edm)
        fprintf(f, "predicts: %s, by EDM's rules; sigmas %g to %g, %s\n",
                sdrt_prediction_name(m->noise.prediction), m->noise.sigma_max, m->noise.sigma_min,
                m->noise.exponential ? "exponential" : "karras");
    else
        fprintf(f, "predicts: %s; spacing %s%s\n", sdrt_prediction_name(m->noise.prediction),
                sdrt_spacing_name(m->noise.spacing),
                m->noise.zero_snr ? "; zero terminal SNR" : "");
    fprintf(f, "size: %dx%d; latents of %d channels, scaled by %g\n", m->size, m->size,
            m->vae.latent_channels, (double)m->vae.scaling_factor);
    for (int i = 0; i < m->n_text; i++)
        fprintf(f, "text encoder %d: width %d, %d layers%s\n", i + 1, m->text[i].clip.hidden,
                m->text[i].clip.layers, m->text[i].pooled ? ", pooled" : "");
    if (m->has_t5) fprintf(f, "text encoder T5: width %d, %d layers\n", m->t5.hidden, m->t5.layers);
}

/* Opens path as a model, which says best whether it is one. */
static int print_kind(FILE *f, const char *path, const struct sdrt_inspection *in,
                      const struct sdrt_log *outer)
{
    char line[LINE] = "", lora[160];
    const struct sdrt_log log = { keep_line, line };
    const struct sdrt_checkpoint_paths paths = { .model = path };
    struct sdrt_checkpoint *c = NULL;
    const int status = sdrt_checkpoint_open(&c, &paths, &log);

    sdrt_inspect_lora(in, lora, sizeof lora);
    /* That says nothing of what the file is. */
    if (status == SDRT_E_NOMEM || status == SDRT_E_IO)
        return sdrt_fail(outer, status, "%s", *line ? line : "no memory to inspect it");
    if (status == SDRT_OK) {
        const struct sdrt_model_config *m = sdrt_checkpoint_config(c);
        print_model(f, m);
        if (sdrt_model_task(m) == SDRT_TASK_DRAW)
            fprintf(f, "runs: yes%s\n",
                    m->aesthetic ? "; behind an SDXL model, as its refiner" : "");
        else fprintf(f, "runs: yes (it %s)\n", sdrt_task_takes(sdrt_model_task(m)));
    } else if (*lora) {
        fprintf(f, "kind: %s\nruns: as a LoRA, on a model of its kind\n", lora);
    } else {
        const char *family = sdrt_checkpoint_denoiser_family(path);
        fprintf(f, "kind: %s%s%s\nruns: no (%s)\n", sdrt_inspect_kind(in), family ? ", " : "",
                family ? family : "", line);
    }
    sdrt_checkpoint_close(&c);
    return SDRT_OK;
}

char *sdrt_inspect(const char *path, const struct sdrt_log *log)
{
    struct work w = { .log = log };
    char *text = NULL, *resolved = NULL;
    size_t size = 0;
    FILE *f = NULL;
    int status;

    if (!path) {
        sdrt_fail(log, SDRT_E_ARG, "no path to inspect: expected one, not NULL");
        return NULL;
    }
    status = sdrt_folder_resolve(&resolved, path, log);
    if (status != SDRT_OK) goto out;
    status = sdrt_path_is_folder(resolved) ? add_folder(&w, resolved) : add_file(&w, path, "");
    if (status != SDRT_OK) goto out;
    f = open_memstream(&text, &size);
    if (!f) {
        out_of_memory(&w, path);
        goto out;
    }
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    fputs("file: ", f);
    print_line(f, path);
    status = print_kind(f, path, &w.in, log);
    if (status == SDRT_OK) print_parts(f, &w.in);
    sdrt_numbers_end(&numbers);
    const int failed = ferror(f);
    if (fclose(f) != 0 || failed || status != SDRT_OK) {
        free(text);
        text = NULL;
        if (status == SDRT_OK) out_of_memory(&w, path);
    }
    if (text) sdrt_text_printable(text, 1);
out:
    free(resolved);
    for (size_t i = 0; i < w.in.n; i++) free(w.in.at[i].name);
    free(w.in.at);
    for (int i = 0; i < w.n_files; i++) sdrt_tensor_file_close(&w.files[i]);
    return text;
}
