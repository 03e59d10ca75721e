/* SPDX-License-Identifier: MIT
 *
 * What the pipeline knows of a denoiser, a U-Net or an MMDiT: three graphs, by how often they
 * run.  What does not change from step to step is not in the step: the schedule is run once
 * for all timesteps, the prompt once a prompt, and what both leave behind is carried to every
 * step in external tensors.
 */
#ifndef SDRT_MODEL_NET_DENOISER_H
#define SDRT_MODEL_NET_DENOISER_H

#include "model/net/config.h"
#include "runtime/base/error.h"
#include "runtime/graph/tensor.h"

enum { SDRT_PERTURBED = 6 /* words of 32 blocks */ };

/* What a step does with the outputs of its cross-attentions. */
enum sdrt_gate {
    SDRT_GATE_NONE, /* adds them */
    SDRT_GATE_KEEP, /* the same, and leaves the mean of a pair's halves */
    SDRT_GATE_TAKE  /* adds what another left in their place */
};

/* What the graphs are built for. */
struct sdrt_denoiser_shape {
    int batch; /* images of one evaluation; a guided one counts as two */
    int h, w;  /* of the latent */
    int whole_h,
        row0; /* of a step of a band of rows: the latent's height, and where the band begins; 0, 0: it
                        * is whole */
    int tokens;      /* of a prompt */
    int evaluations; /* timesteps of the schedule */
    int controlled;  /* how many features of ControlNets its step adds (controlnet.h) */
    int ips;         /* how many IP-Adapters it attends to (ip_adapter.h); U-Nets alone */
    int ip_tokens[SDRT_MAX_IPS]; /* of each */
    int adapted; /* how many features of T2I-Adapters it adds (adapter.h); U-Nets alone */
    /* Of a U-Net whose steps are shortened, else 0: how many of the last layers a shortened step computes,
     * 1 to layers + 1 of the last up block; a whole one leaves for it what enters them. */
    int again;
    int shortened;       /* 1: this one is */
    enum sdrt_gate gate; /* of a U-Net */
    /* Transformer blocks, a bit each in their order, that are computed otherwise: an MMDiT's are left out, or
     * with own set each patch attends to itself and the text alone; in a U-Net's self-attention each token
     * takes its own value alone. */
    unsigned perturbed[SDRT_PERTURBED];
    int own;
    /* FreeU, Si et al. 2023 (arXiv:2309.11497), of a U-Net; 0: none.  b1, b2: of half of the channels that enter
     * the first and second up block's resnets; s1, s2: of the lowest frequencies of their skips. */
    float freeu[4];
};

struct sdrt_denoiser {
    const char *name; /* of its step, for reports */
    /* SDRT_OK, or SDRT_E_UNSUPPORTED for a configuration that it cannot build. */
    int (*check)(const struct sdrt_model_config *config, const struct sdrt_log *log);
    /* SDRT_OK, or SDRT_E_ARG for a latent that it cannot denoise.  NULL: it can denoise any. */
    int (*check_size)(const struct sdrt_model_config *config, int h, int w,
                      const struct sdrt_log *log);
    /* Each adds to g; failures stay in the graph's status.  External tensors, of one name where
     * they are one tensor:
     * build_schedule: timesteps [1][1][evaluations][1]; where something is added to the time
     * embedding, added [1][1][batch][added width]; time_table [1][1][evaluations * rows][width],
     * what a step takes of its timestep: rows is 1, or batch where something is added.
     * build_prompt: text [batch][1][tokens][context width], and of its own naming what it leaves
     * for the step.
     * build_step: model_in [batch][h][w][latent channels], scaled for the timestep; time
     * [rows][1][1][width], the evaluation's rows of time_table; what the prompt left; model_out
     * [batch][h][w][latent channels]; where steps are shortened kept [batch][h][w][channels]; where some
     * take what cross-attentions add from another, that of each (unet_gate.h). */
    void (*build_schedule)(struct sdrt_graph *g, const struct sdrt_model_config *config,
                           const struct sdrt_denoiser_shape *shape);
    void (*build_prompt)(struct sdrt_graph *g, const struct sdrt_model_config *config,
                         const struct sdrt_denoiser_shape *shape);
    void (*build_step)(struct sdrt_graph *g, const struct sdrt_model_config *config,
                       const struct sdrt_denoiser_shape *shape);
};

/* The denoiser of a configuration, a constant. */
const struct sdrt_denoiser *sdrt_denoiser_of(const struct sdrt_model_config *config);

#endif
