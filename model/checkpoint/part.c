/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/part.h"

#include <stdlib.h>
#include <string.h>

void sdrt_part_free(struct sdrt_part *part)
{
    sdrt_weight_files_free(&part->files);
    free(part->config);
    free(part->path);
    free(part->strip);
    *part = (struct sdrt_part){ 0 };
}

void sdrt_parts_free(struct sdrt_parts *parts)
{
    sdrt_part_free(&parts->denoiser);
    sdrt_part_free(&parts->vae);
    sdrt_part_free(&parts->t5);
    for (int i = 0; i < SDRT_MAX_TEXT; i++) {
        sdrt_part_free(&parts->text[i]);
        free(parts->tokenizers[i].vocab);
        free(parts->tokenizers[i].merges);
        free(parts->tokenizers[i].config);
    }
    free(parts->scheduler);
    free(parts->index);
    free(parts->unplaced);
    *parts = (struct sdrt_parts){ 0 };
}

static int begin(struct sdrt_part *part, const char *path, const char *strip,
                 const struct sdrt_log *log)
{
    const int status = part->files ? SDRT_OK : sdrt_weight_files_create(&part->files, log);

    if (status != SDRT_OK) return status;
    if (!part->path) part->path = strdup(path);
    if (!part->strip) part->strip = strdup(strip);
    return part->path && part->strip
               ? SDRT_OK
               : sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its name", path);
}

int sdrt_part_add(struct sdrt_part *part, const char *path, const char *strip,
                  const struct sdrt_log *log)
{
    const int status = begin(part, path, strip, log);

    if (status != SDRT_OK) return status;
    return sdrt_weight_files_add(part->files, path, strip, "", SDRT_DUPLICATES_FAIL);
}

int sdrt_part_take(struct sdrt_part *part, const struct sdrt_part *whole, const char *strip,
                   const struct sdrt_log *log)
{
    const int status = begin(part, whole->path, strip, log);

    if (status != SDRT_OK) return status;
    return sdrt_weight_files_share(part->files, whole->files, strip, "", SDRT_DUPLICATES_FAIL);
}

int sdrt_parts_add_text(struct sdrt_parts *parts, const char *path, const struct sdrt_log *log)
{
    if (parts->n_text == SDRT_MAX_TEXT)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: has more than %d text encoders", path,
                         (int)SDRT_MAX_TEXT);
    parts->n_text++;
    return SDRT_OK;
}

size_t sdrt_part_count(const struct sdrt_part *part)
{
    return part->files ? sdrt_weight_files_count(part->files) : 0;
}

/* The first name that is not before key, as an index. */
static size_t lower_bound(const struct sdrt_part *part, const char *key)
{
    size_t low = 0, high = sdrt_part_count(part);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(sdrt_weight_files_name(part->files, middle), key) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The first name that is not before key; NULL behind the last. */
static const char *name_from(const struct sdrt_part *part, const char *key)
{
    const size_t i = lower_bound(part, key);

    return i < sdrt_part_count(part) ? sdrt_weight_files_name(part->files, i) : NULL;
}

size_t sdrt_part_find(const struct sdrt_part *part, const char *name)
{
    const size_t i = lower_bound(part, name), n = sdrt_part_count(part);

    return i < n && !strcmp(sdrt_weight_files_name(part->files, i), name) ? i : n;
}

int sdrt_part_is_there(const struct sdrt_part *part) { return sdrt_part_count(part) > 0; }

int sdrt_part_has(const struct sdrt_part *part, const char *name)
{
    return sdrt_part_find(part, name) < sdrt_part_count(part);
}

int sdrt_part_has_prefix(const struct sdrt_part *part, const char *prefix)
{
    const char *found = name_from(part, prefix);

    return found && !strncmp(found, prefix, strlen(prefix));
}

int sdrt_part_has_piece(const struct sdrt_part *part, const char *piece)
{
    const size_t n = sdrt_part_count(part);

    for (size_t i = 0; i < n; i++)
        if (strstr(sdrt_weight_files_name(part->files, i), piece)) return 1;
    return 0;
}

int sdrt_part_is_mmdit(const struct sdrt_part *denoiser, int *original)
{
    *original = sdrt_part_has_prefix(denoiser, "joint_blocks.0.context_block.");
    return *original || sdrt_part_has_prefix(denoiser, "transformer_blocks.0.norm1_context.");
}

static const char *name_at(const void *of, size_t i)
{
    const struct sdrt_part *part = of;

    return sdrt_weight_files_name(part->files, i);
}

const struct sdrt_kind *sdrt_part_kind(const struct sdrt_part *part, int with_parts)
{
    return sdrt_kind_find(name_at, part, sdrt_part_count(part), with_parts);
}

int sdrt_refuse_kind(const char *path, const struct sdrt_kind *kind, const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: is %s: %s", path, kind->name, kind->instead);
}

int sdrt_part_refuse_foreign(const struct sdrt_part *part, const char *path,
                             const struct sdrt_log *log)
{
    const struct sdrt_kind *kind = sdrt_part_kind(part, 0);

    return kind ? sdrt_refuse_kind(path, kind, log) : SDRT_OK;
}

int sdrt_refuse_family(const char *path, const char *family, const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "%s: looks like a model of the family %s; supported are SD 1.x, SD 2.x, SDXL "
                     "and SD 3.x",
                     path, family);
}
