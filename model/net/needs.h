/* SPDX-License-Identifier: MIT
 *
 * Which tensors a model's networks read, told by the networks themselves.
 */
#ifndef SDRT_MODEL_NET_NEEDS_H
#define SDRT_MODEL_NET_NEEDS_H

#include "model/net/config.h"
#include "runtime/base/error.h"

struct sdrt_weight_store;

/* Declares in store what an image of the configuration takes: denoiser, text encoders, the T5 where
 * it has one, and the VAE's decoder.  Reads no values.
 * Errors of the graphs, with one line: SDRT_E_ARG, SDRT_E_NOMEM. */
int sdrt_needs_declare(const struct sdrt_model_config *config, struct sdrt_weight_store *store,
                       const struct sdrt_log *log);

/* Likewise what further networks of the same parts take: the VAE's encoder, and all layers of the
 * text encoders, of which a request may ask for another than the model's own. */
int sdrt_needs_declare_more(const struct sdrt_model_config *config, struct sdrt_weight_store *store,
                            const struct sdrt_log *log);

/* Likewise what a ControlNet takes, or a T2I-Adapter, which the configuration is (config.h). */
int sdrt_needs_declare_control(const struct sdrt_model_config *config,
                               struct sdrt_weight_store *store, const struct sdrt_log *log);

/* Likewise of an IP-Adapter, and of an encoder of pictures. */
int sdrt_needs_declare_ip(const struct sdrt_model_config *config, struct sdrt_weight_store *store,
                          const struct sdrt_log *log);
int sdrt_needs_declare_vision(const struct sdrt_model_config *config,
                              struct sdrt_weight_store *store, const struct sdrt_log *log);

#endif
