/* SPDX-License-Identifier: MIT */
#include "model/pipeline/hashes.h"

#include <stdlib.h>
#include <string.h>

static int take(struct sdrt_model *m, const struct sdrt_options *o, const char *path,
                char digest[SDRT_SHA256_TEXT])
{
    const int status = path ? sdrt_file_hash(digest, path, SDRT_FILE_HASH_WHOLE, o->hashes,
                                             o->hash_files, m->log)
                            : SDRT_E_MISSING;

    if (status != SDRT_OK) *digest = '\0';
    return status == SDRT_E_MISSING ? SDRT_OK : status;
}

int sdrt_hashes_open(struct sdrt_model *m, const struct sdrt_options *o)
{
    struct sdrt_model_hashes *h = &m->hashes;
    int status = SDRT_OK;

    h->compute = o->hash_files;
    if (o->vae && !(h->vae_name = sdrt_part_name(o->vae))) status = SDRT_E_NOMEM;
    if (o->hashes && !(h->cache = strdup(o->hashes))) status = SDRT_E_NOMEM;
    if (status != SDRT_OK) return sdrt_fail(m->log, status, "out of memory");
    if (o->hashes || o->hash_files) status = take(m, o, o->model, h->model);
    if (status == SDRT_OK && (o->hashes || o->hash_files)) status = take(m, o, o->vae, h->vae);
    return status;
}

void sdrt_hashes_close(struct sdrt_model *m)
{
    free(m->hashes.cache);
    free(m->hashes.vae_name);
}

void sdrt_hashes_write_model(const struct sdrt_model *m, FILE *f)
{
    if (*m->hashes.model) fprintf(f, ", Model hash: %.10s", m->hashes.model);
    if (*m->hashes.vae) fprintf(f, ", VAE hash: %.10s", m->hashes.vae);
}

/* The name of a file without its folder and ending. */
static void write_name(const char *path, FILE *f)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    fprintf(f, "%.*s", (int)(dot && dot > name ? (size_t)(dot - name) : strlen(name)), name);
}

int sdrt_hashes_of_loras(const struct sdrt_model *m, const struct sdrt_request *r, char **text)
{
    const struct sdrt_model_hashes *h = &m->hashes;
    char digest[SDRT_SHA256_TEXT];
    int n = 0, status = SDRT_OK;
    size_t size;

    *text = NULL;
    if (!r->n_loras || (!h->cache && !h->compute)) return SDRT_OK;
    FILE *f = open_memstream(text, &size);
    for (int i = 0; f && i < r->n_loras && status != SDRT_E_NOMEM; i++) {
        status = sdrt_file_hash(digest, r->loras[i].path, SDRT_FILE_HASH_TENSORS, h->cache,
                                h->compute, NULL);
        if (status != SDRT_OK) continue;
        fputs(n++ ? ", " : "", f);
        write_name(r->loras[i].path, f);
        fprintf(f, ": %.12s", digest);
    }
    const int whole = f && !fclose(f) && status != SDRT_E_NOMEM;
    if (whole && n) return SDRT_OK;
    free(*text);
    *text = NULL;
    return whole ? SDRT_OK : SDRT_E_NOMEM;
}
