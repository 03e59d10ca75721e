/* SPDX-License-Identifier: MIT */
#include "tools/inputs.h"

#include "runtime/files/picture_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether the file there is lies in folder, and is none that sdgen may have drawn there. */
static int is_of_folder(const char *name, const char *folder)
{
    char *file = realpath(name, NULL), *in = realpath(folder, NULL);
    const size_t n = in ? strlen(in) : 0;
    enum sdrt_picture_format format;
    const int inside = file && in && !strncmp(file, in, n) && file[n] == '/' &&
                       sdrt_picture_format_of(&format, file, NULL) != SDRT_OK;

    free(file);
    free(in);
    return inside;
}

static int is_input(const char *name, const struct stat *output, const char *input)
{
    struct stat in;

    if (!input || stat(input, &in) != 0) return 0;
    if (S_ISDIR(in.st_mode)) return is_of_folder(name, input);
    return in.st_dev == output->st_dev && in.st_ino == output->st_ino;
}

int inputs_check(const struct sdgen_options *o, const char *name, const struct sdrt_log *log)
{
    const struct sdrt_options *m = &o->model;
    const char *const read[] = { m->model, m->vae,          m->text_encoder, m->text_encoder_2,
                                 m->t5,    m->t5_tokenizer, m->refiner,      m->denoiser,
                                 m->taesd, o->upscale,      o->prompt_file };
    const char *found = NULL;
    struct stat output;

    if (!name || stat(name, &output) != 0 || !S_ISREG(output.st_mode)) return SDRT_OK;
    for (size_t i = 0; i < sizeof read / sizeof *read && !found; i++)
        if (is_input(name, &output, read[i])) found = read[i];
    for (int i = 0; i < o->request.n_loras && !found; i++)
        if (is_input(name, &output, o->loras[i].path)) found = o->loras[i].path;
    for (int i = 0; i < o->request.n_controls && !found; i++)
        if (is_input(name, &output, o->controls[i].net)) found = o->controls[i].net;
    if (!found) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "%s: is read as %s: expected another name to write to", name,
                     found);
}
