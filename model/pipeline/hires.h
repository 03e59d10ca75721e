/* SPDX-License-Identifier: MIT
 *
 * Images that are drawn twice: small, then enlarged and drawn again from there, as A1111's "Hires. fix".
 */
#ifndef SDRT_MODEL_PIPELINE_HIRES_H
#define SDRT_MODEL_PIPELINE_HIRES_H

#include "model/pipeline/session.h"

struct sdrt_run;

/* What is handed from the first drawing to the second. */
struct sdrt_hires {
    int of_latents; /* latents are enlarged, and the first is not decoded: 1 bilinear, 2 by the nearest;
                     * 0: pictures */
    int second;     /* 1: the second runs */
    int image;      /* of the first's batch, where the second begins */
    int h, w;       /* of the first's latents */
    float *latents; /* [batch][channels][h][w]; owned */
};

/* Whether a request is to be drawn twice, and the label of what enlarges between. */
int sdrt_hires_asked(const struct sdrt_request *r);
const char *sdrt_hires_label(const struct sdrt_request *r);

/* Whether it is the second of two, which begins with latents. */
int sdrt_hires_begins(const struct sdrt_request *r);

/* The resolved request for the second drawing of image i of a request that was only read; init is its
 * picture, where there is one. */
struct sdrt_request sdrt_hires_second(const struct sdrt_model *m, const struct sdrt_request *r,
                                      int i, const struct sdrt_picture *init);

/* Numbers, names and both sizes: SDRT_E_ARG, SDRT_E_UNSUPPORTED.  *second is then a request to plan for,
 * of the second drawing. */
int sdrt_hires_check(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_request *second);

/* Draws a request that was read, twice. */
int sdrt_hires_generate(struct sdrt_session *s, const struct sdrt_request *r);

/* After the first drawing: keeps its latents where they are wanted.  Before the second: latents, enlarged,
 * and noise into the slot. */
int sdrt_hires_keep(struct sdrt_run *run);
int sdrt_hires_begin(struct sdrt_run *run);

#endif
