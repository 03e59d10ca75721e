/* SPDX-License-Identifier: MIT
 *
 * What an image takes, as a table: one row a pass, in the order in which they run.  The table of a
 * model (passes.h) drives planning, packing, running, dumping and reports, so that another network
 * is another row.
 */
#ifndef SDRT_MODEL_PIPELINE_PASS_H
#define SDRT_MODEL_PIPELINE_PASS_H

#include "model/net/denoiser.h"
#include "model/pipeline/model.h"
#include "model/pipeline/slots.h"

struct sdrt_run;

/* What the programs are built for; equal shapes keep their programs. */
struct sdrt_shape {
    int batch;                   /* images */
    int guided;                  /* 1: each image is a pair, unconditional and conditional */
    int h, w;                    /* of the latent */
    int whole_h, row0;           /* of a band that one of several ranks computes: as in struct
                                  * sdrt_denoiser_shape */
    int evaluations[SDRT_PARTS]; /* timesteps of each part's schedule */
    int adaptive;    /* 0: these are known ahead; else the sampler chooses them on the way, which is
                                  * counted in so many parts, and the schedule has one timestep at a time */
    int clip_skip;   /* 0: the model's own layer; see sdrt.h */
    int picture;     /* 1: it begins with a picture, which the VAE encodes */
    int masked;      /* 1: of which a part stays */
    int more_lanes;  /* conditional images beside the first, which AND joins to it */
    int more_chunks; /* of CLIP's tokens in the context, beside the first */
    int embedded;    /* 1: CLIPs are given embeddings, some of them from files */
    int n_controls;  /* control nets */
    unsigned controls[SDRT_MAX_CONTROLS]; /* which (controls.h) */
    int first_net;                        /* the first of them that is a ControlNet; 0: none is */
    int controlled;                       /* features that a ControlNet leaves */
    int n_ips;                            /* IP-Adapters that have a strength */
    unsigned ips[SDRT_MAX_IPS], vision;   /* which, and their encoder (nets.h) */
    int ip_of[SDRT_MAX_IPS],
        ip_tokens[SDRT_MAX_IPS]; /* the request's numbers of them; tokens of each */
    int vision_rows; /* what the encoder says in all of a picture, as those with layers read; */
    int vision_embeds, vision_hidden; /* 1: one reads the whole's; all */
    int encoded;   /* 1: ControlNets read a latent, which the VAE makes of their picture */
    int adapted;   /* features that T2I-Adapters among them leave; 0: none is one */
    int vae_bands; /* rows of the image that the VAE decodes at once; 0: all */
    int unseen;    /* 1: CLIPs are told which token sees which */
    int varied;    /* 1: the text changes from evaluation to evaluation */
    int again;     /* of a shortened evaluation, so many of a U-Net's last layers; 0: none
                                  * is shortened */
    int answers;   /* of the size of a latent, so many are kept to make others of them */
    int carried;   /* 1: what those take from others is carried on to them */
    int unguided;  /* 1: the sampler reads what the denoiser says without guidance */
    unsigned perturbed[SDRT_PERTURBED]; /* blocks that a further evaluation computes otherwise */
    int own;                            /* as in struct sdrt_denoiser_shape, as is the next */
    float freeu[4];                     /* 0: none; both as in struct sdrt_denoiser_shape */
    int momentum;                       /* 1: guidance keeps a difference for the next evaluation */
    int alone; /* 1: some evaluations have no guidance, though others have */
    int gated; /* 1: some take what cross-attentions added in another (unet_gate.h) */
};

/* What an evaluation computes. */
enum sdrt_way {
    SDRT_WAY_WHOLE,
    SDRT_WAY_SHORT,       /* a U-Net's last layers on what an earlier one left */
    SDRT_WAY_ALONE,       /* the conditional half of guided pairs */
    SDRT_WAY_ALONE_SHORT, /* both */
    SDRT_WAY_PERTURBED,   /* the conditional half once more, with some blocks computed otherwise */
    SDRT_WAY_GATE,        /* the whole, and what cross-attentions add is kept */
    SDRT_WAY_GATED,       /* without guidance, on what that kept */
    SDRT_WAY_NONE,        /* nothing: its answer is made of earlier ones; no program */
    SDRT_WAYS
};

/* What progress is counted in, and what changes on the way: evaluations of a part's denoiser, or parts of an
 * adaptive sampler's way. */
int sdrt_shape_counted(const struct sdrt_shape *shape, enum sdrt_part_id part);

/* Images that go through the denoiser at once. */
int sdrt_shape_unet_batch(const struct sdrt_shape *shape);

/* Rows of the denoiser's context: CLIP's of all chunks, and with them the T5's. */
int sdrt_shape_clip_rows(const struct sdrt_shape *shape, const struct sdrt_model_config *config);
int sdrt_shape_context_rows(const struct sdrt_shape *shape, const struct sdrt_model_config *config);

enum { SDRT_PASS_VISION = -1 };

struct sdrt_pass {
    const char *name;  /* in reports: "text 2"; NULL ends a table */
    const char *dumps; /* what names of its dumped tensors begin with */
    enum sdrt_part_id part;
    enum sdrt_when when;
    int encoder; /* which text encoder; of no meaning to the others */
    int control; /* whose weights: 0 the part's, 1 those of the first control net and so on */
    int ip; /* whose weights: 0 as above, 1 those of the first IP-Adapter and so on, SDRT_PASS_VISION
                  * their encoder's */
    int shows;      /* 1: shows a control net its picture, all that a T2I-Adapter takes */
    int controlled; /* 1: the part's step with what control nets leave, which is of the same weights */
    int follows;    /* 1: what it makes changes with the text, so it runs again where that varies; a
                  * schedule's also with each timestep that is chosen on the way */
    int joins;      /* 1: packed together with the row before it */
    int wide;       /* 1: f16 does not hold its values; it computes in f32 where others do in f16 */
    int on_host;    /* 1: runs on the processor also where the model's device is another */
    enum sdrt_way way; /* of an evaluation */
    int kept;          /* 1: stays packed for the next request, else given back after its run */
    /* Whether a model has it for a shape; NULL: all that have this table. */
    int (*has)(const struct sdrt_model_config *base, const struct sdrt_shape *shape);
    /* Adds the network to g; failures stay in the graph's status.  config is its part's. */
    void (*build)(struct sdrt_graph *g, const struct sdrt_pass *pass,
                  const struct sdrt_model_config *config, const struct sdrt_shape *shape);
    /* Whether a request needs it; NULL: each does.  Its share of the request: fills the slots that
     * it reads, runs the program as often as it takes, and reads what that leaves. */
    int (*wanted)(const struct sdrt_run *run, const struct sdrt_pass *pass);
    int (*run)(struct sdrt_run *run, const struct sdrt_pass *pass);
};

/* Whether a pass runs again within an image, as the text changes or the timestep is chosen. */
int sdrt_pass_repeats(const struct sdrt_pass *pass, const struct sdrt_shape *shape);

/* How many rows a table has, those included that has() denies. */
int sdrt_passes_count(const struct sdrt_pass *passes);

/* Whether a pass computes one image, in the place of the conditional half, for each guided pair. */
int sdrt_pass_alone(const struct sdrt_pass *pass);

/* In what a pass computes where its model does in precision: "f32", "bf16" or "f16". */
const char *sdrt_pass_precision(const struct sdrt_pass *pass, const char *precision);

/* What the names of a part's slots begin with: "", "refiner/"; and those of a pass's, also "control1/". */
const char *sdrt_part_scope(enum sdrt_part_id part);
const char *sdrt_pass_scope(const struct sdrt_pass *pass);

#endif
