/* SPDX-License-Identifier: MIT
 *
 * What kind of file a set of tensors is, told from their names, and what can be done with it.
 */
#ifndef SDRT_MODEL_CHECKPOINT_KIND_H
#define SDRT_MODEL_CHECKPOINT_KIND_H

#include <stddef.h>

enum sdrt_kind_role {
    SDRT_KIND_PART,    /* of a model that can be drawn with: a denoiser, a VAE, a text encoder */
    SDRT_KIND_ADAPTER, /* changes a model or steers it */
    SDRT_KIND_FAMILY,  /* a model that no network here is of */
    SDRT_KIND_OTHER    /* works on pictures, not on latents */
};

struct sdrt_kind {
    const char *name; /* with its article: "a ControlNet", "an SD x4 upscaler" */
    enum sdrt_kind_role role;
    const char *instead; /* what to do with it, for the end of a refusal */
};

/* Names as a list, for sdrt_kind_find(): name i of of. */
typedef const char *sdrt_kind_names(const void *of, size_t i);

/* The kind of n names, a constant; NULL when nothing is recognised.  with_parts 0 leaves out what a
 * whole checkpoint has signs of too: its parts, what may lie beside them, and merged LoRAs. */
const struct sdrt_kind *sdrt_kind_find(sdrt_kind_names *names, const void *of, size_t n,
                                       int with_parts);

/* Whether name has piece in it, whose ^ in front is a name's beginning and whose $ its end. */
int sdrt_kind_matches(const char *name, const char *piece);

/* A kind's name without its article. */
const char *sdrt_kind_bare(const struct sdrt_kind *kind);

#endif
