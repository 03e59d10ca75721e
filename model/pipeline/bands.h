/* SPDX-License-Identifier: MIT
 *
 * The VAE's decoder or encoder in bands (vae_bands.h): what it takes of memory is a band's and what attention
 * reads whole at the latent's size; the rest lies in a temporary file.
 */
#ifndef SDRT_MODEL_PIPELINE_BANDS_H
#define SDRT_MODEL_PIPELINE_BANDS_H

#include "model/net/config.h"
#include "model/net/vae_bands.h"
#include "runtime/device/device.h"
#include "runtime/graph/program.h"
#include "runtime/weights/weight_store.h"

struct sdrt_bands;

enum { SDRT_LEAST_BAND = 16, SDRT_BAND_ROWS = 64 /* where memory is short */ };

/* What is planned. */
struct sdrt_bands_spec {
    const struct sdrt_vae_config *config;
    enum sdrt_vae_side side;
    int h, w; /* of the latent */
    int rows; /* of the image, a band */
    int kept; /* 1: weights stay packed for the next run, else they are given back as it goes */
};

/* Plans all passes; reads no weights.  device is a processor, whose wide kernels it takes; all outlive it but
 * spec.  *out is the caller's, NULL after a failure. */
int sdrt_bands_create(struct sdrt_bands **out, const struct sdrt_bands_spec *spec,
                      const struct sdrt_device *device, const struct sdrt_queue *queue,
                      struct sdrt_weight_store *store, const struct sdrt_log *log);
void sdrt_bands_free(struct sdrt_bands **bands);

/* Bytes of arena that it takes, aligned to 64, and of temporary file; and of packed weights. */
size_t sdrt_bands_bytes(const struct sdrt_bands *bands);
size_t sdrt_bands_spilled_bytes(const struct sdrt_bands *bands);
size_t sdrt_bands_weight_bytes(const struct sdrt_bands *bands);

/* The most that one of its programs needs beyond the least that it could: 0. */
size_t sdrt_bands_excess(const struct sdrt_bands *bands);

/* Operations of a run, those that it does again for its statistics and halos among them. */
double sdrt_bands_flop(const struct sdrt_bands *bands);

/* Program i of a run, borrowed, and how many bands it runs on; NULL where there are no more. */
struct sdrt_program *sdrt_bands_program(const struct sdrt_bands *bands, int i, int *times);

/* Where, in such an arena, what is read goes, and what is made comes: the latent [h][w][channels] and the
 * image [..][..][3], or pixels and moments [h][w][2 * channels] (vae.h). */
float *sdrt_bands_in(const struct sdrt_bands *bands, unsigned char *arena);
float *sdrt_bands_out(const struct sdrt_bands *bands, unsigned char *arena);

/* Opens the temporary file that runs write to, unless it is open: best before anything is drawn, as there may
 * be no room.  SDRT_E_IO, SDRT_E_NOMEM.  Closing gives its disk back. */
int sdrt_bands_open(struct sdrt_bands *bands);
void sdrt_bands_close(struct sdrt_bands *bands);

/* Decodes or encodes what is in the arena, once opened.  progress (may be NULL) ends it by a non-zero answer, after each
 * of total passes.  SDRT_E_CANCELLED, SDRT_E_IO, and as of loading and running programs. */
int sdrt_bands_run(struct sdrt_bands *bands, unsigned char *arena, struct sdrt_queue *queue,
                   int (*progress)(void *user, int done, int total), void *user);

#endif
