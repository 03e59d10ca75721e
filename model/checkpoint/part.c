/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/part.h"

#include <stdlib.h>
#include <string.h>

void sdrt_part_free(struct sdrt_part *part)
{
    sdrt_weight_files_free(&part->files);
    free(part->config);
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
    *parts = (struct sdrt_parts){ 0 };
}

int sdrt_part_add(struct sdrt_part *part, const char *path, const char *strip,
                  const struct sdrt_log *log)
{
    const int status = part->files ? SDRT_OK : sdrt_weight_files_create(&part->files, log);

    if (status != SDRT_OK) return status;
    return sdrt_weight_files_add(part->files, path, strip, "", SDRT_DUPLICATES_FAIL);
}

int sdrt_parts_add_text(struct sdrt_parts *parts, const char *path, const struct sdrt_log *log)
{
    if (parts->n_text == SDRT_MAX_TEXT)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: has more than %d text encoders", path,
                         (int)SDRT_MAX_TEXT);
    parts->n_text++;
    return SDRT_OK;
}

/* The first name that is not before key, as an index. */
static size_t lower_bound(const struct sdrt_weight_files *files, const char *key)
{
    size_t low = 0, high = sdrt_weight_files_count(files);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(sdrt_weight_files_name(files, middle), key) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The first name that is not before key; NULL behind the last. */
static const char *name_from(const struct sdrt_part *part, const char *key)
{
    if (!part->files) return NULL;
    const size_t i = lower_bound(part->files, key);
    return i < sdrt_weight_files_count(part->files) ? sdrt_weight_files_name(part->files, i) : NULL;
}

int sdrt_part_is_there(const struct sdrt_part *part)
{
    return part->files && sdrt_weight_files_count(part->files);
}

int sdrt_part_has(const struct sdrt_part *part, const char *name)
{
    const char *found = name_from(part, name);

    return found && !strcmp(found, name);
}

int sdrt_part_has_prefix(const struct sdrt_part *part, const char *prefix)
{
    const char *found = name_from(part, prefix);

    return found && !strncmp(found, prefix, strlen(prefix));
}

int sdrt_part_has_piece(const struct sdrt_part *part, const char *piece)
{
    const size_t n = part->files ? sdrt_weight_files_count(part->files) : 0;

    for (size_t i = 0; i < n; i++)
        if (strstr(sdrt_weight_files_name(part->files, i), piece)) return 1;
    return 0;
}

int sdrt_part_is_mmdit(const struct sdrt_part *denoiser, int *original)
{
    *original = sdrt_part_has_prefix(denoiser, "joint_blocks.0.context_block.");
    return *original || sdrt_part_has_prefix(denoiser, "transformer_blocks.0.norm1_context.");
}

const char *sdrt_part_foreign_family(const struct sdrt_part *part)
{
    static const struct {
        const char *piece, *family;
    } signs[] = {
        { "double_blocks.", "Flux" },
        { "single_transformer_blocks.", "Flux" },
    };

    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (sdrt_part_has_piece(part, signs[i].piece)) return signs[i].family;
    return NULL;
}

int sdrt_refuse_family(const char *path, const char *family, const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "%s: looks like a model of the family %s; supported are SD 1.x, SD 2.x, SDXL "
                     "and SD 3.x",
                     path, family);
}
