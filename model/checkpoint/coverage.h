/* SPDX-License-Identifier: MIT
 *
 * Whether files and networks agree: nothing that is read is missing, and nothing that is there is
 * left unread.
 */
#ifndef SDRT_MODEL_CHECKPOINT_COVERAGE_H
#define SDRT_MODEL_CHECKPOINT_COVERAGE_H

#include "model/checkpoint/provider.h"

/* Compares the tensors of all parts with those that the configuration's networks read.
 * SDRT_E_MISSING or SDRT_E_FORMAT for tensors that are not there or have other sizes;
 * SDRT_E_UNSUPPORTED for tensors that no network reads, but for those that are known to be left
 * over; SDRT_E_NOMEM.  One line names the first of them and the file. */
int sdrt_coverage_check(const struct sdrt_model_config *config, struct sdrt_named_weights *weights);

/* The same of a ControlNet or a T2I-Adapter, which stands in the denoiser's place. */
int sdrt_coverage_check_control(const struct sdrt_model_config *config,
                                struct sdrt_named_weights *weights);

#endif
